"""RELION STAR files of particles, versions 3, 4 and 5, and what other programs write like them.

A particle's pose is ``A = A_subtomogram A_particle`` (particle -> tomogram); without the columns
``rlnTomoSubtomogram*`` the first is the identity. Its position is the coordinate minus
``A_subtomogram`` applied to ``rlnOrigin{X,Y,Z}Angst``, as RELION's own code does it.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import starfile
from scipy.spatial.transform import Rotation

from ..errors import InputError, suggest
from ..rotations import poses_from_relion, relion_angles
from .base import (
    DEFAULT_CLASS,
    Annotations,
    Grid,
    from_xyz,
    no_annotations,
    refuse_unit,
    to_numbers,
)

log = logging.getLogger(__name__)

CENTERED = tuple(f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ")
PIXEL = tuple(f"rlnCoordinate{axis}" for axis in "XYZ")
ORIGIN = tuple(f"rlnOrigin{axis}Angst" for axis in "XYZ")
OLD_ORIGIN = tuple(f"rlnOrigin{axis}" for axis in "XYZ")  # before 3.1, in pixels
ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
SCORES = ("rlnAutopickFigureOfMerit", "rlnLCCmax")
SUBTOMOGRAM = tuple(f"rlnTomoSubtomogram{angle}" for angle in ("Rot", "Tilt", "Psi"))
# pixel size of the unbinned pixels that rlnCoordinate{X,Y,Z} count
PIXEL_SIZES = ("rlnTomoTiltSeriesPixelSize", "rlnPixelSize")
CLASS_COLUMNS = ("membrainClass", "class", "rlnParticleName", "rlnClassName", "rlnClassNumber")
TEXT_COLUMNS = (
    "rlnTomoName",
    "rlnOpticsGroup",
    "rlnOpticsGroupName",
    "membrainMembrane",
    *CLASS_COLUMNS,
)


def _blocks(path: Path) -> dict[str, pd.DataFrame]:
    """Return every block of a STAR file as a table."""
    try:
        blocks = starfile.read(path, always_dict=True, parse_as_string=list(TEXT_COLUMNS))
    except OSError as error:
        raise InputError(f"{path}: unreadable", found=error.strerror) from None
    except Exception as error:  # the package raises whatever pandas does
        raise InputError(
            f"{path}: not a STAR file", found=error, expected="blocks data_ with loop_ and columns"
        ) from None
    return {
        name: block if isinstance(block, pd.DataFrame) else pd.DataFrame([block])
        for name, block in blocks.items()
    }


def _particles(path: Path, blocks: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the block that has coordinates."""
    for block in blocks.values():
        if set(CENTERED) <= set(block.columns) or set(PIXEL) <= set(block.columns):
            return block
    columns = [str(column) for block in blocks.values() for column in block.columns]
    remedy = ""
    for name in columns:
        is_known = name in (*CENTERED, *PIXEL)
        if not is_known and ("ord" in name.lower() or name.lower() in ("x", "y", "z")):
            remedy = f"for '{name}' {suggest(name, (*CENTERED, *PIXEL))}"
            break
    raise InputError(
        f"{path}: no block with particle coordinates",
        found=f"columns {', '.join(columns)}" if columns else "no block",
        expected=f"{', '.join(PIXEL)} or {', '.join(CENTERED)}",
        remedy=remedy,
    )


def _of_tomogram(path: Path, table: pd.DataFrame, grid: Grid) -> pd.DataFrame:
    """Return the rows of a tomogram; every row where the file does not tell tomograms apart.

    Before RELION 4 they stand in rlnMicrographName, as files.
    """
    if grid.tomogram is None or not len(table):
        return table
    column, names = "rlnTomoName", table.get("rlnTomoName")
    if names is None and table.get("rlnMicrographName", pd.Series(dtype=str)).nunique() > 1:
        column = "rlnMicrographName"
        names = table[column].astype(str).map(lambda name: Path(name).stem)
    if names is None:
        return table
    rows = table[names == grid.tomogram]
    if not len(rows) and grid.must_have_rows:
        known = sorted(set(names))
        raise InputError(
            f"{path}: no particle of tomogram '{grid.tomogram}' in column {column}",
            found=", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else ""),
            remedy="give the tomogram the same name in the sheets",
        )
    return rows


