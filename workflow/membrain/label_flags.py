"""Flags of the command line that say how points are labelled."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .labels import Labelling


def add_label_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that `labelling_of` reads."""
    _add_shape_flags(parser)
    _add_label_flags(parser)


def _add_shape_flags(parser: argparse.ArgumentParser) -> None:
    """Declare which classes are looked for, and what gives their particles a shape."""
    add = parser.add_argument
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


def _add_label_flags(parser: argparse.ArgumentParser) -> None:
    """Declare what is learnt of the distance to a particle."""
    add = parser.add_argument
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
        "--symmetry",
        nargs="+",
        default=["2"],
        metavar="[CLASS=]N",
        help="n of a particle's Cn about the normal, of one class or of all; 0: round, its angle "
        "in the membrane's plane is not learnt",
    )


def labelling_of(args: argparse.Namespace) -> Labelling:
    """Return how points are labelled, by the flags of `add_label_flags` and the sheet.

    Raises
    ------
    InputError
        When an option is wrong or of a class that no output has.
    """
    from .class_groups import parse_classes
    from .class_options import whole_by_class
    from .labels import Labelling
    from .particle_shapes import check_names, shapes_from_options
    from .training_annotations import classes_of_sheet

    classes = parse_classes(args.classes) or classes_of_sheet(args.sheet)
    shapes = shapes_from_options(
        args.distance,
        args.map,
        args.map_threshold,
        args.map_axis,
        args.radii_angstrom,
        args.covariance_angstrom2,
    )
    folds = whole_by_class("--symmetry", args.symmetry)
    check_names([*shapes, *folds], classes)
    return Labelling(
        classes,
        shapes,
        args.cap_voxel,
        target=args.target,
        membership=args.membership_voxel,
        far_share=args.far_share,
        folds=folds,
    )


def check_numbers(args: argparse.Namespace) -> None:
    """Check the range of the numbers.

    Raises
    ------
    InputError
        Names the flag.
    """
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
