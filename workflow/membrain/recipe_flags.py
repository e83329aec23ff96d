"""Flags of the command line that make a training recipe."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    from .recipes import Recipe


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that `recipe_of` reads."""
    _add_network_flags(parser)
    _add_course_flags(parser)


def _add_network_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the network and what it sees of a box."""
    add = parser.add_argument
    add(
        "--network",
        choices=("membrain", "wide"),
        default="membrain",
        help="membrain: that of the paper; wide: sees more of the plane, trains faster",
    )
    add("--width", type=int, default=32, metavar="N", help="features of the wide network")
    add(
        "--box-shape",
        type=int,
        nargs=3,
        metavar="N",
        help="voxels of the model's box; default the file's, larger boxes give turned ones corners",
    )
    add(
        "--normalisation",
        choices=("tomogram", "minmax", "zscore"),
        default="zscore",
        help="of each box, after that of the tomogram; scoring does the same",
    )


def _add_course_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the course of training: loss, steps, augmentation, what is kept."""
    add = parser.add_argument
    add("--loss", choices=("smooth_l1", "huber", "mse"), default="smooth_l1", help="loss function")
    add("--epochs", type=int, default=20, metavar="N", help="times to go through the data")
    add("--batch-size", type=int, default=128, metavar="N", help="boxes per step")
    add("--learning-rate", type=float, default=1e-3, metavar="R", help="peak of the one-cycle rate")
    add("--weight-decay", type=float, default=1e-3, metavar="W", help="of AdamW")
    add(
        "--rotation",
        choices=("any", "quarter", "none", "space"),
        default="any",
        help="random turns about the normal, or about any axis (boxes of --unaligned alone)",
    )
    add("--no-flip", action="store_true", help="no mirroring in the plane")
    add(
        "--noise",
        type=float,
        default=0.5,
        metavar="S",
        help="largest deviation of the added noise, in standard deviations of the boxes",
    )
    add(
        "--keep",
        choices=("last", "best"),
        default="last",
        help="epoch whose weights are kept: the last, or the one with the least validation loss",
    )
    add(
        "--patience",
        type=int,
        default=0,
        metavar="N",
        help="epochs without gain before a stop, which keeps the best; 0: never",
    )
    add(
        "--freeze",
        type=int,
        default=0,
        metavar="N",
        help="with --start-from: first blocks of the network, of 4, that keep their weights",
    )
    add("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="auto: the faster")


def _check_turns(args: argparse.Namespace, is_aligned: bool) -> None:
    """Check that boxes are turned about what they can be turned about."""
    if args.rotation == "space" and (is_aligned or args.network != "membrain"):
        raise InputError(
            "--rotation: 'space' is for boxes not aligned to normals, and for network membrain",
            found=f"{'aligned' if is_aligned else 'other'} boxes, network {args.network}",
            remedy="set extract_subvolumes.unaligned too, or use rotation any",
        )


def recipe_of(
    args: argparse.Namespace, meta: Mapping, heads: Sequence[str], start: str = ""
) -> Recipe:
    """Return the recipe of a run, with the model's box inside the file's.

    Parameters
    ----------
    args : argparse.Namespace, with the flags of `add_recipe_flags` and ``seed``
    meta : mapping
        Of the labelled points: ``cap``, ``target``, ``folds``, and under ``subvolumes`` what the
        extraction says of the boxes.
    heads : sequence of str, those that there is something to learn for; network wide has them
    start : str, checksum of the weights to begin with, if any

    Raises
    ------
    InputError
        When the model's box does not fit into the file's, or cannot be turned as asked for.
    """
    from .augmentation import Augmentation
    from .recipes import Recipe

    described = meta["subvolumes"]
    outer = tuple(described["box_shape"])
    inner = tuple(args.box_shape or outer)
    is_aligned = described.get("aligned", True)
    _check_turns(args, is_aligned)
    if (is_aligned and inner[0] != outer[0]) or any(
        a > b for a, b in zip(inner, outer, strict=True)
    ):
        raise InputError(
            "--box-shape",
            found=list(inner),
            expected=f"{outer[0]} along the normal and at most {list(outer[1:])} in the plane",
        )
    shifts = [(b - a) // 2 for a, b in zip(inner, outer, strict=True)]
    centre = [c - s for c, s in zip(described["box_centre"], shifts, strict=True)]
    return Recipe(
        network=args.network,
        width=args.width,
        box_shape=inner,
        box_centre=tuple(centre),
        epochs=args.epochs,
        batch_size=args.batch_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        loss=args.loss,
        normalisation=args.normalisation,
        augmentation=Augmentation(args.rotation, not args.no_flip, args.noise),
        precision=args.precision,
        keep=args.keep,
        patience=args.patience,
        seed=args.seed,
        heads=tuple(heads) if args.network == "wide" else (),
        folds=tuple(meta.get("folds", ())),
        target=meta.get("target", "distance"),
        cap=meta["cap"],
        start=start,
        freeze=args.freeze,
    )
