"""Points and raw normals on the sides of a membrane.

Every voxel around the mask is joined to its nearest mask voxel. That mask voxel is a point of the
surface, the connection its direction::

      o   o   o     candidates before side a
      |   |   |     connections
    =====================  mask
      |   |   |
      o   o   o     candidates behind: side b
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .connections import find_connections
from .rims import rim_nodes
from .sides import SIDE_SIGNS
from .surfaces import Surface


@dataclass(frozen=True)
class SidePoints:
    """Points of one side, before voting.

    Attributes
    ----------
    points : (n, 3) int, zyx, voxel: mask voxels
    raw_normals : (n, 3) float64, zyx, voxel, mean of the longest connections
    reference : (n, 3) float64, zyx, unit normals of the surface towards this side
    counts : dict of int: connections, rim (points without a clear side), edge (points within the
        margin of the rim), thinned
    """

    points: np.ndarray
    raw_normals: np.ndarray
    reference: np.ndarray
    counts: dict[str, int]


def thin_points(points: np.ndarray, distance: float, rng: np.random.Generator) -> np.ndarray:
    """Return the rows of a random subset with no two points closer than a distance.

    Every point left out lies closer than `distance` to one that is kept.

    Parameters
    ----------
    points : (n, 3), zyx, voxel
    distance : float, voxel
    rng : numpy.random.Generator
    """
    n = len(points)
    if n == 0 or distance <= 0:
        return np.arange(n)
    i, j = cKDTree(points).query_pairs(distance - 1e-9, output_type="ndarray").T
    rank = rng.permutation(n)
    is_kept, is_free = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    while is_free.any():  # points that come before all their free neighbours are kept, in rounds
        live = is_free[i] & is_free[j]
        i, j = i[live], j[live]
        best = np.full(n, n)
        np.minimum.at(best, i, rank[j])
        np.minimum.at(best, j, rank[i])
        chosen = is_free & (rank < best)
        is_kept |= chosen
        is_free &= ~chosen
        is_free[j[chosen[i]]] = False
        is_free[i[chosen[j]]] = False
    return np.flatnonzero(is_kept)


def _raw_normals(owner: np.ndarray, vectors: np.ndarray, lengths: np.ndarray, n: int) -> np.ndarray:
    """Return the mean of each point's longest connections, (n, 3); 0 where there is none."""
    longest = np.zeros(n)
    np.maximum.at(longest, owner, lengths)
    top = lengths >= longest[owner] - 1e-9
    owner, vectors = owner[top], vectors[top]
    sums = np.stack([np.bincount(owner, vectors[:, a], minlength=n) for a in range(3)], axis=1)
    return sums / np.maximum(np.bincount(owner, minlength=n), 1)[:, None]


def sample_sides(
    surface: Surface,
    sides: tuple[str, ...],
    *,
    band: float = 15.0,
    thinning: float = 1.5,
    edge_margin: float = 3.0,
    rim_cosine: float = 0.3,
    seed: int = 0,
) -> dict[str, SidePoints]:
    """Return the sampled points of each picked side of a membrane.

    Parameters
    ----------
    surface : Surface
    sides : tuple of str
        ``a``, ``b`` or both.
    band, thinning, edge_margin : float, voxel
        Reach of the candidates, least distance of kept points, width left out along the rim.
    rim_cosine : float, 0 to 1
        A connection whose cosine to the surface's normal is smaller belongs to no side.
    seed : int

    References
    ----------
    Lamm et al. 2022, section on sampling: nearest mask voxel, connection as normal, band 15. The
    published program keeps the candidates at 0.5 to 8 voxels and thins at 1.5.
    """
    found = find_connections(surface.voxels, band, seed)
    n = len(found.surface)
    _, node = cKDTree(surface.nodes).query(found.surface)  # (n,) nearest of each mask voxel
    normals = surface.normals[node]
    height = np.einsum("na,na->n", found.vectors, normals[found.owner])
    is_edge = rim_nodes(surface, edge_margin)[node]
    has_side = np.bincount(found.owner[np.abs(height) >= rim_cosine * found.lengths], minlength=n)
    out = {}
    for side in sides:
        sign = SIDE_SIGNS[side]
        rows = np.flatnonzero(sign * height >= rim_cosine * found.lengths)
        owner = found.owner[rows]
        is_point = np.bincount(owner, minlength=n) > 0
        place = np.flatnonzero(is_point & ~is_edge)
        raw = _raw_normals(owner, found.vectors[rows], found.lengths[rows], n)
        rng = np.random.default_rng([seed, 0 if side == "a" else 1])
        kept = place[thin_points(found.surface[place], thinning, rng)]
        out[side] = SidePoints(
            points=found.surface[kept],
            raw_normals=raw[kept],
            reference=sign * normals[kept],
            counts={
                "connections": len(rows),
                "rim": int((has_side == 0).sum()),
                "edge": int((is_point & is_edge).sum()),
                "thinned": len(place) - len(kept),
            },
        )
    return out
