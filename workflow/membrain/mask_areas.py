"""Areas of membranes and the number of points they will give, from the voxels of masks alone.

A mask's surface is told by its voxel faces that look outwards: seen over all directions, a surface
shows 1.5 times its area in faces (Crofton's formula), whatever way it lies. A membrane's mask has
two surfaces, so that one side has a third of the faces.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .errors import InputError
from .masks import read_label_voxels, read_voxels
from .sheets import MembraneRow

log = logging.getLogger(__name__)

# points per square of the least distance, and the part of them that is not at the rim: means of
# real and simulated membranes, which differ by up to 1.7 times from each other
PACKING = 0.93
INNER_SHARE = 0.43


def side_area(voxels: np.ndarray) -> float:
    """Return the area of one side of a membrane.

    Parameters
    ----------
    voxels : (n_voxels, 3) int, zyx, voxel
        Every voxel of the mask, none twice.

    Returns
    -------
    float, voxel squared
    """
    if not len(voxels):
        return 0.0
    places = voxels.astype(np.int64) - voxels.min(axis=0) + 1
    size = places.max(axis=0) + 2
    strides = np.array([size[1] * size[2], size[2], 1])
    index = np.sort(places @ strides)
    n_faces = 0
    for stride in strides:  # a voxel's neighbours along z, y, x
        after = np.searchsorted(index, index + stride).clip(max=len(index) - 1)
        n_joined = np.count_nonzero(index[after] == index + stride)
        n_faces += 2 * (len(index) - n_joined)
    return n_faces / 3


def expected_points(area: float, scale: float, thinning: float, n_sides: int) -> float:
    """Return about how many points a membrane gives.

    Parameters
    ----------
    area : float, voxel squared, of one side
    scale : float, voxels per working voxel
    thinning : float, working voxel
        Least distance of points; candidates are a voxel apart, so that less makes no difference.
    n_sides : int, 1 or 2
    """
    step = max(scale * thinning, 0.85)
    return n_sides * INNER_SHARE * PACKING * area / step**2


def measure_areas(
    rows: Sequence[MembraneRow], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[tuple[str, str], float]:
    """Return the area of one side of membranes, of as many as can be read in a time.

    Parameters
    ----------
    rows : sequence of MembraneRow
    seconds : float
        After which no further file is begun; 0: none is read.
    clock : callable

    Returns
    -------
    dict of float, voxel squared, by (tomogram, membrane)
        Files are taken in a random order that is always the same. Those that cannot be read or
        hold no voxel have area 0: their membranes will fail.
    """
    files: dict[Path, list[MembraneRow]] = {}
    for row in rows:
        files.setdefault(row.mask, []).append(row)
    order = list(files)
    random.Random(0).shuffle(order)
    start, areas = clock(), {}
    for path in order:
        if clock() - start >= seconds:
            break
        areas |= _areas_of(path, files[path])
    return areas


def _areas_of(path: Path, rows: Sequence[MembraneRow]) -> dict[tuple[str, str], float]:
    labels = sorted({row.label for row in rows if row.label is not None})
    found: dict[int | None, float] = {}
    try:
        by_label = read_label_voxels(path, labels, allow_missing=True) if labels else {}
        found |= {label: side_area(voxels) for label, voxels in by_label.items()}
        if any(row.label is None for row in rows):
            found[None] = side_area(read_voxels(path))
    except InputError as error:
        log.warning("%s", error)
    return {(row.tomogram, row.membrane): found.get(row.label, 0.0) for row in rows}


def fill_areas(
    rows: Sequence[MembraneRow], areas: Mapping[tuple[str, str], float], default: float
) -> dict[tuple[str, str], float]:
    """Return areas of all membranes: those not measured get the mean of those that are.

    Parameters
    ----------
    rows : sequence of MembraneRow
    areas : mapping of float, voxel squared, by (tomogram, membrane)
    default : float, voxel squared
        Where none is measured.
    """
    mean = math.fsum(areas.values()) / len(areas) if areas else default
    return {key: areas.get(key, mean) for key in ((row.tomogram, row.membrane) for row in rows)}
