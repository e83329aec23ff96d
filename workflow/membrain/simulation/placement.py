"""Where particles sit: random places that keep clear of each other, and their poses."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import InputError
from ..rotations import poses_from_axes
from .proteins import Kind
from .surfaces import Surface

ATTEMPTS_PER_PARTICLE = 500  # without success before a membrane counts as full
CLEARANCE = 0.9  # least distance of a particle's top to any membrane, in parts of its height


@dataclass(frozen=True)
class Request:
    """How many particles of a kind a membrane gets; `side` is +1 (along the normal) or -1."""

    kind: Kind
    side: int
    number: int


@dataclass(frozen=True)
class Room:
    """What limits the places of particles.

    Attributes
    ----------
    size : (3,) float, zyx, angstrom, of the tomogram
    surfaces : sequence of Surface, every membrane of the tomogram
    half_thickness : float, angstrom, of a membrane's mask
    gap : float, angstrom, least distance between the footprints of two particles
    rim_margin : float, angstrom, least distance of a footprint to the rim
    tilt_degree : float, largest tilt of a particle off the membrane's normal
    """

    size: np.ndarray
    surfaces: Sequence[Surface]
    half_thickness: float
    gap: float
    rim_margin: float
    tilt_degree: float


@dataclass(frozen=True)
class Particle:
    """One placed particle; vectors are (3,) float64, zyx, lengths in angstrom.

    Attributes
    ----------
    membrane : str
    kind : Kind
    side : int, +1 or -1
    centre : on the mid-surface: the origin of the particle frame
    position : where the particle's own z axis leaves the membrane's mask: what is annotated
    normal : unit normal of the membrane at `centre`, to the particle's side
    pose : Rotation, particle -> tomogram, xyz
    """

    membrane: str
    kind: Kind
    side: int
    centre: np.ndarray
    position: np.ndarray
    normal: np.ndarray
    pose: Rotation

    @property
    def axis(self) -> np.ndarray:
        """The long axis, zyx."""
        return self.pose.apply([1.0, 0.0, 0.0])[::-1]

    @property
    def discs(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres (n_discs, 3), zyx, and radii (n_discs,) of the footprint, angstrom."""
        x, y, radii = self.kind.footprint.T
        flat = np.column_stack([x, y, np.zeros(len(x))])
        return self.pose.apply(flat)[:, ::-1] + self.centre, radii


def generator(seed: int, *names: str) -> np.random.Generator:
    """Return a random generator of its own for a named purpose.

    What is drawn for one membrane or tomogram does not change when another one is added.
    """
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def random_poses(normals: np.ndarray, tilt_degree: float, rng: np.random.Generator) -> Rotation:
    """Return poses with any spin about the normals (n, 3), zyx, and a tilt up to `tilt_degree`.

    The tilted axes are spread evenly over the cap of directions around the normal.
    """
    n = len(normals)
    xyz = normals[:, ::-1]
    near = np.where(np.abs(xyz[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    spin = Rotation.from_rotvec(rng.uniform(0, 2 * np.pi, (n, 1)) * [[0.0, 0.0, 1.0]])
    towards, tilt = rng.uniform(0, 2 * np.pi, n), np.radians(tilt_degree) * np.sqrt(rng.random(n))
    axes = np.column_stack([np.cos(towards), np.sin(towards), np.zeros(n)])
    return poses_from_axes(xyz, near) * Rotation.from_rotvec(axes * tilt[:, None]) * spin


def _surface_positions(
    surface: Surface, centres: np.ndarray, poses: Rotation, side: int, half_thickness: float
) -> np.ndarray:
    """Return where the particles' z axes leave the mask, (n, 3) zyx, angstrom."""
    axes = poses.apply([0.0, 0.0, 1.0])[:, ::-1]
    along = np.full(len(centres), half_thickness)
    for _ in range(12):  # the missing height shrinks by the tilt's cosine a turn: settles at once
        distance = surface.locate(centres + along[:, None] * axes)[0]
        along += half_thickness - side * distance
    return centres + along[:, None] * axes


def _candidates(
    surface: Surface, request: Request, room: Room, n: int, rng: np.random.Generator
) -> list[Particle]:
    """Return up to n random particles that keep clear of rims, borders and membranes."""
    kind = request.kind
    centres = surface.scatter(rng, n)
    _, normals, rim = surface.locate(centres)
    normals = request.side * normals
    poses = random_poses(normals, room.tilt_degree, rng)
    tops = centres + kind.height * poses.apply([0.0, 0.0, 1.0])[:, ::-1]
    is_free = rim > kind.extent + room.rim_margin
    is_free &= ((centres > kind.reach) & (centres < room.size - kind.reach)).all(axis=1)
    clearance = CLEARANCE * kind.height * np.cos(np.radians(room.tilt_degree))
    for other in room.surfaces:
        distance, _, rim = other.locate(tops)
        is_free &= (np.abs(distance) > clearance) | (rim < -clearance)
    rows = np.flatnonzero(is_free)
    if not len(rows):
        return []
    positions = _surface_positions(
        surface, centres[rows], poses[rows], request.side, room.half_thickness
    )
    return [
        Particle(surface.name, kind, request.side, centres[i], position, normals[i], poses[i])
        for i, position in zip(rows, positions, strict=True)
    ]


def place_particles(
    surface: Surface, requests: Sequence[Request], room: Room, rng: np.random.Generator
) -> list[Particle]:
    """Return the particles of a membrane: random, without overlap, as many as asked for.

    A candidate is kept when each disc of its footprint keeps `room.gap` to each disc of the
    particles kept before, on either side: both share the membrane.

    Raises
    ------
    InputError
        When a membrane is full before all are placed; it says how many found room.
    """
    placed: list[Particle] = []
    centres, radii = np.empty((0, 3)), np.empty(0)
    for request in requests:
        n_missing, n_failed = request.number, 0
        while n_missing and n_failed < ATTEMPTS_PER_PARTICLE:
            n_drawn = 64
            n_failed += n_drawn
            for particle in _candidates(surface, request, room, n_drawn, rng):
                discs, own_radii = particle.discs
                apart = np.linalg.norm(discs[:, None] - centres[None], axis=2)
                if n_missing and (apart > own_radii[:, None] + radii + room.gap).all():
                    placed.append(particle)
                    centres, radii = np.vstack([centres, discs]), np.append(radii, own_radii)
                    n_missing, n_failed = n_missing - 1, 0
        if n_missing:
            raise InputError(
                f"membrane '{surface.name}': no room for {request.number} particles of kind "
                f"'{request.kind.name}'",
                found=f"room for {request.number - n_missing}",
                remedy="ask for fewer, make the surface larger, or lower gap_angstrom or "
                "rim_margin_angstrom",
            )
    return placed
