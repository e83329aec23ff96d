"""Flags that every comparison with annotations takes, and the settings that they make."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .class_options import ANY_CLASS, numbers_by_class
from .errors import InputError
from .flags import check_ranges

if TYPE_CHECKING:
    from .evaluation import Settings


DEFAULT_SYMMETRY = 2


def add_sheet_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare where the membranes and their tomograms stand."""
    parser.add_argument("--sheet", required=True, metavar="TSV", help="membranes.tsv")
    parser.add_argument(
        "--infos", nargs="+", required=True, metavar="JSON", help="info file of each tomogram"
    )


def add_settings_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how picks are compared with annotations."""
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
        nargs="+",
        default=["2"],
        metavar="[CLASS=]N",
        help="n of the Cn symmetry that in-plane errors are folded by, of every annotated class or "
        "by class; 0: round, no in-plane angle",
    )
    parser.add_argument(
        "--axis-degree",
        nargs="+",
        default=[],
        metavar="CLASS=ANGLE",
        help="angle of the long axis in an annotated particle's own xy plane, degrees from x "
        "towards y, where the annotated pose does not put it on x",
    )
    parser.add_argument(
        "--ambiguous-classes",
        nargs="*",
        default=["UK", "unknown"],
        metavar="CLASS",
        help="annotated classes that may be hit but need not be",
    )
    parser.add_argument(
        "--radii-voxel",
        type=float,
        nargs="+",
        default=[float(r) for r in range(1, 11)],
        metavar="R",
        help="hit radii of the curves, working voxels",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap over membranes")
    parser.add_argument("--draws", type=int, default=1000, help="of the bootstrap over membranes")


def parse_json(flag: str, text: str) -> object:
    """Return the content of a flag that holds JSON.

    Raises
    ------
    InputError
        When it does not.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{flag}: not JSON", found=repr(text), remedy=str(error)) from None


def symmetry_by_class(texts: Sequence[str]) -> dict[str, int]:
    """Return n of Cn by class (lower case), `ANY_CLASS` for every class without its own.

    Raises
    ------
    InputError
        When an n is no whole number of 0 or more.
    """
    found = {}
    for name, (n,) in numbers_by_class("--symmetry", texts, (1,)).items():
        if n < 0 or n != int(n):
            where = f"--symmetry, {name or 'every class'}"
            raise InputError(where, found=f"{n:g}", expected="a whole number, 0 or more")
        found[name] = int(n)
    return found


def outputs_by_name(content: object) -> dict[str, list[str]]:
    """Return annotated classes by predicted class.

    Parameters
    ----------
    content : object of JSON
        Predicted class to list of annotated classes, or a list of lists of names (the first of each
        is the predicted class).

    Raises
    ------
    InputError
        When it is something else.
    """
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


def outputs_of_scores(files: Sequence[str]) -> dict[str, list[str]]:
    """Return annotated classes by predicted class, as the first file of scored points tells them.

    Raises
    ------
    InputError
        When the file is unreadable.
    """
    from .files import read_arrays

    return outputs_by_name(read_arrays(files[0])[0].get("classes") or {}) if files else {}


def check_lengths(args: argparse.Namespace, *names: str) -> None:
    """Check that flags hold numbers of 0 or more.

    Raises
    ------
    InputError
        Lists those that do not.
    """
    check_ranges(args, least=dict.fromkeys(names, 0))


def settings_of(args: argparse.Namespace) -> Settings:
    """Return how picks are compared, from the flags of `add_settings_arguments`.

    Raises
    ------
    InputError
        When a flag is malformed.
    """
    from .evaluation import Settings

    check_lengths(args, "radius_voxel", "pixel_size_angstrom", "draws", "seed", "radii_voxel")
    by_class = symmetry_by_class(args.symmetry)
    axes = numbers_by_class("--axis-degree", args.axis_degree, (1,))
    return Settings(
        radius_voxel=args.radius_voxel,
        ambiguous=frozenset(name.lower() for name in args.ambiguous_classes),
        symmetry={name: n for name, n in by_class.items() if name != ANY_CLASS},
        default_symmetry=by_class.get(ANY_CLASS, DEFAULT_SYMMETRY),
        axis_degree={name: angle for name, (angle,) in axes.items()},
        default_axis_degree=axes.get(ANY_CLASS, [0.0])[0],
    )
