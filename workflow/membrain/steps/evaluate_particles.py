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
    parser.add_argument(
        "--particles", nargs="+", required=True, metavar="FILE", help="picks to be judged"
    )
    parser.add_argument("--sheet", required=True, metavar="TSV", help="membranes.tsv")
    parser.add_argument(
        "--infos", nargs="+", required=True, metavar="JSON", help="info file of each tomogram"
    )
    parser.add_argument(
        "--radius-voxel", type=float, default=4.5, help="hit radius, working voxels"
    )
    parser.add_argument(
        "--pixel-size-angstrom",
        type=float,
        default=0.0,
        help="working voxel; 0: each tomogram's own",
    )
    parser.add_argument(
        "--symmetry",
        default="2",
        help="n of the Cn symmetry that in-plane errors are folded by: a number, or JSON by "
        'annotated class such as {"PSII": 2, "b6f": 2}; 0: round, no in-plane angle',
    )
    parser.add_argument(
        "--axis-degree",
        default="{}",
        metavar="JSON",
        help="by annotated class: angle of the long axis in the particle's own xy plane, degrees "
        "from x towards y, where the annotated pose does not put it on x",
    )
    parser.add_argument(
        "--classes",
        default="{}",
        metavar="JSON",
        help="predicted class to list of annotated classes, or a list of lists as in training "
        "(the first of each is the predicted class); by default equal names are compared",
    )
    parser.add_argument(
        "--ambiguous-classes",
        nargs="*",
        default=["UK", "unknown"],
        metavar="CLASS",
        help="annotated classes that may be hit but need not be",
    )
    parser.add_argument(
        "--near-membrane-voxel",
        type=float,
        default=20.0,
        help="how far from a mask, in working voxels, annotations and picks of other programs may "
        "lie; those farther away belong to no membrane of the sheet",
    )
    parser.add_argument(
        "--radii-voxel",
        type=float,
        nargs="+",
        default=[float(r) for r in range(1, 11)],
        metavar="R",
        help="hit radii of the curves, working voxels",
    )
    _add_heatmap_arguments(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap over membranes")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap over membranes")
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
    add("--map", nargs="+", default=[], metavar="[CLASS=]MRC", help="as in label_points")
    add("--map-threshold", type=float, metavar="D", help="as in label_points")
    add("--map-axis", choices=("x", "y", "z"), default="z", help="as in label_points")
    add("--radii-angstrom", type=float, nargs=3, metavar="R", help="as in label_points")
    add("--covariance-angstrom2", type=float, nargs=6, metavar="C", help="as in label_points")
    add("--cap-voxel", type=float, metavar="D", help="largest distance; default: the model's")


def _json(flag: str, text: str) -> object:
    """Return the content of a flag that holds JSON."""
    import json

    from ..errors import InputError

    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{flag}: not JSON", found=repr(text), remedy=str(error)) from None


def _by_class(flag: str, content: object, kind: type) -> dict:
    """Return a mapping of class in lower case to a number."""
    from ..errors import InputError

    if not isinstance(content, dict):
        raise InputError(f"{flag}", found=content, expected="an object of class to number")
    out = {}
    for name, value in content.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or kind(value) != value or (kind is int and value < 0):
            expected = "a whole number, 0 or more" if kind is int else "a number"
            raise InputError(f"{flag}: class '{name}'", found=repr(value), expected=expected)
        out[name.lower()] = kind(value)
    return out


def _outputs(content: object) -> dict[str, list[str]]:
    """Return annotated classes by predicted class."""
    from ..errors import InputError

    if isinstance(content, list) and all(isinstance(names, list) and names for names in content):
        content = {names[0]: names for names in content}
    if not isinstance(content, dict):
        raise InputError(
            "--classes", found=content, expected="an object, or a list of lists of names"
        )
    for name, names in content.items():
        if not isinstance(names, list) or not all(isinstance(n, str) for n in (name, *names)):
            raise InputError(f"--classes: '{name}'", found=names, expected="a list of names")
    return content


def _settings(args: argparse.Namespace):
    from ..errors import InputError
    from ..evaluation import Settings

    for flag in ("radius_voxel", "near_membrane_voxel", "pixel_size_angstrom", "draws"):
        if not 0 <= getattr(args, flag) < float("inf"):
            name = "--" + flag.replace("_", "-")
            raise InputError(name, found=getattr(args, flag), expected="0 or more")
    if not all(0 <= radius < float("inf") for radius in args.radii_voxel):
        raise InputError("--radii-voxel", found=args.radii_voxel, expected="0 or more, each")
    if args.cap_voxel is not None and not args.cap_voxel > 0:
        raise InputError("--cap-voxel", found=args.cap_voxel, expected="more than 0")
    symmetry = _json("--symmetry", args.symmetry)
    default, by_class = 2, symmetry
    if not isinstance(symmetry, dict):
        default, by_class = _by_class("--symmetry", {"every": symmetry}, int)["every"], {}
    return Settings(
        radius_voxel=args.radius_voxel,
        ambiguous=frozenset(name.lower() for name in args.ambiguous_classes),
        symmetry=_by_class("--symmetry", by_class, int),
        default_symmetry=default,
        axis_degree=_by_class("--axis-degree", _json("--axis-degree", args.axis_degree), float),
    )


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
    from ..cases import membrane_cases
    from ..files import read_json
    from ..particles import concatenate_particles
    from ..picks import read_picks
    from ..sheets import read_membranes

    infos = {info["tomogram"]: info for info in map(read_json, args.infos)}
    rows = read_membranes(args.sheet, must_exist=False)
    particles = concatenate_particles(read_picks(path, infos) for path in args.particles)
    cases = membrane_cases(
        rows, infos, particles, args.pixel_size_angstrom, args.near_membrane_voxel
    )
    if not cases:
        log.warning("%s: no membrane has annotations: nothing to compare with", args.sheet)
    return cases


RECORDED = (  # flags that decide the figures
    *("radius_voxel", "pixel_size_angstrom", "symmetry", "axis_degree", "ambiguous_classes"),
    *("classes", "seed", "draws"),
)


def run(args: argparse.Namespace) -> None:
    """Read picks and annotations, compare, write the figures."""
    from ..evaluation import class_groups
    from ..evaluation_files import write_details
    from ..files import provenance, write_json, write_table
    from ..metrics import MEMBRANE_COLUMNS, evaluate, judged_rows, table_lines

    settings, outputs = _settings(args), _outputs(_json("--classes", args.classes))
    cases = _cases(args)
    groups = class_groups(
        [name for case in cases for name in case.particles.classes],
        [name for case in cases for name in case.annotations.classes],
        settings.ambiguous,
        outputs,
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
