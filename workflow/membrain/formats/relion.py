"""RELION 5 files of particles: the STAR file itself and the list for its import job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import starfile

from ..errors import InputError
from ..files import atomic_path
from ..particles import ParticleTable
from ..rotations import poses_from_axes, poses_from_relion, relion_angles
from .star import ANGLES, CENTERED, PIXEL, SUBTOMOGRAM

CENTRES = {"size/2": 0.0, "size/2-1": 1.0}  # voxels taken off size/2
COORDINATES = ("centered", "pixel")
PRIOR_ANGLES = (0.0, 90.0, 0.0)


def require_infos(tomograms: Iterable[str], infos: Mapping[str, Mapping]) -> None:
    """Check that every tomogram has its info.

    Raises
    ------
    InputError
        Names the first that has none.
    """
    for name in tomograms:
        if name not in infos:
            raise InputError(
                f"tomogram '{name}' has particles but no info file",
                found=f"info of {', '.join(sorted(infos)) or 'no tomogram'}",
                remedy="give its file with --infos",
            )


def _per_particle(particles: ParticleTable, infos: Mapping[str, Mapping], key: str) -> np.ndarray:
    """Return an entry of the tomograms' infos, one row per particle."""
    values = [infos[name][key] for name in particles.tomogram]
    width = np.shape(next(iter(infos.values()))[key]) if infos else ()
    return np.array(values, dtype=np.float64).reshape(len(particles), *width)


def _coordinates(
    particles: ParticleTable,
    infos: Mapping[str, Mapping],
    coordinates: str,
    centre: str,
    pixel_size: np.ndarray,
) -> dict[str, np.ndarray]:
    """Return the columns of positions; `pixel_size` (n,) is that of rlnCoordinate."""
    of_file = _per_particle(particles, infos, "pixel_size_angstrom")[:, None]
    if coordinates == "pixel":
        values = particles.voxel * of_file / pixel_size[:, None]
        names = PIXEL
    else:
        middle = _per_particle(particles, infos, "shape").reshape(-1, 3) / 2 - CENTRES[centre]
        values = (particles.voxel - middle) * of_file
        names = CENTERED
    return dict(zip(names, values.reshape(-1, 3)[:, ::-1].T, strict=True))


def _orientations(particles: ParticleTable, prior: bool) -> dict[str, np.ndarray]:
    """Return the columns of angles; with `prior` the pose is split as ``A = A_subtomogram B``."""
    n = len(particles)
    if not prior:
        angles = dict(zip(ANGLES, particles.angles.reshape(-1, 3).T, strict=True))
        priors = {
            "rlnAngleTiltPrior": particles.angles[:, 1],
            "rlnAnglePsiPrior": particles.angles[:, 2],
        }
        return {**angles, **priors}
    outer = np.zeros((0, 3))
    if n:
        poses = poses_from_axes(particles.normals[:, ::-1], particles.axes[:, ::-1])
        outer = relion_angles(poses * poses_from_relion([PRIOR_ANGLES] * n).inv())
    inner = dict(zip(ANGLES, np.tile(PRIOR_ANGLES, (n, 1)).T, strict=True))
    priors = {"rlnAngleTiltPrior": inner[ANGLES[1]], "rlnAnglePsiPrior": inner[ANGLES[2]]}
    return {**dict(zip(SUBTOMOGRAM, outer.T, strict=True)), **inner, **priors}


def _ranks(names: Sequence[str], within: Sequence[str]) -> np.ndarray:
    """Return for each row the place of its name, from 1, in the sorted names of its group."""
    groups: dict[str, set[str]] = {}
    for name, group in zip(names, within, strict=True):
        groups.setdefault(group, set()).add(name)
    places = {g: {name: i for i, name in enumerate(sorted(s), 1)} for g, s in groups.items()}
    return np.array([places[g][n] for n, g in zip(names, within, strict=True)], dtype=np.int64)


def _particle_names(particles: ParticleTable) -> list[str]:
    """Return ``TOMOGRAM/NUMBER`` for each particle, counted within its tomogram from 1."""
    counts: dict[str, int] = {}
    names = []
    for name in particles.tomogram:
        counts[name] = counts.get(name, 0) + 1
        names.append(f"{name}/{counts[name]}")
    return names


def _optics(pixel_sizes: np.ndarray) -> pd.DataFrame:
    """Return one optics group for each pixel size, angstrom."""
    numbers = range(1, len(pixel_sizes) + 1)
    return pd.DataFrame(
        {
            "rlnOpticsGroup": list(numbers),
            "rlnOpticsGroupName": [f"opticsGroup{i}" for i in numbers],
            "rlnTomoTiltSeriesPixelSize": pixel_sizes.astype(np.float64),
        }
    )


