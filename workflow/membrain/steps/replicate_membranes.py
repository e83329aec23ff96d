"""Simulate more training data from annotated membranes: replicas with particles at other places.

Reads the points of a training batch (from extract_subvolumes), the tomogram and the annotations
that the sheet names. Measures the bare membrane's density along its normal, the average of the
particles of each class and the noise around, and writes boxes (.npy) and labelled points (.npz) of
replicas, as extract_subvolumes and label_points write those of the real membrane. Replica 1 of
membrane M1 is called M1~1. Membranes with split 'validation' are not replicated.

The flags of label_points mean the same here. Classes with fewer than 5 particles are left out.

  step.py replicate_membranes --points boxes.npz --sheet membranes.tsv --tomogram T1 \\
      --info T1.json --path T1.mrc --replicas 4 --output-subvolumes replicas.npy \\
      --output replicas.npz --status status.tsv
"""

from __future__ import annotations

import argparse
import logging

from ..label_flags import check_numbers, labelling_of
from .label_points import add_arguments as add_label_arguments

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags: those of label_points, and its own."""
    add_label_arguments(parser)
    add = parser.add_argument
    add("--path", required=True, metavar="MRC", help="the tomogram")
    add("--replicas", type=int, default=4, metavar="N", help="of each membrane")
    add(
        "--source",
        choices=("average", "map"),
        default="average",
        help="density of a particle: average of the annotated ones, or the class's --map fitted "
        "to it",
    )
    add(
        "--radius-voxel",
        type=float,
        default=12.0,
        metavar="R",
        help="radius of the averages, working voxels",
    )
    add(
        "--jitter",
        type=float,
        default=0.15,
        metavar="J",
        help="particles are drawn with a factor of 1 - J to 1 + J",
    )
    add("--seed", type=int, default=0, help="of places, poses and noise")
    add("--output-subvolumes", required=True, metavar="NPY", help="the boxes")
    add("--output-volume", metavar="MRC", help="the first replica, to look at")


def _check(args: argparse.Namespace, table, info: dict) -> None:
    from ..errors import InputError, Problems

    check_numbers(args)
    problems = Problems()
    for flag, value, least in (
        ("--replicas", args.replicas, 1),
        ("--radius-voxel", args.radius_voxel, 2),
        ("--seed", args.seed, 0),
    ):
        if not least <= value < float("inf"):
            problems.add(flag, found=f"{value:g}", expected=f"at least {least}")
    if not 0 <= args.jitter < 1:
        problems.add("--jitter", found=f"{args.jitter:g}", expected="0 to below 1")
    if args.source == "map" and not args.map:
        problems.add("--source map", expected="a density map of some class in --map")
    if {table.tomogram, info["tomogram"]} != {args.tomogram}:
        problems.add(
            f"{args.points} and {args.info}: not of tomogram '{args.tomogram}'",
            found=f"{table.tomogram} and {info['tomogram']}",
        )
    problems.raise_if_any("replicate_membranes: mistakes in the flags")
    if "subvolumes" not in table.meta:
        raise InputError(
            f"{args.points}: does not say how boxes are cut",
            expected="the points that extract_subvolumes wrote",
        )


def _cutting(table, info: dict) -> tuple:
    """Return how the real boxes were cut: grid, grey values, smoothing, whether turned round."""
    from ..sampling import BoxGrid

    described = table.meta["subvolumes"]
    step = described["pixel_size_angstrom"] / table.pixel_size
    grid = BoxGrid(tuple(described["box_shape"]), tuple(described["box_centre"]), step)
    is_inverted = described["contrast"]["inverted"]
    return grid, info["grey"], described["smoothing_sigma_voxel"], is_inverted


def _measure(args: argparse.Namespace, how, read, place, annotations, cells):
    """Return what a membrane's replicas are made from."""
    from dataclasses import replace

    from ..replicas import generator, measure_membrane

    measured = measure_membrane(
        *(read, place, annotations, cells, how.folds, args.radius_voxel, args.far_share),
        generator(args.seed, place.where, 0),
        args.threads,
    )
    if args.source == "average":
        return measured
    from ..map_densities import replace_by_maps

    first, reach = how.classes[0][0], args.radius_voxel * place.step
    options = (args.map, first, place.pixel_size, args.map_axis, reach)
    maps = replace_by_maps(measured.averages, *options)
    return replace(measured, averages=maps)


