"""Compare picked particles with annotated ones: precision, recall, F1 and pose errors.

Reads particles.csv (or the picks of another program: STAR, CSV, Dynamo, copick), the sheet of
membranes with its column 'annotations', and the info files of the tomograms. Writes metrics.json
(overall, per class, per split, per tomogram) and membranes.csv (one row per membrane and class).

  step.py evaluate_particles --particles results/particles.csv --sheet membranes.tsv \\
      --infos results/*/info.json --metrics metrics.json --membranes membranes.csv

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
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap over membranes")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap over membranes")
    parser.add_argument("--metrics", required=True, metavar="JSON", help="output: figures")
    parser.add_argument("--membranes", required=True, metavar="CSV", help="output: one row each")


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


def run(args: argparse.Namespace) -> None:
    """Read picks and annotations, compare, write the figures."""
    from ..cases import membrane_cases
    from ..evaluation import class_groups
    from ..files import provenance, read_json, write_json, write_table
    from ..metrics import MEMBRANE_COLUMNS, evaluate, table_lines
    from ..particles import concatenate_particles
    from ..picks import read_picks
    from ..sheets import read_membranes

    settings, outputs = _settings(args), _outputs(_json("--classes", args.classes))
    infos = {info["tomogram"]: info for info in map(read_json, args.infos)}
    rows = read_membranes(args.sheet, must_exist=False)
    particles = concatenate_particles(read_picks(path, infos) for path in args.particles)
    cases = membrane_cases(
        rows, infos, particles, args.pixel_size_angstrom, args.near_membrane_voxel
    )
    if not cases:
        log.warning("%s: no membrane has annotations: nothing to compare with", args.sheet)
    groups = class_groups(
        [name for case in cases for name in case.particles.classes],
        [name for case in cases for name in case.annotations.classes],
        settings.ambiguous,
        outputs,
    )
    metrics, table = evaluate(cases, groups, settings, args.draws, args.seed)
    metrics["provenance"] = provenance(
        "evaluate_particles",
        {
            "radius_voxel": args.radius_voxel,
            "pixel_size_angstrom": args.pixel_size_angstrom,
            "symmetry": args.symmetry,
            "axis_degree": args.axis_degree,
            "ambiguous_classes": args.ambiguous_classes,
            "classes": args.classes,
            "seed": args.seed,
            "draws": args.draws,
        },
    )
    write_table(args.membranes, MEMBRANE_COLUMNS, table, delimiter=",")
    write_json(args.metrics, metrics)
    log.info("overall figures are of: %s", metrics["rows"])
    for line in table_lines(metrics):
        log.info("%s", line)
