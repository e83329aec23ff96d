"""Measure the distance of each sampled point to the nearest annotated particle, for training.

Reads the points of a batch and the annotations that the sheet of membranes names. Writes the points
with a column of labels per output: distance in working voxels, at most the cap; with --target
membership 0 up to --membership-voxel and the cap beyond. A column of angles tells how the nearest
particle's x axis lies in the point's box, another one the distance to the nearest particle of the
classes that are in no output, ambiguous ones aside. Points of a membrane that fails stay and get no
label (NaN). Without --classes one output is made for each class with at least 10 annotations among
all rows of the sheet with split 'train', so that every batch gets the same outputs.

A membrane whose annotations lie far from it, on its other side or all in one corner fails; the
message says which factor, axes or offset would make them fit.

  step.py label_points --points boxes.npz --sheet membranes.tsv --tomogram T1 --info T1.json \\
      --classes '[["PSII","UK"],["b6f"]]' --map PSII.mrc --output labels.npz --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..label_flags import add_label_flags, check_numbers, labelling_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--points", required=True, metavar="NPZ", help="points of a batch, from extract_subvolumes")
    add("--sheet", required=True, metavar="TSV", help="membranes.tsv; names the annotations")
    add("--tomogram", required=True, metavar="NAME", help="name of the tomogram in the sheet")
    add("--info", required=True, metavar="JSON", help="from inspect_tomogram")
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        metavar="W",
        help="length of a working voxel (the model's); 0: the tomogram's own",
    )
    add_label_flags(parser)
    add(
        "--ambiguous-classes",
        nargs="*",
        default=["UK", "unknown"],
        metavar="NAME",
        help="classes that are learned from, but need not be found where thresholds are chosen",
    )
    add("--output", required=True, metavar="NPZ", help="the labelled points")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _label(args: argparse.Namespace, table, how, info: dict, status) -> dict:
    """Return the columns of labels, to all and to clear classes alone, of angles and of others.

    Labels are NaN where a membrane failed.
    """
    import numpy as np

    from ..agreement import Place
    from ..label_columns import empty_columns, label_columns
    from ..sheets import select_membranes
    from ..training_annotations import read_by_name

    rows = select_membranes(args.sheet, args.tomogram, table.membranes)
    has_failed = "failure" in table.meta
    step = (args.pixel_size_angstrom or table.pixel_size) / table.pixel_size
    numbers = (step, table.pixel_size, table.shape)
    everything = Place(table.points.astype(np.float64), table.normals, table.side, *numbers)
    annotations_by_name = read_by_name(args.sheet, rows, info, everything)
    out = empty_columns(len(table), len(how.classes), how.cap)
    for name in table.membranes if has_failed else ():
        status.record(name, 0)
    for index, name in enumerate(() if has_failed else table.membranes):
        with status.isolate(name):
            mine = np.flatnonzero(table.membrane == index)
            place = everything.select(mine, f"{args.tomogram}/{name}")
            annotations = annotations_by_name(name, place if len(mine) else None)
            columns, remarks = label_columns(place, annotations, how, args.ambiguous_classes)
            for column, values in columns.items():
                out[column][mine] = values
            near = (columns["labels"] < args.cap_voxel).any(axis=1).mean() if len(mine) else 0.0
            log.info(
                "%s: %d annotations, %d points, %.0f %% of them nearer than the cap",
                *(place.where, len(annotations), len(mine), 100 * near),
            )
            for remark in remarks:
                log.warning("%s: %s", place.where, remark)
            message = "; ".join(remarks) if len(annotations) else "no annotated particle"
            status.record(name, len(mine), message)
    return out


def run(args: argparse.Namespace) -> None:
    """Read points and annotations, measure, write."""
    from dataclasses import replace

    from ..errors import InputError
    from ..infos import read_info
    from ..label_columns import describe_labels
    from ..tables import PointTable, Status

    check_numbers(args)
    table = PointTable.read(args.points)
    info = {"tomogram": table.tomogram} if "failure" in table.meta else read_info(args.info)
    if {table.tomogram, info["tomogram"]} != {args.tomogram}:
        raise InputError(
            f"{args.points} and {args.info}: not of tomogram '{args.tomogram}'",
            found=f"{table.tomogram} and {info['tomogram']}",
        )
    status = Status(table.tomogram, "label_points")
    how = labelling_of(args)
    described = describe_labels(args, how, "label_points")
    columns = _label(args, table, how, info, status)
    meta = {**table.meta, **described}
    replace(table.with_extra(**columns), meta=meta).write(args.output)
    status.write(args.status)
