"""Predict the distance of each point to the nearest particle with a trained network.

Reads the boxes (.npy, by memory map) and points (.npz) of a batch, weights (.safetensors) and their
card (.json beside it). Writes the points with a column of scores per output: predicted distance in
working voxels, low is near a particle; and a column of angles where the network tells them. Of
several networks in one file (an ensemble) the mean is written, and a column with the standard
deviation over them. Weights that were made for other boxes are refused.

  step.py score_points --points boxes.npz --subvolumes boxes.npy --weights model.safetensors \\
      --output scores.npz --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..tries import add_try_arguments, given_up

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--points", required=True, metavar="NPZ", help="points of the boxes")
    add("--subvolumes", required=True, metavar="NPY", help="boxes, from extract_subvolumes")
    add("--weights", required=True, metavar="SAFETENSORS", help="weights, their card beside")
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto: a GPU when there is one",
    )
    add(
        "--batch-size",
        type=int,
        default=0,
        metavar="N",
        help="boxes at a time; 0: 64 on the processor, 2048 on a GPU",
    )
    add(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16: faster where the processor or GPU has it, scores differ by up to about 0.02",
    )
    add("--membranes", nargs="*", default=[], metavar="NAME", help="that are scored; default all")
    add("--output", required=True, metavar="NPZ", help="the scored points")
    add("--status", required=True, metavar="TSV", help="status of each membrane")
    add_try_arguments(parser)


def _score(args: argparse.Namespace, table, boxes, networks, card, status) -> tuple:
    """Return the rows of the membranes that went well, their predictions and the spread of these.

    The mean and the standard deviation over the networks; no spread of a single one.
    """
    import numpy as np
    import torch

    from ..augmentation import crop_boxes
    from ..devices import choose_device, set_up
    from ..heads import average_predictions, n_columns, to_predictions
    from ..scoring import compile_network, score_boxes

    no_result = given_up(args)
    device = choose_device("cpu" if no_result else args.device)
    set_up(device, args.threads)
    predicts = [compile_network(network, device, args.precision) for network in networks]
    kept, n_outputs = [np.empty(0, dtype=np.int64)], len(card.classes)
    n_all = n_columns(n_outputs, card.heads)
    columns = [np.empty((len(networks), 0, n_all), dtype=np.float32)]
    for index, name in enumerate(table.membranes):
        if args.membranes and name not in args.membranes:
            continue
        with status.isolate(name):
            if no_result:
                raise no_result
            rows = np.flatnonzero(table.membrane == index)
            where = f"{table.tomogram}/{name}"
            is_one_run = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
            mine = boxes[rows[0] : rows[-1] + 1] if is_one_run else boxes[rows]
            if len(rows):
                how = (card.normalisation, device, args.batch_size, where)
                mine = crop_boxes(mine, card.box_shape)  # boxes to train on are larger
                columns.append(np.stack([score_boxes(one, mine, *how) for one in predicts]))
                kept.append(rows)
            status.record(name, len(rows))
    everything = torch.from_numpy(np.concatenate(columns, axis=1))
    found = [to_predictions(part, n_outputs, card.target, card.cap) for part in everything]
    return np.concatenate(kept), *average_predictions(found), device


def _log_near(table, scores, thresholds) -> None:
    for name, side, rows in table.groups():
        n_near = int((scores[rows] < thresholds).any(axis=1).sum())
        where = f"{table.tomogram}/{name}, side {side}"
        log.info("%s: %d points, %d near a particle", where, len(rows), n_near)


def run(args: argparse.Namespace) -> None:
    """Read boxes and weights, predict, write."""
    from dataclasses import replace

    import numpy as np

    from ..boxes_file import open_boxes
    from ..errors import InputError
    from ..files import provenance
    from ..scoring import check_boxes
    from ..tables import PointTable, Status
    from ..weights import read_networks

    if args.batch_size < 0:
        raise InputError("--batch-size", found=args.batch_size, expected="0 or more")
    table, no_result = PointTable.read(args.points), given_up(args)
    networks, card = read_networks(args.weights)
    if no_result:
        table = table.select(np.empty(0, dtype=int))
        boxes = np.empty((0, *card.box_shape), dtype=np.float32)
    else:
        boxes = open_boxes(args.subvolumes, len(table))
    described = table.meta.get("subvolumes", {})
    check_boxes(card, described, args.subvolumes, boxes.shape[1:])
    status = Status(table.tomogram, "score_points")
    rows, found, spread, device = _score(args, table, boxes, networks, card, status)
    extra = {"scores": found.distances.numpy()}
    if spread is not None:
        extra["score_spread"] = spread.numpy()
    if found.angles is not None:
        extra["angles"] = found.angles.numpy()
    meta = {
        **table.meta,
        "classes": [list(group) for group in card.classes],
        "threshold": card.threshold,
        "cap": card.cap,
        "heads": list(card.heads),
        "folds": list(card.folds),
        "provenance": provenance(
            "score_points", {"weights_sha256": card.sha256, "precision": args.precision}
        ),
    }
    scored = replace(table.select(rows).with_extra(**extra), meta=meta)
    _log_near(scored, extra["scores"], card.thresholds)
    scored.write(args.output)
    status.write(args.status)
    log.info("%s: %d points scored on %s", table.tomogram, len(rows), device.type)
