"""Picks to be judged: this workflow's or any other program's."""

from __future__ import annotations

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


def _as_particles(found: Annotations, tomogram: str, pixel_size: float) -> ParticleTable:
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
        score=np.full(n, np.nan),
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


def read_picks(path: str | Path, infos: Mapping[str, Mapping]) -> ParticleTable:
    """Return picks of this workflow or of any other program.

    Parameters
    ----------
    path : path
        Particle table, or any format of `read_annotations`. Foreign picks have no membrane.
    infos : mapping of tomogram to its info
        A foreign file is read for each of them.

    Raises
    ------
    InputError
        When the file cannot be read, or does not tell which of several tomograms it belongs to.
    """
    path = Path(path)
    if _is_own(path):
        return read_particles(path)
    if len(infos) > 1 and path.suffix != ".star":
        raise InputError(
            f"{path}: does not say which tomogram a pick belongs to",
            found=f"{len(infos)} tomograms",
            remedy="give a STAR file with rlnTomoName, or evaluate one tomogram at a time",
        )
    tables = []
    for name, info in infos.items():
        found = read_annotations(
            path,
            pixel_size=info["pixel_size_angstrom"],
            origin=tuple(info.get("origin_angstrom", (0.0, 0.0, 0.0))),
            shape=tuple(info["shape"]),
            tomogram=name,
            must_have_rows=False,
        )
        tables.append(_as_particles(found, name, info["pixel_size_angstrom"]))
    return concatenate_particles(tables)
