"""The surface of a membrane mask: nodes with normals that agree with their neighbours.

Mask voxels are gathered in small cells. Each cell gives one node with the normal of a plane fitted
to the voxels around it; signs are carried along a spanning tree that prefers steps within the sheet
to steps across a gap. Every piece of the mask is oriented alone; pieces that lie near each other
are then made consistent, unless one is closed by itself and so has an outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sparse
from scipy.sparse import csgraph
from scipy.spatial import cKDTree

from .cells import gather_cells, plane_normals
from .errors import InputError
from .masks import connected_components
from .winding import enclosure_of

BRIDGE_VOXEL = 20.0  # pieces farther apart are not made consistent with each other
MIN_PIECE_VOXELS = 50  # smaller specks carry no plane
CLOSED = 0.25  # enclosure from which a surface has an outside; a hemisphere has more, a sheet 0
N_NEIGHBOURS = 10


@dataclass(frozen=True)
class Surface:
    """Oriented nodes of a membrane; side ``a`` is the side that the normals point to.

    Attributes
    ----------
    voxels : (n_voxels, 3) int, zyx, those of the mask that belong to a piece
    nodes : (n_nodes, 3) float64, zyx, voxel
    normals : (n_nodes, 3) float64, zyx, unit length, towards side a
    weights : (n_nodes,) float64, voxels of each cell
    piece : (n_nodes,) int, connected piece of the mask
    enclosure : float, 0 for a sheet, 1 for a closed surface, see `enclosure_of`
    conflict : float, share of neighbouring nodes whose normals disagree
    n_specks : int, voxels left out because their piece is too small
    """

    voxels: np.ndarray
    nodes: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    piece: np.ndarray
    enclosure: float
    conflict: float
    n_specks: int

    @property
    def is_closed(self) -> bool:
        """Whether the surface encloses a volume, so that outside and inside have a meaning."""
        return self.enclosure >= CLOSED


def _edges(nodes: np.ndarray, normals: np.ndarray, piece: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return neighbours i, j within the pieces and the cost of carrying a sign from i to j."""
    k = min(N_NEIGHBOURS, len(nodes))
    _, index = cKDTree(nodes).query(nodes, k=k)
    i = np.repeat(np.arange(len(nodes)), k)
    j = np.asarray(index).reshape(-1)
    keep = (i != j) & (piece[i] == piece[j])
    i, j = i[keep], j[keep]
    return i, j, _cost(nodes, normals, i, j)


