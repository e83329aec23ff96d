"""Fit the network to labelled boxes.

Reads the labelled points (.npz) and boxes (.npy) of the training batches, in the same order. Writes
the weights (.safetensors) with their card (.json beside it), the curves of the run and what was
predicted for held-out points. Without --output only the trials are made that need it. Without
--validation parts of each membrane, cut off in space, validate first runs in turn, which give the
threshold; a last run then learns from all points. With --checkpoint a run that was killed goes on
where it was and ends with the same weights. The same seed, data, number of threads and kind of
processor give the same bytes.

  step.py train_model --labels T1.npz T2.npz --subvolumes T1.npy T2.npy --threads 4 \\
      --output model.safetensors --curves curves.csv --curves-png curves.png
"""

from __future__ import annotations

import argparse
import logging

from ..recipe_flags import add_recipe_flags

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--labels", nargs="+", required=True, metavar="NPZ", help="from label_points")
    add("--subvolumes", nargs="+", required=True, metavar="NPY", help="from extract_subvolumes")
    add(
        "--membranes",
        nargs="*",
        default=[],
        metavar="TOMOGRAM/MEMBRANE",
        help="membranes that take part; default all",
    )
    add(
        "--validation",
        nargs="*",
        default=[],
        metavar="TOMOGRAM/MEMBRANE",
        help="membranes that validate and are not trained on",
    )
    add(
        "--validation-fraction",
        type=float,
        default=0.5,
        metavar="F",
        help="without --validation: part of each membrane held out at a time; 0: none",
    )
    add(
        "--no-refit",
        action="store_true",
        help="keep the first run, which left a part out, instead of learning from all points",
    )
    add_recipe_flags(parser)
    add(
        "--near-voxel",
        type=float,
        default=3.5,
        metavar="D",
        help="true distance, working voxels, below which points make the true clusters",
    )
    add(
        "--threshold-voxel",
        type=float,
        default=0.0,
        metavar="T",
        help="predicted distance below which clustering keeps a point; 0: the one whose clusters "
        "match the true ones best, on what validates (without validation: on what trains)",
    )
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU if any")
    add("--seed", type=int, default=0, help="of first weights, order and augmentation")
    add("--output", metavar="SAFETENSORS", help="weights; the card goes beside it")
    add("--held-out", metavar="NPZ", help="predictions of the points that validate")
    add("--curves", metavar="CSV", help="losses of each epoch")
    add("--curves-png", metavar="PNG", help="picture of the losses")
    add(
        "--start-from",
        metavar="SAFETENSORS",
        help="weights to begin with, their card beside; network and boxes must be theirs",
    )
    add("--tensorboard", metavar="FOLDER", help="event files; needs the package tensorboard")
    add("--checkpoint", metavar="FILE", help="written after each epoch, removed at the end")


def _check_numbers(args: argparse.Namespace) -> None:
    from ..errors import InputError, Problems

    least = {"epochs": 1, "batch_size": 2, "patience": 0, "weight_decay": 0, "noise": 0, "seed": 0}
    least |= {"threshold_voxel": 0, "width": 1, "freeze": 0}
    problems = Problems()
    for name, low in least.items():
        value = getattr(args, name)
        if not low <= value < float("inf"):
            flag = f"--{name.replace('_', '-')}"
            problems.add(flag, found=value, expected=f"at least {low}")
    for name in ("learning_rate", "near_voxel"):
        if not 0 < getattr(args, name) < float("inf"):
            flag = f"--{name.replace('_', '-')}"
            problems.add(flag, found=getattr(args, name), expected="above 0")
    if not 0 <= args.validation_fraction < 1:
        found = args.validation_fraction
        problems.add("--validation-fraction", found=found, expected="0 to below 1")
    if args.freeze and not args.start_from:
        remedy = "give --start-from, random weights cannot be kept"
        problems.add("--freeze", found=args.freeze, expected=0, remedy=remedy)
    if not args.output and not args.held_out:
        problems.add("--output or --held-out", found="neither", expected="at least one")
    problems.raise_if_any("train_model: mistakes in the flags")
    if len(args.labels) != len(args.subvolumes):
        raise InputError(
            "--labels and --subvolumes",
            found=f"{len(args.labels)} and {len(args.subvolumes)} files",
            expected="one file of boxes for each file of labels, in the same order",
        )


