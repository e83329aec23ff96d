"""What every reader takes and returns, and the checks they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError

DEFAULT_CLASS = "particle"


@dataclass(frozen=True)
class Grid:
    """The tomogram that positions belong to.

    Attributes
    ----------
    pixel_size : float, angstrom per voxel
    origin : (x, y, z) tuple of float, angstrom: the origin of the MRC header
    shape : (3,) tuple of int, zyx, voxel, or None where it is not known
    tomogram : str or None, its name; picks the rows of files that hold several tomograms
    must_have_rows : bool, whether no row of this tomogram in such a file is a mistake
    unit : float or None
        Angstrom per unit of coordinates that do not tell their own; None: voxels of the tomogram.
    """

    pixel_size: float
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shape: tuple[int, int, int] | None = None
    tomogram: str | None = None
    must_have_rows: bool = True
    unit: float | None = None

    @property
    def voxels_per_unit(self) -> float:
        """Factor of coordinates that do not tell their own unit."""
        return self.unit / self.pixel_size if self.unit else 1.0


@dataclass(frozen=True)
class Annotations:
    """Known particles of a tomogram.

    Attributes
    ----------
    positions : (n, 3) float64, zyx, voxel of the tomogram file, 0-based
    classes : tuple of n str
    angles : (n, 3) float64 or None
        RELION's rot, tilt, psi in degrees; None where the file has no orientations.
    source : str, name of the format
    scores : (n,) float64 or None
        How sure a program is of its pick, high is certain; None where the file does not tell.
    """

    positions: np.ndarray
    classes: tuple[str, ...]
    angles: np.ndarray | None
    source: str
    scores: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, rows: np.ndarray) -> Annotations:
        """Return the annotations that a mask or an index array names."""
        rows = np.arange(len(self))[rows]
        return replace(
            self,
            positions=self.positions[rows],
            classes=tuple(self.classes[i] for i in rows),
            angles=None if self.angles is None else self.angles[rows],
            scores=None if self.scores is None else self.scores[rows],
        )


def no_annotations(source: str) -> Annotations:
    """Return annotations of length zero, a valid result."""
    return Annotations(np.zeros((0, 3)), (), None, source)


def from_xyz(
    xyz_voxel: np.ndarray,
    classes: Iterable[str],
    angles: np.ndarray | None,
    source: str,
    scores: np.ndarray | None = None,
) -> Annotations:
    """Return annotations of positions in xyz order (n, 3), voxel, 0-based."""
    xyz = np.asarray(xyz_voxel, dtype=np.float64).reshape(-1, 3)
    if angles is not None:
        angles = np.asarray(angles, dtype=np.float64).reshape(-1, 3)
    positions = np.ascontiguousarray(xyz[:, ::-1])
    return Annotations(positions, tuple(classes), angles, source, scores)


def refuse_unit(path: str | Path, grid: Grid, told: str) -> None:
    """Check that no unit is given for coordinates that have their own.

    Raises
    ------
    InputError
        When one is given.
    """
    if grid.unit is not None:
        raise InputError(
            f"{path}: pixel size of its coordinates",
            found=f"{grid.unit:g} angstrom given",
            expected=f"none: {told}",
            remedy="leave the pixel size of this list out",
        )


def to_numbers(path: str | Path, column: str, values: Iterable[object]) -> np.ndarray:
    """Return a column as float64.

    Parameters
    ----------
    path : path, for the message
    column : str
    values : iterable of text or numbers

    Raises
    ------
    InputError
        At the first value that is not a finite number; names its row, counted from 1.
    """
    out = []
    for row, value in enumerate(values, 1):
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise InputError(
                f"{path}, row {row}: column '{column}'",
                found=repr(value),
                expected="a finite number",
            )
        out.append(number)
    return np.array(out, dtype=np.float64)


def to_vector(path: str | Path, what: str, text: str | None, row: int) -> np.ndarray:
    """Return three numbers written as ``x,y,z``.

    Raises
    ------
    InputError
        When the text is absent or does not hold three finite numbers.
    """
    try:
        vector = np.array([float(part) for part in (text or "").split(",")])
    except ValueError:
        vector = np.zeros(0)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise InputError(
            f"{path}, point {row}: {what}", found=repr(text), expected="three numbers, 'x,y,z'"
        )
    return vector
