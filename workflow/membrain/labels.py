"""Labels of points: the distance to the nearest annotated particle of each group of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from .agreement import FAR_SHARE, Place, check_near, check_side, check_spread, sides_of
from .angle_labels import REACH_VOXEL, angle_labels, fold_of
from .class_groups import parse_classes, resolve_classes
from .formats.base import Annotations
from .particle_shapes import about_normal, metric_of, shape_of
from .rotations import poses_from_relion

__all__ = [
    "Labelling",
    "label_membrane",
    "label_with_remarks",
    "nearest_particle",
    "parse_classes",
    "place_of",
    "resolve_classes",
]


def particle_metrics(
    annotations: Annotations, normals: np.ndarray, shapes: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return the metric of each annotated particle in the tomogram's frame.

    Parameters
    ----------
    annotations : Annotations
    normals : (n, 3) float, zyx, unit length
        Normal of the membrane at each particle; stands in for angles where there are none, the
        particle then counts as round about it.
    shapes : mapping of class (lower case) to (3, 3), see `particle_shapes.shape_of`

    Returns
    -------
    (n, 3, 3) float64, zyx: the distance of an offset d from the particle is ``sqrt(d^T M d)``
    """
    metrics = np.empty((len(annotations), 3, 3))
    if annotations.angles is not None:
        rotations = poses_from_relion(annotations.angles).as_matrix()  # particle -> tomogram, xyz
    for i, name in enumerate(annotations.classes):
        covariance = shape_of(shapes, name)
        if annotations.angles is not None:
            metric = rotations[i] @ metric_of(covariance) @ rotations[i].T
            metrics[i] = metric[::-1, ::-1]
        else:
            in_plane, _, along = np.diag(metric_of(about_normal(covariance)))
            outer = np.outer(normals[i], normals[i])
            metrics[i] = in_plane * (np.eye(3) - outer) + along * outer
    return metrics


