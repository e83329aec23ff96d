"""Particles that were found from both sides of a membrane.

A protein that spans the membrane stands out on both sides, and may be found on either::

          ^ normal
      ....a.....
      =========== membrane      a and b are one particle when they are near along the
      ......b....               membrane and their normals point away from each other
            v
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree

from .clusters import Clusters

# Twice the thickest segmentations of a bilayer (about 5 voxels of 14 angstrom): what lies farther
# behind a particle belongs to another part of the membrane.
MAX_DEPTH_VOXEL = 10.0
MAX_COSINE = -0.5  # of two normals that point away from each other
SLACK_VOXEL = 1.0  # a mask of one voxel has both sides in the same place


def cluster_normals(clusters: Clusters, normals: np.ndarray) -> np.ndarray:
    """Return the mean normal of each cluster's points, (m, 3) zyx, unit length.

    Parameters
    ----------
    clusters : Clusters
    normals : (n, 3) float, zyx, of the points that were clustered
    """
    own = clusters.labels >= 0
    sums = np.zeros((len(clusters.scores), 3))
    np.add.at(sums, clusters.labels[own], normals[own])
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def find_opposites(
    positions: tuple[np.ndarray, np.ndarray],
    normals: tuple[np.ndarray, np.ndarray],
    across: float,
    depth: float,
) -> np.ndarray:
    """Return pairs of particles that lie back to back on the two sides of a membrane.

    Parameters
    ----------
    positions, normals : pair of (m, 3) float, zyx, voxel
        Of the particles of one side and of the other.
    across : float, voxel
        Largest distance along the membrane.
    depth : float, voxel
        Largest distance through the membrane.

    Returns
    -------
    (n_pairs, 2) int, rows of the first and of the second side
    """
    if not (len(positions[0]) and len(positions[1])):
        return np.zeros((0, 2), dtype=np.int64)
    near = cKDTree(positions[0]).query_ball_tree(cKDTree(positions[1]), np.hypot(across, depth))
    first = np.repeat(np.arange(len(near)), [len(rows) for rows in near])
    second = np.array([row for rows in near for row in rows], dtype=np.int64)
    axis = normals[0][first] - normals[1][second]
    cosine = (normals[0][first] * normals[1][second]).sum(axis=1)
    axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-12)
    step = positions[0][first] - positions[1][second]
    through = (step * axis).sum(axis=1)
    along = np.linalg.norm(step - through[:, None] * axis, axis=1)
    is_pair = (cosine <= MAX_COSINE) & (along <= across)
    # facing each other over a gap, as in a spiral, `through` is negative
    is_pair &= (through >= -SLACK_VOXEL) & (through <= depth)
    return np.stack([first[is_pair], second[is_pair]], axis=1)


def drop_opposites(
    sides: tuple[Clusters, Clusters],
    normals: tuple[np.ndarray, np.ndarray],
    across: float,
    depth: float,
) -> tuple[Clusters, Clusters]:
    """Return the clusters of both sides, of each pair back to back only the more certain one.

    Parameters
    ----------
    sides : pair of Clusters
    normals : pair of (n, 3) float, zyx
        Of the points that were clustered.
    across, depth : float, voxel
        See `find_opposites`.

    Notes
    -----
    From the most certain cluster downwards each is kept unless one opposite to it was kept before;
    of two equal ones the first side's stays.
    """
    means = tuple(cluster_normals(c, n) for c, n in zip(sides, normals, strict=True))
    pairs = find_opposites((sides[0].positions, sides[1].positions), means, across, depth)
    n_first = len(sides[0].scores)
    partners: dict[int, list[int]] = {}
    for a, b in pairs:
        partners.setdefault(int(a), []).append(int(b) + n_first)
        partners.setdefault(int(b) + n_first, []).append(int(a))
    is_kept = np.ones(n_first + len(sides[1].scores), dtype=bool)
    certain = np.argsort(-np.concatenate([c.scores for c in sides]), kind="stable")
    done = np.zeros(len(is_kept), dtype=bool)
    for row in certain:
        is_kept[row] = not any(done[other] and is_kept[other] for other in partners.get(row, ()))
        done[row] = True
    return select_clusters(sides[0], is_kept[:n_first]), select_clusters(
        sides[1], is_kept[n_first:]
    )


def select_clusters(clusters: Clusters, is_kept: np.ndarray) -> Clusters:
    """Return some of the clusters; the points of the others belong to none."""
    renamed = np.append(np.where(is_kept, np.cumsum(is_kept) - 1, -1), -1)
    return replace(
        clusters,
        positions=clusters.positions[is_kept],
        scores=clusters.scores[is_kept],
        labels=renamed[clusters.labels],
    )