def _cost(nodes: np.ndarray, normals: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Return the cost of edges: normals that differ, and steps along the normal, are dear."""
    step = nodes[j] - nodes[i]
    length = np.linalg.norm(step, axis=1) + 1e-9
    along = np.abs((step * normals[i]).sum(axis=1)) + np.abs((step * normals[j]).sum(axis=1))
    return 1.0 - np.abs((normals[i] * normals[j]).sum(axis=1)) + 0.5 * along / length + 1e-6


def _propagate(
    normals: np.ndarray, i: np.ndarray, j: np.ndarray, cost: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return a sign for each node and its connected part, by a walk over the cheapest tree."""
    n = len(normals)
    order = np.lexsort((cost, j, i))
    graph = sparse.coo_matrix((cost[order], (i[order], j[order])), (n, n)).tocsr()
    graph = graph.maximum(graph.T)
    tree = csgraph.minimum_spanning_tree(graph)
    tree = tree + tree.T
    _, part = csgraph.connected_components(tree, directed=False)
    sign = np.ones(n)
    for root in np.unique(part, return_index=True)[1]:
        walk, parent = csgraph.breadth_first_order(tree, root, directed=False)
        agrees = (normals[walk[1:]] * normals[parent[walk[1:]]]).sum(axis=1) >= 0
        for node, before, same in zip(walk[1:], parent[walk[1:]], agrees, strict=True):
            sign[node] = sign[before] if same else -sign[before]
    return sign, part


def _bridge(
    nodes: np.ndarray, normals: np.ndarray, piece: np.ndarray, is_open: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return sign (n_nodes,) and group (n_nodes,) that join near open pieces."""
    sign, group = np.ones(len(nodes)), piece.copy()
    rows = np.flatnonzero(is_open)
    if len(np.unique(piece[rows])) < 2:
        return sign, group
    counts = np.bincount(piece[rows])
    small = rows[piece[rows] != counts.argmax()]
    pairs = cKDTree(nodes[small]).sparse_distance_matrix(
        cKDTree(nodes[rows]), BRIDGE_VOXEL, output_type="coo_matrix"
    )
    i, j, distance = small[pairs.row], rows[pairs.col], pairs.data
    keep = piece[i] != piece[j]
    i, j, distance = i[keep], j[keep], distance[keep]
    agree = (normals[i] * normals[j]).sum(axis=1) * np.exp(-distance / 3.0)
    n = int(piece.max()) + 1
    a, b = np.minimum(piece[i], piece[j]), np.maximum(piece[i], piece[j])
    votes = sparse.coo_matrix((agree, (a, b)), (n, n)).tocsr()
    near = sparse.coo_matrix((np.exp(-distance / 3.0), (a, b)), (n, n)).tocsr()
    near.data = 1.0 / near.data  # the spanning tree takes the strongest contact first
    tree = csgraph.minimum_spanning_tree(near)
    tree = tree + tree.T
    _, part = csgraph.connected_components(tree, directed=False)
    votes = votes + votes.T
    piece_sign = np.ones(n)
    for root in np.unique(part, return_index=True)[1]:
        walk, parent = csgraph.breadth_first_order(tree, root, directed=False)
        for node in walk[1:]:
            before = parent[node]
            piece_sign[node] = piece_sign[before] * (1.0 if votes[node, before] >= 0 else -1.0)
    return piece_sign[piece], np.where(is_open, part[piece] + n, piece)


def _turn_closed_pieces(
    nodes: np.ndarray, normals: np.ndarray, counts: np.ndarray, piece: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return normals that point out of each closed piece, and the enclosure of each piece."""
    normals, enclosures = normals.copy(), np.zeros(int(piece.max()) + 1)
    for number in range(len(enclosures)):
        rows = np.flatnonzero(piece == number)
        value = enclosure_of(nodes[rows], normals[rows], counts[rows])
        if value <= -CLOSED:
            normals[rows], value = -normals[rows], -value
        enclosures[number] = value
    return normals, enclosures


def _naming_sign(normals: np.ndarray, weights: np.ndarray, enclosure: float) -> float:
    """Return +1 or -1 that turns the normals to side a; the rule stands in `orient_surface`."""
    if abs(enclosure) >= CLOSED:
        return 1.0 if enclosure > 0 else -1.0
    mean = weights @ normals / weights.sum()
    if np.linalg.norm(mean) < 0.1:
        return -1.0 if enclosure < 0 else 1.0
    axis = int(np.flatnonzero(np.abs(mean) >= 0.9 * np.abs(mean).max())[0])
    return 1.0 if mean[axis] > 0 else -1.0


def _name_sides(
    nodes: np.ndarray,
    normals: np.ndarray,
    counts: np.ndarray,
    piece: np.ndarray,
    group: np.ndarray,
    enclosures: np.ndarray,
) -> tuple[np.ndarray, float]:
    """Return normals that point to side a of each group of pieces, and the mean enclosure."""
    normals, values, shares = normals.copy(), [], []
    for number in np.unique(group):
        rows = np.flatnonzero(group == number)
        value = enclosures[piece[rows[0]]]
        if (piece[rows] != piece[rows[0]]).any():
            value = enclosure_of(nodes[rows], normals[rows], counts[rows])
        normals[rows] *= _naming_sign(normals[rows], counts[rows], value)
        values.append(abs(value))
        shares.append(counts[rows].sum())
    return normals, float(np.average(values, weights=shares))


def orient_surface(voxels: np.ndarray, name: str = "membrane") -> Surface:
    """Return the oriented surface of a mask.

    Parameters
    ----------
    voxels : (n_voxels, 3) int, zyx, voxel
        Voxels of the mask, in any order.
    name : str
        For messages.

    Raises
    ------
    InputError
        When no piece of the mask is large enough to have a plane.

    Notes
    -----
    Side a, the side of the normals, is by this rule, for each group of near pieces: the outside of
    a closed surface (enclosure of at least 0.25 in size); else the side whose mean normal is
    positive along its largest component (z before y before x where they are within 10 %); a mean
    normal shorter than 0.1, as of a sheet folded on itself, leaves it to the sign of the enclosure.
    """
    pieces = connected_components(voxels, MIN_PIECE_VOXELS)
    if not pieces:
        raise InputError(
            f"{name}: mask too small",
            found=f"{len(voxels)} voxels in pieces below {MIN_PIECE_VOXELS}",
            expected=f"a connected piece of at least {MIN_PIECE_VOXELS} voxels",
        )
    counts, sums, seconds, piece = gather_cells(pieces)
    nodes = sums / counts[:, None]
    normals = plane_normals(nodes, counts, sums, seconds, piece)
    i, j, cost = _edges(nodes, normals, piece)
    sign, _ = _propagate(normals, i, j, cost)
    normals = normals * sign[:, None]
    normals, enclosures = _turn_closed_pieces(nodes, normals, counts, piece)
    sign, group = _bridge(nodes, normals, piece, (enclosures < CLOSED)[piece])
    normals = normals * sign[:, None]
    normals, enclosure = _name_sides(nodes, normals, counts, piece, group, enclosures)
    conflict = float(((normals[i] * normals[j]).sum(axis=1) < -0.3).mean()) if len(i) else 0.0
    return Surface(
        voxels=np.concatenate(pieces),
        nodes=nodes,
        normals=normals,
        weights=counts,
        piece=piece,
        enclosure=enclosure,
        conflict=conflict,
        n_specks=len(voxels) - int(counts.sum()),
    )
