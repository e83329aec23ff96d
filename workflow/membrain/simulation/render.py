"""Bilayers, masks, particles and crowding on the voxels of a tomogram.

Only voxels near a surface are looked at: a coarse grid of blocks finds them first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .patches import Located
from .placement import Particle
from .surfaces import Surface

BLOCK = 8  # voxels along the edge of a block
N_WAVES = 24  # cosines in a smooth random field: near enough to Gaussian


@dataclass(frozen=True)
class Grid:
    """The voxels of a tomogram: `shape` (3,) int, zyx; `pixel_size` in angstrom."""

    shape: tuple[int, int, int]
    pixel_size: float

    @property
    def size(self) -> np.ndarray:
        """Position of the last voxel, (3,) zyx, angstrom."""
        return (np.array(self.shape) - 1) * self.pixel_size

    def positions(self, flat: np.ndarray) -> np.ndarray:
        """Return the positions (n, 3) zyx, angstrom, of voxels given by flat index (n,)."""
        return np.column_stack(np.unravel_index(flat, self.shape)) * self.pixel_size


def _near(located: Located, reach: float) -> np.ndarray:
    distance, _, rim = located
    return (np.abs(distance) <= reach) & (rim >= -reach)


def voxels_near(surface: Surface, grid: Grid, reach: float) -> np.ndarray:
    """Return the flat indices, sorted, of the voxels within `reach` angstrom of a surface.

    Voxels beside the patch count as long as their nearest point of the prolonged surface is within
    `reach` of the rim.
    """
    first = np.floor((surface.centre - surface.patch.radius - reach) / grid.pixel_size / BLOCK)
    last = np.ceil((surface.centre + surface.patch.radius + reach) / grid.pixel_size / BLOCK)
    first = np.maximum(first, 0).astype(int)
    last = np.minimum(last, np.ceil(np.array(grid.shape) / BLOCK)).astype(int)
    axes = [np.arange(a, b) * BLOCK for a, b in zip(first, last, strict=True)]
    corners = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)  # (n, 3) zyx
    middles = (corners + (BLOCK - 1) / 2) * grid.pixel_size
    half_diagonal = np.sqrt(3) * (BLOCK - 1) / 2 * grid.pixel_size
    corners = corners[_near(surface.locate(middles), reach + half_diagonal)]
    steps = np.stack(np.meshgrid(*[np.arange(BLOCK)] * 3, indexing="ij"), axis=-1).reshape(1, -1, 3)
    voxels = (corners[:, None] + steps).reshape(-1, 3)
    voxels = voxels[(voxels < grid.shape).all(axis=1)]
    flat = np.sort(np.ravel_multi_index(voxels.T, grid.shape))
    return flat[_near(surface.locate(grid.positions(flat)), reach)]


def smooth_noise(points: np.ndarray, length: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random field at points (n, 3), angstrom: variance 1, cut at 2.5 sigma.

    A sum of plane waves of random direction and wave lengths of 0.7 to 1.5 times `length`; it does
    not depend on the pixel size.
    """
    directions = rng.standard_normal((N_WAVES, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    waves = 2 * np.pi / length / rng.uniform(0.7, 1.5, (N_WAVES, 1)) * directions
    phases = rng.uniform(0, 2 * np.pi, N_WAVES)
    field = np.zeros(len(points))
    for wave, phase in zip(waves, phases, strict=True):
        field += np.cos(points @ wave + phase)
    return np.clip(np.sqrt(2 / N_WAVES) * field, -2.5, 2.5)


def mask_voxels(
    surface: Surface, grid: Grid, options: dict, rng: np.random.Generator
) -> np.ndarray:
    """Return the flat indices of the voxels of a membrane's mask.

    Parameters
    ----------
    options : dict
        ``thickness_angstrom``; ``roughness_angstrom`` and ``raggedness_angstrom``: standard
        deviation of the faces and of the rim, with bumps of ``bump_length_angstrom``.
    """
    rough, ragged = options["roughness_angstrom"], options["raggedness_angstrom"]
    reach = options["thickness_angstrom"] / 2 + 2.5 * rough
    flat = voxels_near(surface, grid, max(reach, 2.5 * ragged))
    points = grid.positions(flat)
    distance, _, rim = surface.locate(points)
    length = options["bump_length_angstrom"]
    faces = rough * smooth_noise(points, length, rng) if rough else 0.0
    edge = ragged * smooth_noise(points, length, rng) if ragged else 0.0
    return flat[(np.abs(distance) <= options["thickness_angstrom"] / 2 + faces) & (rim > edge)]


def add_bilayer(volume: np.ndarray, surface: Surface, grid: Grid, options: dict) -> None:
    """Draw two leaflets, peak 1, into `volume` (nz, ny, nx), where they exceed what is there.

    Parameters
    ----------
    options : dict
        ``leaflet_distance_angstrom`` from the mid-surface, ``leaflet_sigma_angstrom``,
        ``rim_fade_angstrom`` over which the density falls at the rim, half of it inside.
    """
    at, fade = options["leaflet_distance_angstrom"], options["rim_fade_angstrom"]
    # the mean over a voxel widens a Gaussian by the variance of a box
    sigma = np.hypot(options["leaflet_sigma_angstrom"], grid.pixel_size / np.sqrt(12))
    peak = options["leaflet_sigma_angstrom"] / sigma
    flat = voxels_near(surface, grid, max(at + 4 * sigma, fade))
    distance, _, rim = surface.locate(grid.positions(flat))
    leaflets = np.exp(-0.5 * ((np.abs(distance) - at) / sigma) ** 2)
    core = 0.25 * np.exp(-0.5 * (distance / (0.85 * at)) ** 2)  # the chains are not empty
    weight = np.clip(rim / fade + 0.5, 0, 1) if fade else rim > 0
    values = volume.reshape(-1)
    values[flat] = np.maximum(values[flat], peak * (leaflets + core) * weight)


def _stamp(grid: Grid, centre: np.ndarray, reach: float) -> tuple[tuple[slice, ...], np.ndarray]:
    """Return the slices around a centre (zyx, angstrom) and the offsets (n, 3) xyz, angstrom."""
    first = np.maximum(np.ceil((centre - reach) / grid.pixel_size), 0).astype(int)
    last = np.minimum(np.floor((centre + reach) / grid.pixel_size) + 1, grid.shape).astype(int)
    window = tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))
    axes = [
        np.arange(s.start, s.stop) * grid.pixel_size - c
        for s, c in zip(window, centre, strict=True)
    ]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return window, offsets[:, ::-1]