def nearest_particle(
    points: np.ndarray, positions: np.ndarray, metrics: np.ndarray, cap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distance of each point to the nearest particle, and which one that is.

    Parameters
    ----------
    points : (n_points, 3) float, zyx
    positions : (n_particles, 3) float, zyx, in the unit of the points
    metrics : (n_particles, 3, 3) float, zyx
    cap : float
        Larger distances become this.

    Returns
    -------
    distances : (n_points,) float32
    rows : (n_points,) int, -1 where none is nearer than the cap
    """
    nearest = np.full(len(points), float(cap))
    which = np.full(len(points), -1)
    if not len(points) or not len(positions):
        return nearest.astype(np.float32), which
    reach = cap / np.sqrt(np.linalg.eigvalsh(metrics)[:, 0])  # longest axis of the cap's ellipsoid
    tree = cKDTree(points)
    for i, (position, metric) in enumerate(zip(positions, metrics, strict=True)):
        rows = np.array(tree.query_ball_point(position, reach[i] * 1.001), dtype=np.int64)
        offsets = points[rows] - position
        distances = np.sqrt(np.einsum("na,ab,nb->n", offsets, metric, offsets))
        is_nearer = distances < nearest[rows]
        nearest[rows[is_nearer]] = distances[is_nearer]
        which[rows[is_nearer]] = i
    return nearest.astype(np.float32), which


@dataclass(frozen=True)
class Labelling:
    """How points are labelled.

    Attributes
    ----------
    classes : list of lists of str, one group per output
    shapes : mapping of class (lower case) to (3, 3); empty for Euclidean distances
    cap : float, working voxel
    step : float, length of a working voxel in voxels of the tomogram
    pixel_size : float, angstrom per voxel of the tomogram; 0: not known
    target : {"distance", "membership"}
    membership : float, working voxel: distance up to which a point is a member
    far_share : float, see `agreement.check_near`
    folds : mapping of class (lower case) to n of Cn, see `angle_labels.fold_of`; empty: no angles
    shape : (3,) int, zyx, voxel, or None: size of the tomogram, to recognise mistakes by
    """

    classes: Sequence[Sequence[str]]
    shapes: Mapping[str, np.ndarray]
    cap: float = 7.0
    step: float = 1.0
    pixel_size: float = 0.0
    target: str = "distance"
    membership: float = 3.0
    far_share: float = FAR_SHARE
    folds: Mapping[str, int] = field(default_factory=dict)
    shape: Sequence[int] | None = None


@dataclass(frozen=True)
class Labels:
    """Labels of the points of one membrane.

    Attributes
    ----------
    distances : (n, n_outputs) float32, working voxel
        To the nearest particle of each group on the point's own side, at most the cap; or
        `to_membership` of it.
    angles : (n, n_outputs, 2) float32
        ``(cos n a, sin n a)`` of that particle's x axis in the point's box, see `angle_labels`;
        zeros where none with a known angle is nearer than 2.5 working voxels.
    remarks : list of str, what was left out, with numbers
    """

    distances: np.ndarray
    angles: np.ndarray
    remarks: list[str]


def to_membership(distances: np.ndarray, how: Labelling) -> np.ndarray:
    """Return distances as the pseudo-distances of a yes or no: 0 for members, the cap for others.

    The truth of a classification is ``1 - label / cap``; a network that predicts the probability p
    of it has the pseudo-distance ``cap (1 - p)``, which clustering takes as it takes a distance.
    """
    return np.where(distances <= how.membership, 0.0, how.cap).astype(np.float32)


def label_with_remarks(place: Place, annotations: Annotations, how: Labelling) -> Labels:
    """Return the labels of the points of one membrane, and what was left out.

    Parameters and errors are those of `label_membrane`.
    """
    labels = np.full((len(place.points), len(how.classes)), how.cap, dtype=np.float32)
    angles = np.zeros((*labels.shape, 2), dtype=np.float32)
    if not len(labels) or not len(annotations):
        return Labels(labels, angles, [])
    is_near = check_near(annotations, place, how.far_share)
    near, n_far = annotations.select(is_near), int((~is_near).sum())
    remarks = [f"{n_far} of {len(annotations)} annotations far from it, left out" if n_far else ""]
    remarks.append(check_spread(near, place))
    is_on, nearest = sides_of(near, place)
    remarks.append(check_side(is_on, near, place.where))
    for value, on_side, rows in zip(np.unique(place.side), is_on, nearest, strict=True):
        mine = np.flatnonzero(place.side == value)
        found, n_rows = near.select(on_side), rows[on_side]
        metrics = particle_metrics(found, place.normals[n_rows], how.shapes)
        names = np.array([name.lower() for name in found.classes], dtype=object)
        for output, group in enumerate(how.classes):
            is_in = np.isin(names, [name.lower() for name in group])
            distances, which = nearest_particle(
                place.points[mine] / place.step,
                found.positions[is_in] / place.step,
                metrics[is_in],
                how.cap,
            )
            labels[mine, output] = distances
            is_told = (which >= 0) & (distances < REACH_VOXEL)
            angles[mine[is_told], output] = _angles_of(
                found.select(is_in), which[is_told], place.normals[mine[is_told]], how.folds
            )
    if how.target == "membership":
        labels = to_membership(labels, how)
    return Labels(labels, angles, [text for text in remarks if text])


def _angles_of(
    particles: Annotations, which: np.ndarray, normals: np.ndarray, folds: Mapping[str, int]
) -> np.ndarray:
    """Return the angle vectors (n, 2) of points, each of its own row of the particles."""
    if particles.angles is None or not len(which):
        return np.zeros((len(which), 2), dtype=np.float32)
    axes = poses_from_relion(particles.angles).as_matrix()[:, ::-1, 0]  # x axes, zyx
    own = np.array([fold_of(folds, name) for name in particles.classes])
    return angle_labels(normals, axes[which], own[which])


def label_membrane(
    points: np.ndarray,
    normals: np.ndarray,
    side: np.ndarray,
    annotations: Annotations,
    how: Labelling,
    where: str = "annotations",
) -> np.ndarray:
    """Return the labels of the points of one membrane.

    Parameters
    ----------
    points, normals : (n_points, 3) float, zyx, voxel
    side : (n_points,) int
    annotations : Annotations of this membrane
    how : Labelling
    where : str, names membrane and file in messages

    Returns
    -------
    (n_points, n_outputs) float32, working voxel
        Distance to the nearest particle of each group on the point's own side, at most the cap; or
        `to_membership` of it.

    Raises
    ------
    InputError
        When the annotations lie far from the membrane, all in one corner, or on no sampled side.
    """
    place = place_of(points, normals, side, how, where)
    return label_with_remarks(place, annotations, how).distances


def place_of(
    points: np.ndarray, normals: np.ndarray, side: np.ndarray, how: Labelling, where: str
) -> Place:
    """Return the points of a membrane as the record that the checks take."""
    points = np.asarray(points, dtype=np.float64)
    return Place(points, normals, side, how.step, how.pixel_size, how.shape, where)
