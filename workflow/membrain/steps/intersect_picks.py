"""Part two lists of picks into those that both found and those that one found alone.

Picks are paired one to one within the radius. Writes three lists of particles, each as CSV and
RELION 5 STAR (both: the poses and scores of the first list), the pairs with their differences, and
a table of counts. With --sheet only picks near a membrane of the sheet take part.

  step.py intersect_picks --first membrain-flow=results/particles.csv --second TM=matched.star \\
      --infos results/*/info.json --sheet membranes.tsv --output-dir results/comparison/TM

The folder gets both.csv, only_first.csv, only_second.csv, the same as .star, pairs.csv, table.csv.
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add = parser.add_argument
    add("--first", required=True, metavar="NAME=FILE", help="list of picks, any format")
    add("--second", required=True, metavar="NAME=FILE", help="list of picks, any format")
    add(
        "--pixel-sizes",
        nargs="*",
        default=[],
        metavar="NAME=ANGSTROM",
        help="length of a unit of a list's coordinates where its file does not tell (1: they are "
        "angstrom); without it they are voxels of the tomogram",
    )
    add("--infos", nargs="+", required=True, metavar="JSON", help="info file of each tomogram")
    add("--sheet", metavar="TSV", help="membranes.tsv: picks far from every mask are left out")
    add(
        "--near-voxel",
        type=float,
        default=20.0,
        help="with --sheet, how far from a mask picks count, working voxels",
    )
    add(
        "--radius-voxel",
        type=float,
        default=4.5,
        help="picks this near to each other are one particle, working voxels",
    )
    add(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        help="working voxel; 0: each tomogram's own",
    )
    add(
        "--symmetry",
        nargs="+",
        default=["2"],
        metavar="[CLASS=]N",
        help="n of the Cn symmetry that turns are folded by, of every class or by class of the "
        "first list; 0: round",
    )
    add("--output-dir", required=True, metavar="DIR", help="output folder")


def _read(args: argparse.Namespace, infos: dict) -> dict:
    """Return the two lists by name, in the tomograms that have an info."""
    import numpy as np

    from ..pick_lists import parse_sources
    from ..picks import read_picks

    lists = {}
    for source in parse_sources("--first, --second", [args.first, args.second], args.pixel_sizes):
        picks = read_picks(source.path, infos, source.pixel_size)
        lists[source.name] = picks.select(np.isin(picks.tomogram, list(infos)))
    return lists


def _near(args: argparse.Namespace, lists: dict, infos: dict, steps: dict) -> list:
    """Return the picks of each list that lie near a membrane, where a sheet names some."""
    from ..comparison import place_picks
    from ..ground_truth import MaskSet
    from ..sheets import read_membranes

    if not args.sheet:
        return list(lists.values())
    rows = read_membranes(args.sheet, must_exist=False)
    masks, out = MaskSet([row for row in rows if row.tomogram in infos], steps), []
    for name, picks in lists.items():
        placed = place_picks(picks, masks, args.near_voxel)
        out.append(placed.select(placed.membrane != ""))
        log.info("%s: %d of %d picks lie on a membrane", name, len(out[-1]), len(picks))
    return out


def _check_units(args: argparse.Namespace, first, second, infos: dict, steps: dict) -> None:
    """Check that the second list has not another unit than the first."""
    from ..pick_lists import NEAR_RADII
    from ..pick_units import check_units

    known = {name: first.voxel[first.tomogram == name] for name in infos}
    radius = {name: NEAR_RADII * args.radius_voxel * step for name, step in steps.items()}
    check_units(args.second, second, known, radius, infos, f"picks of {args.first}")


def run(args: argparse.Namespace) -> None:
    """Read two lists, pair them, write three lists and two tables."""
    from pathlib import Path

    from ..cases import working_voxel
    from ..class_options import ANY_CLASS
    from ..consensus import PAIR_COLUMNS, TABLE_COLUMNS, consensus_rows, intersect, pair_rows
    from ..evaluation import Settings
    from ..evaluation_files import write_rows
    from ..evaluation_options import DEFAULT_SYMMETRY, check_lengths, symmetry_by_class
    from ..formats.relion import write_particles
    from ..infos import read_infos

    check_lengths(args, "near_voxel", "radius_voxel", "pixel_size_angstrom")
    by_class = symmetry_by_class(args.symmetry)
    settings = Settings(
        symmetry=by_class, default_symmetry=by_class.get(ANY_CLASS, DEFAULT_SYMMETRY)
    )
    infos = read_infos(args.infos)
    steps = {name: working_voxel(info, args.pixel_size_angstrom) for name, info in infos.items()}
    lists = _read(args, infos)
    _check_units(args, *lists.values(), infos, steps)  # a wrong unit has no pick near a membrane
    first, second = _near(args, lists, infos, steps)
    consensus = intersect(first, second, steps, args.radius_voxel)
    folder = Path(args.output_dir)
    parts = {
        "both": first.select(consensus.pairs[:, 0]),
        "only_first": first.select(consensus.only_first),
        "only_second": second.select(consensus.only_second),
    }
    classes = sorted({*first.classes, *second.classes})
    for name, part in parts.items():
        part.write(folder / f"{name}.csv", ",")
        write_particles(folder / f"{name}.star", part, infos, classes=classes)
    write_rows(folder / "pairs.csv", PAIR_COLUMNS, pair_rows(consensus, settings))
    rows = consensus_rows(consensus)
    write_rows(folder / "table.csv", TABLE_COLUMNS, rows)
    log.info(
        "%d in both, %d in %s alone, %d in %s alone",
        *(rows[0]["n_both"], rows[0]["n_only_first"], args.first.partition("=")[0]),
        *(rows[0]["n_only_second"], args.second.partition("=")[0]),
    )