def _card(args: argparse.Namespace, joined, recipe, found):
    """Return the card of the trained weights."""
    from ..fitting import describe_training
    from ..weights import Card

    return Card(
        pixel_size_angstrom=joined.described["pixel_size_angstrom"],
        classes=tuple(tuple(group) for group in joined.meta["classes"]),
        contrast=joined.described["contrast"]["model"],
        normalisation=recipe.normalisation,
        box_shape=recipe.box_shape,
        box_centre=recipe.box_centre,
        cap=joined.meta["cap"],
        aligned=joined.described.get("aligned", True),
        network=recipe.network,
        width=recipe.width,
        heads=recipe.heads,
        folds=recipe.folds,
        target=recipe.target,
        threshold=found.thresholds if len(found.thresholds) > 1 else found.thresholds[0],
        training={
            **describe_training(joined, found, recipe),
            "validation": sorted(args.validation),
            "validation_fraction": 0.0 if args.validation else args.validation_fraction,
        },
    )


def _options(args: argparse.Namespace, start):
    """Choose and set up the device; return the options of the fit."""
    import sys

    from ..devices import choose_device, set_up
    from ..event_log import EventLog
    from ..fitting import FitOptions

    device = choose_device(args.device)
    set_up(device, args.threads)
    return FitOptions(
        device,
        near_voxel=args.near_voxel,
        threshold_voxel=args.threshold_voxel,
        refit=not args.no_refit,
        checkpoint=args.checkpoint,
        is_quiet=args.quiet or not sys.stderr.isatty(),
        start=start,
        events=EventLog(args.tensorboard) if args.tensorboard else None,
        is_trial=not args.output,
    )


def _write(args: argparse.Namespace, joined, recipe, found) -> None:
    """Write what was asked for."""
    from ..curves import draw_curves, write_curves
    from ..held_out import hold
    from ..weights import write_weights

    if args.output:
        write_weights(args.output, found.progress.best, _card(args, joined, recipe, found))
    if args.held_out:
        parts = "parts" if found.is_validation.any() else "nothing"
        validated = "membranes" if args.validation else parts
        hold(joined, found.predicted, args.near_voxel, validated).write(args.held_out)
    if args.curves:
        write_curves(args.curves, found.history)
    if args.curves_png:
        draw_curves(args.curves_png, found.history, found.progress.best_epoch)


def _check_near(args: argparse.Namespace, cap: float) -> None:
    from ..errors import InputError

    if args.near_voxel >= cap:
        raise InputError(
            "--near-voxel",
            found=args.near_voxel,
            expected=f"less than the labels' cap of {cap:g} working voxels",
            remedy="label with a larger cap (config: label_points.cap_voxel)",
        )


def run(args: argparse.Namespace) -> None:
    """Read labelled boxes, train, write weights, card and curves."""
    import numpy as np

    from ..boxes_file import open_boxes
    from ..finetuning import check_start, read_start, tell_seen
    from ..fitting import fit
    from ..recipe_flags import recipe_of
    from ..tables import PointTable
    from ..training_data import Source, check_particles, join, split

    _check_numbers(args)
    sources = []
    for labels, subvolumes in zip(args.labels, args.subvolumes, strict=True):
        table = PointTable.read(labels, needs=("labels",))
        sources.append(Source(table, open_boxes(subvolumes, len(table)), labels))
    joined = join(sources, args.membranes)
    _check_near(args, joined.meta["cap"])
    start = read_start(args.start_from) if args.start_from else None
    checksum = start.card.sha256 if start else ""
    recipe = recipe_of(args, joined.meta, joined.known_heads, checksum)
    turns = split(joined, args.validation, args.validation_fraction, recipe.box_shape)
    check_particles(joined, turns[0][0] if args.validation else np.ones(len(joined.labels), bool))
    if start:
        described = joined.described
        check_start(start, recipe, described["pixel_size_angstrom"], described["contrast"]["model"])
        tell_seen(start, joined.names)
    options = _options(args, start)
    found = fit(joined, turns, recipe, options, is_cut_off=not args.validation)
    progress = found.progress
    _write(args, joined, recipe, found)
    if options.events:
        options.events.close()
    options.remove_checkpoints()
    log.info(
        "%s: epoch %d of %d kept, threshold %s",
        *(args.output or args.held_out, progress.best_epoch, progress.epoch),
        ", ".join(f"{threshold:.2f}" for threshold in found.thresholds),
    )