def add_particle(volume: np.ndarray, particle: Particle, grid: Grid) -> None:
    """Draw a particle, inner density about 1, into `volume` where it exceeds what is there."""
    window, offsets = _stamp(grid, particle.centre, particle.kind.reach)
    own = particle.pose.apply(offsets, inverse=True) if len(offsets) else offsets
    values = particle.kind.density.sample(own, grid.pixel_size).reshape(volume[window].shape)
    np.maximum(volume[window], values, out=volume[window], casting="same_kind")


def add_crowding(
    volume: np.ndarray,
    surfaces: Sequence[Surface],
    grid: Grid,
    options: dict,
    rng: np.random.Generator,
) -> int:
    """Draw soluble proteins (soft balls) that keep clear of the membranes; return how many.

    Parameters
    ----------
    options : dict
        ``number_per_cubic_micrometre``, ``radius_angstrom`` (mean), ``clearance_angstrom`` between
        a ball and any membrane's mid-surface.
    """
    cubic_micrometres = float(np.prod(grid.size / 1e4))
    n_drawn = rng.poisson(options["number_per_cubic_micrometre"] * cubic_micrometres)
    centres = rng.random((n_drawn, 3)) * grid.size
    mean = options["radius_angstrom"]
    radii = np.clip(rng.normal(mean, 0.3 * mean, n_drawn), 0.4 * mean, 2 * mean)
    strength = rng.uniform(0.6, 1.1, n_drawn)
    is_clear = np.ones(n_drawn, dtype=bool)
    for surface in surfaces:
        distance, _, rim = surface.locate(centres)
        needed = options["clearance_angstrom"] + radii
        is_clear &= (np.abs(distance) > needed) | (rim < -needed)
    edge = np.hypot(5.0, grid.pixel_size / np.sqrt(12))
    for i in np.flatnonzero(is_clear):
        window, offsets = _stamp(grid, centres[i], radii[i] + 4 * edge)
        depth = radii[i] - np.linalg.norm(offsets, axis=1)
        ball = strength[i] / 2 * (1 + np.tanh(depth / (2 * edge)))
        ball = ball.reshape(volume[window].shape)
        np.maximum(volume[window], ball, out=volume[window], casting="same_kind")
    return int(is_clear.sum())
