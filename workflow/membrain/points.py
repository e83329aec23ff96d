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
from scipy import ndimage
from scipy.spatial import cKDTree

from .pieces import connected_components
from .rims import rim_nodes
from .sides import SIDE_SIGNS
from .surfaces import MIN_PIECE_VOXELS, Surface

BLOCK_VOXEL = 4  # the band is first found in blocks of this edge
LATTICE = 4  # one of so many far candidates is used; near ones all are


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


def _near_candidates(voxels: np.ndarray, is_mask: np.ndarray, low: np.ndarray) -> tuple:
    """Return mask voxels and the empty voxels that share a face with them, row by row."""
    inside, outside = [], []
    for axis in range(3):
        for step in (-1, 1):
            shift = np.zeros(3, dtype=voxels.dtype)
            shift[axis] = step
            place = voxels + shift
            empty = ~is_mask[tuple((place - low).T)]
            inside.append(voxels[empty])
            outside.append(place[empty])
    return np.concatenate(inside), np.concatenate(outside)


def _far_candidates(is_mask: np.ndarray, low: np.ndarray, band: float) -> np.ndarray:
    """Return a lattice of empty voxels within about a band of the mask, (n, 3) zyx."""
    padding = [(0, -size % BLOCK_VOXEL) for size in is_mask.shape]
    padded = np.pad(is_mask, padding)
    n = [size // BLOCK_VOXEL for size in padded.shape]
    blocks = padded.reshape(n[0], BLOCK_VOXEL, n[1], BLOCK_VOXEL, n[2], BLOCK_VOXEL).any(
        axis=(1, 3, 5)
    )
    steps = int(np.ceil(band / BLOCK_VOXEL))
    near = ndimage.binary_dilation(blocks, np.ones((3, 3, 3)), iterations=steps)
    corner = np.argwhere(near) * BLOCK_VOXEL
    # within each block, the voxels where z + 2 y + 3 x is a multiple of LATTICE are spread evenly
    cube = np.stack(np.meshgrid(*[np.arange(BLOCK_VOXEL)] * 3, indexing="ij"), axis=-1).reshape(
        -1, 3
    )
    cube = cube[(cube @ (1, 2, 3)) % LATTICE == 0]
    place = (corner[:, None] + cube[None]).reshape(-1, 3)
    place = place[(place < is_mask.shape).all(axis=1)]
    return place[~is_mask[tuple(place.T)]] + low


def find_connections(voxels: np.ndarray, band: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mask voxel, connection vector and its length for each candidate around a mask.

    Parameters
    ----------
    voxels : (n_voxels, 3) int, zyx
    band : float, voxel
        Candidates lie closer than this to the mask.

    Returns
    -------
    points : (n, 3) int, zyx; connections : (n, 3) float64, zyx; lengths : (n,) float64, voxel
    """
    pad = int(np.ceil(band)) + 1
    low = voxels.min(axis=0) - pad
    is_mask = np.zeros(voxels.max(axis=0) + pad + 1 - low, dtype=bool)
    is_mask[tuple((voxels - low).T)] = True
    inside, outside = _near_candidates(voxels, is_mask, low)
    far = _far_candidates(is_mask, low, band)
    # only voxels with an empty neighbour can be the nearest one
    surface = np.unique(inside, axis=0)
    length, index = cKDTree(surface).query(far, distance_upper_bound=band)
    keep = np.isfinite(length) & (length > 1.0)
    points = np.concatenate([inside, surface[index[keep]]])
    connections = np.concatenate([outside, far[keep]]) - points
    return points, connections.astype(np.float64), np.linalg.norm(connections, axis=1)


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


def _raw_normals(owner: np.ndarray, connections: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return the mean of each point's longest connections, (n_points, 3)."""
    n = int(owner.max()) + 1
    longest = np.zeros(n)
    np.maximum.at(longest, owner, lengths)
    top = lengths >= longest[owner] - 1e-9
    sums = np.stack(
        [np.bincount(owner[top], connections[top, a], minlength=n) for a in range(3)], axis=1
    )
    return sums / np.bincount(owner[top], minlength=n)[:, None]


def sample_sides(
    voxels: np.ndarray,
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
    voxels : (n_voxels, 3) int, zyx
    surface : Surface
        Of the same mask.
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
    voxels = np.concatenate(connected_components(voxels, MIN_PIECE_VOXELS))  # as the surface's
    points, connections, lengths = find_connections(voxels, band)
    _, near = cKDTree(surface.nodes).query(points)
    cosine = (connections * surface.normals[near]).sum(axis=1) / lengths
    is_rim = rim_nodes(surface, edge_margin)
    extent = voxels.max(axis=0) + 1
    key = np.ravel_multi_index(points.T, extent)
    clear = np.abs(cosine) >= rim_cosine
    n_rim = len(np.unique(key)) - len(np.unique(key[clear]))
    out = {}
    for side in sides:
        sign = SIDE_SIGNS[side]
        rows = np.flatnonzero(sign * cosine >= rim_cosine)
        names, first, owner = np.unique(key[rows], return_index=True, return_inverse=True)
        own_node = near[rows][first]
        keep = ~is_rim[own_node]
        place = np.stack(np.unravel_index(names, extent), axis=1)
        if len(names):
            raw = _raw_normals(owner.ravel(), connections[rows], lengths[rows])
        else:
            raw = np.zeros((0, 3))
        place, raw, own_node = place[keep], raw[keep], own_node[keep]
        rng = np.random.default_rng([seed, 0 if side == "a" else 1])
        kept = thin_points(place, thinning, rng)
        out[side] = SidePoints(
            points=place[kept],
            raw_normals=raw[kept],
            reference=sign * surface.normals[own_node[kept]],
            counts={
                "connections": len(rows),
                "rim": n_rim,
                "edge": int((~keep).sum()),
                "thinned": len(place) - len(kept),
            },
        )
    return out