def _replicate(args, how, table, info: dict, volume, status, writer) -> list:
    """Write the boxes of every replica; return the replicas' parts of the table."""
    from functools import partial

    import numpy as np

    from ..agreement import Place
    from ..mask_cells import read_cells
    from ..sheets import read_membranes, select_membranes
    from ..training_annotations import read_by_name
    from ..volumes import read_box

    rows = select_membranes(args.sheet, args.tomogram, table.membranes)
    step = table.meta["subvolumes"]["pixel_size_angstrom"] / table.pixel_size
    numbers = (step, table.pixel_size, table.shape)
    everything = Place(table.points.astype(np.float64), table.normals, table.side, *numbers)
    annotations_by_name = read_by_name(args.sheet, rows, info, everything)
    sheet = read_membranes(args.sheet, must_exist=False)
    cells = read_cells([r.mask for r in sheet if r.tomogram == args.tomogram], table.shape)
    read, parts = partial(read_box, volume), []
    for index, row in enumerate(rows):
        with status.isolate(row.membrane):
            mine = np.flatnonzero(table.membrane == index)
            place = everything.select(mine, f"{args.tomogram}/{row.membrane}")
            annotations = annotations_by_name(row.membrane, place if len(mine) else None)
            if row.split == "validation" or not len(annotations) or not len(mine):
                validates = row.split == "validation"
                why = "validates, not replicated" if validates else "no annotated particle"
                status.record(row.membrane, 0, why if len(mine) else "no point")
                continue
            measured = _measure(args, how, read, place, annotations, cells)
            made = _write_boxes(args, how, measured, annotations, table, info, writer, not parts)
            parts += [(row.membrane, mine, *one) for one in made]
            names = ", ".join(f"{n} {name}" for name, n in measured.numbers.items())
            status.record(row.membrane, len(made) * len(mine), f"{len(made)} replicas: {names}")
    return parts


def _write_boxes(args, how, measured, annotations, table, info, writer, is_first) -> list:
    """Write the boxes of a membrane's replicas; return columns and number of particles of each."""
    from ..label_columns import label_columns
    from ..replicas import generator, make_replica, write_replica
    from ..shuffled_particles import as_annotations
    from ..subvolumes import iter_boxes
    from .extract_subvolumes import upright

    up = upright(not table.meta["subvolumes"].get("aligned", True), measured.place.normals)
    place, made = measured.place, []
    for number in range(1, args.replicas + 1):
        rng = generator(args.seed, place.where, number)
        replica = make_replica(measured, args.jitter, rng, args.threads)
        known = as_annotations(replica.particles, annotations.angles is not None)
        columns, _ = label_columns(place, known, how, args.ambiguous_classes)
        cutting = _cutting(table, info)
        blocks = iter_boxes(replica.read, table.shape, place.points, up, *cutting)
        writer.append(len(place.points), blocks)
        made.append((number, columns, len(known)))
        if is_first and number == 1 and args.output_volume:
            write_replica(args.output_volume, replica, place, info)
    return made


def _table(args: argparse.Namespace, how, table, parts: list):
    """Return the labelled points of the replicas."""
    from dataclasses import replace

    import numpy as np

    from ..label_columns import describe_labels, empty_columns
    from ..replicas import replica_name

    rows = np.concatenate([np.empty(0, dtype=int), *(part[1] for part in parts)])
    columns = [empty_columns(0, len(how.classes), how.cap), *(part[3] for part in parts)]
    columns = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
    names = [replica_name(name, number) for name, _, number, _, _ in parts]
    replicas = {
        name: {"of": part[0], "n_particles": part[4]}
        for name, part in zip(names, parts, strict=True)
    }
    described = describe_labels(args, how, "replicate_membranes")
    for name in ("replicas", "source", "radius_voxel", "jitter", "seed"):
        described["provenance"]["parameters"][name] = getattr(args, name)
    return replace(
        table.select(rows).with_extra(**columns, is_replica=np.ones(len(rows), dtype=bool)),
        membrane=np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts]),
        membranes=tuple(names),
        meta={**table.meta, **described, "replicas": replicas},
    )


def _write(args: argparse.Namespace, how, table, info: dict, status) -> list:
    """Write the boxes; return the replicas' parts of the table, none where the tomogram failed."""
    from contextlib import nullcontext

    from ..files import atomic_path
    from ..subvolumes import SubvolumeWriter
    from ..unpacking import readable
    from .extract_subvolumes import check_info, check_shape

    has_failed, parts = "failure" in table.meta, []
    source = nullcontext() if has_failed else readable(args.path, args.output_subvolumes)
    with source as volume, atomic_path(args.output_subvolumes) as temporary:
        writer = SubvolumeWriter(temporary, table.meta["subvolumes"]["box_shape"])
        for name in table.membranes if has_failed else ():
            status.record(name, 0)
        if not has_failed:
            check_info(args, table, info)
            check_shape(args.path, volume.shape, args, table)
            parts = _replicate(args, how, table, info, volume, status, writer)
        writer.close()
    log.info("%s: %d replicas, %d boxes", args.tomogram, len(parts), writer.n_rows)
    return parts


def run(args: argparse.Namespace) -> None:
    """Read points, annotations and the tomogram, simulate, write."""
    from ..infos import read_info
    from ..tables import PointTable, Status

    table = PointTable.read(args.points)
    needs = ("pixel_size_angstrom", "grey")
    has_failed = "failure" in table.meta
    info = {"tomogram": table.tomogram} if has_failed else read_info(args.info, needs)
    _check(args, table, info)
    how, status = labelling_of(args), Status(args.tomogram, "replicate_membranes")
    parts = _write(args, how, table, info, status)
    _table(args, how, table, parts).write(args.output)
    status.write(args.status)