def particle_blocks(
    particles: ParticleTable,
    infos: Mapping[str, Mapping],
    *,
    coordinates: str = "centered",
    centre: str = "size/2",
    prior: bool = False,
    tilt_series_pixel_size: float = 0.0,
    classes: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """Return the blocks ``optics`` and ``particles`` of a RELION 5 file.

    Parameters
    ----------
    particles : ParticleTable
    infos : mapping of tomogram to its info (``shape`` zyx, ``pixel_size_angstrom``)
    coordinates : {'centered', 'pixel'}
        Angstrom from the tomogram's centre (RELION 5) or pixels (RELION 3 and 4).
    centre : {'size/2', 'size/2-1'}
        What the centre is: RELION's programs, copick and ArtiaX take the first, RELION's napari
        picker and pytom the second.
    prior : bool
        Whether the pose goes to ``rlnTomoSubtomogram*`` and the angles hold tilt 90, psi 0.
    tilt_series_pixel_size : float, angstrom
        Pixel of the unbinned tilt series, which ``rlnCoordinate*`` count; 0: the tomogram's own.
    classes : sequence of str
        Those of all files that belong together, numbered by their place in the sorted names;
        default: those of these particles.

    Notes
    -----
    Where a particle has no pose (picks of another program) the file has no angles, where one has no
    score no ``rlnAutopickFigureOfMerit``.

    Raises
    ------
    InputError
        When a tomogram with particles has no info.
    """
    require_infos(particles.tomogram, infos)
    of_file = _per_particle(particles, infos, "pixel_size_angstrom")
    sizes = np.full(len(particles), tilt_series_pixel_size) if tilt_series_pixel_size else of_file
    known = [tilt_series_pixel_size or info["pixel_size_angstrom"] for info in infos.values()]
    distinct = np.unique(sizes if len(sizes) else np.array(known, dtype=np.float64))
    known_classes = sorted({*classes, *particles.classes})
    has_poses = bool(np.isfinite(particles.angles).all())
    has_scores = bool(np.isfinite(particles.score).all())
    table = pd.DataFrame(
        {
            # not the name first: a row that begins with data_ is a new block to readers
            **_coordinates(particles, infos, coordinates, centre, sizes),
            "rlnTomoName": particles.tomogram.astype(str),
            **(_orientations(particles, prior) if has_poses else {}),
            "rlnOpticsGroup": np.searchsorted(distinct, sizes) + 1,
            "rlnTomoParticleName": _particle_names(particles),
            "rlnClassNumber": np.searchsorted(known_classes, particles.classes.astype(str)) + 1,
            **({"rlnAutopickFigureOfMerit": particles.score} if has_scores else {}),
            "rlnTomoManifoldIndex": _ranks(particles.membrane, particles.tomogram),
            "membrainMembrane": particles.membrane.astype(str),
            "membrainSide": particles.side.astype(str),
            "membrainClass": particles.classes.astype(str),
        }
    )
    return {"optics": _optics(distinct), "particles": table}


def _write(path: str | Path, blocks: Mapping[str, pd.DataFrame], comment: Sequence[str]) -> None:
    """Write blocks below own comment lines; the package's first line holds the time, so it goes."""
    lines = [f"# {line}" for line in comment]
    text = starfile.to_string(dict(blocks)).split("\n", 1)[1]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n" + text, encoding="utf-8")


def write_particles(
    path: str | Path, particles: ParticleTable, infos: Mapping[str, Mapping], **options: object
) -> None:
    """Write a RELION 5 STAR file; takes the options of `particle_blocks`."""
    centre = options.get("centre", "size/2")
    if options.get("coordinates", "centered") == "centered":
        where = (
            f"rlnCenteredCoordinate = (voxel - ({centre})) * pixel size, voxel 0-based, angstrom"
        )
    else:
        where = "rlnCoordinate = 0-based voxel in pixels of rlnTomoTiltSeriesPixelSize"
    comment = [
        "particles of membrain-flow",
        where,
        "particle z axis = membrane normal on the particle's side, x axis = long axis in the plane",
    ]
    _write(path, particle_blocks(particles, infos, **options), comment)


def write_import_list(path: str | Path, files: Mapping[str, str]) -> None:
    """Write the two-column list that RELION's import job takes.

    Parameters
    ----------
    path : path
    files : mapping of tomogram to its STAR file, as seen from the list's folder
    """
    table = pd.DataFrame(
        {"rlnTomoName": list(files), "rlnTomoImportParticleFile": list(files.values())},
        dtype=object,
    )
    _write(
        path, {"particles": table}, ["STAR file of each tomogram, for RELION's import of particles"]
    )
