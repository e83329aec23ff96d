"""A volume that is zero nearly everywhere, kept as the blocks that are not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

BLOCK_VOXEL = 32  # edge of a block: 128 kB of float32


class SparseVolume:
    """Float32 values on an unbounded grid of voxels, zero where nothing was added.

    Attributes
    ----------
    blocks : dict from the (z, y, x) number of a block to its (32, 32, 32) float32 values
    """

    def __init__(self, blocks: dict[tuple[int, int, int], np.ndarray] | None = None) -> None:
        self.blocks = blocks or {}

    def copy(self) -> SparseVolume:
        """Return a volume with the same values, to be changed by itself."""
        return SparseVolume({key: block.copy() for key, block in self.blocks.items()})

    def add(self, start: Sequence[int], values: np.ndarray) -> None:
        """Add a box of values; `start` (zyx, voxel) is where its first voxel lies."""
        for key, inside, outside in _overlaps(start, np.add(start, values.shape)):
            if key not in self.blocks:
                self.blocks[key] = np.zeros((BLOCK_VOXEL,) * 3, np.float32)
            self.blocks[key][inside] += values[outside]

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """Return a box of values from `start` to before `stop`, (z, y, x) float32."""
        out = np.zeros(np.subtract(stop, start), np.float32)
        for key, inside, outside in _overlaps(start, stop):
            if key in self.blocks:
                out[outside] = self.blocks[key][inside]
        return out


def _overlaps(start: Sequence[int], stop: Sequence[int]) -> Iterator[tuple]:
    """Yield the blocks that a box meets: number, the slices in the block and those in the box."""
    axes = []
    for low, high in zip(map(int, start), map(int, stop), strict=True):
        parts = []
        for number in range(low // BLOCK_VOXEL, -(-high // BLOCK_VOXEL)):
            origin = number * BLOCK_VOXEL
            first, last = max(low, origin), min(high, origin + BLOCK_VOXEL)
            parts.append(
                (number, slice(first - origin, last - origin), slice(first - low, last - low))
            )
        axes.append(parts)
    for parts in itertools.product(*axes):
        yield tuple(zip(*parts, strict=True))
