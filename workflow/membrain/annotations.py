"""Known particles, whatever program wrote them down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from .errors import InputError
from .formats import copick, csv_table, dynamo, membranorama, star
from .formats.base import Annotations, Grid, no_annotations
from .headers import read_header
from .sheets import MembraneRow

__all__ = ["Annotations", "Grid", "annotations_of_membrane", "check_inside", "read_annotations"]

log = logging.getLogger(__name__)

READERS = {
    ".csv": csv_table.read,
    ".tsv": csv_table.read,
    ".txt": csv_table.read,
    ".star": star.read,
    ".xml": membranorama.read,
    ".tbl": dynamo.read,
    ".json": copick.read,
}
Remedy = Callable[[np.ndarray], str]  # of positions (n, 3) zyx voxel: what would make them fit
OUTSIDE_VOXEL = 10.0  # a click at the rim may lie a little outside the volume


def _is_empty(path: Path) -> bool:
    """Return whether a file holds nothing but white space."""
    try:
        with open(path, "rb") as handle:
            return not handle.read(4096).strip() and path.stat().st_size <= 4096
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None


def read_annotations(
    path: str | Path,
    mesh: str | Path | None = None,
    *,
    pixel_size: float,
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0),
    shape: tuple[int, int, int] | None = None,
    tomogram: str | None = None,
    must_have_rows: bool = True,
    unit: float | None = None,
    must_be_inside: bool = True,
    remedy: Remedy | None = None,
) -> Annotations:
    """Return the annotated particles of a file; its extension tells the format.

    Parameters
    ----------
    path : path
        ``.csv``, ``.tsv``, ``.txt`` (table), ``.star`` (RELION), ``.xml`` (Membranorama), ``.tbl``
        (Dynamo) or ``.json`` (copick). A file of no bytes has no particles.
    mesh : path, optional
        OBJ file that a Membranorama session refers to; other formats do not use it.
    pixel_size : float
        Angstrom per voxel of the tomogram.
    origin : (x, y, z) of float, angstrom
        Origin of the MRC header; Membranorama's positions include it.
    shape : (3,) of int, zyx, optional
        Size of the tomogram; with it positions are checked, and RELION 5 files need it.
    tomogram : str, optional
        Name of the tomogram, for files that hold several.
    must_have_rows : bool
        Whether no row of this tomogram in such a file is a mistake (a name that differs) or may be.
    unit : float, optional
        Angstrom per unit of coordinates that do not tell their own; default voxels.
    must_be_inside : bool
        Whether positions outside the volume are a mistake.
    remedy : function of (n, 3) positions, optional
        What would make them fit where the membrane is known; else what fits the volume is told.

    Returns
    -------
    Annotations
        Positions (n, 3) zyx in voxels of the tomogram file.

    Raises
    ------
    InputError
        When the format is unknown, the file is damaged, or positions lie outside the volume.
    """
    path = Path(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: unknown format of annotations",
            found=f"extension '{path.suffix}'",
            expected=f"one of {', '.join(sorted(READERS))}",
        )
    if _is_empty(path):
        log.warning("%s: the file is empty: no annotated particle", path)
        return no_annotations(path.suffix.lower().lstrip("."))
    grid = Grid(float(pixel_size), tuple(origin), shape, tomogram, must_have_rows, unit)
    if reader is membranorama.read:
        found = membranorama.read(path, grid, mesh)
    else:
        found = reader(path, grid)
    if shape is not None and must_be_inside:
        check_inside(path, found, grid, remedy)
    log.info("%s: %d annotated particles (%s)", path.name, len(found), found.source)
    return found


def _text(voxel: float) -> str:
    return f"{voxel:.0f}" if abs(voxel) < 1e9 else f"{voxel:.3g}"


def _is_outside(positions: np.ndarray, shape: np.ndarray) -> np.ndarray:
    is_outside = (positions < -OUTSIDE_VOXEL) | (positions > shape - 1 + OUTSIDE_VOXEL)
    return is_outside.any(axis=1)


def _n_outside(positions: np.ndarray, shape: np.ndarray) -> int:
    return int(_is_outside(positions, shape).sum())


def _remedy(positions: np.ndarray, shape: np.ndarray, grid: Grid) -> str:
    """Say which order of axes, factor or offset would bring every position into the volume."""
    origin = np.array(grid.origin[::-1]) / grid.pixel_size
    ideas = []
    for names, order in (("x and z", (2, 1, 0)), ("x and y", (0, 2, 1)), ("y and z", (1, 0, 2))):
        if not _n_outside(positions[:, order], shape):
            ideas.append(f"with {names} exchanged")
    if origin.any():
        for sign, words in ((-1, "subtracted"), (1, "added")):
            if not _n_outside(positions + sign * origin, shape):
                ideas.append(f"with the header's origin {words} ({grid.origin} angstrom)")
    else:
        is_outside = (positions.max(axis=0) > shape - 1) | (positions.min(axis=0) < 0)
        sign = np.where(positions.max(axis=0) > shape - 1, -1, 1)
        if not _n_outside(positions + sign * is_outside * shape // 2, shape):
            axes = " and ".join(a for a, out in zip("zyx", is_outside, strict=True) if out)
            ideas.append(
                f"with half the volume's size moved along {axes} (an origin of the header that is "
                "missing here, or coordinates from the centre)"
            )
    n_bins = next((k for k in range(2, 33) if not _n_outside(positions / k, shape)), None)
    if n_bins is not None:
        size = f"{grid.pixel_size / n_bins:.4g} angstrom"
        ideas.append(f"divided by {n_bins} (pixels of an unbinned tomogram, {size})")
    if grid.pixel_size > 1 and not _n_outside(positions / grid.pixel_size, shape):
        ideas.append(f"divided by {grid.pixel_size:g} (angstrom, not voxels)")
    if not ideas:
        return "is this the file of this tomogram?"
    return "they would fit " + ", or ".join(ideas)


def check_inside(
    path: str | Path, found: Annotations, grid: Grid, remedy_of: Remedy | None = None
) -> None:
    """Check that annotations lie in the tomogram; for `remedy_of` see `read_annotations`.

    Raises
    ------
    InputError
        When a position lies more than 10 voxels outside; says how many do, the range found, the
        volume's size, and which factor or offset would make them fit; where most lie inside, which
        ones do not.
    """
    shape = np.array(grid.shape)
    n_outside = _n_outside(found.positions, shape)
    if not n_outside:
        return
    low, high = found.positions.min(axis=0), found.positions.max(axis=0)
    axes = zip("xyz", low[::-1], high[::-1], strict=True)
    ranges = [f"{axis} {_text(first)} to {_text(last)}" for axis, first, last in axes]
    if 4 * n_outside > len(found):
        remedy = (remedy_of or partial(_remedy, shape=shape, grid=grid))(found.positions)
        remedy = remedy or "is this the file of this membrane and this tomogram?"
    else:  # a wrong unit or origin would show in most
        rows = np.flatnonzero(_is_outside(found.positions, shape)) + 1
        names = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
        remedy = f"look at position {names} of this tomogram in the file"
    if found.source == "star":
        remedy += "; a column rlnTomoTiltSeriesPixelSize (angstrom) tells what a pixel is"
    raise InputError(
        f"{path}: {n_outside} of {len(found)} positions lie outside the tomogram",
        found=f"{', '.join(ranges)} voxels",
        expected=f"within {shape[2]} x {shape[1]} x {shape[0]} voxels (x, y, z)",
        remedy=remedy,
    )


def annotations_of_membrane(
    row: MembraneRow, info: Mapping, remedy: Remedy | None = None
) -> Annotations:
    """Return the annotations that a membrane's row names.

    Parameters
    ----------
    row : MembraneRow
        Its `annotations` must be given.
    info : mapping
        Info of the tomogram, as `inspect_tomogram` writes it.
    remedy : see `read_annotations`

    Notes
    -----
    A Membranorama session counts from the header origin of the file that its mesh was made from:
    the mask's origin is used where it is not zero, else the tomogram's.

    Raises
    ------
    InputError
        As `read_annotations` does.
    """
    origin = tuple(info.get("origin_angstrom", (0.0, 0.0, 0.0)))
    if row.annotations.suffix.lower() == ".xml":
        of_mask = read_header(row.mask).origin
        if any(of_mask) and of_mask != origin:
            log.info("%s: origin %s of the mask is used", row.membrane, of_mask)
            origin = of_mask
    return read_annotations(
        row.annotations,
        row.mesh,
        pixel_size=info["pixel_size_angstrom"],
        origin=origin,
        shape=tuple(info["shape"]),
        tomogram=row.tomogram,
        remedy=remedy,
    )
