"""Annotations as a plain table: ``class,x,y,z[,rot,tilt,psi]`` in voxels, comma or tab.

The workflow's own particle tables (columns ``x_voxel``, ``y_voxel``, ``z_voxel``) are read too, so
that picks which somebody has cleaned by hand can train the next model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError, suggest
from ..files import read_table
from .base import DEFAULT_CLASS, Annotations, Grid, from_xyz, to_numbers

POSITION = ("x", "y", "z")
ANGLES = ("rot", "tilt", "psi")
KNOWN = ("class", *POSITION, *ANGLES)


def _delimiter(path: Path) -> str:
    """Return the tab where the header line has one, else the comma."""
    with open(path, encoding="utf-8-sig", errors="replace") as handle:
        for line in handle:
            if line.strip() and not line.startswith("#"):
                return "\t" if "\t" in line else ","
    return ","


def _check_columns(path: Path, columns: list[str]) -> None:
    for name in columns:
        if name not in KNOWN:
            raise InputError(
                f"{path}: unknown column '{name}'",
                expected=f"a header line with {', '.join(KNOWN)}",
                remedy=suggest(name, KNOWN),
            )
    for name in POSITION:
        if name not in columns:
            raise InputError(f"{path}: column '{name}' is missing", found=", ".join(columns))
    given = [name for name in ANGLES if name in columns]
    if given and len(given) < 3:
        raise InputError(f"{path}: rot, tilt and psi belong together", found=", ".join(given))


def read(path: str | Path, grid: Grid) -> Annotations:
    """Return the annotations of a comma- or tab-separated table.

    Parameters
    ----------
    path : path
        Columns x, y, z are 0-based voxels of the tomogram file; rot, tilt, psi are RELION's, in
        degrees. Without a column ``class`` every particle is of class 'particle'.
    grid : Grid
        Its `tomogram` picks the rows of a particle table of this workflow.

    Raises
    ------
    InputError
        At an unknown or missing column, or a cell that is not a finite number.
    """
    path = Path(path)
    columns, rows = read_table(path, _delimiter(path))
    if "x_voxel" in columns:
        position = tuple(f"{axis}_voxel" for axis in POSITION)
        if grid.tomogram is not None and "tomogram" in columns:
            rows = [row for row in rows if row["tomogram"] == grid.tomogram]
        missing = [name for name in (*position, *ANGLES, "class") if name not in columns]
        if missing:
            raise InputError(f"{path}: column '{missing[0]}' is missing", found=", ".join(columns))
    else:
        position = POSITION
        _check_columns(path, columns)
    xyz = np.stack([to_numbers(path, c, [row[c] for row in rows]) for c in position], axis=1)
    angles = None
    if "rot" in columns:
        angles = np.stack([to_numbers(path, c, [row[c] for row in rows]) for c in ANGLES], axis=1)
    classes = [row.get("class") or DEFAULT_CLASS for row in rows]
    return from_xyz(xyz, classes, angles, "csv")
