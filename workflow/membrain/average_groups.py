"""Groups of particles that are averaged: all, each class, and lists by name."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .averages import has_pose
from .contrast import Contrast, measure_contrast
from .errors import InputError
from .file_names import clean_name
from .formats.relion import require_infos
from .particles import ParticleTable, concatenate_particles
from .rotations import frames_from_normals
from .subvolumes import ReadBox

log = logging.getLogger(__name__)

AROUND_WORKING_VOXEL = (-2.0, -1.0, 0.0, 1.0, 2.0)  # in the plane, where contrast is measured


@dataclass(frozen=True)
class Groups:
    """Particles and the groups that they are averaged in.

    Attributes
    ----------
    kinds, names : list of str, of each group: ``all``, ``class`` or ``list``, and its name
    files : list of str, name of each group's files without ending
    particles : ParticleTable of n particles; those of lists stand behind the others
    is_member : (n, n_groups) bool
    is_outside : (n,) bool, the position is not in its tomogram
    lacks_pose : (n,) bool
    """

    kinds: list[str]
    names: list[str]
    files: list[str]
    particles: ParticleTable
    is_member: np.ndarray
    is_outside: np.ndarray
    lacks_pose: np.ndarray

    @property
    def is_averaged(self) -> np.ndarray:
        """(n, n_groups) bool: in the group, in the tomogram, and with a pose."""
        return self.is_member & ~(self.is_outside | self.lacks_pose)[:, None]


def group_particles(lists: Mapping[str, ParticleTable], infos: Mapping[str, Mapping]) -> Groups:
    """Return the groups of lists of particles: the first as a whole and by class, the others whole.

    Parameters
    ----------
    lists : mapping of name to ParticleTable, at least one
    infos : mapping of tomogram to its info

    Raises
    ------
    InputError
        When there are particles but none of them lies in its tomogram or has an orientation, or a
        tomogram has no info.
    """
    (_, first), *further = lists.items()
    particles = concatenate_particles(lists.values())
    require_infos(particles.tomogram, infos)
    source = np.repeat(np.arange(len(lists)), [len(table) for table in lists.values()])
    is_first = source == 0
    groups = [("all", "all", is_first)]
    for name in sorted(set(first.classes)):
        groups.append(("class", str(name), is_first & (particles.classes == name)))
    groups += [("list", name, source == i) for i, (name, _) in enumerate(further, 1)]
    kinds, names, members = map(list, zip(*groups, strict=True))
    shapes = [infos[name]["shape"] for name in particles.tomogram]
    last = np.array(shapes, dtype=np.float64).reshape(-1, 3) - 1
    is_outside = ((particles.voxel < 0) | (particles.voxel > last)).any(axis=1)
    lacks_pose = ~has_pose(particles.normals, particles.axes)
    if len(particles) and is_outside.all():
        low, high = particles.voxel.min(axis=0)[::-1], particles.voxel.max(axis=0)[::-1]
        spans = [f"{a} {p:.0f} to {q:.0f}" for a, p, q in zip("xyz", low, high, strict=True)]
        raise InputError(
            "no particle lies in its tomogram",
            found=f"{len(particles)} positions, {', '.join(spans)} voxels",
            expected=f"within {last.max(axis=0)[::-1].astype(int).tolist()} (x, y, z)",
            remedy="are they voxels of these tomograms, not angstrom or unbinned pixels?",
        )
    if len(particles) and lacks_pose.all():
        raise InputError(
            "no particle has an orientation",
            found=f"{len(particles)} positions",
            expected="columns rot, tilt, psi, or normal and axis",
            remedy="average particles.csv, or picks of a program that writes angles",
        )
    files = _file_names(kinds, names)
    return Groups(kinds, names, files, particles, np.array(members).T, is_outside, lacks_pose)


def _file_names(kinds: list[str], names: list[str]) -> list[str]:
    """Return one name for each group, all different, also where case does not count."""
    out: list[str] = []
    for kind, name in zip(kinds, names, strict=True):
        stem = "all" if kind == "all" else f"{kind}_{clean_name(name)}"
        taken = {other.lower() for other in out}
        number = 2
        unique = stem
        while unique.lower() in taken:
            unique, number = f"{stem}_{number}", number + 1
        out.append(unique)
    return out


def pick_contrast(
    given: str,
    read_box: ReadBox,
    info: Mapping,
    poses: tuple[np.ndarray, np.ndarray, np.ndarray],
    pixel_size: float,
) -> Contrast:
    """Return whether protein is dark or bright in a tomogram: as given, or measured.

    Parameters
    ----------
    given : {"auto", "dark", "bright"}
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    info : mapping, info of the tomogram
    poses : points, normals, axes, (n, 3) float each, zyx, voxel
    pixel_size : float, angstrom per working voxel

    Notes
    -----
    As the extraction does, from the membrane under the particles; few particles have little of it
    below their centres, so a square of 5 x 5 working voxels around each is looked at.
    """
    if given != "auto":
        return Contrast(given)
    points, normals, _ = poses
    step = pixel_size / info["pixel_size_angstrom"]
    frames = frames_from_normals(normals)
    around = step * np.array(AROUND_WORKING_VOXEL)
    a, b = (part.ravel()[:, None] for part in np.meshgrid(around, around, indexing="ij"))
    shifts = [a * frame[:, 0] + b * frame[:, 1] for frame in frames]  # (25, 3) each
    spread = (points[:, None] + np.array(shifts)).reshape(-1, 3)
    repeated = np.repeat(normals, len(a), axis=0)
    return measure_contrast(read_box, tuple(info["shape"]), spread, repeated, info, step, "dark")
