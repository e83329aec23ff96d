"""Measure the distance of each sampled point to the nearest annotated particle, for training.

Reads the points of a batch and the annotations that the sheet of membranes names. Writes the points
with a column of labels per output: distance in working voxels, at most the cap. Points of a
membrane that fails stay and get no label (NaN). Without --classes one output is made for each class
with at least 10 annotations among all rows of the sheet with split 'train', so that every batch
gets the same outputs.

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
    add("--map-threshold", type=float, metavar="D", help="density; default: maximum / 4")
    add(
        "--map-axis",
        choices=("x", "y", "z"),
        default="z",
        help="axis of the map along the membrane's normal",
    )
    add(
        "--radii-angstrom",
        type=float,
        nargs=3,
        metavar="R",
        help="radii of the particle along its x, y and the normal",
    )
    add(
        "--covariance-angstrom2",
        type=float,
        nargs=6,
        metavar="C",
        help="covariance of the particle: xx yy zz xy xz yz",
    )
    add(
        "--cap-voxel",
        type=float,
        default=7.0,
        metavar="D",
        help="largest label, working voxels; farther points get it",
    )
    add("--output", required=True, metavar="NPZ", help="the labelled points")
    add("--status", required=True, metavar="TSV", help="status of each membrane")


def _resolve_classes(args: argparse.Namespace) -> list[list[str]]:
    """Return the groups of classes: the given ones, or those of the whole sheet's training rows."""
    from ..annotations import read_annotations
    from ..class_groups import parse_classes, resolve_classes
    from ..sheets import read_membranes

    given = parse_classes(args.classes)
    if given is not None:
        return given
    files = {}
    for row in read_membranes(args.sheet, must_exist=False):
        if row.split == "train":
            files[row.tomogram, row.annotations] = row
    # names alone are of interest: any pixel size and any large volume do
    names = [
        read_annotations(
            row.annotations,
            row.mesh,
            pixel_size=1.0,
            shape=(10**9,) * 3,
            tomogram=row.tomogram,
            must_have_rows=False,
        ).classes
        for row in files.values()
    ]
    classes = resolve_classes(names)
    log.info("classes of the outputs: %s", "; ".join(" + ".join(group) for group in classes))
    return classes


def _annotations(args: argparse.Namespace, rows: list, info: dict):
    """Return a function from a membrane's name to its annotations."""
    from ..annotations import annotations_of_membrane
    from ..cases import annotations_by_membrane
    from ..errors import InputError
    from ..labels import FAR_WORKING_VOXEL
    from ..sheets import read_membranes

    by_name = {row.membrane: row for row in rows}
    sheet = read_membranes(args.sheet, must_exist=False)
    sheet = [row for row in sheet if row.tomogram == args.tomogram and row.annotations]
    shared: dict = {}

    def find(name: str):
        row = by_name[name]
        if row.annotations is None:
            raise InputError(
                f"{args.sheet}: membrane '{name}' has no file in column 'annotations'",
                remedy="a membrane for training needs annotated particles",
            )
        same = [r for r in sheet if (r.annotations, r.mesh) == (row.annotations, row.mesh)]
        if len(same) == 1:
            return annotations_of_membrane(row, info)
        key = (row.annotations, row.mesh)
        if key not in shared:
            infos = {args.tomogram: info}
            limit = 2 * FAR_WORKING_VOXEL
            shared[key] = annotations_by_membrane(same, infos, limit, args.pixel_size_angstrom)
        return shared[key][args.tomogram, name]

    return find


def _label(args: argparse.Namespace, table, info: dict, status) -> tuple:
    """Return the labels of every point, NaN where a membrane failed, and the classes."""
    import numpy as np

    from ..labels import Labelling, label_membrane
    from ..particle_shapes import shapes_from_options
    from ..sheets import select_membranes

    rows = select_membranes(args.sheet, args.tomogram, table.membranes)
    step = (args.pixel_size_angstrom or table.pixel_size) / table.pixel_size
    classes = _resolve_classes(args)
    shapes = shapes_from_options(
        args.distance,
        args.map,
        args.map_threshold,
        args.map_axis,
        args.radii_angstrom,
        args.covariance_angstrom2,
    )
    how = Labelling(classes, shapes, args.cap_voxel, step, table.pixel_size)
    find = _annotations(args, rows, info)
    labels = np.full((len(table), len(classes)), np.nan, dtype=np.float32)
    for index, name in enumerate(table.membranes):
        with status.isolate(name):
            mine = np.flatnonzero(table.membrane == index)
            annotations = find(name)
            where = f"{args.tomogram}/{name}"
            parts = (table.points[mine], table.normals[mine], table.side[mine])
            found = label_membrane(*parts, annotations, how, where)
            labels[mine] = found
            near = (found < args.cap_voxel).any(axis=1).mean() if len(mine) else 0.0
            log.info(
                "%s: %d annotations, %d points, %.0f %% of them nearer than the cap",
                *(where, len(annotations), len(mine), 100 * near),
            )
            status.record(name, len(mine), "" if len(annotations) else "no annotated particle")
    return labels, classes


def run(args: argparse.Namespace) -> None:
    """Read points and annotations, measure, write."""
    from dataclasses import replace

    from ..errors import InputError
    from ..files import provenance, read_json
    from ..tables import PointTable, Status

    if not args.cap_voxel > 0 or not 0 <= args.pixel_size_angstrom < float("inf"):
        raise InputError(
            "--cap-voxel and --pixel-size-angstrom",
            found=f"{args.cap_voxel:g} and {args.pixel_size_angstrom:g}",
            expected="a cap above 0, a pixel size of 0 or more",
        )
    table, info = PointTable.read(args.points), read_json(args.info)
    if {table.tomogram, info.get("tomogram")} != {args.tomogram}:
        raise InputError(
            f"{args.points} and {args.info}: not of tomogram '{args.tomogram}'",
            found=f"{table.tomogram} and {info.get('tomogram')}",
        )
    status = Status(table.tomogram, "label_points")
    labels, classes = _label(args, table, info, status)
    names = "pixel_size_angstrom distance map_threshold map_axis radii_angstrom cap_voxel"
    made = {name: getattr(args, name) for name in (*names.split(), "covariance_angstrom2")}
    made["map"] = [text.replace("\\", "/").rpartition("/")[2] for text in args.map]
    meta = {
        **table.meta,
        "classes": classes,
        "cap": args.cap_voxel,
        "provenance": provenance("label_points", {**made, "classes": classes}),
    }
    replace(table.with_extra(labels=labels), meta=meta).write(args.output)
    status.write(args.status)
