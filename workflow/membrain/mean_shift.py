"""Weighted mean shift: every point climbs to the place where its neighbours' weight is densest."""

from __future__ import annotations

import numpy as np
from numba import njit, prange
from scipy.spatial import cKDTree

from .exponential import decay_within_quarter

TOLERANCE_VOXEL = 1e-3  # a seed has arrived when it moves less
MAX_STEPS = 10_000  # never met: a seed moves uphill and stops
SLACK = 1 / 3  # bandwidths that a seed may go before the points around it are gathered again
MAX_CELLS = 4_000_000  # of the neighbour grid: 32 MB, whatever the extent of the points


@njit(cache=True)
def _gather(points, weights, starts, low, cell, dims, centre, radius, near):
    """Copy the points within a radius (z, y, x, weight in rows); return their number and copy."""
    n = 0
    first, last = np.empty(3, np.int64), np.empty(3, np.int64)
    for axis in range(3):
        first[axis] = max(int(np.floor((centre[axis] - radius - low[axis]) / cell)), 0)
        last[axis] = min(int(np.floor((centre[axis] + radius - low[axis]) / cell)) + 1, dims[axis])
    for a in range(first[0], last[0]):
        for b in range(first[1], last[1]):
            row = (a * dims[1] + b) * dims[2]
            begin, end = starts[row + first[2]], starts[row + max(first[2], last[2])]
            if n + end - begin > near.shape[1]:
                grown = np.empty((4, 2 * (n + end - begin)))
                grown[:, :n] = near[:, :n]
                near = grown
            for p in range(begin, end):
                z, y, x = (
                    points[p, 0] - centre[0],
                    points[p, 1] - centre[1],
                    points[p, 2] - centre[2],
                )
                near[0, n], near[1, n], near[2, n] = points[p, 0], points[p, 1], points[p, 2]
                near[3, n] = weights[p]
                n += 1 if z * z + y * y + x * x < radius * radius else 0
    return n, near


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _pull(near, n, z, y, x, reach):
    """Return the sum of weights times kernel, and of that times the way to each point."""
    points_z, points_y, points_x, weights = near[0], near[1], near[2], near[3]
    scale = 0.25 / reach
    total = sum_z = sum_y = sum_x = 0.0
    for p in range(n):
        dz, dy, dx = points_z[p] - z, points_y[p] - y, points_x[p] - x
        square = dz * dz + dy * dy + dx * dx
        w = weights[p] * decay_within_quarter(square * scale) if square < reach else 0.0
        total += w
        sum_z += w * dz
        sum_y += w * dy
        sum_x += w * dx
    return total, sum_z, sum_y, sum_x


@njit(cache=True, parallel=True)
def _climb(
    points, weights, starts, low, cell, dims, seeds, bandwidth, tolerance, centres, densities
):
    """Move seeds up; `points` are sorted by cell, cell c has rows starts[c] to starts[c + 1]."""
    reach, slack = bandwidth * bandwidth, SLACK * bandwidth
    for seed in prange(len(seeds)):
        z, y, x = seeds[seed, 0], seeds[seed, 1], seeds[seed, 2]
        centre = np.full(3, np.inf)  # of the points at hand, which serve while it is near
        n, near = 0, np.empty((4, 128))
        density = 0.0
        for _ in range(MAX_STEPS):
            away = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
            if away > slack * slack:
                centre[0], centre[1], centre[2] = z, y, x
                n, near = _gather(
                    points, weights, starts, low, cell, dims, centre, bandwidth + slack, near
                )
            density, sum_z, sum_y, sum_x = _pull(near, n, z, y, x, reach)
            if density == 0.0:
                break
            sum_z, sum_y, sum_x = sum_z / density, sum_y / density, sum_x / density
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
    starts = np.zeros(dims.prod() + 1, dtype=np.int64)
    np.cumsum(np.bincount(cells, minlength=dims.prod()), out=starts[1:])
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
