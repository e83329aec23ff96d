"""Annotations as a plain table: ``class,x,y,z[,rot,tilt,psi]`` in voxels, comma or tab.

Columns ``x_angstrom``, ``y_angstrom``, ``z_angstrom`` are angstrom from the centre of the first
voxel; ``tomogram`` tells several tomograms apart, ``score`` how sure a program is of its pick.

The workflow's own particle tables (columns ``x_voxel``, ``y_voxel``, ``z_voxel``) are read too, so
that picks which somebody has cleaned by hand can train the next model.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import InputError, suggest
from ..files import read_table
from .base import DEFAULT_CLASS, Annotations, Grid, from_xyz, refuse_unit, to_numbers

POSITION = ("x", "y", "z")
ANGSTROM = tuple(f"{axis}_angstrom" for axis in POSITION)
OWN = tuple(f"{axis}_voxel" for axis in POSITION)
ANGLES = ("rot", "tilt", "psi")
KNOWN = ("class", *POSITION, *ANGLES, "tomogram", "score", *ANGSTROM)


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
    for name in ANGSTROM if set(ANGSTROM) & set(columns) else POSITION:
        if name not in columns:
            raise InputError(f"{path}: column '{name}' is missing", found=", ".join(columns))
    if set(ANGSTROM) & set(columns) and set(POSITION) & set(columns):
        raise InputError(
            f"{path}: positions in two units",
            found=", ".join(columns),
            expected="x, y, z (voxels) or x_angstrom, y_angstrom, z_angstrom",
        )
    given = [name for name in ANGLES if name in columns]
    if given and len(given) < 3:
        raise InputError(f"{path}: rot, tilt and psi belong together", found=", ".join(given))


def _of_tomogram(path: Path, rows: list[dict], grid: Grid) -> list[dict]:
    """Return the rows of a tomogram."""
    chosen = [row for row in rows if row["tomogram"] == grid.tomogram]
    if rows and not chosen and grid.must_have_rows:
        names = sorted({row["tomogram"] for row in rows})
        raise InputError(
            f"{path}: no row of tomogram '{grid.tomogram}' in column tomogram",
            found=", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else ""),
            remedy="give the tomogram the same name in the sheets",
        )
    return chosen


def _columns(path: Path, columns: list[str]) -> tuple[tuple[str, ...], str]:
    """Return the columns of positions and their unit: voxel, angstrom, or unit of the grid."""
    if "x_voxel" in columns:
        missing = [name for name in (*OWN, *ANGLES, "class") if name not in columns]
        if missing:
            raise InputError(f"{path}: column '{missing[0]}' is missing", found=", ".join(columns))
        return OWN, "voxel"
    _check_columns(path, columns)
    return (ANGSTROM, "angstrom") if ANGSTROM[0] in columns else (POSITION, "grid")


def read(path: str | Path, grid: Grid) -> Annotations:
    """Return the annotations of a comma- or tab-separated table.

    Parameters
    ----------
    path : path
        Columns x, y, z are 0-based voxels of the tomogram file (or units of `grid`), x_angstrom,
        ... angstrom; rot, tilt, psi are RELION's, in degrees. Without a column ``class`` every
        particle is of class 'particle'.
    grid : Grid
        Its `tomogram` picks the rows of a table with that column.

    Raises
    ------
    InputError
        At an unknown or missing column, a cell that is not a finite number, no row of this
        tomogram, or a unit for coordinates that have their own.
    """
    path = Path(path)
    columns, rows = read_table(path, _delimiter(path))
    position, unit = _columns(path, columns)
    if unit != "grid":
        refuse_unit(path, grid, f"column {position[0]} tells it")
    if grid.tomogram is not None and "tomogram" in columns:
        rows = _of_tomogram(path, rows, grid)

    def numbers(name: str) -> np.ndarray:
        return to_numbers(path, name, [row[name] for row in rows])

    factor = {"voxel": 1.0, "angstrom": 1 / grid.pixel_size, "grid": grid.voxels_per_unit}[unit]
    xyz = np.stack([numbers(name) for name in position], axis=1) * factor
    angles = np.stack([numbers(c) for c in ANGLES], axis=1) if "rot" in columns else None
    classes = [row.get("class") or DEFAULT_CLASS for row in rows]
    scores = numbers("score") if "score" in columns else None
    return from_xyz(xyz, classes, angles, "csv", scores)
