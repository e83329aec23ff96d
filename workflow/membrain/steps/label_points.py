"""Measure the distance of each sampled point to the nearest annotated particle, for training.

Reads the points of a batch and the annotations that the sheet of membranes names. Writes the points
with a column of labels per output: distance in working voxels, at most the cap; with --target
membership 0 up to --membership-voxel and the cap beyond. Points of a membrane that fails stay and
get no label (NaN). Without --classes one output is made for each class with at least 10 annotations
among all rows of the sheet with split 'train', so that every batch gets the same outputs.

A membrane whose annotations lie far from it, on its other side or all in one corner fails; the
message says which factor, axes or offset would make them fit.

  step.py label_points --points boxes.npz --sheet membranes.tsv --tomogram T1 --info T1.json \\
      --classes '[["PSII","UK"],["b6f"]]' --map PSII.mrc --output labels.npz --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

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
    add(
        "--classes",
        default="null",
        metavar="JSON",
        help='classes of each output, as [["PSII","UK"],["b6f"]]; null: by their number',
    )
    add(
        "--distance",
        choices=("mahalanobis", "euclidean"),
        default="mahalanobis",
        help="mahalanobis follows the particle's shape, which --map, --radii-angstrom or "
        "--covariance-angstrom2 gives; without one it is the same as euclidean",
    )
    add(
        "--map",
        nargs="+",
        default=[],
        metavar="[CLASS=]MRC",
        help="density map of the particle, of one class or of all",
    )
    add(
        "--map-threshold",
        nargs="+",
        metavar="[CLASS=]D",
        help="density from which a map counts; default: maximum / 4",
    )
    add(
        "--map-axis",
        choices=("x", "y", "z"),
        default="z",
        help="axis of the map along the membrane's normal",
    )
    add(
        "--radii-angstrom",
        nargs="+",
        metavar="R",
        help="radii of the particle along its x, y and the normal, or one (a sphere); of one class "
        "as CLASS=R,R,R",
    )
    add(
        "--covariance-angstrom2",
        nargs="+",
        metavar="C",
        help="covariance of the particle: xx yy zz xy xz yz; of one class as CLASS=C,C,C,C,C,C",
    )
    add(
        "--cap-voxel",
        type=float,
        default=7.0,
        metavar="D",
        help="largest label, working voxels; farther points get it",
    )
    add(
        "--target",
        choices=("distance", "membership"),
        default="distance",
        help="membership: labels are 0 up to --membership-voxel and the cap beyond",
    )
    add(
        "--membership-voxel",
        type=float,
        default=3.0,
        metavar="D",
        help="distance up to which a point is a member, working voxels, below the cap",
    )
    add(
        "--far-share",
        type=float,
        default=0.3,
        metavar="S",
        help="part of a membrane's annotations that may lie over 10 working voxels off, 0 to 1",
    )
    add(
        "--ambiguous-classes",
        nargs="*",
        default=["UK", "unknown"],
        metavar="NAME",
        help="classes that are learned from, but need not be found where thresholds are chosen",
    )
    add("--output", required=True, metavar="NPZ", help="the labelled points")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _labelling(args: argparse.Namespace):
    """Return how points are labelled."""
    from ..class_groups import parse_classes
    from ..labels import Labelling
    from ..particle_shapes import check_names, shapes_from_options
    from ..training_annotations import classes_of_sheet

    classes = parse_classes(args.classes) or classes_of_sheet(args.sheet)
    shapes = shapes_from_options(
        args.distance,
        args.map,
        args.map_threshold,
        args.map_axis,
        args.radii_angstrom,
        args.covariance_angstrom2,
    )
    check_names(list(shapes), classes)
    return Labelling(
        classes,
        shapes,
        args.cap_voxel,
        target=args.target,
        membership=args.membership_voxel,
        far_share=args.far_share,
    )


def _label(args: argparse.Namespace, table, info: dict, status) -> tuple:
    """Return the labels of every point, those by clear classes alone, and the classes.

    Labels are NaN where a membrane failed.
    """
    from dataclasses import replace

    import numpy as np

    from ..agreement import Place
    from ..labels import label_with_remarks
    from ..sheets import select_membranes
    from ..training_annotations import read_by_name

    rows = select_membranes(args.sheet, args.tomogram, table.membranes)
    how = _labelling(args)
    step = (args.pixel_size_angstrom or table.pixel_size) / table.pixel_size
    numbers = (step, table.pixel_size, table.shape)
    everything = Place(table.points.astype(np.float64), table.normals, table.side, *numbers)
    annotations_by_name = read_by_name(args.sheet, rows, info, everything)
    labels = np.full((len(table), len(how.classes)), np.nan, dtype=np.float32)
    clear, optional = labels.copy(), {name.lower() for name in args.ambiguous_classes}
    groups = [[n for n in group if n.lower() not in optional] for group in how.classes]
    how_clear = replace(how, classes=groups)
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            mine = np.flatnonzero(table.membrane == index)
            annotations = annotations_by_name(name)
            place = everything.select(mine, f"{args.tomogram}/{name}")
            labels[mine], remarks = label_with_remarks(place, annotations, how)
            clear[mine], _ = label_with_remarks(place, annotations, how_clear)
            near = (labels[mine] < args.cap_voxel).any(axis=1).mean() if len(mine) else 0.0
            log.info(
                "%s: %d annotations, %d points, %.0f %% of them nearer than the cap",
                *(place.where, len(annotations), len(mine), 100 * near),
            )
            for remark in remarks:
                log.warning("%s: %s", place.where, remark)
            message = "; ".join(remarks) if len(annotations) else "no annotated particle"
            status.record(name, len(mine), message)
    return labels, clear, how.classes


def _check_numbers(args: argparse.Namespace) -> None:
    from ..errors import InputError

    if not args.cap_voxel > 0 or not 0 <= args.pixel_size_angstrom < float("inf"):
        raise InputError(
            "--cap-voxel and --pixel-size-angstrom",
            found=f"{args.cap_voxel:g} and {args.pixel_size_angstrom:g}",
            expected="a cap above 0, a pixel size of 0 or more",
        )
    if args.target == "membership" and not 0 < args.membership_voxel < args.cap_voxel:
        raise InputError(
            "--membership-voxel",
            found=f"{args.membership_voxel:g}",
            expected=f"above 0, below the cap ({args.cap_voxel:g})",
        )
    if not 0 <= args.far_share <= 1:
        raise InputError("--far-share", found=f"{args.far_share:g}", expected="0 to 1")


def run(args: argparse.Namespace) -> None:
    """Read points and annotations, measure, write."""
    from dataclasses import replace

    from ..class_options import by_class
    from ..errors import InputError
    from ..files import provenance
    from ..infos import read_info
    from ..tables import PointTable, Status

    _check_numbers(args)
    table, info = PointTable.read(args.points), read_info(args.info)
    if {table.tomogram, info["tomogram"]} != {args.tomogram}:
        raise InputError(
            f"{args.points} and {args.info}: not of tomogram '{args.tomogram}'",
            found=f"{table.tomogram} and {info['tomogram']}",
        )
    status = Status(table.tomogram, "label_points")
    labels, clear, classes = _label(args, table, info, status)
    names = "pixel_size_angstrom distance map_threshold map_axis radii_angstrom cap_voxel target"
    names += " covariance_angstrom2 membership_voxel far_share"
    made = {name: getattr(args, name) for name in names.split()}
    files = by_class("--map", args.map)
    made["map"] = {name: path.replace("\\", "/").rpartition("/")[2] for name, path in files.items()}
    meta = {
        **table.meta,
        "classes": classes,
        "cap": args.cap_voxel,
        "target": args.target,
        "provenance": provenance("label_points", {**made, "classes": classes}),
    }
    if args.target == "membership":
        meta["membership_voxel"] = args.membership_voxel
    replace(table.with_extra(labels=labels, clear_labels=clear), meta=meta).write(args.output)
    status.write(args.status)
