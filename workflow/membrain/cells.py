"""Cells of a mask: small cubes with the moments of their voxels, and planes through them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.spatial import cKDTree

CELL_VOXEL = 3  # edge of the cells; a segmented bilayer is 4 to 6 voxels thick
PLANE_RADIUS_VOXEL = 7.0  # neighbourhood of the plane fit


def gather_cells(pieces: list[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Return counts (n,), sums (n, 3), second moments (n, 6) and the piece (n,) of each cell.

    Parameters
    ----------
    pieces : list of (n_voxels, 3) int, zyx
        The connected pieces of a mask; a cell holds voxels of one of them.
    """
    counts, sums, seconds, owner = [], [], [], []
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    for number, voxels in enumerate(pieces):
        low = voxels.min(axis=0)
        cell = (voxels - low) // CELL_VOXEL
        _, inverse = np.unique(
            np.ravel_multi_index(cell.T, cell.max(axis=0) + 1), return_inverse=True
        )
        inverse = inverse.ravel()
        n = int(inverse.max()) + 1
        x = voxels.astype(np.float64)
        counts.append(np.bincount(inverse, minlength=n))
        sums.append(np.stack([np.bincount(inverse, x[:, a], n) for a in range(3)], axis=1))
        seconds.append(
            np.stack([np.bincount(inverse, x[:, a] * x[:, b], n) for a, b in pairs], axis=1)
        )
        owner.append(np.full(n, number))
    return (
        np.concatenate(counts).astype(np.float64),
        np.concatenate(sums),
        np.concatenate(seconds),
        np.concatenate(owner),
    )


def plane_normals(
    nodes: np.ndarray, counts: np.ndarray, sums: np.ndarray, seconds: np.ndarray, piece: np.ndarray
) -> np.ndarray:
    """Return the unsigned normal (n, 3) of the plane through each node's neighbourhood.

    Parameters
    ----------
    nodes : (n, 3) float64, zyx, voxel, mean of each cell
    counts, sums, seconds, piece : as `gather_cells` returns them
    """
    n = len(nodes)
    pairs = cKDTree(nodes).query_pairs(PLANE_RADIUS_VOXEL, output_type="ndarray")
    pairs = pairs[piece[pairs[:, 0]] == piece[pairs[:, 1]]]
    graph = sparse.coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), (n, n)).tocsr()
    graph = graph + graph.T + sparse.identity(n, format="csr")
    total = (graph @ counts)[:, None]
    mean = (graph @ sums) / total
    moment = (graph @ seconds) / total
    covariance = np.empty((n, 3, 3))
    for k, (a, b) in enumerate(((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))):
        covariance[:, a, b] = covariance[:, b, a] = moment[:, k] - mean[:, a] * mean[:, b]
    return np.linalg.eigh(covariance)[1][:, :, 0]
