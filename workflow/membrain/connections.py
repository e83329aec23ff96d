"""Connections from the places around a mask to the mask voxels nearest to them.

The mask is kept as one 64-bit word for each block of 4 x 4 x 4 voxels: an eighth of the memory of
one byte per voxel. A place looks through the blocks from near to far and stops when none can hold a
nearer voxel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

BLOCK_VOXEL = 4  # 4^3 voxels are the 64 bits of a word
LATTICE = 4  # one of so many far places is used; all that share a face with the mask are
N_PLACES = BLOCK_VOXEL**3 // LATTICE


@dataclass(frozen=True)
class Connections:
    """Connections of a mask's surface with the places around it.

    Attributes
    ----------
    surface : (n_surface, 3) int32, zyx, voxel: mask voxels with an empty neighbour, sorted
    owner : (n,) int, row in `surface` of the mask voxel nearest to a place
    vectors : (n, 3) float64, zyx, voxel, from that voxel to the place
    lengths : (n,) float64, voxel
    """

    surface: np.ndarray
    owner: np.ndarray
    vectors: np.ndarray
    lengths: np.ndarray


@numba.njit(cache=True)
def _fill(voxels, words):
    """Set the bits of voxels, which count from the words' own corner."""
    for z, y, x in voxels:
        bit = ((z & 3) << 4) | ((y & 3) << 2) | (x & 3)
        words[z >> 2, y >> 2, x >> 2] |= np.uint64(1) << np.uint64(bit)


@numba.njit(cache=True, inline="always")
def _is_mask(words, z, y, x):
    bit = ((z & 3) << 4) | ((y & 3) << 2) | (x & 3)
    return (words[z >> 2, y >> 2, x >> 2] >> np.uint64(bit)) & np.uint64(1) != 0


@numba.njit(cache=True)
def _open_faces(voxels, words):
    """Return which of the faces -z, +z, -y, +y, -x, +x of each voxel are bare, (n, 6) bool."""
    out = np.empty((len(voxels), 6), dtype=np.bool_)
    for i in range(len(voxels)):
        z, y, x = voxels[i]
        out[i, 0] = not _is_mask(words, z - 1, y, x)
        out[i, 1] = not _is_mask(words, z + 1, y, x)
        out[i, 2] = not _is_mask(words, z, y - 1, x)
        out[i, 3] = not _is_mask(words, z, y + 1, x)
        out[i, 4] = not _is_mask(words, z, y, x - 1)
        out[i, 5] = not _is_mask(words, z, y, x + 1)
    return out


@numba.njit(cache=True)
def _mark(blocks, offsets, marked):
    """Mark the blocks at some offsets from given ones, as far as they exist."""
    for i in range(len(blocks)):
        for k in range(len(offsets)):
            z = blocks[i, 0] + offsets[k, 0]
            y = blocks[i, 1] + offsets[k, 1]
            x = blocks[i, 2] + offsets[k, 2]
            if 0 <= z < marked.shape[0] and 0 <= y < marked.shape[1] and 0 <= x < marked.shape[2]:
                marked[z, y, x] = True


@numba.njit(cache=True, inline="always")
def _compare(z, y, x, name, places, square, owner):
    """Give each place of a block a surface voxel where it is the nearest so far."""
    for k in range(N_PLACES):  # no branch and 32 bits throughout: vector instructions
        dz, dy, dx = places[0, k] - z, places[1, k] - y, places[2, k] - x
        d2 = dz * dz + dy * dy + dx * dx
        is_nearer = (d2 < square[k]) | ((d2 == square[k]) & (name < owner[k]))
        square[k] = d2 if is_nearer else square[k]
        owner[k] = name if is_nearer else owner[k]


@numba.njit(cache=True, parallel=True)
def _nearest(blocks, cube, words, starts, surface, names, offsets, gaps, limit, owner, square):
    """Find the surface voxel nearest to each empty place of some blocks.

    `surface` is sorted by block, block c has the rows starts[c] to starts[c + 1]; `names` are their
    numbers, of which the lowest wins a tie. Squared distances from `limit` on are not looked for.
    """
    n_z, n_y, n_x = words.shape
    for b in numba.prange(len(blocks)):
        block_z, block_y, block_x = blocks[b, 0], blocks[b, 1], blocks[b, 2]
        places = np.empty((3, N_PLACES), dtype=np.float32)
        best, who = np.empty(N_PLACES, dtype=np.float32), np.empty(N_PLACES, dtype=np.int32)
        for k in range(N_PLACES):
            z, y, x = 4 * block_z + cube[k, 0], 4 * block_y + cube[k, 1], 4 * block_x + cube[k, 2]
            places[0, k], places[1, k], places[2, k] = z, y, x
            best[k], who[k] = 0 if _is_mask(words, z, y, x) else limit, -1
        worst = best.max()
        for o in range(len(offsets)):
            if gaps[o] > worst:
                break
            z, y, x = block_z + offsets[o, 0], block_y + offsets[o, 1], block_x + offsets[o, 2]
            if not (0 <= z < n_z and 0 <= y < n_y and 0 <= x < n_x):
                continue
            cell = (z * n_y + y) * n_x + x
            first, last = starts[cell], starts[cell + 1]
            for s in range(first, last):
                _compare(surface[s, 0], surface[s, 1], surface[s, 2], names[s], places, best, who)
            if first < last:
                worst = best.max()
        owner[b] = who
        square[b] = best


