"""Where a tomogram's membranes are, by cells of 4^3 voxels: to find what is free of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .errors import InputError
from .masks import read_voxels
from .volumes import read_header

log = logging.getLogger(__name__)

CELL_VOXEL = 4


class MaskCells:
    """Which cells hold voxels of a mask.

    Parameters
    ----------
    shape : (3,) int, zyx, voxel: of the tomogram
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.is_taken = np.zeros([-(-int(n) // CELL_VOXEL) for n in shape], dtype=bool)

    def add(self, voxels: np.ndarray) -> None:
        """Mark the cells of voxels, (n, 3) int, zyx."""
        self.is_taken[tuple((np.asarray(voxels) // CELL_VOXEL).T)] = True

    def is_free(self, start: np.ndarray, stop: np.ndarray) -> bool:
        """Return whether no marked cell meets a box; outside the tomogram nothing is marked."""
        low = np.maximum(start, 0) // CELL_VOXEL
        high = -(-np.maximum(stop, 0) // CELL_VOXEL)
        return not self.is_taken[tuple(map(slice, low, high))].any()


def read_cells(paths: Iterable[str | Path], shape: Sequence[int]) -> MaskCells:
    """Return the cells of several masks or label maps, every label counts.

    One that cannot be used is logged and left out: the step that samples it tells the fault.

    Parameters
    ----------
    paths : iterable of path
    shape : (3,) int, zyx, voxel: of the tomogram
    """
    cells = MaskCells(shape)
    for path in dict.fromkeys(map(str, paths)):
        try:
            if tuple(read_header(path).shape) != tuple(shape):
                raise InputError(f"{path}: not of the tomogram's size")
            cells.add(read_voxels(path))
        except InputError as error:
            log.warning("%s: its membranes are not kept out of the background", error)
    return cells
