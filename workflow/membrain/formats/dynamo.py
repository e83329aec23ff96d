"""Dynamo tables (``.tbl``): one particle a line, columns by number.

Dynamo counts pixels from 1 and places the origin of continuous coordinates in the outer **corner**
of the first pixel (its wiki, page "Volume center"): the centre of the first voxel is 0.5, so the
0-based index is ``x - 0.5``. Converters in use leave the half voxel out.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..rotations import poses_from_dynamo, relion_angles
from .base import DEFAULT_CLASS, Annotations, Grid, from_xyz, refuse_unit

log = logging.getLogger(__name__)

# 0-based columns
SHIFT, ANGLES, SCORE, TOMOGRAM, CLASS, POSITION, PIXEL_SIZE = (
    slice(3, 6),
    slice(6, 9),
    9,
    19,
    21,
    slice(23, 26),
    35,
)
MIN_COLUMNS = 26
HALF_VOXEL = 0.5


def _rows(path: Path) -> np.ndarray:
    """Return the table as float64 (n, n_columns)."""
    rows = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: unreadable", found=error) from None
    for number, line in enumerate(lines, 1):
        cells = line.replace(",", " ").split()
        if not cells:
            continue
        if len(cells) < MIN_COLUMNS:
            raise InputError(
                f"{path}, line {number}: not a row of a Dynamo table",
                found=f"{len(cells)} columns",
                expected=f"at least {MIN_COLUMNS}",
            )
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            bad = next(c for c in cells if not _is_number(c))
            raise InputError(f"{path}, line {number}: not a number", found=repr(bad)) from None
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path}: rows of different length", found=sorted({len(r) for r in rows}))
    return np.array(rows, dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read(path: str | Path, grid: Grid) -> Annotations:
    """Return the particles of a table of one tomogram.

    Parameters
    ----------
    path : path
        Positions are columns 24-26 plus the shifts 4-6, pixels; column 36, where given (neither 0
        nor 1), is their pixel size and turns pixels of a finer tomogram into voxels of this one.
    grid : Grid

    Raises
    ------
    InputError
        When a row is too short, a value is not a finite number, or the table holds more than one
        tomogram: it knows them by number only.
    """
    path = Path(path)
    table = _rows(path)
    if not len(table):
        return from_xyz(np.zeros((0, 3)), (), None, "dynamo")
    used = table[:, list(range(3, 9)) + [23, 24, 25]]
    if not np.isfinite(used).all():
        row = int(np.flatnonzero(~np.isfinite(used).all(axis=1))[0]) + 1
        raise InputError(f"{path}, row {row}: a position or angle is not a finite number")
    tomograms = np.unique(table[:, TOMOGRAM])
    if len(tomograms) > 1:
        raise InputError(
            f"{path}: several tomograms",
            found="column 20: " + ", ".join(f"{t:g}" for t in tomograms),
            expected="one tomogram in a table",
            remedy="save one table per tomogram",
        )
    xyz = table[:, POSITION] + table[:, SHIFT] - HALF_VOXEL
    if table.shape[1] > PIXEL_SIZE:
        given = table[:, PIXEL_SIZE]
        is_given = np.isfinite(given) & (given > 0) & (given != 1)
        if is_given.any():
            refuse_unit(path, grid, "column 36 tells it")
        scale = np.where(is_given, given / grid.pixel_size, grid.voxels_per_unit)
        xyz = xyz * scale[:, None]
    else:
        xyz = xyz * grid.voxels_per_unit
    numbers = table[:, CLASS]
    names = (
        [f"{c:g}" for c in numbers] if len(np.unique(numbers)) > 1 else [DEFAULT_CLASS] * len(table)
    )
    angles = relion_angles(poses_from_dynamo(table[:, ANGLES]))
    return from_xyz(xyz, names, angles, "dynamo", table[:, SCORE])
