"""Labels of points: the distance to the nearest annotated particle of each group of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .class_groups import parse_classes, resolve_classes
from .errors import InputError
from .formats.base import Annotations
from .misfits import what_would_fit
from .particle_shapes import about_normal, metric_of, shape_of
from .rotations import poses_from_relion

__all__ = ["Labelling", "label_membrane", "nearest_distance", "parse_classes", "resolve_classes"]

FAR_WORKING_VOXEL = 10.0
MIN_AGREEING = 0.05  # of the annotations must have a normal that fits a sampled side


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


def belongs_to_side(
    annotations: Annotations, points: np.ndarray, normals: np.ndarray, side: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return which annotated particles lie on which sampled side of a membrane.

    Parameters
    ----------
    annotations : Annotations
    points, normals : (n_points, 3) float, zyx, voxel; at least one point
    side : (n_points,) int

    Returns
    -------
    is_on : (n_sides, n) bool
        For each value of `side` in ascending order: with angles, the particle's z axis and the
        nearest point's normal point to the same half space; without, the side is the nearest one.
    rows : (n_sides, n) int, nearest point of that side
    """
    values = np.unique(side)
    distances = np.empty((len(values), len(annotations)))
    nearest = np.empty((len(values), len(annotations)), dtype=np.int64)
    for s, value in enumerate(values):
        rows = np.flatnonzero(side == value)
        distances[s], found = cKDTree(points[rows]).query(annotations.positions)
        nearest[s] = rows[found]
    if annotations.angles is None:
        return distances.argmin(axis=0) == np.arange(len(values))[:, None], nearest
    axes = poses_from_relion(annotations.angles).apply([0.0, 0.0, 1.0])[:, ::-1]  # zyx
    return np.einsum("sna,na->sn", normals[nearest], axes) > 0, nearest


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
    """

    classes: Sequence[Sequence[str]]
    shapes: Mapping[str, np.ndarray]
    cap: float = 7.0
    step: float = 1.0
    pixel_size: float = 0.0


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
        Distance to the nearest particle of each group on the point's own side, at most the cap.

    Raises
    ------
    InputError
        When the annotations lie far from the membrane, or on no sampled side of it.
    """
    points = np.asarray(points, dtype=np.float64)
    labels = np.full((len(points), len(how.classes)), how.cap, dtype=np.float32)
    if not len(points) or not len(annotations):
        return labels
    check_near(points, annotations.positions, how, where)
    is_on, nearest = belongs_to_side(annotations, points, normals, side)
    if is_on.any(axis=0).mean() < MIN_AGREEING:
        raise InputError(
            f"{where}: the annotated particles' z axes point away from the sampled side",
            found=f"{int(is_on.any(axis=0).sum())} of {len(annotations)} towards it",
            expected="z along the membrane's normal on the side that the particles stand out",
            remedy="sample side 'annotations' or 'both', or turn the angles' z axis round",
        )
    for value, on_side, rows in zip(np.unique(side), is_on, nearest, strict=True):
        mine = np.flatnonzero(side == value)
        found, n_rows = annotations.select(on_side), rows[on_side]
        metrics = particle_metrics(found, normals[n_rows], how.shapes)
        names = np.array([name.lower() for name in found.classes], dtype=object)
        for output, group in enumerate(how.classes):
            is_in = np.isin(names, [name.lower() for name in group])
            labels[mine, output] = nearest_distance(
                points[mine] / how.step,
                found.positions[is_in] / how.step,
                metrics[is_in],
                how.cap,
            )
    return labels


def check_near(points: np.ndarray, positions: np.ndarray, how: Labelling, where: str) -> None:
    """Check that annotations lie on the membrane that was sampled.

    Raises
    ------
    InputError
        When half of them are farther than 10 working voxels from every sampled point; says how far
        and which factor or offset would make them fit.
    """
    tree = cKDTree(points)
    far = float(np.median(tree.query(positions)[0])) / how.step
    if far <= FAR_WORKING_VOXEL:
        return
    raise InputError(
        f"{where}: the annotated particles do not lie on the membrane",
        found=f"half of the {len(positions)} are at least {far:.0f} working voxels from it",
        expected=f"within {FAR_WORKING_VOXEL:g}",
        remedy=_remedy(tree, positions, how),
    )


def _remedy(tree: cKDTree, positions: np.ndarray, how: Labelling) -> str:
    """Return in words the factor or offset that brings positions to the points, if there is one."""

    def near_share(moved: np.ndarray) -> float:
        return float(np.mean(tree.query(moved)[0] <= 0.4 * FAR_WORKING_VOXEL * how.step))

    shift = np.median(tree.data, axis=0) - np.median(positions, axis=0)
    for _ in range(30):
        moved = positions + shift
        shift = shift + np.median(tree.data[tree.query(moved)[1]] - moved, axis=0)
    shifts = [("an origin?", shift)]
    found = what_would_fit(positions, near_share, 0.5, how.pixel_size, shifts)
    return found[0] if found else "is this the file of this membrane and this tomogram?"
