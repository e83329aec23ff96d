"""Heatmaps and particles as files for viewers, one per membrane and side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .formats.vtp import write_vtp
from .particles import ParticleTable
from .tables import PointTable


def output_names(classes: Sequence[Sequence[str]], n_outputs: int) -> list[str]:
    """Return a name for each output of the network: its first class, made unique."""
    names = [group[0] if group else f"output{i + 1}" for i, group in enumerate(classes)]
    names += [f"output{i + 1}" for i in range(len(names), n_outputs)]
    return [name if names.count(name) == 1 else f"{name}_{i + 1}" for i, name in enumerate(names)]


def write_heatmaps(
    folder: str | Path, table: PointTable, origin: Sequence[float] = (0.0, 0.0, 0.0)
) -> list[Path]:
    """Write the scored points of each membrane and side that has any.

    Parameters
    ----------
    folder : path
        Gets ``TOMOGRAM/MEMBRANE_SIDE_heatmap.vtp``.
    table : PointTable
        With column ``scores`` (n_points, n_outputs), predicted distance in working voxels: low is
        near a particle.
    origin : (x, y, z) of float, angstrom
        Added to the positions.

    Returns
    -------
    list of path
        The files written.
    """
    scores = table.extra["scores"]  # (n_points, n_outputs)
    names = [
        f"distance_{name}" for name in output_names(table.meta.get("classes", []), scores.shape[1])
    ]
    written = []
    for membrane, side, rows in table.groups():
        path = Path(folder) / table.tomogram / f"{membrane}_{side}_heatmap.vtp"
        columns = {"normal": table.normals[rows, ::-1].astype(np.float32)}
        for i, name in enumerate(names):
            columns[name] = scores[rows, i].astype(np.float32)
        fields = {"tomogram": [table.tomogram], "membrane": [membrane], "side": [side]}
        points = table.points[rows, ::-1].astype(np.float64) * table.pixel_size + np.asarray(origin)
        write_vtp(path, points, columns, fields, normals="normal", scalars=names[0])
        written.append(path)
    return written


def write_particle_points(
    folder: str | Path,
    particles: ParticleTable,
    infos: Mapping[str, Mapping],
    groups: Sequence[tuple[str, str, str]] = (),
    origins: Mapping[str, Sequence[float]] | None = None,
) -> list[Path]:
    """Write the particles of each tomogram, membrane and side.

    Parameters
    ----------
    folder : path
        Gets ``TOMOGRAM/MEMBRANE_SIDE_particles.vtp``.
    particles : ParticleTable
    infos : mapping of tomogram to its info, for the pixel size
    groups : sequence of (tomogram, membrane, side)
        Those that get a file, an empty one where there is no particle, beside those with particles.
    origins : mapping of tomogram to (x, y, z) angstrom, added to the positions

    Notes
    -----
    ``class`` numbers the sorted class names, from 0; field ``class_names`` spells them.
    """
    class_names = sorted(set(particles.classes))
    numbers = np.array([class_names.index(name) for name in particles.classes], dtype=np.int32)
    found = zip(particles.tomogram, particles.membrane, particles.side, strict=True)
    written = []
    for group in sorted({*groups, *found}):
        tomogram, membrane, side = group
        is_member = (particles.tomogram == tomogram) & (particles.membrane == membrane)
        rows = np.flatnonzero(is_member & (particles.side == side))
        normals, axes = particles.normals[rows, ::-1], particles.axes[rows, ::-1]
        columns = {
            "normal": normals.astype(np.float32),
            "axis": axes.astype(np.float32),
            "axis_across": np.cross(normals, axes).astype(np.float32),
            "score": particles.score[rows].astype(np.float32),
            "class": numbers[rows],
            "particle": particles.particle[rows].astype(np.int32),
        }
        fields = {"tomogram": [tomogram], "membrane": [membrane], "side": [side]}
        if class_names:
            fields["class_names"] = class_names
        points = particles.voxel[rows, ::-1] * infos[tomogram]["pixel_size_angstrom"]
        points = points + np.asarray((origins or {}).get(tomogram, (0.0, 0.0, 0.0)))
        path = Path(folder) / tomogram / f"{membrane}_{side}_particles.vtp"
        write_vtp(path, points, columns, fields, normals="normal", scalars="score")
        written.append(path)
    return written