def _columns(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray | None:
    """Return columns as (n, len(names)) float64; None unless all are there."""
    if not set(names) <= set(table.columns):
        return None
    return np.stack([to_numbers(path, name, table[name]) for name in names], axis=1)


def _above_zero(path: Path, name: str, values: pd.Series) -> np.ndarray:
    """Return a column of pixel sizes as float64."""
    sizes = to_numbers(path, name, values)
    if (sizes <= 0).any():
        raise InputError(
            f"{path}: column '{name}'", found=f"{sizes.min():g}", expected="a pixel size above 0"
        )
    return sizes


def _pixel_size(path: Path, table: pd.DataFrame, blocks: dict) -> np.ndarray | None:
    """Return the pixel size (n, 1) of the coordinates, angstrom; None where the file has none."""
    for name in PIXEL_SIZES:
        if name in table.columns:
            return _above_zero(path, name, table[name])[:, None]
        for block in blocks.values():
            if name not in block.columns or "rlnOpticsGroup" not in block.columns:
                continue
            sizes = _above_zero(path, name, block[name])
            if "rlnOpticsGroup" not in table.columns:
                if len(set(sizes)) == 1:
                    return np.full((len(table), 1), sizes[0])
                continue
            if len(set(block["rlnOpticsGroup"])) < len(block):
                raise InputError(f"{path}: an optics group stands twice in the optics block")
            by_group = dict(zip(block["rlnOpticsGroup"].astype(str), sizes, strict=True))
            groups = table["rlnOpticsGroup"].astype(str)
            unknown = sorted(set(groups) - set(by_group))
            if unknown:
                raise InputError(f"{path}: optics group {unknown[0]} is not in the optics block")
            return np.array([by_group[group] for group in groups])[:, None]
    return None


def _voxels(path: Path, table: pd.DataFrame, blocks: dict, grid: Grid) -> np.ndarray:
    """Return positions (n, 3) xyz, voxel, before the shifts of rlnOrigin."""
    centered = _columns(path, table, CENTERED)
    if centered is not None:
        refuse_unit(path, grid, "rlnCenteredCoordinate is angstrom")
        if grid.shape is None:
            raise InputError(f"{path}: centred coordinates need the size of the tomogram")
        return centered / grid.pixel_size + np.array(grid.shape[::-1]) / 2
    pixels = _columns(path, table, PIXEL)
    pixel_size = _pixel_size(path, table, blocks)
    if pixel_size is None:
        if grid.unit is None:
            log.info("%s: no pixel size in the file: rlnCoordinate taken as voxels", path.name)
        return pixels * grid.voxels_per_unit
    refuse_unit(path, grid, "the file tells its own, rlnTomoTiltSeriesPixelSize or rlnPixelSize")
    return pixels * pixel_size / grid.pixel_size


def _shifts(path: Path, table: pd.DataFrame) -> np.ndarray | None:
    """Return what is taken off the coordinates, (n, 3) xyz, angstrom; None for nothing."""
    shifts = _columns(path, table, ORIGIN)
    if shifts is not None:
        return shifts
    for name in (*ORIGIN, *OLD_ORIGIN):
        if name in table.columns and to_numbers(path, name, table[name]).any():
            raise InputError(
                f"{path}: shifts in column {name}",
                expected=f"{', '.join(ORIGIN)}, angstrom, as since RELION 3.1",
                remedy="convert the file with relion_convert_star, or take the shifts off the "
                "coordinates and leave the column out",
            )
    return None


def _classes(table: pd.DataFrame) -> list[str]:
    """Return the class of each row: a name where there is a column of names, else the number.

    The whole file decides which column it is, so that every tomogram has the same classes.
    """
    for name in CLASS_COLUMNS:
        if name not in table.columns:
            continue
        values = [str(value) for value in table[name]]
        if name == "rlnClassNumber":
            values = [value.removesuffix(".0") for value in values]
        is_identifier = name.startswith("rlnParticle") and (
            any("/" in value or "@" in value for value in values)
            or (len(values) > 3 and len(set(values)) == len(values))
        )
        is_one_number = name == "rlnClassNumber" and len(set(values)) == 1
        if not is_identifier and not is_one_number:
            return values
    return [DEFAULT_CLASS] * len(table)


def _scores(table: pd.DataFrame) -> np.ndarray | None:
    """Return how sure each pick is; None where the file does not tell it of every pick."""
    for name in SCORES:
        if name in table.columns:
            values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
            return values if np.isfinite(values).all() else None
    return None


def read(path: str | Path, grid: Grid) -> Annotations:
    """Return the particles of a STAR file.

    Parameters
    ----------
    path : path
        One block or several; the block with coordinates counts, an ``optics`` block gives the pixel
        size of ``rlnCoordinate{X,Y,Z}``. Without a pixel size these are voxels of the tomogram.
    grid : Grid
        Its `tomogram` picks rows by ``rlnTomoName``.

    Raises
    ------
    InputError
        When the file has no coordinates, a cell is not a finite number, no row is of this
        tomogram, or an optics group is not defined.
    """
    path = Path(path)
    blocks = _blocks(path)
    everything = _particles(path, blocks)
    table = _of_tomogram(path, everything, grid)
    if not len(table):
        return no_annotations("star")
    voxel = _voxels(path, table, blocks, grid)
    angles = _columns(path, table, ANGLES)
    outer = _columns(path, table, SUBTOMOGRAM)
    subtomogram = Rotation.identity(len(table)) if outer is None else poses_from_relion(outer)
    shifts = _shifts(path, table)
    if shifts is not None:
        voxel = voxel - subtomogram.apply(shifts) / grid.pixel_size
    if outer is not None:
        inner = Rotation.identity(len(table)) if angles is None else poses_from_relion(angles)
        angles = relion_angles(subtomogram * inner)
    classes = pd.Series(_classes(everything), index=everything.index)[table.index]
    return from_xyz(voxel, classes.tolist(), angles, "star", _scores(table))
