"""Compare picked particles with annotated ones: precision, recall, F1 and pose errors.

Reads particles.csv (or the picks of another program: STAR, CSV, Dynamo, copick), the sheet of
membranes with its column 'annotations', and the info files of the tomograms. Writes metrics.json
(overall, per class, per split, per tomogram) and membranes.csv (one row per membrane and class);
with --figures also curves over the hit radius and over the score, and the poses of hits, each as
table (CSV) and figure (PNG); with --scores the correlation of predicted and true distances.

  step.py evaluate_particles --particles results/particles.csv --sheet membranes.tsv \\
      --infos results/*/info.json --metrics metrics.json --membranes membranes.csv --figures .

Two ways of counting, both always: the paper's (a prediction is right when an annotated or ambiguous
position lies within the radius, many to one) and the strict one (one to one, left-over predictions
on ambiguous positions are ignored). docs/formats.md tells every figure.
"""

from __future__ import annotations

import argparse
import logging

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    from ..evaluation_options import add_settings_arguments, add_sheet_arguments

    parser.add_argument(
        "--particles", nargs="+", required=True, metavar="FILE", help="picks to be judged"
    )
    add_sheet_arguments(parser)
    add_settings_arguments(parser)
    parser.add_argument(
        "--classes",
        default="{}",
        metavar="JSON",
        help="predicted class to list of annotated classes, or a list of lists as in training "
        "(the first of each is the predicted class); by default those of the outputs in --scores, "
        "without which equal names are compared",
    )
    parser.add_argument(
        "--near-membrane-voxel",
        type=float,
        default=20.0,
        help="how far from a mask, in working voxels, annotations and picks of other programs may "
        "lie; those farther away belong to no membrane of the sheet",
    )
    parser.add_argument(
        "--only",
        nargs="*",
        default=[],
        metavar="TOMOGRAM/MEMBRANE",
        help="membranes that are judged, whatever their split in the sheet; default all",
    )
    _add_heatmap_arguments(parser)
    parser.add_argument("--metrics", required=True, metavar="JSON", help="output: figures")
    parser.add_argument("--membranes", required=True, metavar="CSV", help="output: one row each")
    parser.add_argument(
        "--figures",
        metavar="DIR",
        help="output: folder for radii, precision_recall and orientations, .csv and .png each",
    )


def _add_heatmap_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the scored points and how their true distances are measured."""
    group = parser.add_argument_group("correlation of predicted and true distances")
    add = group.add_argument
    add("--scores", nargs="*", default=[], metavar="NPZ", help="scored points, from score_points")
    add(
        "--distance",
        choices=("mahalanobis", "euclidean"),
        default="mahalanobis",
        help="of points to annotated particles, as in label_points",
    )
    same = "as in label_points"
    add("--map", nargs="+", default=[], metavar="[CLASS=]MRC", help=same)
    add("--map-threshold", nargs="+", metavar="[CLASS=]D", help=same)
    add("--map-axis", choices=("x", "y", "z"), default="z", help=same)
    add("--radii-angstrom", nargs="+", metavar="R", help=same)
    add("--covariance-angstrom2", nargs="+", metavar="C", help=same)
    add("--cap-voxel", type=float, metavar="D", help="largest distance; default: the model's")


def _model_outputs(args: argparse.Namespace) -> dict[str, list[str]]:
    """Return annotated classes by predicted class: those given, or those of the model's outputs."""
    from ..evaluation_options import outputs_by_name, outputs_of_scores, parse_json

    given = outputs_by_name(parse_json("--classes", args.classes))
    return given or outputs_of_scores(args.scores)


def _check_flags(args: argparse.Namespace) -> None:
    from ..errors import InputError
    from ..evaluation_options import check_lengths

    check_lengths(args, "near_membrane_voxel")
    if args.cap_voxel is not None and not args.cap_voxel > 0:
        raise InputError("--cap-voxel", found=args.cap_voxel, expected="more than 0")


def _heatmaps(args: argparse.Namespace, cases: list, groups: list, settings) -> dict:
    """Return the correlations of the scored points of every annotated membrane."""
    from ..heatmaps import heatmap_correlations
    from ..particle_shapes import shapes_from_options
    from ..tables import PointTable

    if not args.scores or not cases:
        return {}
    names = ("distance", "map", "map_threshold", "map_axis", "radii_angstrom")
    shapes = shapes_from_options(
        *(getattr(args, name) for name in (*names, "covariance_angstrom2"))
    )
    by_key = {(case.tomogram, case.membrane): case for case in cases}
    found: dict = {}
    for path in args.scores:
        table = PointTable.read(path, needs=("scores",))
        found |= heatmap_correlations(
            table, by_key, groups, settings.ambiguous, shapes, args.cap_voxel
        )
    return found


def _cases(args: argparse.Namespace) -> list:
    """Return the annotated membranes with what was picked on them."""
    from ..ground_truth import read_ground_truth
    from ..infos import read_failures, read_infos
    from ..judged import select_judged
    from ..particles import concatenate_particles
    from ..pick_lists import PickSource, read_list
    from ..sheets import read_membranes

    infos = read_infos(args.infos)
    rows = select_judged(read_membranes(args.sheet, must_exist=False), args.only)
    failed = read_failures(args.infos)
    rows = [row for row in rows if row.tomogram not in failed]
    limit = args.near_membrane_voxel
    truth = read_ground_truth(rows, infos, args.pixel_size_angstrom, limit)
    if not truth.rows:
        log.warning("%s: no membrane has annotations: nothing to compare with", args.sheet)
    lists = [
        read_list(PickSource(path, path), truth, infos, args.radius_voxel)
        for path in args.particles
    ]
    return truth.cases(truth.masks.assign(concatenate_particles(lists), limit))


RECORDED = (  # flags that decide the figures
    *("radius_voxel", "pixel_size_angstrom", "symmetry", "axis_degree", "ambiguous_classes"),
    *("classes", "seed", "draws"),
)


def run(args: argparse.Namespace) -> None:
    """Read picks and annotations, compare, write the figures."""
    from ..evaluation import class_groups
    from ..evaluation_files import write_details
    from ..evaluation_options import settings_of
    from ..files import provenance, write_json, write_table
    from ..metrics import MEMBRANE_COLUMNS, evaluate, judged_rows, table_lines

    _check_flags(args)
    settings, cases = settings_of(args), _cases(args)
    groups = class_groups(
        [name for case in cases for name in case.particles.classes],
        [name for case in cases for name in case.annotations.classes],
        settings.ambiguous,
        _model_outputs(args),
    )
    heatmaps = _heatmaps(args, cases, groups, settings)
    metrics, table = evaluate(cases, groups, settings, args.draws, args.seed, heatmaps)
    made = {name: getattr(args, name) for name in RECORDED}
    metrics["provenance"] = provenance("evaluate_particles", made)
    if args.figures:
        write_details(
            *(args.figures, cases, groups, settings, judged_rows(cases)[1], args.radii_voxel),
            pixel_size=args.pixel_size_angstrom,
            n_draws=args.draws,
            seed=args.seed,
        )
    write_table(args.membranes, MEMBRANE_COLUMNS, table, delimiter=",")
    write_json(args.metrics, metrics)
    log.info("overall figures are of: %s", metrics["rows"])
    for line in table_lines(metrics):
        log.info("%s", line)
