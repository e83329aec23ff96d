"""Smooth normals by voting: each point tells its neighbours the normal that fits its own.

A vote assumes that both points lie on one smooth sheet. A sheet beside it votes for a direction
that leans over, so that votes far from the surface's own normal do not count.
"""

from __future__ import annotations

import numba
import numpy as np

from .exponential import decay as _decay

SHORT_WEIGHT = 3.0  # of a short connection's vote with the surface's normal, in least lengths


@numba.njit(cache=True, error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
def _add_votes(places, directions, weights, first, last, own, cosine, radius, decay, sums):
    """Add the outer products of the votes of the points from first to last for one place."""
    z, y, x, up_z, up_y, up_x = own
    places_z, places_y, places_x = places[0], places[1], places[2]
    directions_z, directions_y, directions_x = directions[0], directions[1], directions[2]
    zz = zy = zx = yy = yx = xx = 0.0
    for j in range(first, last):  # no branch, no check of division: vector instructions serve
        dz, dy, dx = places_z[j] - z, places_y[j] - y, places_x[j] - x
        square = dz * dz + dy * dy + dx * dx
        vz, vy, vx = directions_z[j], directions_y[j], directions_x[j]
        # mirror the normal in the plane across the connection; the point's own stays
        k = 2.0 * (vz * dz + vy * dy + vx * dx) / max(square, 1e-12)
        vz, vy, vx = vz - k * dz, vy - k * dy, vx - k * dx
        is_counted = (square < radius * radius) & (vz * up_z + vy * up_y + vx * up_x >= cosine)
        w = weights[j] * _decay(np.sqrt(square) / decay) if is_counted else 0.0
        zz += w * vz * vz
        zy += w * vz * vy
        zx += w * vz * vx
        yy += w * vy * vy
        yx += w * vy * vx
        xx += w * vx * vx
    sums[0] += zz
    sums[1] += zy
    sums[2] += zx
    sums[3] += yy
    sums[4] += yx
    sums[5] += xx


@numba.njit(cache=True, parallel=True)
def _gather(
    points, reference, places, directions, weights, cosine, start, low, cell, dims, radius, decay
):
    """Return for each point the weighted sum of outer products of its neighbours' votes.

    The places of those that vote are sorted by cell, cell c has start[c] to start[c + 1].
    """
    n = points.shape[1]
    out = np.empty((n, 6))
    reach = int(np.ceil(radius / cell))
    for i in numba.prange(n):
        z, y, x = points[0, i], points[1, i], points[2, i]
        own = (z, y, x, reference[0, i], reference[1, i], reference[2, i])
        a = int((z - low[0]) / cell)
        b = int((y - low[1]) / cell)
        c = int((x - low[2]) / cell)
        sums = np.zeros(6)
        for p in range(max(0, a - reach), min(dims[0], a + reach + 1)):
            for q in range(max(0, b - reach), min(dims[1], b + reach + 1)):
                row = (p * dims[1] + q) * dims[2]
                first = start[row + max(0, c - reach)]
                last = start[row + min(dims[2], c + reach + 1)]
                _add_votes(
                    places, directions, weights, first, last, own, cosine, radius, decay, sums
                )
        out[i] = sums
    return out


def _voters(raw: np.ndarray, reference: np.ndarray, min_length: float, is_gated: bool) -> tuple:
    """Return unit direction (n, 3) and weight (n,) of each point's vote."""
    lengths = np.linalg.norm(raw, axis=1)
    directions = raw / np.maximum(lengths, 1e-12)[:, None]
    is_short = lengths < min_length
    if is_gated:
        directions = np.where(is_short[:, None], reference, directions)
        return directions, np.where(is_short, SHORT_WEIGHT * min_length, lengths)
    return directions, lengths if is_short.all() else np.where(is_short, 0.0, lengths)


def _sum_votes(points, directions, weights, reference, cosine, radius, decay) -> np.ndarray:
    """Return the weighted sum of outer products of votes, (n, 3, 3), by a grid of cells."""
    low, cell = points.min(axis=0), radius / 2.0
    index = ((points - low) / cell).astype(np.int64)
    dims = index.max(axis=0) + 1
    key = np.ravel_multi_index(index.T, dims)
    order = np.argsort(key, kind="stable")
    order = order[weights[order] > 0]  # of those that vote
    start = np.searchsorted(key[order], np.arange(dims.prod() + 1))
    columns = [np.ascontiguousarray(a.T) for a in (points, reference)]
    voters = [np.ascontiguousarray(a[order].T) for a in (points, directions, weights)]
    grid = (start, low, cell, dims, radius, decay)
    six = _gather(*columns, *voters, cosine, *grid)
    return six[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)


def vote_normals(
    points: np.ndarray,
    raw_normals: np.ndarray,
    reference: np.ndarray | None = None,
    *,
    radius: float = 40.0,
    decay: float = 100.0,
    min_length: float = 4.0,
    cosine: float = 0.95,
) -> np.ndarray:
    """Return unit normals voted for by the points within a radius.

    Parameters
    ----------
    points : (n_points, 3) float, zyx, voxel
    raw_normals : (n_points, 3) float, zyx, voxel
        Connection vectors; their length says how far they can be trusted.
    reference : (n_points, 3) float, zyx, unit length, optional
        Normals of the surface, which give the sign and what votes are measured by. When absent the
        raw normals give the sign and every vote counts.
    radius, decay, min_length : float, voxel
        Reach of a vote, its decay with distance (0 radius: no voting), and the length below which a
        raw normal is not trusted.
    cosine : float, 0 to 1
        Least cosine of a vote to the reference; 0: every vote counts, the published formula.

    Returns
    -------
    (n_points, 3) float64, zyx, unit length

    Notes
    -----
    The vote of a point with unit normal n, seen along the unit connection u, is n - 2 (n.u) u with
    weight exp(-d / decay) times the length of its raw normal; the result is the first eigenvector
    of the sum of the votes' outer products. On a sphere the votes are exact. In the published
    formula a short raw normal has no vote (unless all are short). Between two sheets all of them
    are short: with a `cosine` they vote with the reference, and weigh `SHORT_WEIGHT` least lengths.
    A sheet at a distance g is shut out altogether when ``1 - 2 (g / radius)^2 < cosine``.

    References
    ----------
    Lamm et al. 2022, section on normal voting; radius 40 and decay 100 are the published program's.
    """
    points = np.ascontiguousarray(points, dtype=np.float64)
    if len(points) == 0:
        return np.zeros((0, 3))
    raw = np.asarray(raw_normals, dtype=np.float64)
    is_gated = cosine > 0 and reference is not None
    reference = raw if reference is None else np.asarray(reference, dtype=np.float64)
    directions, weights = _voters(raw, reference, min_length, is_gated)
    if radius <= 0:
        normals = raw / np.maximum(np.linalg.norm(raw, axis=1), 1e-12)[:, None]
    else:
        gate = cosine if is_gated else -np.inf
        sums = _sum_votes(points, directions, weights, reference, gate, radius, decay)
        normals = np.linalg.eigh(sums)[1][:, :, 2]
        lonely = np.einsum("nii->n", sums) == 0
        normals[lonely] = (reference if is_gated else directions)[lonely]
    sign = np.where((normals * reference).sum(axis=1) < 0, -1.0, 1.0)
    return normals * sign[:, None]
