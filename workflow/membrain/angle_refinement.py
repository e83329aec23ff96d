"""New in-plane angles for a table of particles, class by class, from templates and angle heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .class_options import ANY_CLASS
from .density_templates import Template
from .orientation import NORMAL_RADIUS_VOXEL, axis_from_angles
from .particles import ParticleTable
from .rotations import poses_from_axes, relion_angles
from .tables import PointTable
from .template_angles import (
    Source,
    Turns,
    find_turns,
    matrices_of,
    onto_surface,
    place_template,
    turned_axes,
)
from .template_matching import Search

MATCH_COLUMNS = (
    *("tomogram", "membrane", "side", "particle", "class", "turn_degree", "strength"),
    *("shift_voxel", "height_voxel"),
)


@dataclass(frozen=True)
class Options:
    """How angles are found, lengths in working voxels.

    Attributes
    ----------
    search : Search; its symmetry is that of classes without their own
    symmetry : mapping of class (lower case) to n of Cn
    position : float, standard deviation of the positions in each direction
    top : {"auto", "high", "low"}, see `template_angles.place_template`
    head_weight : float
        Log-likelihood that the angle head adds to the turn that it tells, were its points certain
        and of one mind; 0: it is not asked.
    """

    search: Search
    symmetry: Mapping[str, int]
    position: float = 1.1
    top: str = "auto"
    head_weight: float = 1.0

    def symmetry_of(self, name: str) -> int:
        """Return the n of a class; 0: it is round."""
        every = self.symmetry.get(ANY_CLASS, self.search.symmetry)
        return self.symmetry.get(name.lower(), every)


def points_of(table: PointTable, membrane: str, side: str) -> np.ndarray:
    """Return the rows of the points of one side of a membrane."""
    number = table.membranes.index(membrane)
    return np.flatnonzero((table.membrane == number) & (table.side == table.sides.index(side)))


def head_evidence(
    table: PointTable, particles: ParticleTable, search: Search, radius: float, weight: float
) -> np.ndarray:
    """Return what the angle head says of each turn of each particle, as log-likelihood.

    Parameters
    ----------
    table : PointTable
        With ``angles`` (n, n_outputs, 2) and, among its meta entries, ``classes`` and ``folds``.
    particles : ParticleTable of one class
    search : Search, for its turns
    radius : float, voxel
        Points count by ``exp(-2 d^2 / radius^2)``.
    weight : float, see `Options`

    Returns
    -------
    (n, n_turns) float64
        ``weight agreement cos(m (turn - turn of the head))``, with the agreement of the points'
        angles (0 to 1) and the fold m; 0 where the model tells no angle of the class.
    """
    turns = search.turns
    out = np.zeros((len(particles), len(turns)))
    first = [names[0] for names in table.meta.get("classes", [])]
    folds = table.meta.get("folds", [])
    for i in range(len(particles)):
        name = particles.classes[i]
        output = first.index(name) if name in first else -1
        if output < 0 or output >= len(folds) or not folds[output]:
            continue
        own = points_of(table, particles.membrane[i], particles.side[i])
        square = ((table.points[own] - particles.voxel[i]) ** 2).sum(axis=1)
        own, square = own[square <= radius**2], square[square <= radius**2]
        vectors, normal = table.extra["angles"][own, output], particles.normals[i]
        weights, fold = np.exp(-2 * square / radius**2), folds[output]
        axis, agreement = axis_from_angles(vectors, table.normals[own], weights, normal, fold)
        x, y, _ = matrices_of(normal[None], particles.axes[i][None])[0].T
        told = np.arctan2(axis[::-1] @ y, axis[::-1] @ x)
        out[i] = weight * min(agreement, 1.0) * np.cos(fold * (turns - told))
    return out


def _poses(table: PointTable, particles: ParticleTable, step: float) -> tuple:
    """Return positions on the surface, normals and axes of particles."""
    positions = np.array(particles.voxel, dtype=np.float64)
    keys = list(zip(particles.membrane, particles.side, strict=True))
    for membrane, side in sorted(set(keys)):
        rows = np.array([key == (membrane, side) for key in keys])
        points = table.points[points_of(table, membrane, side)].astype(np.float64)
        place = (positions[rows], particles.normals[rows], points)
        positions[rows] = onto_surface(*place, radius=NORMAL_RADIUS_VOXEL * step)
    return positions, particles.normals, particles.axes


def refine_class(
    source: Source,
    table: PointTable,
    particles: ParticleTable,
    template: Template,
    options: Options,
) -> tuple[ParticleTable, Turns]:
    """Return particles of one class with axes along the template's x axis, and what was found.

    Parameters
    ----------
    source : Source
    table : PointTable, the scored points that the particles were made from
    particles : ParticleTable, at least one
    template : Template
    options : Options
    """
    search = replace(options.search, symmetry=options.symmetry_of(particles.classes[0]))
    poses = _poses(table, particles, source.step)
    placement = place_template(source, template, poses, search, options.top)
    evidence = None
    if options.head_weight > 0 and "angles" in table.extra:
        radius = NORMAL_RADIUS_VOXEL * source.step
        evidence = head_evidence(table, particles, search, radius, options.head_weight)
    found = find_turns(source, placement, poses, search, options.position, evidence)
    axes = turned_axes(particles.normals, particles.axes, found.turn)
    angles = relion_angles(poses_from_axes(particles.normals[:, ::-1], axes[:, ::-1]))
    return replace(particles, axes=axes, angles=angles), found


def match_rows(particles: ParticleTable, found: Turns) -> list[tuple]:
    """Return the rows of the table of matches, with the columns `MATCH_COLUMNS`."""
    names = (particles.tomogram, particles.membrane, particles.side, particles.particle)
    shift = np.hypot(found.shift[:, 1], found.shift[:, 2])
    numbers = zip(np.degrees(found.turn), found.strength, shift, found.shift[:, 0], strict=True)
    texts = [(f"{a:.2f}", f"{b:.3f}", f"{c:.2f}", f"{d:.2f}") for a, b, c, d in numbers]
    keys = zip(*names, particles.classes, strict=True)
    return [(*key, *text) for key, text in zip(keys, texts, strict=True)]
