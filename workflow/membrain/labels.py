"""Labels of points: the distance to the nearest annotated particle of each group of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .agreement import FAR_SHARE, Place, check_near, check_side, check_spread, sides_of
from .class_groups import parse_classes, resolve_classes
from .formats.base import Annotations
from .particle_shapes import about_normal, metric_of, shape_of
from .rotations import poses_from_relion

__all__ = [
    "Labelling",
    "label_membrane",
    "label_with_remarks",
    "nearest_distance",
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


def nearest_distance(
    points: np.ndarray, positions: np.ndarray, metrics: np.ndarray, cap: float
) -> np.ndarray:
    """Return the distance of each point to the nearest particle.

    Parameters
    ----------
    points : (n_points, 3) float, zyx
    positions : (n_particles, 3) float, zyx, in the unit of the points
    metrics : (n_particles, 3, 3) float, zyx
    cap : float
        Larger distances become this.

    Returns
    -------
    (n_points,) float32
    """
    nearest = np.full(len(points), float(cap))
    if not len(points) or not len(positions):
        return nearest.astype(np.float32)
    reach = cap / np.sqrt(np.linalg.eigvalsh(metrics)[:, 0])  # longest axis of the cap's ellipsoid
    tree = cKDTree(points)
    for position, metric, radius in zip(positions, metrics, reach, strict=True):
        rows = np.array(tree.query_ball_point(position, radius * 1.001), dtype=np.int64)
        offsets = points[rows] - position
        squares = np.einsum("na,ab,nb->n", offsets, metric, offsets)
        nearest[rows] = np.minimum(nearest[rows], np.sqrt(squares))
    return nearest.astype(np.float32)


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
    shape: Sequence[int] | None = None


def to_membership(distances: np.ndarray, how: Labelling) -> np.ndarray:
    """Return distances as the pseudo-distances of a yes or no: 0 for members, the cap for others.

    The truth of a classification is ``1 - label / cap``; a network that predicts the probability p
    of it has the pseudo-distance ``cap (1 - p)``, which clustering takes as it takes a distance.
    """
    return np.where(distances <= how.membership, 0.0, how.cap).astype(np.float32)


def label_with_remarks(
    place: Place, annotations: Annotations, how: Labelling
) -> tuple[np.ndarray, list[str]]:
    """Return the labels of the points of one membrane, and what was left out, with numbers.

    Parameters and errors are those of `label_membrane`.
    """
    labels = np.full((len(place.points), len(how.classes)), how.cap, dtype=np.float32)
    if not len(labels) or not len(annotations):
        return labels, []
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
            labels[mine, output] = nearest_distance(
                place.points[mine] / place.step,
                found.positions[is_in] / place.step,
                metrics[is_in],
                how.cap,
            )
    if how.target == "membership":
        labels = to_membership(labels, how)
    return labels, [text for text in remarks if text]


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
    return label_with_remarks(place_of(points, normals, side, how, where), annotations, how)[0]


def place_of(
    points: np.ndarray, normals: np.ndarray, side: np.ndarray, how: Labelling, where: str
) -> Place:
    """Return the points of a membrane as the record that the checks take."""
    points = np.asarray(points, dtype=np.float64)
    return Place(points, normals, side, how.step, how.pixel_size, how.shape, where)
