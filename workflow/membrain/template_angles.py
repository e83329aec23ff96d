"""In-plane angles of particles by correlation with a template.

First the template is placed once for all particles of a class: how high its centre lies above the
sampled points, and which of its ends points away from the membrane. Then each particle gets the
turn that is most likely over all turns, shifts in the plane and heights::

    log L = (z / noise)^2 / 2 - (shift^2 + height^2) / (2 position^2) + evidence(turn)

z as in `template_matching`; `noise` is the spread of z over all of them; `evidence` is what other
sources say of the turn.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .density_templates import Template, turn_over
from .orientation import NORMAL_RADIUS_VOXEL
from .subvolumes import ReadBox
from .template_matching import (
    Search,
    compare,
    iter_filtered_boxes,
    make_stack,
    matrices_of,
    template_energies,
)

log = logging.getLogger(__name__)

SCAN_PARTICLES = 60  # that place the template, evenly spread over the rows
SCAN_HEIGHTS_VOXEL = (-8.0, 8.0)
SCAN_SHIFT_VOXEL = 1.5
MEDIAN_TO_SIGMA = 0.6745  # of absolute values of a normal distribution


@dataclass(frozen=True)
class Source:
    """A tomogram as it is compared.

    Attributes
    ----------
    read_box, info, step : see `whitening.read_working`
    response : see `whitening.whitening_response`
    sign : 1.0 where protein is bright, -1.0 where it is dark
    """

    read_box: ReadBox
    info: Mapping
    step: float
    response: np.ndarray
    sign: float


@dataclass(frozen=True)
class Placement:
    """How a template stands in the particles of a class.

    Attributes
    ----------
    template : Template, turned over if it was upside down
    height : float, working voxel, of its centre above the positions
    noise : float, spread of z
    is_turned_over : bool
    """

    template: Template
    height: float
    noise: float
    is_turned_over: bool


@dataclass(frozen=True)
class Turns:
    """What was found for n particles.

    Attributes
    ----------
    turn : (n,) float64, radian, from the particle's present axis to the template's x axis
    strength : (n,) float64, z in units of the noise
    shift : (n, 3) float64, zyx of the particle's frame, working voxel
    """

    turn: np.ndarray
    strength: np.ndarray
    shift: np.ndarray


def onto_surface(
    positions: np.ndarray,
    directions: np.ndarray,
    points: np.ndarray,
    radius: float = NORMAL_RADIUS_VOXEL,
) -> np.ndarray:
    """Return positions moved along their normals into the sampled points around them.

    Parameters
    ----------
    positions, directions : (n, 3) float, voxel, unit normals
    points : (m, 3) float, voxel, of one side of one membrane
    radius : float, voxel
        Points count by ``exp(-2 d^2 / radius^2)``, as normals do in `orientation.normal_at`; a
        position without a point so near stays.
    """
    out = np.array(positions, dtype=np.float64)
    for i, direction in enumerate(directions):
        offsets = points - out[i]
        square = (offsets**2).sum(axis=1)
        weights = np.where(square <= radius**2, np.exp(-2 * square / radius**2), 0)
        if weights.sum() > 0:
            out[i] += (weights @ (offsets @ direction)) / weights.sum() * direction
    return out


def place_template(
    source: Source,
    template: Template,
    poses: Sequence[np.ndarray],
    search: Search,
    top: str = "auto",
) -> Placement:
    """Return height and direction of a template that fit the particles best as a whole.

    Parameters
    ----------
    source : Source
    template : Template
    poses : points, normals, axes, (n, 3) float each, zyx, points in voxels of the tomogram; n > 0
    search : Search; its shift and heights are not used
    top : {"auto", "high", "low"}
        End of the template's axis that points away from the membrane; auto: the better one.
    """
    rows = np.unique(np.linspace(0, len(poses[0]) - 1, SCAN_PARTICLES).astype(int))
    poses = [part[rows] for part in poses]
    wide = replace(search, shift=SCAN_SHIFT_VOXEL, heights=SCAN_HEIGHTS_VOXEL)
    heights, which = np.unique(wide.shifts[:, 0], return_inverse=True)
    ways = {"high": template, "low": turn_over(template)}
    ways = ways if top == "auto" else {top: ways[top]}
    stacks = {name: make_stack(way, wide) for name, way in ways.items()}
    matrices, turns = matrices_of(*poses[1:]), wide.turns
    energies = {
        name: template_energies(stack, source.response, matrices, turns)
        for name, stack in stacks.items()
    }
    fits = {name: np.zeros(len(heights)) for name in ways}
    spreads: dict[str, list[float]] = {name: [] for name in ways}
    place = (source.read_box, source.info, source.step, source.response, poses)
    for row, box in iter_filtered_boxes(*place, wide.box_grid):
        for name, stack in stacks.items():
            z = source.sign * compare(box, stack, wide, energies[name][row])
            best = np.zeros(len(heights))
            np.maximum.at(best, which, z.max(axis=1))
            fits[name] += best**2 / len(rows)
            spreads[name].append(float(np.median(np.abs(z))))
    name = max(fits, key=lambda way: fits[way].max())
    height = float(heights[fits[name].argmax()] * wide.step)
    noise = max(float(np.median(spreads[name])) / MEDIAN_TO_SIGMA, 1e-30)
    _tell(fits, name, height, noise, len(rows))
    return Placement(ways[name], height, noise, name == "low")


def _tell(fits: Mapping, name: str, height: float, noise: float, n: int) -> None:
    words = ", ".join(f"{way} end up {fit.max() ** 0.5 / noise:.2f}" for way, fit in fits.items())
    log.info(
        "template placed by %d particles: %s end up, centre %+.1f working voxels above the points; "
        "root mean square correlation in units of its noise: %s",
        *(n, name, height, words),
    )


def find_turns(
    source: Source,
    placement: Placement,
    poses: Sequence[np.ndarray],
    search: Search,
    position: float,
    evidence: np.ndarray | None = None,
) -> Turns:
    """Return the most likely turn of each particle.

    Parameters
    ----------
    source : Source
    placement : Placement
    poses : points, normals, axes, see `place_template`
    search : Search
        Its heights are counted from the placement's.
    position : float, working voxel
        Standard deviation of the positions in each direction.
    evidence : (n, n_turns) float, optional
        Further log-likelihood of each of the search's turns.
    """
    low, high = (placement.height + h for h in search.heights)
    search = replace(search, heights=(low, high))
    stack, turns = make_stack(placement.template, search), search.turns
    energies = template_energies(stack, source.response, matrices_of(*poses[1:]), turns)
    offsets = search.shifts * search.step - [placement.height, 0, 0]  # (n_shifts, 3)
    prior = (offsets**2).sum(axis=1) / (2 * position**2)
    n = len(poses[0])
    turn, strength, shift = np.zeros(n), np.zeros(n), np.zeros((n, 3))
    place = (source.read_box, source.info, source.step, source.response, poses)
    for row, box in iter_filtered_boxes(*place, search.box_grid):
        z = source.sign * compare(box, stack, search, energies[row]) / placement.noise
        likelihood = np.maximum(z, 0) ** 2 / 2 - prior[:, None]
        if evidence is not None:
            likelihood = likelihood + evidence[row]
        s, t = np.unravel_index(likelihood.argmax(), likelihood.shape)
        turn[row] = turns[t] + turns[1] * peak_offset(likelihood[s], t)
        strength[row], shift[row] = z[s, t], offsets[s]
    return Turns(turn, strength, shift)


def peak_offset(line: np.ndarray, peak: int) -> float:
    """Return where the parabola through a peak of a periodic line has its top, in steps, -1/2..1/2.

    Parameters
    ----------
    line : (n,) float
    peak : int, index of its maximum
    """
    before, here, after = line[peak - 1], line[peak], line[(peak + 1) % len(line)]
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0


def turned_axes(normals: np.ndarray, axes: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return axes turned about their normals, counter-clockwise seen from the normal's tip.

    Parameters
    ----------
    normals, axes : (n, 3) float, zyx
    turn : (n,) float, radian

    Returns
    -------
    (n, 3) float64, zyx, unit, perpendicular to the normals
    """
    matrices = matrices_of(normals, axes)
    x, y = matrices[:, :, 0], matrices[:, :, 1]  # (n, 3) xyz
    return (np.cos(turn)[:, None] * x + np.sin(turn)[:, None] * y)[:, ::-1]
