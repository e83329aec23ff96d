"""Weighted mean shift: every point climbs to the place where its neighbours' weight is densest."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from scipy.spatial import cKDTree

TOLERANCE_VOXEL = 1e-3  # a seed has arrived when it moves less
MAX_STEPS = 10_000  # never met: a seed moves uphill and stops
MAX_CELLS = 4_000_000  # of the neighbour grid: 32 MB, whatever the extent of the points


@njit(cache=True, parallel=True)
def _climb(
    points, weights, starts, low, cell, dims, seeds, bandwidth, tolerance, centres, densities
):
    """Move seeds up; `points` are sorted by cell, cell c has rows starts[c] to starts[c + 1]."""
    reach = bandwidth * bandwidth
    for seed in prange(len(seeds)):
        z, y, x = seeds[seed, 0], seeds[seed, 1], seeds[seed, 2]
        density = 0.0
        for _ in range(MAX_STEPS):
            cell_z = int(np.floor((z - low[0]) / cell))
            cell_y = int(np.floor((y - low[1]) / cell))
            cell_x = int(np.floor((x - low[2]) / cell))
            first, last = max(cell_x - 1, 0), min(cell_x + 2, dims[2])
            total = sum_z = sum_y = sum_x = 0.0
            for a in range(max(cell_z - 1, 0), min(cell_z + 2, dims[0])):
                for b in range(max(cell_y - 1, 0), min(cell_y + 2, dims[1])):
                    row = (a * dims[1] + b) * dims[2]
                    for p in range(starts[row + first], starts[row + last]):
                        dz, dy, dx = points[p, 0] - z, points[p, 1] - y, points[p, 2] - x
                        square = dz * dz + dy * dy + dx * dx
                        if square < reach:
                            w = weights[p] * np.exp(-0.25 * square / reach)
                            total += w
                            sum_z += w * dz
                            sum_y += w * dy
                            sum_x += w * dx
            density = total
            if total == 0.0:
                break
            sum_z, sum_y, sum_x = sum_z / total, sum_y / total, sum_x / total
            z, y, x = z + sum_z, y + sum_y, x + sum_x
            if sum_z * sum_z + sum_y * sum_y + sum_x * sum_x < tolerance * tolerance:
                break
        centres[seed, 0], centres[seed, 1], centres[seed, 2] = z, y, x
        densities[seed] = density


def climb(
    points: np.ndarray,
    weights: np.ndarray,
    bandwidth: float,
    tolerance: float = TOLERANCE_VOXEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each point ends when it follows the mean shift, and how dense it is there.

    Parameters
    ----------
    points : (n, 3) float, voxel
    weights : (n,) float, 0 or more
    bandwidth : float, voxel
        Above zero.
    tolerance : float, voxel
        Length of the step at which a seed stops.

    Returns
    -------
    centres : (n, 3) float64, voxel
        A point that has no weight within reach stays where it is.
    densities : (n,) float64
        Sum of weight times kernel around the centre.

    Notes
    -----
    Each step goes to the mean of the points nearer than the bandwidth b, weighted by ``w exp(-d^2 /
    (4 b^2))`` (the kernel of the program published with Lamm et al. 2022). Seeds do not influence
    each other: the result does not depend on the number of threads.
    """
    points = np.ascontiguousarray(points, dtype=np.float64).reshape(-1, 3)
    centres, densities = points.copy(), np.zeros(len(points))
    if len(points) == 0:
        return centres, densities
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    cell = float(bandwidth)
    while np.prod(extent // cell + 1) > MAX_CELLS:
        cell *= 1.5
    index = ((points - low) // cell).astype(np.int64)
    dims = index.max(axis=0) + 1
    cells = np.ravel_multi_index(tuple(index.T), tuple(dims))
    order = np.argsort(cells, kind="stable")
    starts = np.searchsorted(cells[order], np.arange(dims.prod() + 1))
    weights = np.asarray(weights, dtype=np.float64)[order]
    grid = (starts, low, cell, dims)
    _climb(points[order], weights, *grid, points, float(bandwidth), tolerance, centres, densities)
    return centres, densities


def fuse(
    centres: np.ndarray, densities: np.ndarray, distance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct centres: the densest claims those near it, then the densest of the rest.

    Parameters
    ----------
    centres : (n, 3) float, voxel
    densities : (n,) float
    distance : float, voxel
        Centres up to this distance from a denser one are the same.

    Returns
    -------
    distinct : (m,) int
        Rows of the centres that stand for a cluster, densest first.
    labels : (n,) int
        Which of these each centre belongs to.
    """
    labels = np.full(len(centres), -1)
    distinct = []
    if len(centres) == 0:
        return np.empty(0, dtype=int), labels
    tree = cKDTree(centres)
    for row in np.argsort(-densities, kind="stable"):
        if labels[row] >= 0:
            continue
        near = np.array(tree.query_ball_point(centres[row], distance))
        labels[near[labels[near] < 0]] = len(distinct)
        distinct.append(row)
    return np.array(distinct), labels


@njit(cache=True)
def _largest_square(points):
    largest = 0.0
    for a in range(len(points)):
        for b in range(a):
            square = 0.0
            for axis in range(3):
                square += (points[a, axis] - points[b, axis]) ** 2
            largest = max(largest, square)
    return largest


def diameter(points: np.ndarray) -> float:
    """Return the largest distance between two of some points, (n, 3); 0 for less than two."""
    return float(_largest_square(np.ascontiguousarray(points, dtype=np.float64)) ** 0.5)
