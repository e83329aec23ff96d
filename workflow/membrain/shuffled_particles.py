"""The particles of a membrane put at other places: same classes, spacing and height, new poses."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from .agreement import Place, check_near, sides_of
from .formats.base import Annotations
from .particle_densities import Particles, turned
from .rotations import frames_from_normals, poses_from_axes, poses_from_relion, relion_angles

SPACING_QUANTILE = 0.1  # of the real distances to the next particle: the least of the new ones
JITTER_VOXEL = 0.5  # by which particles leave the sampled points, which lie on voxels
MAX_TILT_DEGREE = 45.0  # between a particle's own normal and the membrane's


def poses_on(normals: np.ndarray) -> Rotation:
    """Return poses with z along normals (n, 3), zyx; the axes in the plane follow from these."""
    frames = frames_from_normals(normals)
    return poses_from_axes(normals[:, ::-1], frames[:, ::-1, 0])


def real_particles(annotations: Annotations, place: Place, far_share: float) -> Particles:
    """Return the annotated particles that lie on the sampled sides of a membrane.

    Parameters
    ----------
    annotations : Annotations
        Without angles a particle's z axis is the normal of the nearest point.
    place : Place
    far_share : float, see `agreement.check_near`

    Raises
    ------
    InputError
        When the annotations lie far from the membrane.
    """
    near = annotations.select(check_near(annotations, place, far_share))
    is_on, nearest = sides_of(near, place)
    distances = np.linalg.norm(place.points[nearest] - near.positions, axis=2)
    side = np.where(is_on, distances, np.inf).argmin(axis=0)  # (n,) row of the sides
    rows = np.flatnonzero(is_on.any(axis=0))
    point = nearest[side[rows], rows]
    found = near.select(rows)
    if found.angles is not None:
        poses = poses_from_relion(found.angles)
    else:
        poses = poses_on(place.normals[point])
    return Particles(found.positions, poses, np.array(found.classes, object), place.side[point])


def as_annotations(particles: Particles, has_angles: bool) -> Annotations:
    """Return particles as annotations, with angles or without."""
    angles = relion_angles(particles.poses) if has_angles else None
    return Annotations(particles.positions, tuple(particles.classes), angles, "replica")


def _on_points(particles: Particles, points: np.ndarray, normals: np.ndarray) -> tuple:
    """Return height above the points' planes (n,) and tilt against their normals (n,) degree."""
    row = cKDTree(points).query(particles.positions)[1]
    heights = np.einsum("na,na->n", particles.positions - points[row], normals[row])
    cosines = np.einsum("na,na->n", particles.axes[:, 0], normals[row])
    return heights, np.minimum(np.degrees(np.arccos(np.clip(cosines, -1, 1))), MAX_TILT_DEGREE)


def spacing_of(positions: np.ndarray) -> float:
    """Return the 10th percentile of the distances to the next particle; 0 of fewer than two."""
    if len(positions) < 2:
        return 0.0
    return float(np.quantile(cKDTree(positions).query(positions, k=2)[0][:, 1], SPACING_QUANTILE))


def _spots(points: np.ndarray, n: int, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """Return rows of up to `n` random points and their places (m, 3), at least `spacing` apart."""
    places = points + rng.uniform(-JITTER_VOXEL, JITTER_VOXEL, points.shape)
    tree, is_free, rows = cKDTree(places), np.ones(len(points), dtype=bool), []
    for row in rng.permutation(len(points)):
        if len(rows) == n:
            break
        if is_free[row]:
            rows.append(row)
            is_free[tree.query_ball_point(places[row], spacing - 1e-9)] = False
            is_free[row] = False
    return np.array(rows, dtype=int), places[rows]


def shuffle_particles(particles: Particles, place: Place, rng: np.random.Generator) -> Particles:
    """Return as many particles of each side at random places of it.

    Parameters
    ----------
    particles : Particles
    place : Place
    rng : numpy Generator

    Returns
    -------
    Particles
        Classes are dealt out at random; height above the surface and tilt against its normal are
        those of a random real particle of the class; angles in the plane are random. Fewer where
        the membrane has no room for all at the real spacing.
    """
    parts = []
    for value in np.unique(particles.side):
        mine = particles.select(particles.side == value)
        on_side = np.flatnonzero(place.side == value)
        points, normals = place.points[on_side], place.normals[on_side]
        heights, tilts = _on_points(mine, points, normals)
        rows, spots = _spots(points, len(mine), spacing_of(mine.positions), rng)
        classes = rng.permutation(mine.classes)[: len(rows)]
        model = [rng.choice(np.flatnonzero(mine.classes == name)) for name in classes]
        spin = turned(rng.uniform(0, 2 * np.pi, len(rows)))
        azimuth = rng.uniform(0, 2 * np.pi, len(rows))
        lean = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(len(rows))], axis=1)
        tilt = Rotation.from_rotvec(np.radians(tilts[model])[:, None] * lean)
        parts.append(
            Particles(
                spots + heights[model][:, None] * normals[rows],
                poses_on(normals[rows]) * spin * tilt,
                classes,
                np.full(len(rows), value),
            )
        )
    return joined(parts)


def joined(parts: list[Particles]) -> Particles:
    """Return particles of several groups as one."""
    return Particles(
        np.concatenate([p.positions for p in parts]),
        Rotation.concatenate([p.poses for p in parts]),
        np.concatenate([p.classes for p in parts]),
        np.concatenate([p.side for p in parts]),
    )
