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
from .matching import match_one_to_one, pairs_within
from .particles import ParticleTable
from .rotations import angle_between, fold_angle, poses_from_relion


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
        In the particle's own xy plane, from x towards y; 0 for other classes.
    """

    radius_voxel: float = 4.5
    ambiguous: frozenset[str] = frozenset({"uk", "unknown"})
    symmetry: Mapping[str, int] = field(default_factory=dict)
    default_symmetry: int = 2
    axis_degree: Mapping[str, float] = field(default_factory=dict)


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


def _turns(axes_xyz: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return by how many degrees predicted axes are turned from annotated x axes, about their z."""
    in_frame = (
        poses_from_relion(angles).inv().apply(axes_xyz) if len(axes_xyz) else np.zeros((0, 3))
    )
    turn = np.degrees(np.arctan2(in_frame[:, 1], in_frame[:, 0]))
    return np.where(np.hypot(in_frame[:, 0], in_frame[:, 1]) > 1e-6, turn, np.nan)


def _pose_errors(
    predicted: ParticleTable, annotated: Annotations, settings: Settings
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return in-plane error, signed turn, fold and normal error of pairs, row by row."""
    names = [name.lower() for name in annotated.classes]
    fold = np.array(
        [settings.symmetry.get(n, settings.default_symmetry) for n in names], dtype=float
    )
    unknown = np.full(len(predicted), np.nan)
    if annotated.angles is None:
        return unknown, unknown, fold, unknown
    expected = np.array([settings.axis_degree.get(name, 0.0) for name in names])
    turn = np.where(fold > 0, _turns(predicted.axes[:, ::-1], annotated.angles) - expected, np.nan)
    error = np.array([fold_angle(t, n) if n else np.nan for t, n in zip(turn, fold, strict=True)])
    normals = (
        poses_from_relion(annotated.angles).apply([0.0, 0.0, 1.0])
        if len(turn)
        else np.zeros((0, 3))
    )
    normal = angle_between(predicted.normals[:, ::-1], normals.reshape(-1, 3))
    return error.astype(np.float64), turn, fold, normal


def evaluate_membrane(case: Case, group: ClassGroup, settings: Settings) -> Outcome:
    """Compare the particles of one membrane with its annotations, for one group of classes."""
    radius = settings.radius_voxel * case.working_voxel  # voxels of the file
    predicted = case.particles.select(_has_class(case.particles.classes, group.predicted))
    annotated = case.annotations.select(_has_class(case.annotations.classes, group.annotated))
    ambiguous = case.annotations.select(_has_class(case.annotations.classes, settings.ambiguous))
    near_p, near_a, _ = pairs_within(predicted.voxel, annotated.positions, radius)
    maybe_p, _, _ = pairs_within(predicted.voxel, ambiguous.positions, radius)
    hits = match_one_to_one(predicted.voxel, annotated.positions, radius)
    left = np.setdiff1d(np.arange(len(predicted)), hits[:, 0])
    ignored = match_one_to_one(predicted.voxel[left], ambiguous.positions, radius)
    hit_particles, hit_annotations = predicted.select(hits[:, 0]), annotated.select(hits[:, 1])
    error, turn, fold, normal = _pose_errors(hit_particles, hit_annotations, settings)
    distance = np.linalg.norm(hit_particles.voxel - hit_annotations.positions, axis=1)
    return Outcome(
        n_annotated=len(annotated),
        n_predicted=len(predicted),
        n_recalled=len(np.unique(near_a)),
        n_right=len(np.union1d(near_p, maybe_p)),
        n_hits=len(hits),
        n_ignored=len(ignored),
        in_plane_degree=error,
        turn_degree=turn,
        fold=fold,
        normal_degree=normal,
        position_voxel=distance / case.working_voxel,
    )
