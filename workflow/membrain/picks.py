"""Picks to be judged: this workflow's or any other program's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .annotations import read_annotations
from .errors import InputError
from .files import read_table
from .formats.base import Annotations
from .particles import ParticleTable, concatenate_particles, read_particles
from .rotations import poses_from_relion

NO_MEMBRANE = ""
PLACEHOLDER = "{tomogram}"


def as_particles(found: Annotations, tomogram: str, pixel_size: float) -> ParticleTable:
    """Return foreign picks as a table of particles without membrane; unknown poses are NaN."""
    n = len(found)
    matrices = np.full((n, 3, 3), np.nan)
    if found.angles is not None and n:
        matrices = poses_from_relion(found.angles).as_matrix()

    def names(value: str) -> np.ndarray:
        return np.full(n, value, dtype=object)

    return ParticleTable(
        tomogram=names(tomogram),
        membrane=names(NO_MEMBRANE),
        side=names(""),
        particle=np.arange(1, n + 1),
        voxel=found.positions,
        angstrom=found.positions * pixel_size,
        score=np.full(n, np.nan) if found.scores is None else found.scores,
        n_points=np.zeros(n, dtype=np.int64),
        normals=matrices[:, ::-1, 2],
        axes=matrices[:, ::-1, 0],
        angles=np.full((n, 3), np.nan) if found.angles is None else found.angles,
        classes=np.array(found.classes, dtype=object),
    )


def _is_own(path: Path) -> bool:
    """Return whether a file is a particle table of this workflow."""
    if path.suffix not in (".csv", ".tsv"):
        return False
    return "x_voxel" in read_table(path, "," if path.suffix == ".csv" else "\t")[0]


def _names_tomograms(path: Path) -> bool:
    """Return whether a file says which tomogram a pick belongs to."""
    with open(path, encoding="utf-8-sig", errors="replace") as handle:
        if path.suffix == ".star":
            return any(line.startswith("_rlnTomoName") for line in handle)
        if path.suffix not in (".csv", ".tsv", ".txt"):
            return False
        header = next((line for line in handle if line.strip() and line[0] != "#"), "")
    return "tomogram" in re.split(r"[\t,\s]+", header.strip())


def _read_one(path: Path, info: Mapping, unit: float | None, must_have_rows: bool) -> ParticleTable:
    """Return the picks of a foreign file in one tomogram."""
    found = read_annotations(
        path,
        pixel_size=info["pixel_size_angstrom"],
        origin=tuple(info.get("origin_angstrom", (0.0, 0.0, 0.0))),
        shape=tuple(info["shape"]),
        tomogram=info["tomogram"],
        must_have_rows=must_have_rows,
        unit=unit,
        must_be_inside=False,
    )
    return as_particles(found, info["tomogram"], info["pixel_size_angstrom"])


def read_picks(
    path: str | Path, infos: Mapping[str, Mapping], unit: float | None = None
) -> ParticleTable:
    """Return picks of this workflow or of any other program.

    Parameters
    ----------
    path : path
        Particle table, or any format of `read_annotations`. Foreign picks have no membrane. A name
        with ``{tomogram}`` stands for one file per tomogram.
    infos : mapping of tomogram to its info
        A foreign file is read for each of them.
    unit : float, optional
        Angstrom per unit of coordinates that do not tell their own; 1: they are angstrom. Default:
        voxels of the tomogram.

    Raises
    ------
    InputError
        When a file cannot be read, holds picks of other tomograms alone, or does not tell which of
        several tomograms it belongs to.
    """
    path = Path(path)
    if PLACEHOLDER in str(path):
        files = {name: Path(str(path).replace(PLACEHOLDER, name)) for name in infos}
        return concatenate_particles(
            read_picks(file, {name: infos[name]}, unit) for name, file in files.items()
        )
    if not path.is_file():
        raise InputError(f"{path}: no such file of picks")
    if _is_own(path):
        return read_particles(path)
    if len(infos) > 1 and not _names_tomograms(path):
        raise InputError(
            f"{path}: does not say which tomogram a pick belongs to",
            found=f"{len(infos)} tomograms",
            remedy="give a STAR file with rlnTomoName, a table with a column tomogram, or one file "
            f"per tomogram, named with {PLACEHOLDER}",
        )
    tables = [_read_one(path, info, unit, False) for info in infos.values()]
    if infos and not any(map(len, tables)):
        _read_one(path, next(iter(infos.values())), unit, True)  # tells the names that are there
    return concatenate_particles(tables)
