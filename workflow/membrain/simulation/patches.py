"""Open surfaces in their own frame: sheet, fold, cylinder; and what every surface offers.

Own frame: x, y, z in angstrom around the patch's origin::

    sheet     z = 0 (plus waves), normal +z
    fold      a U in the x-z plane, open towards -x, straight along y, normal out of the U
    cylinder  along x, normal outwards
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Located = tuple[np.ndarray, np.ndarray, np.ndarray]


class Patch(Protocol):
    """What every surface offers in its own frame.

    Attributes
    ----------
    radius : float, angstrom, of a sphere around the origin that holds the patch
    area : float, square angstrom
    has_inside : bool, whether the normal's side can be called outside
    middle : (3,) float, xyz, angstrom, a point of the surface far from the rim
    """

    radius: float
    area: float
    has_inside: bool
    middle: np.ndarray

    def locate(self, own: np.ndarray) -> Located:
        """Return how points (n, 3) lie to the surface, all in angstrom.

        Returns
        -------
        distance : (n,) signed distance to the mid-surface, positive on the normal's side
        normal : (n, 3) unit normal at the nearest surface point
        rim : (n,) distance of that surface point to the rim, positive inside the patch, infinite
            where there is no rim
        """

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return (n, 3) points of the surface, even by area."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (n, 3) scaled to length 1; a vanishing one stays zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


def collect(draw: Callable[[], np.ndarray], n: int) -> np.ndarray:
    """Return the first n rows of repeated draws of (m, 3) points."""
    parts, count = [np.empty((0, 3))], 0
    while count < n:
        parts.append(draw())
        count += len(parts[-1])
    return np.concatenate(parts)[:n]


@dataclass(frozen=True)
class Sheet:
    """A rectangle with rounded corners, flat or gently wavy; lengths in angstrom.

    The height is ``amplitude / 2 * (sin(k x) + sin(k y + 1))`` with ``k = 2 pi / wave_length``.
    """

    size: tuple[float, float]
    amplitude: float = 0.0
    wave_length: float = 1000.0
    has_inside = False

    @property
    def radius(self) -> float:
        """Radius of a sphere that holds the sheet."""
        return float(np.hypot(*self.size) / 2 + self.amplitude)

    @property
    def area(self) -> float:
        """Area of the flat sheet."""
        return self.size[0] * self.size[1] - (4 - np.pi) * self._corner**2

    @property
    def curvature(self) -> float:
        """Largest curvature, 1 / angstrom."""
        return self.amplitude / 2 * (2 * np.pi / self.wave_length) ** 2

    @property
    def middle(self) -> np.ndarray:
        """The point above the origin."""
        return np.array([0.0, 0.0, self._wave(np.zeros((1, 2)))[0][0]])

    @property
    def _corner(self) -> float:
        return min(self.size) / 4

    def _wave(self, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return height (n,) and slope (n, 2) at points (n, 2) of the plane."""
        k = 2 * np.pi / self.wave_length
        phase = k * plane + [0.0, 1.0]
        height = self.amplitude / 2 * np.sin(phase).sum(axis=1)
        return height, self.amplitude / 2 * k * np.cos(phase)

    def _rim(self, plane: np.ndarray) -> np.ndarray:
        over = np.abs(plane) - np.array(self.size) / 2 + self._corner
        beyond = np.linalg.norm(np.maximum(over, 0), axis=1)
        return self._corner - beyond - np.minimum(over.max(axis=1), 0)

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`; good to 1e-3 angstrom up to half the radius of curvature."""
        foot = own[:, :2]
        # each turn shrinks the foot point's error by distance x curvature
        for _ in range(12 if self.amplitude else 1):
            height, slope = self._wave(foot)
            normal = unit(np.column_stack([-slope, np.ones(len(own))]))
            distance = ((own - np.column_stack([foot, height])) * normal).sum(axis=1)
            foot = own[:, :2] - distance[:, None] * normal[:, :2]
        return distance, normal, self._rim(foot)

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`; even in the plane: gentle waves stretch the area by 1 % or so."""

        def draw() -> np.ndarray:
            plane = (rng.random((max(n, 16), 2)) - 0.5) * self.size
            plane = plane[self._rim(plane) > 0]
            return np.column_stack([plane, self._wave(plane)[0]])

        return collect(draw, n)


@dataclass(frozen=True)
class Fold:
    """Two parallel half-planes, ``2 bend_radius`` apart, joined by a half cylinder; angstrom.

    The origin is the middle of the whole fold.
    """

    arm_length: float
    width: float
    bend_radius: float
    has_inside = True

    @property
    def radius(self) -> float:
        """Radius of a sphere that holds the fold."""
        length = self.arm_length + self.bend_radius
        return float(np.linalg.norm([length / 2, self.width / 2, self.bend_radius]))

    @property
    def area(self) -> float:
        """Area of both arms and the bend."""
        return (2 * self.arm_length + np.pi * self.bend_radius) * self.width

    @property
    def middle(self) -> np.ndarray:
        """The middle of the upper arm."""
        return np.array([self._bend - self.arm_length / 2, 0.0, self.bend_radius])

    @property
    def _bend(self) -> float:
        """Return x of the axis of the half cylinder."""
        return (self.arm_length - self.bend_radius) / 2

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`; between the arms the nearer one counts."""
        along, across = own[:, 0] - self._bend, own[:, 2]
        outward = np.column_stack([np.maximum(along, 0), np.zeros(len(own)), across])
        distance = np.hypot(outward[:, 0], across) - self.bend_radius
        arc = np.arctan2(outward[:, 0], np.abs(across)) * self.bend_radius
        end = self.arm_length + np.where(along < 0, along, arc)
        return distance, unit(outward), np.minimum(end, self.width / 2 - np.abs(own[:, 1]))

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`."""
        quarter = np.pi / 2 * self.bend_radius
        path = rng.uniform(-1, 1, n) * (quarter + self.arm_length)  # from the apex, along the U
        angle = np.minimum(np.abs(path), quarter) / self.bend_radius
        along = self.bend_radius * np.cos(angle) - np.maximum(np.abs(path) - quarter, 0)
        across = self.bend_radius * np.sin(angle) * np.sign(path)
        y = rng.uniform(-0.5, 0.5, n) * self.width
        return np.column_stack([along + self._bend, y, across])


@dataclass(frozen=True)
class Cylinder:
    """A tube along x, open at both ends; angstrom."""

    tube_radius: float
    length: float
    has_inside = True

    @property
    def radius(self) -> float:
        """Radius of a sphere that holds the tube."""
        return float(np.hypot(self.length / 2, self.tube_radius))

    @property
    def area(self) -> float:
        """Area of the tube's wall."""
        return 2 * np.pi * self.tube_radius * self.length

    @property
    def middle(self) -> np.ndarray:
        """A point of the wall, half way along."""
        return np.array([0.0, 0.0, self.tube_radius])

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`."""
        outward = own * [0.0, 1.0, 1.0]
        distance = np.linalg.norm(outward, axis=1) - self.tube_radius
        return distance, unit(outward), self.length / 2 - np.abs(own[:, 0])

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`."""
        x, angle = rng.uniform(-0.5, 0.5, n) * self.length, rng.uniform(0, 2 * np.pi, n)
        y, z = self.tube_radius * np.cos(angle), self.tube_radius * np.sin(angle)
        return np.column_stack([x, y, z])