def _block_offsets(band: float) -> tuple[np.ndarray, np.ndarray]:
    """Return steps between blocks that a band spans, nearest first, and their squared gaps."""
    reach = int(np.ceil((band + BLOCK_VOXEL - 1) / BLOCK_VOXEL))
    steps = np.arange(-reach, reach + 1)
    offsets = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    gaps = (np.maximum(BLOCK_VOXEL * np.abs(offsets) - (BLOCK_VOXEL - 1), 0) ** 2).sum(axis=1)
    order = np.argsort(gaps, kind="stable")
    order = order[gaps[order] < band * band]
    return offsets[order], gaps[order]


def _far_connections(
    surface: np.ndarray, words: np.ndarray, band: float, rng: np.random.Generator
) -> tuple:
    """Return owner (n,), place (n, 3) and squared length (n,) of places beyond the faces."""
    index = np.ravel_multi_index((surface >> 2).T, words.shape)
    order = np.argsort(index, kind="stable")
    starts = np.zeros(words.size + 1, dtype=np.int32)
    np.cumsum(np.bincount(index, minlength=words.size), out=starts[1:])
    name = rng.permutation(len(surface)).astype(np.int32)  # always the first would tilt normals
    offsets, gaps = _block_offsets(band)
    marked = np.zeros(words.shape, dtype=bool)
    _mark(np.argwhere(words), offsets, marked)
    blocks = np.argwhere(marked)
    # within each block, the voxels where z + 2 y + 3 x is a multiple of LATTICE are spread evenly
    steps = np.arange(BLOCK_VOXEL)
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    cube = cube[(cube @ (1, 2, 3)) % LATTICE == 0]
    owner = np.empty((len(blocks), N_PLACES), dtype=np.int32)
    square = np.empty((len(blocks), N_PLACES), dtype=np.float32)
    cells = (words, starts, surface[order].astype(np.float32), name[order])
    limit = np.float32(np.ceil(band * band))
    _nearest(blocks, cube, *cells, offsets, gaps, limit, owner, square)
    block, place = np.nonzero((owner >= 0) & (square > 1) & (square < band * band))
    owner = np.argsort(name)[owner[block, place]]
    return owner, blocks[block] * BLOCK_VOXEL + cube[place], square[block, place]


def find_connections(voxels: np.ndarray, band: float, seed: int = 0) -> Connections:
    """Return the connections of the empty places around a mask with the nearest mask voxels.

    Parameters
    ----------
    voxels : (n_voxels, 3) int, zyx, in any order
    band : float, voxel
        Places lie closer than this to the mask.
    seed : int
        Draws among mask voxels that are equally near to a place, a fifth of all cases.

    Notes
    -----
    Places that share a face with the mask are connected with each voxel they share one with;
    of the others one in `LATTICE` is used.
    """
    pad = int(np.ceil(band)) + 1
    low = voxels.min(axis=0) - pad
    size = voxels.max(axis=0) + pad + 1 - low
    words = np.zeros(tuple(-(-size // BLOCK_VOXEL)), dtype=np.uint64)
    inner = np.ascontiguousarray(voxels - low, dtype=np.int64)
    _fill(inner, words)
    is_bare = _open_faces(inner, words)
    # only voxels with an empty neighbour can be the nearest one
    rows = np.flatnonzero(is_bare.any(axis=1))
    rows = rows[np.lexsort(inner[rows].T[::-1])]
    surface, is_bare = inner[rows], is_bare[rows]
    owner, face = np.nonzero(is_bare)
    steps = np.zeros((6, 3), dtype=np.int64)
    steps[np.arange(6), np.arange(6) // 2] = (-1, 1, -1, 1, -1, 1)
    far_owner, far, square = _far_connections(surface, words, band, np.random.default_rng(seed))
    return Connections(
        surface=(surface + low).astype(np.int32),
        owner=np.concatenate([owner, far_owner]),
        vectors=np.concatenate([steps[face], far - surface[far_owner]]).astype(np.float64),
        lengths=np.concatenate([np.ones(len(owner)), np.sqrt(square, dtype=np.float64)]),
    )
