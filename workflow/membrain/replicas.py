"""Replicas of an annotated membrane: the same surface and noise, its particles at other places.

Everything is measured in the membrane's own tomogram, on its own grid of voxels::

    tomogram ---> background: level and power spectrum
             ---> profile of the bare membrane along its normal        (membrane_profiles)
             ---> what is left at the particles: average of each class (particle_densities)

    replica = level + membrane + averages at shuffled poses + noise of that spectrum
"""

from __future__ import annotations

import logging
import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .agreement import Place
from .angle_labels import fold_of
from .background_noise import Background, measure_background, periodic_noise, read_periodic
from .errors import InputError
from .formats.base import Annotations
from .mask_cells import MaskCells
from .membrane_profiles import (
    Profile,
    Sheet,
    bare_points,
    draw_profile,
    iter_bands,
    measure_profile,
)
from .particle_densities import Particles, draw_particles, fit_averages
from .shuffled_particles import real_particles, shuffle_particles
from .sparse_volumes import SparseVolume
from .subvolumes import ReadBox
from .volumes import new_volume

log = logging.getLogger(__name__)

FEWEST_PARTICLES = 5  # of a class, for an average
VOLUME_MARGIN_WORKING_VOXEL = 24.0  # around the points, of a replica that is written
NAME_MARK = "~"  # between the name of a membrane and the number of its replica


@dataclass(frozen=True)
class Measured:
    """What replicas of a membrane are made from.

    Attributes
    ----------
    place : Place, its sampled points
    background : Background
    profile : Profile of the bare membrane
    membrane : SparseVolume, grey values minus the background's level
    particles : Particles, annotated, of the classes that have an average
    averages : dict of class to (n, n, n) float32 in the particle's frame, grey values
    """

    place: Place
    background: Background
    profile: Profile
    membrane: SparseVolume
    particles: Particles
    averages: dict[str, np.ndarray]

    @property
    def numbers(self) -> dict[str, int]:
        """Annotated particles of each class that replicas hold."""
        return dict(sorted(Counter(self.particles.classes.tolist()).items()))


@dataclass(frozen=True)
class Replica:
    """A simulated tomogram around a membrane.

    Attributes
    ----------
    level : float
    signal : SparseVolume, membrane and particles
    noise : (Z, Y, X) float32, periodic
    particles : Particles
    """

    level: float
    signal: SparseVolume
    noise: np.ndarray
    particles: Particles

    def read(self, start: Sequence[int], stop: Sequence[int]) -> np.ndarray:
        """Return grey values of a box of the tomogram, (z, y, x) float32."""
        return self.signal.read(start, stop) + read_periodic(self.noise, start, stop) + self.level


def generator(seed: int, where: str, number: int) -> np.random.Generator:
    """Return the generator of a replica (0: of what is measured), whatever else a batch holds."""
    return np.random.default_rng([seed, zlib.crc32(where.encode()), number])


def replica_name(membrane: str, number: int) -> str:
    """Return the name of a replica, counted from 1: no membrane of a sheet can have it."""
    return f"{membrane}{NAME_MARK}{number}"


def turns_of(classes: np.ndarray, symmetry: Mapping[str, int], where: str) -> dict[str, int]:
    """Return the symmetry of each class that has enough particles for an average.

    Parameters
    ----------
    classes : (n,) array of str
    symmetry : mapping of class (lower case) to n of Cn, 0: round, see `angle_labels.fold_of`
    where : str, for the log
    """
    out = {}
    for name, n in sorted(Counter(classes.tolist()).items()):
        if n < FEWEST_PARTICLES:
            log.warning(
                "%s: %d particles of class %s, fewer than %d: replicas have none of it",
                *(where, n, name, FEWEST_PARTICLES),
            )
            continue
        out[name] = fold_of(symmetry, name)
    return out


