"""The table of particles: one row each, as people and other programs read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import read_table, write_table

COLUMNS = (
    *("tomogram", "membrane", "side", "particle"),
    *("x_voxel", "y_voxel", "z_voxel", "x_angstrom", "y_angstrom", "z_angstrom"),
    *("score", "n_points", "normal_x", "normal_y", "normal_z", "axis_x", "axis_y", "axis_z"),
    *("rot", "tilt", "psi", "class", "score_spread"),
)
NEWER = ("score_spread",)  # columns that older tables lack
# decimals of the text: a thousandth of a voxel or angstrom, a ten-thousandth of a degree
DECIMALS = {"voxel": 3, "angstrom": 3, "score": 5, "normal": 6, "axis": 6, "angle": 4}


@dataclass(frozen=True)
class ParticleTable:
    """Particles with their poses.

    Attributes
    ----------
    tomogram, membrane, side : (n,) str
    particle : (n,) int, number within its membrane and side, from 1
    voxel : (n, 3) float64, zyx, 0-based voxel of the tomogram file
    angstrom : (n, 3) float64, zyx, voxel times pixel size; the header's origin is not added
    score : (n,) float64, 0 to 1, high is certain
    n_points : (n,) int, sampled points that belong to the particle
    normals : (n, 3) float64, zyx, unit, away from the membrane on the particle's side
    axes : (n, 3) float64, zyx, unit, in the membrane's plane
    angles : (n, 3) float64, RELION's rot, tilt, psi, degree
    classes : (n,) str
    score_spread : (n,) float64, of the score over the networks of an ensemble; NaN: not known
    """

    tomogram: np.ndarray
    membrane: np.ndarray
    side: np.ndarray
    particle: np.ndarray
    voxel: np.ndarray
    angstrom: np.ndarray
    score: np.ndarray
    n_points: np.ndarray
    normals: np.ndarray
    axes: np.ndarray
    angles: np.ndarray
    classes: np.ndarray
    score_spread: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.score_spread is None:
            object.__setattr__(self, "score_spread", np.full(len(self.tomogram), np.nan))

    def __len__(self) -> int:
        return len(self.tomogram)

    def select(self, rows: np.ndarray) -> ParticleTable:
        """Return the particles that a mask or an index array names."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def write(self, path: str | Path, delimiter: str = "\t") -> None:
        """Write the table with the columns `COLUMNS`, vectors as x, y, z."""
        numbers = [
            _text(self.voxel[:, ::-1], "voxel"),
            _text(self.angstrom[:, ::-1], "angstrom"),
            _text(self.score[:, None], "score"),
            self.n_points[:, None],
            _text(self.normals[:, ::-1], "normal"),
            _text(self.axes[:, ::-1], "axis"),
            _text(self.angles, "angle"),
        ]
        names = (self.tomogram, self.membrane, self.side, self.particle)
        rows = zip(
            *names,
            *(column for block in numbers for column in block.T),
            self.classes,
            np.where(np.isnan(self.score_spread), "", _text(self.score_spread, "score")),
            strict=True,
        )
        write_table(path, COLUMNS, rows, delimiter)


def _text(values: np.ndarray, quantity: str) -> np.ndarray:
    """Return numbers as text with fixed decimals and without a negative zero."""
    decimals = DECIMALS[quantity]
    rounded = np.round(np.asarray(values, dtype=np.float64), decimals) + 0.0
    return np.array([f"{v:.{decimals}f}" for v in rounded.ravel()], dtype=object).reshape(
        rounded.shape
    )


def empty_particles() -> ParticleTable:
    """Return a table without rows."""
    names, vectors = np.empty(0, dtype=object), np.empty((0, 3))
    whole = np.empty(0, dtype=np.int64)
    return ParticleTable(
        *(
            names,
            names,
            names,
            whole,
            vectors,
            vectors,
            np.empty(0),
            whole,
            vectors,
            vectors,
            vectors,
        ),
        names,
    )


def concatenate_particles(tables: Iterable[ParticleTable]) -> ParticleTable:
    """Return one table of several, in their order; no table gives an empty one."""
    tables = [empty_particles(), *tables]
    return ParticleTable(
        *(np.concatenate([getattr(t, f.name) for t in tables]) for f in fields(ParticleTable))
    )


def read_particles(path: str | Path, delimiter: str | None = None) -> ParticleTable:
    """Return the particles of a table.

    Parameters
    ----------
    path : path
    delimiter : str, optional
        Comma for ``.csv``, tab for any other name when absent.

    Raises
    ------
    InputError
        When a column is missing or a cell is no number.
    """
    delimiter = delimiter or ("," if Path(path).suffix == ".csv" else "\t")
    columns, rows = read_table(path, delimiter)
    missing = [name for name in COLUMNS if name not in (*columns, *NEWER)]
    if missing:
        raise InputError(
            f"{path}: not a table of particles",
            found=f"columns {', '.join(columns)}",
            expected=f"also {', '.join(missing)}",
        )

    def names(column: str) -> np.ndarray:
        return np.array([row[column] for row in rows], dtype=object)

    def numbers(*wanted: str, kind: type = float) -> np.ndarray:
        values = np.empty((len(rows), len(wanted)), dtype=np.float64 if kind is float else np.int64)
        for i, row in enumerate(rows):
            for j, column in enumerate(wanted):
                text = row.get(column) or "nan" if column in NEWER else row[column]
                try:
                    values[i, j] = kind(text)
                except ValueError:
                    raise InputError(
                        f"{path}, row {i + 1}: column '{column}'",
                        found=repr(row[column]),
                        expected="a number" if kind is float else "a whole number",
                    ) from None
        return values

    def vectors(name: str) -> np.ndarray:
        return numbers(*(name.format(axis) for axis in "zyx"))

    return ParticleTable(
        tomogram=names("tomogram"),
        membrane=names("membrane"),
        side=names("side"),
        particle=numbers("particle", kind=int)[:, 0],
        voxel=vectors("{}_voxel"),
        angstrom=vectors("{}_angstrom"),
        score=numbers("score")[:, 0],
        n_points=numbers("n_points", kind=int)[:, 0],
        normals=vectors("normal_{}"),
        axes=vectors("axis_{}"),
        angles=numbers("rot", "tilt", "psi"),
        classes=names("class"),
        score_spread=numbers("score_spread")[:, 0],
    )
