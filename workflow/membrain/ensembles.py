"""Which networks may be averaged, and the card of what they are together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .cards import Card
from .errors import Problems

SHARED = ("network", "width", "classes", "normalisation", "box_shape", "box_centre", "contrast")
SHARED += ("pixel_size_angstrom", "cap", "heads", "folds", "target", "aligned")


def check_cards(cards: Sequence[Card], where: Sequence[str]) -> None:
    """Check that networks are of one kind, for the same boxes and classes.

    Parameters
    ----------
    cards : sequence of Card
    where : sequence of str, names the file of each

    Raises
    ------
    InputError
        Lists every entry that differs from the first card's.
    """
    problems = Problems()
    for card, name in zip(cards[1:], where[1:], strict=True):
        for entry in SHARED:
            found, expected = getattr(card, entry), getattr(cards[0], entry)
            if found != expected:
                problems.add(
                    f"{name}: {entry}", found=found, expected=f"{expected}, as {where[0]} has"
                )
    problems.raise_if_any(f"{len(problems.errors)} differences between networks to be averaged")


def join_cards(cards: Sequence[Card], thresholds: tuple[float, ...], n_members: int) -> Card:
    """Return the card of several networks as one model; it tells how each was trained."""
    membranes = {name for card in cards for name in card.training.get("membranes", ())}
    return replace(
        cards[0],
        threshold=thresholds if len(thresholds) > 1 else thresholds[0],
        members=n_members,
        training={
            "membranes": sorted(membranes),
            "members": [{"sha256": card.sha256, **card.training} for card in cards],
        },
    )
