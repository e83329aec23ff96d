"""The card that says what weights were made for, as JSON beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from . import __version__
from .errors import InputError, Problems
from .files import read_json
from .heads import HEADS, TARGETS, n_columns
from .network import N_FEATURES, NETWORKS, NORMALISATIONS, build_network

FORMAT = "membrain-flow weights 1"


@dataclass(frozen=True)
class Card:
    """What a reader of weights has to know.

    Attributes
    ----------
    pixel_size_angstrom : float, of the boxes
    classes : tuple of tuples of str
        Names of the classes that each output measures the distance to.
    contrast : ``dark`` or ``bright``, protein in the boxes
    normalisation : str, of each box, see `network.normalise_boxes`
    box_shape, box_centre : (3,) along k, i, j, voxels
    cap : float, working voxel, largest distance in the labels
    threshold : float, or tuple of one per output, working voxel
        Distance below which a point counts as near a particle.
    network : str, one of `network.NETWORKS`
    width : int, features of the network's first layers
    heads : tuple of str, what the network tells beside distances, see `heads`
    folds : tuple of int
        n of the Cn symmetry of each output's particles, 0: round; empty without angle head.
    target : ``distance`` or ``membership``, what was learnt
    members : int, networks in the file, whose predictions are averaged
    aligned : bool, whether boxes stand on the membrane along its normals
    training : dict, what the weights were trained on and how
    version : str, of the program
    sha256 : str, of the weights file
    """

    pixel_size_angstrom: float
    classes: tuple[tuple[str, ...], ...]
    contrast: str = "dark"
    normalisation: str = "tomogram"
    box_shape: tuple[int, ...] = (12, 12, 12)
    box_centre: tuple[float, ...] = (6, 6, 6)
    cap: float = 7.0
    threshold: float | tuple[float, ...] = 3.0
    network: str = "membrain"
    width: int = N_FEATURES
    heads: tuple[str, ...] = ()
    folds: tuple[int, ...] = ()
    target: str = "distance"
    members: int = 1
    aligned: bool = True
    training: dict = field(default_factory=dict)
    version: str = __version__
    sha256: str = ""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """One threshold per output."""
        is_one = _is_number(self.threshold)
        return (self.threshold,) * len(self.classes) if is_one else tuple(self.threshold)

    def build(self) -> nn.Module:
        """Return the network that this card describes, with fresh weights."""
        return build_network(
            self.network, n_columns(len(self.classes), self.heads), self.box_shape, self.width
        )


def card_path(weights: str | Path) -> Path:
    """Return the place of the card of a weights file."""
    return Path(weights).with_suffix(".json")


def _is_numbers(value: object, n: int) -> bool:
    return isinstance(value, list) and len(value) == n and all(_is_number(v) for v in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_classes(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(g, list) and g and all(isinstance(c, str) for c in g) for g in value)
    )


def _is_threshold(value: object) -> bool:
    values = value if isinstance(value, list) and value else [value]
    return all(_is_number(v) and v > 0 for v in values)


RULES = {
    "network": (lambda v: v in NETWORKS, f"one of {', '.join(NETWORKS)}"),
    "box_shape": (lambda v: _is_numbers(v, 3) and min(v) >= 5, "three sizes of 5 or more"),
    "box_centre": (lambda v: _is_numbers(v, 3), "three numbers"),
    "pixel_size_angstrom": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "contrast": (lambda v: v in ("dark", "bright"), "dark or bright"),
    "normalisation": (lambda v: v in NORMALISATIONS, f"one of {', '.join(NORMALISATIONS)}"),
    "classes": (_is_classes, "a list of lists of class names, one per output"),
    "cap": (lambda v: _is_number(v) and v > 0, "a number above 0"),
    "threshold": (_is_threshold, "a number above 0, or a list of one per output"),
    "training": (lambda v: isinstance(v, dict), "an object"),
    "version": (lambda v: isinstance(v, str), "text"),
    "sha256": (lambda v: isinstance(v, str), "text"),
}
# entries that older cards lack: they mean the default of `Card`
NEWER_RULES = {
    "width": (lambda v: _is_whole(v) and v >= 1, "a whole number of 1 or more"),
    "heads": (
        lambda v: isinstance(v, list) and all(h in HEADS for h in v),
        f"a list of {', '.join(HEADS)}, or an empty one",
    ),
    "folds": (
        lambda v: isinstance(v, list) and all(_is_whole(n) and n >= 0 for n in v),
        "a list of whole numbers of 0 or more",
    ),
    "target": (lambda v: v in TARGETS, f"one of {', '.join(TARGETS)}"),
    "members": (lambda v: _is_whole(v) and v >= 1, "a whole number of 1 or more"),
    "aligned": (lambda v: isinstance(v, bool), "true or false"),
}


def read_card(weights: str | Path) -> Card:
    """Return the card of a weights file, checked.

    Raises
    ------
    InputError
        When the card is absent, of another format, or an entry is missing or out of range.
    """
    path = card_path(weights)
    if not path.is_file():
        raise InputError(
            f"{weights}: no card beside it",
            expected=f"{path.name}, which tells pixel size, box, contrast and classes",
            remedy="copy both files, or make them with import_weights or train_model",
        )
    content = read_json(path)
    found = content.pop("format", None) if isinstance(content, dict) else None
    if found != FORMAT:
        raise InputError(f"{path}: format of the card", found=repr(found), expected=repr(FORMAT))
    problems = Problems()
    for name, (is_right, expected) in (RULES | NEWER_RULES).items():
        if name not in content:
            if name in RULES:
                problems.add(f"{path}: entry '{name}' is missing", expected=expected)
        elif not is_right(content[name]):
            problems.add(f"{path}: entry '{name}'", found=repr(content[name]), expected=expected)
    problems.raise_if_any(f"{path}: {len(problems.errors)} mistakes")
    values = {name: content[name] for name in RULES | NEWER_RULES if name in content}
    if isinstance(values["threshold"], list):
        values["threshold"] = tuple(values["threshold"])
        if len(values["threshold"]) != len(values["classes"]):
            raise InputError(
                f"{path}: entry 'threshold'",
                found=f"{len(values['threshold'])} numbers",
                expected=f"{len(values['classes'])}, one for each output",
            )
    for name in ("box_shape", "box_centre", "heads", "folds"):
        values[name] = tuple(values.get(name, ()))
    if "angle" in values["heads"] and len(values["folds"]) != len(values["classes"]):
        raise InputError(
            f"{path}: entry 'folds'",
            found=f"{len(values['folds'])} numbers",
            expected=f"{len(values['classes'])}, one for each output",
        )
    values["classes"] = tuple(tuple(group) for group in values["classes"])
    return Card(**values)