def measure_membrane(
    read_box: ReadBox,
    place: Place,
    annotations: Annotations,
    cells: MaskCells,
    symmetry: Mapping[str, int],
    reach: float,
    far_share: float,
    rng: np.random.Generator,
    threads: int = 1,
) -> Measured:
    """Measure profile, averages and noise of a membrane.

    Parameters
    ----------
    read_box : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    place : Place, with `shape` of the tomogram
    annotations : Annotations of this membrane
    cells : MaskCells of every mask of the tomogram
    symmetry : see `turns_of`; without annotated angles every class is round
    reach : float, working voxel: radius of the averages
    far_share : float, see `agreement.check_near`
    rng : numpy Generator, picks the patches of background

    Raises
    ------
    InputError
        When the annotations do not lie on the membrane, no class has 5 of them, or there is too
        little background.
    """
    particles = real_particles(annotations, place, far_share)
    if annotations.angles is None:
        symmetry = {}
    turns = turns_of(particles.classes, symmetry, place.where)
    if not turns:
        raise InputError(
            f"{place.where}: no class with enough annotated particles for a replica",
            found=dict(Counter(particles.classes.tolist())),
            expected=f"at least {FEWEST_PARTICLES} of a class on the sampled side",
            remedy="annotate more, or set replicate_membranes.replicas to 0",
        )
    values, counts = np.unique(particles.side, return_counts=True)
    on_side = place.side == values[counts.argmax()]
    sheet = Sheet(place.points[on_side], place.normals[on_side], place.step)
    background = measure_background(read_box, place.shape, cells, place.points, place.step, rng)
    bands = list(iter_bands(sheet, threads))
    is_bare = bare_points(sheet, particles.positions)
    profile = measure_profile(bands, sheet, is_bare, read_box, place.shape, background.level)
    membrane = draw_profile(bands, sheet, profile)
    averages = fit_averages(
        read_box, place.shape, membrane, background.level, particles, turns, reach * place.step
    )
    used = particles.select(np.isin(particles.classes, list(turns)))
    measured = Measured(place, background, profile, membrane, used, averages)
    log.info(
        "%s: averages of %s; %.0f %% of the points are bare membrane; noise of %d patches",
        place.where,
        ", ".join(f"{n} {name}" for name, n in measured.numbers.items()),
        100 * is_bare.mean(),
        background.n_patches,
    )
    return measured


def draw_signal(
    measured: Measured, particles: Particles, amplitudes: np.ndarray | None = None
) -> SparseVolume:
    """Return membrane and particles without noise, grey values minus the background's level."""
    signal = measured.membrane.copy()
    amplitudes = np.ones(len(particles)) if amplitudes is None else amplitudes
    draw_particles(signal, particles, measured.averages, amplitudes)
    return signal


def make_replica(
    measured: Measured, jitter: float, rng: np.random.Generator, threads: int = 1
) -> Replica:
    """Return a replica with shuffled particles.

    Parameters
    ----------
    measured : Measured
    jitter : float, 0 to 1
        Particles are drawn with a factor of 1 - jitter to 1 + jitter.
    rng : numpy Generator
    """
    particles = shuffle_particles(measured.particles, measured.place, rng)
    amplitudes = rng.uniform(1 - jitter, 1 + jitter, len(particles))
    signal = draw_signal(measured, particles, amplitudes)
    noise = periodic_noise(measured.background, measured.place.shape, rng, threads)
    return Replica(measured.background.level, signal, noise, particles)


def write_replica(path: str | Path, replica: Replica, place: Place, info: Mapping) -> None:
    """Write the part of a replica around its membrane as MRC; its origin lays it on the tomogram.

    Parameters
    ----------
    path : path
    replica : Replica
    place : Place, its sampled points
    info : mapping, info of the tomogram
    """
    margin = math.ceil(VOLUME_MARGIN_WORKING_VOXEL * place.step)
    low = np.maximum(np.floor(place.points.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(place.points.max(axis=0)).astype(int) + margin + 1, place.shape)
    pixel_size = info["pixel_size_angstrom"]
    origin = np.array(info.get("origin_angstrom", (0.0, 0.0, 0.0))) + low[::-1] * pixel_size
    with new_volume(path, high - low, np.float32, pixel_size, origin) as mrc:
        for z in range(low[0], high[0]):
            mrc.data[z - low[0]] = replica.read((z, *low[1:]), (z + 1, *high[1:]))[0]
        mrc.update_header_stats()
