"""The rim of a sheet: where the surface ends."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sparse
from scipy.spatial import cKDTree

from .cells import CELL_VOXEL
from .surfaces import Surface


def rim_nodes(surface: Surface, margin_voxel: float) -> np.ndarray:
    """Return which nodes lie closer than a margin to the rim of their sheet.

    Parameters
    ----------
    surface : Surface
    margin_voxel : float
        Width of the margin; 0 marks nothing.

    Returns
    -------
    (n_nodes,) bool

    Notes
    -----
    Within a disc of radius r = 2 margin around a node, the sheet's centre of mass moves inwards
    when the rim cuts the disc. For a straight rim at distance t r it moves by
    ``2/3 (1 - t^2)^1.5 / (pi - acos t + t sqrt(1 - t^2)) r``, which is 0.171 r at t = 1/2.
    """
    if margin_voxel <= 0:
        return np.zeros(len(surface.nodes), dtype=bool)
    radius = max(2.0 * margin_voxel, 2.0 * CELL_VOXEL)
    t = min(margin_voxel / radius, 1.0)
    limit = 2 / 3 * (1 - t * t) ** 1.5 / (np.pi - np.arccos(t) + t * np.sqrt(1 - t * t))
    n = len(surface.nodes)
    pairs = cKDTree(surface.nodes).query_pairs(radius, output_type="ndarray")
    pairs = pairs[surface.piece[pairs[:, 0]] == surface.piece[pairs[:, 1]]]
    along = (surface.normals[pairs[:, 0]] * surface.normals[pairs[:, 1]]).sum(axis=1)
    pairs = pairs[along > 0]  # the other leg of a fold is not this sheet
    graph = sparse.coo_matrix((np.ones(len(pairs)), tuple(pairs.T)), (n, n)).tocsr()
    graph = graph + graph.T + sparse.identity(n, format="csr")
    total = graph @ surface.weights
    shift = (graph @ (surface.weights[:, None] * surface.nodes)) / total[:, None] - surface.nodes
    shift -= (shift * surface.normals).sum(axis=1, keepdims=True) * surface.normals
    return np.linalg.norm(shift, axis=1) > limit * radius
