"""Flags that every comparison with annotations takes, and the settings that they make."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from .errors import InputError
from .flags import check_ranges

if TYPE_CHECKING:
    from .evaluation import Settings


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


def _by_class(flag: str, content: object, kind: type) -> dict:
    """Return a mapping of class in lower case to a number."""
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
    symmetry = parse_json("--symmetry", args.symmetry)
    default, by_class = 2, symmetry
    if not isinstance(symmetry, dict):
        default, by_class = _by_class("--symmetry", {"every": symmetry}, int)["every"], {}
    axis_degree = parse_json("--axis-degree", args.axis_degree)
    return Settings(
        radius_voxel=args.radius_voxel,
        ambiguous=frozenset(name.lower() for name in args.ambiguous_classes),
        symmetry=_by_class("--symmetry", by_class, int),
        default_symmetry=default,
        axis_degree=_by_class("--axis-degree", axis_degree, float),
    )
