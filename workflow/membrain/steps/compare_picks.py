"""Compare lists of picks of any program with the same annotations, side by side.

Each list is a file that this workflow or another program wrote: particles.csv, STAR (RELION 3, 4,
5, also a single block without a name), CSV, Dynamo table, copick JSON; {tomogram} in its name
stands for one file per tomogram. Picks count where they lie near an annotated membrane, as in the
paper's table 1; those nearer to another membrane of the sheet belong to that one.

  step.py compare_picks --lists membrain-flow=results/particles.csv crYOLO=picks/{tomogram}.csv \\
      TM=matched.star --pixel-sizes TM=3.42 --sheet membranes.tsv --infos results/*/info.json \\
      --output-dir results/comparison

A list whose picks miss the annotations in a way that another unit, pixel size, order of axes or
origin explains is refused; the message tells what would fit.
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from ..evaluation_options import add_settings_arguments, add_sheet_arguments

    parser.add_argument(
        "--lists", nargs="+", required=True, metavar="NAME=FILE", help="lists of picks"
    )
    parser.add_argument(
        "--pixel-sizes",
        nargs="*",
        default=[],
        metavar="NAME=ANGSTROM",
        help="length of a unit of a list's coordinates where its file does not tell (1: they are "
        "angstrom); without it they are voxels of the tomogram",
    )
    add_sheet_arguments(parser)
    add_settings_arguments(parser)
    parser.add_argument(
        "--near-voxel",
        type=float,
        default=20.0,
        help="how far from an annotated membrane's mask picks count, working voxels",
    )
    parser.add_argument(
        "--classes",
        nargs="*",
        default=[],
        metavar="CLASS",
        help="annotated classes to judge by, each by itself, or joined as PSII+b6f; by default "
        "those that the classes of the first list are compared with",
    )
    parser.add_argument(
        "--scores",
        nargs="*",
        default=[],
        metavar="NPZ",
        help="scored points behind the first list: without --classes it is compared with all the "
        "classes that its model was trained on",
    )
    parser.add_argument(
        "--output-dir",
        required=True,
        metavar="DIR",
        help="output: table.csv, table.md, comparison.json, radii.csv and .png, "
        "precision_recall.png",
    )


RECORDED = (
    *("pixel_sizes", "near_voxel", "classes", "radius_voxel", "pixel_size_angstrom", "symmetry"),
    *("axis_degree", "ambiguous_classes", "seed", "draws"),
)


def _read_lists(args: argparse.Namespace, truth, infos: dict) -> dict:
    """Return the placed picks of each list; every list that cannot be used is told."""
    from ..comparison import place_picks
    from ..errors import InputError, Problems
    from ..pick_lists import parse_sources, read_list

    problems, lists = Problems(), {}
    for source in parse_sources("--lists", args.lists, args.pixel_sizes):
        try:
            picks = read_list(source, truth, infos, args.radius_voxel)
        except InputError as error:
            problems.errors.append(error)
            continue
        lists[source.name] = place_picks(picks, truth.masks, args.near_voxel)
        n_near = int((lists[source.name].membrane != "").sum())
        log.info("%s: %d picks, %d of them on a membrane", source.name, len(picks), n_near)
    problems.raise_if_any(f"{len(problems.errors)} lists of picks cannot be used")
    return lists


def run(args: argparse.Namespace) -> None:
    """Read lists and annotations, compare, write tables and figures."""
    from ..comparison import compare_lists, target_classes
    from ..comparison_files import write_comparison
    from ..comparison_text import screen_lines
    from ..errors import InputError
    from ..evaluation_options import check_lengths, outputs_of_scores, settings_of
    from ..files import provenance
    from ..ground_truth import read_ground_truth
    from ..infos import read_failures, read_infos
    from ..sheets import read_membranes

    settings = settings_of(args)
    check_lengths(args, "near_voxel")
    infos = read_infos(args.infos)
    failed = read_failures(args.infos)
    rows = read_membranes(args.sheet, must_exist=False)
    rows = [row for row in rows if row.tomogram not in failed]
    truth = read_ground_truth(rows, infos, args.pixel_size_angstrom)
    if not truth.rows:
        raise InputError(
            f"{args.sheet}: no membrane has annotations: nothing to compare lists with",
            remedy="name a file in column 'annotations'",
        )
    lists = _read_lists(args, truth, infos)
    annotated = [name for known in truth.annotations.values() for name in known.classes]
    first = next(iter(lists.values()))
    outputs = outputs_of_scores(args.scores)
    targets = target_classes(args.classes, first, annotated, settings.ambiguous, outputs)
    words, compared = compare_lists(lists, truth, targets, settings, args.draws, args.seed, outputs)
    table = write_comparison(
        *(args.output_dir, compared, words, settings, args.radii_voxel),
        near_voxel=args.near_voxel,
        provenance=provenance("compare_picks", {name: getattr(args, name) for name in RECORDED}),
        pixel_size=args.pixel_size_angstrom,
        n_draws=args.draws,
        seed=args.seed,
    )
    log.info("figures are of: %s", words)
    for line in screen_lines(table):
        log.info("%s", line)
