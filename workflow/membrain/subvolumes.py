"""Subvolumes: boxes of many points, read crop by crop, and the file that holds them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .grey_values import normalise
from .sampling import (
    SPLINE_REACH_VOXEL,
    BoxGrid,
    box_axes,
    sample_boxes,
    smooth,
    smooth_reach,
    spline_coefficients,
)
from .scratch import reserve

ReadBox = Callable[[Sequence[int], Sequence[int]], np.ndarray]

# Largest crop: 16 MB in each of the three float32 arrays that exist at a time. Crops of this size
# follow a sheet more closely than larger ones, so that less is read and filtered.
MAX_TILE_VOXELS = 4_000_000
BLOCK_BOXES = 4096  # boxes in memory at a time: 28 MB of 12^3 float32


@dataclass(frozen=True)
class Tile:
    """Points that are sampled from one crop: their rows and the crop's corners (zyx, voxel)."""

    rows: np.ndarray
    start: np.ndarray
    stop: np.ndarray

    @property
    def n_voxels(self) -> int:
        """Voxels of the crop."""
        return math.prod(int(n) for n in self.stop - self.start)


def _tile(points: np.ndarray, rows: np.ndarray, margin: int, shape: Sequence[int]) -> Tile:
    low, high = points[rows].min(axis=0), points[rows].max(axis=0)
    start = np.clip(np.floor(low).astype(int) - margin, 0, np.array(shape) - 1)
    stop = np.clip(np.ceil(high).astype(int) + margin + 1, 1, shape)
    return Tile(rows, start, stop)


def cut_tiles(
    points: np.ndarray, margin: int, shape: Sequence[int], max_voxels: int = MAX_TILE_VOXELS
) -> list[Tile]:
    """Return crops that hold all points with a margin, each of bounded size.

    Parameters
    ----------
    points : (n, 3) float, zyx, voxel
    margin : int, voxel
        Room around the points of a crop, less where the volume ends.
    shape : (3,) int, zyx, voxel
    max_voxels : int
        Size of a crop; only one with points no wider than the margin may be larger.

    Returns
    -------
    list of Tile
        Every point is in one of them; no point gives an empty list.
    """
    if len(points) == 0:
        return []
    points = np.asarray(points, dtype=np.float64)
    waiting, tiles = [_tile(points, np.arange(len(points)), margin, shape)], []
    while waiting:
        tile = waiting.pop()
        low, high = points[tile.rows].min(axis=0), points[tile.rows].max(axis=0)
        axis = int(np.argmax(high - low))
        if tile.n_voxels <= max_voxels or (high - low)[axis] <= margin:
            tiles.append(tile)
            continue
        is_upper = points[tile.rows, axis] > (low[axis] + high[axis]) / 2
        halves = [_tile(points, tile.rows[half], margin, shape) for half in (~is_upper, is_upper)]
        waiting.extend(halves[::-1])
    return tiles


def iter_boxes(
    read_box: ReadBox,
    shape: Sequence[int],
    points: np.ndarray,
    normals: np.ndarray,
    grid: BoxGrid,
    grey: dict,
    sigma: float = 0.0,
    is_inverted: bool = False,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the boxes of points in blocks, reading only the crops around them.

    Parameters
    ----------
    read_box : function of (start, stop)
        Returns the voxels of a box of the tomogram, zyx.
    shape : (3,) int, zyx, voxel
    points, normals : (n, 3) float, zyx, voxel
    grid : BoxGrid
    grey : dict
        How grey values are normalised, as `grey_values.normalise` takes it.
    sigma : float, voxel of the tomogram
        Gaussian that is applied before sampling.
    is_inverted : bool
        Whether grey values v become 1 - v.

    Yields
    ------
    rows : (m,) int
        Rows of `points`; each row comes once, m is at most `BLOCK_BOXES`.
    boxes : (m, K, I, J) float32
        Grey values 0 to 1; a spline may step over these bounds by little.
    """
    margin = math.ceil(grid.reach) + SPLINE_REACH_VOXEL + smooth_reach(sigma)
    for tile in cut_tiles(points, margin, shape):
        crop = normalise(read_box(tile.start, tile.stop), grey)
        if is_inverted:
            np.subtract(1, crop, out=crop)
        coefficients = spline_coefficients(smooth(crop, sigma))
        del crop
        for first in range(0, len(tile.rows), BLOCK_BOXES):
            rows = tile.rows[first : first + BLOCK_BOXES]
            origins, steps = box_axes(points[rows], normals[rows], grid)
            yield rows, sample_boxes(coefficients, origins - tile.start, steps, grid.shape)


class SubvolumeWriter:
    """An ``.npy`` file of boxes that grows membrane by membrane.

    Parameters
    ----------
    path : path
        Written in place: give a temporary name.
    box_shape : (3,) int

    Notes
    -----
    The header is written last, over room kept for it, so that the number of rows need not be known.
    Only a block of the file is mapped at a time: memory stays small however long the file.
    """

    def __init__(self, path: str | Path, box_shape: Sequence[int]) -> None:
        self.path = Path(path)
        self.box_shape = tuple(int(n) for n in box_shape)
        self.n_rows = 0
        with open(self.path, "wb") as handle:
            self._write_header(handle)
            self.offset = handle.tell()

    def _write_header(self, handle) -> None:
        header = {"descr": "<f4", "fortran_order": False, "shape": (self.n_rows, *self.box_shape)}
        np.lib.format.write_array_header_1_0(handle, header)

    def append(self, n: int, blocks: Iterator[tuple[np.ndarray, np.ndarray]]) -> None:
        """Add `n` boxes; `blocks` yields their places (0 to n - 1) and values, in any order.

        When `blocks` raises, the file keeps the rows that it had.
        """
        if n == 0:
            return
        row_bytes = 4 * math.prod(self.box_shape)
        reserve(self.path, self.offset + (self.n_rows + n) * row_bytes)
        place = self.offset + self.n_rows * row_bytes
        for rows, boxes in blocks:
            mapped = np.memmap(self.path, "<f4", "r+", place, (n, *self.box_shape))
            mapped[rows] = boxes
            del mapped
        self.n_rows += n

    def close(self) -> None:
        """Write the final header and cut off rows of a membrane that failed."""
        with open(self.path, "r+b") as handle:
            handle.truncate(self.offset + self.n_rows * 4 * math.prod(self.box_shape))
            self._write_header(handle)
