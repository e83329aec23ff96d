"""Annotated particles as a table of particles, those with in-plane angles alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from .averages import has_pose
from .cases import annotations_by_membrane
from .errors import InputError
from .formats.base import Annotations
from .particles import ParticleTable
from .sheets import MembraneRow

log = logging.getLogger(__name__)

SAME_DEGREE = 0.01  # rot within this for all particles: it was never set
MIN_SAME = 3  # particles for that to be no chance


def read_each_file(
    rows: Sequence[MembraneRow], infos: Mapping[str, Mapping], limit: float, working: float
) -> dict[tuple[str, str], Annotations]:
    """Return the annotations of each membrane, as `cases.annotations_by_membrane` does.

    Files that cannot be used are left out with a warning: labelling tells them as failures.
    """
    files: dict[tuple, list[MembraneRow]] = {}
    for row in rows:
        files.setdefault((row.tomogram, row.annotations, row.mesh), []).append(row)
    out = {}
    for members in files.values():
        try:
            out.update(annotations_by_membrane(members, infos, limit, working))
        except InputError as error:
            log.warning("left out: %s", error)
    return out


def have_angles(particles: ParticleTable) -> np.ndarray:
    """Return which particles of a file have in-plane angles, (n,) bool.

    Particles of a class that all have the same rot have none: programs that know the membrane's
    normal alone write 0.
    """
    out = has_pose(particles.normals, particles.axes)
    for name in sorted(set(particles.classes)):
        mine = out & (particles.classes == name)
        rot = particles.angles[mine, 0]
        if mine.sum() >= MIN_SAME and np.ptp(rot) < SAME_DEGREE:
            log.warning("class %s: rot is %.2f for all %d particles", name, rot[0], len(rot))
            out &= ~mine
    return out
