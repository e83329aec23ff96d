"""Orientation of particles: the membrane's normal and the cluster's long axis in its plane."""

from __future__ import annotations

import numpy as np

from .rotations import frames_from_normals

NORMAL_RADIUS_VOXEL = 6.0
# Below this difference of the two in-plane spreads, as a part of their sum, a cluster is round.
MIN_ELONGATION = 1e-3
# Below this length of their mean the angles of a particle's points speak against each other.
MIN_AGREEMENT = 0.1


def normal_at(
    centre: np.ndarray, points: np.ndarray, normals: np.ndarray, radius: float = NORMAL_RADIUS_VOXEL
) -> np.ndarray:
    """Return the membrane's normal at a place, away from the membrane on the points' side.

    Parameters
    ----------
    centre : (3,) float, voxel
    points, normals : (n, 3) float, voxel
        Of one side of one membrane; at least one.
    radius : float, voxel
        Where the weight ``exp(-2 d^2 / radius^2)`` of a normal ends; without a point so near, the
        nearest one's normal is taken.

    Returns
    -------
    (3,) float64, unit, in the axis order of `normals`
    """
    points, normals = np.asarray(points, dtype=np.float64), np.asarray(normals, dtype=np.float64)
    square = ((points - centre) ** 2).sum(axis=1)
    is_near = square <= radius * radius
    weights = np.exp(-2 * square[is_near] / radius**2)
    mean = weights @ normals[is_near]
    length = np.linalg.norm(mean)
    if length < 1e-6 * max(weights.sum(), 1e-300):  # none near, or they cancel
        mean = normals[np.argmin(square)]
        length = np.linalg.norm(mean)
    return mean / length


def in_plane_axis(
    points: np.ndarray, normal: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, bool]:
    """Return the direction in which a cluster is longest within the membrane's plane.

    Parameters
    ----------
    points : (n, 3) float, voxel, any axis order
    normal : (3,) float, unit, in the same order
    weights : (n,) float, 0 or more, optional
        What each point counts; the published program counts them alike.

    Returns
    -------
    axis : (3,) float64, unit, perpendicular to the normal
        Its largest component is positive: an axis has no sign of its own.
    is_found : bool
        False where the cluster is round or has less than two points: the axis is then the first one
        of `rotations.frames_from_normals`, which depends on the normal alone.
    """
    frame = frames_from_normals(normal)[0]  # (3, 3) columns e_i, e_j, normal
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    weights = np.ones(len(points)) if weights is None else np.asarray(weights, dtype=np.float64)
    axis, is_found = frame[:, 0], False
    if weights.sum() > 0:
        flat = points @ frame[:, :2]  # (n, 2)
        flat = flat - weights @ flat / weights.sum()
        spreads, directions = np.linalg.eigh((weights[:, None] * flat).T @ flat / weights.sum())
        if spreads[1] - spreads[0] > MIN_ELONGATION * spreads.sum():
            axis, is_found = frame[:, :2] @ directions[:, 1], True
    return _signed(axis / np.linalg.norm(axis)), is_found


def turns_between(normals: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return by which angle box frames are turned against the frame of a particle.

    Parameters
    ----------
    normals : (n, 3) float
        Of points; each makes a frame by `rotations.frames_from_normals`, as its box has it.
    normal : (3,) float, of the particle

    Returns
    -------
    (n,) float64, radian
        What has to be added to an angle in a box to have it in the particle's frame, after the box
        was tilted the short way until the two normals are one.

    Notes
    -----
    With Q the box's frame in terms of the particle's, a tilt about an axis in the plane followed by
    a turn about the normal, the turn is ``atan2(Q_10 - Q_01, Q_00 + Q_11)``.
    """
    own = frames_from_normals(normal)[0]  # (3, 3) columns e_i, e_j, normal
    q = np.einsum("ba,nbc->nac", own, frames_from_normals(normals))  # (n, 3, 3)
    return np.arctan2(q[:, 1, 0] - q[:, 0, 1], q[:, 0, 0] + q[:, 1, 1])


def axis_from_angles(
    vectors: np.ndarray, normals: np.ndarray, weights: np.ndarray, normal: np.ndarray, fold: int
) -> tuple[np.ndarray, float]:
    """Return the in-plane axis that the predicted angles of a particle's points agree on.

    Parameters
    ----------
    vectors : (n, 2) float
        ``(cos m a, sin m a)`` of each point, a in its own box; the longer the more certain.
    normals : (n, 3) float, unit, of the points
    weights : (n,) float, 0 or more, what each point counts
    normal : (3,) float, unit, of the particle
    fold : int, m, at least 1

    Returns
    -------
    axis : (3,) float64, unit, perpendicular to the normal
    agreement : float
        Length of the mean vector; near 0 where the points tell nothing or contradict each other.
    """
    frame = frames_from_normals(normal)[0]
    if weights.sum() <= 0:
        return frame[:, 0], 0.0
    turns = np.exp(1j * fold * turns_between(normals, normal))
    mean = weights @ (turns * (vectors[:, 0] + 1j * vectors[:, 1])) / weights.sum()
    angle = np.angle(mean) / fold
    axis = np.cos(angle) * frame[:, 0] + np.sin(angle) * frame[:, 1]
    return (_signed(axis) if fold % 2 == 0 else axis), float(abs(mean))


def _signed(axis: np.ndarray) -> np.ndarray:
    """Return an axis that has no sign of its own with its largest component positive."""
    return axis * np.sign(axis[np.argmax(np.abs(axis))])


def number_particles(scores: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the order in which the particles of one side are numbered.

    Parameters
    ----------
    scores : (n,) float
    positions : (n, 3) float, zyx

    Returns
    -------
    (n,) int
        Rows by falling score, then by rising z, y, x.
    """
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    return np.lexsort((*positions.T[::-1], -np.asarray(scores, dtype=np.float64)))
