"""Predicted particles against annotated ones, membrane by membrane.

Two ways of counting, both always:

- the paper's, many-to-one: an annotated position is recalled when a prediction lies within the
  radius; a prediction is right when an annotated **or ambiguous** position lies within the radius;
- strict, one-to-one: predictions are assigned to annotated positions (`matching`); of those left
  over, each that can be assigned one-to-one to an ambiguous position is ignored, the rest are
  wrong.

All particles picked on a membrane count, whichever side they were picked on: annotations belong to
the membrane.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .formats.base import Annotations
from .matching import match_in_order, match_one_to_one, pairs_within
from .particles import ParticleTable
from .pose_errors import pose_errors


@dataclass(frozen=True)
class ClassGroup:
    """Predicted classes that are compared with the same annotated classes.

    `name` joins the predicted names by ``+``; names are in lower case in the sets.
    """

    name: str
    predicted: frozenset[str]
    annotated: frozenset[str]


@dataclass(frozen=True)
class Settings:
    """How particles are compared.

    Attributes
    ----------
    radius_voxel : float, hit radius in working voxels
    ambiguous : frozenset of str, lower case: annotated classes that may be hit but need not be
    symmetry : mapping of annotated class (lower case) to n of its Cn symmetry in the plane
        0: round, has no in-plane angle. Other classes have `default_symmetry`.
    default_symmetry : int
    axis_degree : mapping of annotated class (lower case) to the angle of the long axis
        In the particle's own xy plane, from x towards y. Others have `default_axis_degree`.
    default_axis_degree : float
    """

    radius_voxel: float = 4.5
    ambiguous: frozenset[str] = frozenset({"uk", "unknown"})
    symmetry: Mapping[str, int] = field(default_factory=dict)
    default_symmetry: int = 2
    axis_degree: Mapping[str, float] = field(default_factory=dict)
    default_axis_degree: float = 0.0

    def fold_of(self, classes: Iterable[str]) -> np.ndarray:
        """Return n of the Cn of each class, (n,) float64."""
        names = [self.symmetry.get(c.lower(), self.default_symmetry) for c in classes]
        return np.array(names, dtype=np.float64)

    def axis_of(self, classes: Iterable[str]) -> np.ndarray:
        """Return the angle of the long axis of each class, (n,) float64, degree."""
        angles = [self.axis_degree.get(c.lower(), self.default_axis_degree) for c in classes]
        return np.array(angles, dtype=np.float64)


@dataclass(frozen=True)
class Case:
    """One annotated membrane with what was picked on it.

    `working_voxel` is the length of a working voxel in voxels of the tomogram file.
    """

    tomogram: str
    membrane: str
    split: str
    annotations: Annotations
    particles: ParticleTable
    working_voxel: float = 1.0


@dataclass(frozen=True)
class Outcome:
    """What the comparison of one membrane and class group gave.

    Attributes
    ----------
    n_annotated, n_predicted : int
    n_recalled : int, annotated positions with a prediction within the radius (paper)
    n_right : int, predictions near an annotated or ambiguous position (paper)
    n_hits, n_ignored : int, one-to-one pairs, and left-over predictions on ambiguous positions
    in_plane_degree : (n_hits,) float64, folded error, NaN where unknown
    turn_degree, fold : (n_hits,) float64, signed angle before folding, and n of Cn
    normal_degree, position_voxel : (n_hits,) float64; working voxels
    hits : (n_hits, 2) int, rows of the case's particles and annotations
    scores : (n_predicted,) float64
    kinds : (n_predicted,) int8
        What a prediction is among those that score as high or higher: 1 hit, 0 ignored, -1 wrong.
    heatmap : (Pearson, Spearman) or None
        Correlation of the points' predicted with their true distance.
    """

    n_annotated: int
    n_predicted: int
    n_recalled: int
    n_right: int
    n_hits: int
    n_ignored: int
    in_plane_degree: np.ndarray
    turn_degree: np.ndarray
    fold: np.ndarray
    normal_degree: np.ndarray
    position_voxel: np.ndarray
    hits: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0))
    kinds: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int8))
    heatmap: tuple[float, float] | None = None


def class_groups(
    predicted: Iterable[str],
    annotated: Iterable[str],
    ambiguous: frozenset[str],
    outputs: Mapping[str, Sequence[str]] | None = None,
) -> list[ClassGroup]:
    """Return which predicted classes are compared with which annotated classes.

    Parameters
    ----------
    predicted, annotated : iterable of str
        Class names that occur in the whole data set. A predicted name may join several by ``+``.
    ambiguous : frozenset of str, lower case
    outputs : mapping of predicted class to annotated classes, optional
        Wins over the names; a class of it that was not predicted at all is evaluated too.

    Notes
    -----
    A predicted class that occurs among the annotated classes is compared with that class, any
    other with every annotated class that is not ambiguous. Predicted classes with the same
    counterpart are evaluated together.
    """
    clear = {name.lower() for name in annotated} - ambiguous
    chosen = {name.lower(): names for name, names in (outputs or {}).items()}
    spelling = {name.lower(): name for name in (*(outputs or {}), *sorted(set(predicted)))}
    if not spelling and clear:
        spelling = {"particle": "particle"}
    by_target: dict[frozenset[str], set[str]] = {}
    for name in spelling:
        names = chosen.get(name, name.split("+"))
        target = frozenset(part.lower() for part in names) & clear
        by_target.setdefault(target or frozenset(clear), set()).add(name)
    groups = [
        ClassGroup("+".join(sorted(spelling[name] for name in names)), frozenset(names), target)
        for target, names in by_target.items()
    ]
    return sorted(groups, key=lambda group: group.name)


def _has_class(classes: Iterable[str], wanted: frozenset[str]) -> np.ndarray:
    return np.array([name.lower() in wanted for name in classes], dtype=bool)


@dataclass(frozen=True)
class Selection:
    """Rows of a case that belong to a group of classes."""

    predicted: np.ndarray  # (n_predicted,) rows of the case's particles
    annotated: np.ndarray  # (n_annotated,) rows of its annotations
    ambiguous: np.ndarray  # (n_ambiguous,) rows of its annotations


def select_classes(case: Case, group: ClassGroup, ambiguous: frozenset[str]) -> Selection:
    """Return what of a case belongs to a group of classes, and what is ambiguous for it."""
    known = case.annotations.classes
    return Selection(
        np.flatnonzero(_has_class(case.particles.classes, group.predicted)),
        np.flatnonzero(_has_class(known, group.annotated)),
        np.flatnonzero(_has_class(known, ambiguous)),
    )


def _kinds(
    scores: np.ndarray, voxel: np.ndarray, annotated: np.ndarray, ambiguous: np.ndarray, r: float
) -> np.ndarray:
    """Return for each prediction whether it is a hit among those that score as high or higher.

    Returns
    -------
    (n_predicted,) int8: 1 hit, 0 ignored, -1 wrong
    """
    order = np.argsort(-scores, kind="stable")
    is_hit = match_in_order(voxel[order], annotated, r)
    kinds = np.where(is_hit, 1, -1).astype(np.int8)
    left = np.flatnonzero(~is_hit)
    kinds[left[match_in_order(voxel[order[left]], ambiguous, r)]] = 0
    out = np.empty_like(kinds)
    out[order] = kinds
    return out


def evaluate_membrane(case: Case, group: ClassGroup, settings: Settings) -> Outcome:
    """Compare the particles of one membrane with its annotations, for one group of classes."""
    radius = settings.radius_voxel * case.working_voxel  # voxels of the file
    rows = select_classes(case, group, settings.ambiguous)
    voxel, positions = case.particles.voxel[rows.predicted], case.annotations.positions
    annotated, ambiguous = positions[rows.annotated], positions[rows.ambiguous]
    near_p, near_a, _ = pairs_within(voxel, annotated, radius)
    maybe_p, _, _ = pairs_within(voxel, ambiguous, radius)
    pairs = match_one_to_one(voxel, annotated, radius)
    left = np.setdiff1d(np.arange(len(voxel)), pairs[:, 0])
    ignored = match_one_to_one(voxel[left], ambiguous, radius)
    hits = np.stack([rows.predicted[pairs[:, 0]], rows.annotated[pairs[:, 1]]], axis=1)
    found, known = case.particles.select(hits[:, 0]), case.annotations.select(hits[:, 1])
    fold = settings.fold_of(known.classes)
    error, turn, normal = pose_errors(
        *(found.normals, found.axes, known.angles),
        *(fold, settings.axis_of(known.classes)),
    )
    scores = case.particles.score[rows.predicted]
    return Outcome(
        n_annotated=len(annotated),
        n_predicted=len(voxel),
        n_recalled=len(np.unique(near_a)),
        n_right=len(np.union1d(near_p, maybe_p)),
        n_hits=len(hits),
        n_ignored=len(ignored),
        in_plane_degree=error,
        turn_degree=turn,
        fold=fold,
        normal_degree=normal,
        position_voxel=np.linalg.norm(found.voxel - known.positions, axis=1) / case.working_voxel,
        hits=hits,
        scores=scores,
        kinds=_kinds(scores, voxel, annotated, ambiguous, radius),
    )
