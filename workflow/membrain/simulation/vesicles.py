"""Closed surfaces in their own frame: sphere, ellipsoid, torus. Normals point outwards.

Each offers what `patches.Patch` describes; own frame x, y, z in angstrom around the centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .patches import Located, collect, unit

MOST_TURNS = 60  # Newton's method needs about 10


def _no_rim(own: np.ndarray) -> np.ndarray:
    return np.full(len(own), np.inf)


@dataclass(frozen=True)
class Sphere:
    """A vesicle; `hole_degree` is the half angle of the caps missing at +z and -z.

    Membranes at right angles to the beam vanish in the missing wedge, so that segmentations of
    vesicles often lack both caps.
    """

    sphere_radius: float
    hole_degree: float = 0.0
    has_inside = True

    @property
    def radius(self) -> float:
        """Radius of the sphere."""
        return self.sphere_radius

    @property
    def area(self) -> float:
        """Area without the caps."""
        return 4 * np.pi * self.sphere_radius**2 * np.cos(np.radians(self.hole_degree))

    @property
    def middle(self) -> np.ndarray:
        """A point of the equator."""
        return np.array([self.sphere_radius, 0.0, 0.0])

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`."""
        normal = unit(own)
        distance = np.linalg.norm(own, axis=1) - self.sphere_radius
        if self.hole_degree == 0:
            return distance, normal, _no_rim(own)
        angle = np.arccos(np.clip(np.abs(normal[:, 2]), 0, 1)) - np.radians(self.hole_degree)
        return distance, normal, self.sphere_radius * angle

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`; equal steps in z are equal areas."""
        z = rng.uniform(-1, 1, n) * np.cos(np.radians(self.hole_degree))
        angle, ring = rng.uniform(0, 2 * np.pi, n), np.sqrt(1 - z**2)
        return self.sphere_radius * np.column_stack([ring * np.cos(angle), ring * np.sin(angle), z])


@dataclass(frozen=True)
class Ellipsoid:
    """A closed surface with three semi-axes along x, y, z; angstrom."""

    semi_axes: tuple[float, float, float]
    has_inside = True

    @property
    def radius(self) -> float:
        """The longest semi-axis."""
        return float(max(self.semi_axes))

    @property
    def area(self) -> float:
        """Area by the midpoint rule over z and the angle around it, good to 1e-3."""
        z = (np.arange(400) + 0.5) / 200 - 1
        angle = (np.arange(400) + 0.5) / 400 * 2 * np.pi
        ring = np.sqrt(1 - z**2)[:, None]
        sphere = np.stack(
            np.broadcast_arrays(ring * np.cos(angle), ring * np.sin(angle), z[:, None]), axis=-1
        )
        return float(4 * np.pi * self._stretch(sphere.reshape(-1, 3)).mean())

    @property
    def middle(self) -> np.ndarray:
        """The end of the first semi-axis."""
        return np.array([self.semi_axes[0], 0.0, 0.0])

    def _stretch(self, sphere: np.ndarray) -> np.ndarray:
        """Return the area element at the image of points of the unit sphere, (n,)."""
        return np.prod(self.semi_axes) * np.linalg.norm(sphere / self.semi_axes, axis=1)

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`.

        Notes
        -----
        The nearest point is ``a_i^2 p_i / (t + a_i^2)`` for the largest root t of
        ``sum (a_i p_i / (t + a_i^2))^2 = 1``. The left side falls and is convex there, so that
        Newton's method climbs to the root from any start where it is at least 1.
        """
        squares = np.square(self.semi_axes)
        scaled = np.abs(own) * self.semi_axes
        scaled = np.maximum(scaled, 1e-9 * squares.max())  # no exact zero in a symmetry plane
        t = (scaled - squares).max(axis=1)
        for _ in range(MOST_TURNS):
            parts = np.square(scaled / (t[:, None] + squares))
            excess = parts.sum(axis=1) - 1
            t = t + excess / (2 * (parts / (t[:, None] + squares)).sum(axis=1))
            if np.max(excess, initial=0.0) < 1e-12:
                break
        foot = np.copysign(squares * scaled / self.semi_axes / (t[:, None] + squares), own)
        normal = unit(foot / squares)
        return ((own - foot) * normal).sum(axis=1), normal, _no_rim(own)

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`."""
        most = np.prod(self.semi_axes) / min(self.semi_axes)

        def draw() -> np.ndarray:
            sphere = unit(rng.standard_normal((max(n, 16), 3)))
            kept = rng.random(len(sphere)) * most < self._stretch(sphere)
            return sphere[kept] * self.semi_axes

        return collect(draw, n)


@dataclass(frozen=True)
class Torus:
    """A ring of `ring_radius` in the x-y plane, the tube with `tube_radius` around it; angstrom."""

    ring_radius: float
    tube_radius: float
    has_inside = True

    @property
    def radius(self) -> float:
        """Radius of a sphere that holds the torus."""
        return self.ring_radius + self.tube_radius

    @property
    def area(self) -> float:
        """Area of the torus."""
        return 4 * np.pi**2 * self.ring_radius * self.tube_radius

    @property
    def middle(self) -> np.ndarray:
        """A point of the outer equator."""
        return np.array([self.radius, 0.0, 0.0])

    def locate(self, own: np.ndarray) -> Located:
        """See `Patch.locate`."""
        ring = self.ring_radius * unit(own * [1.0, 1.0, 0.0])
        distance = np.linalg.norm(own - ring, axis=1) - self.tube_radius
        return distance, unit(own - ring), _no_rim(own)

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """See `Patch.scatter`; the outer half of the tube is the larger one."""

        def draw() -> np.ndarray:
            around, angle = rng.uniform(0, 2 * np.pi, (2, max(n, 16)))
            from_axis = self.ring_radius + self.tube_radius * np.cos(angle)
            kept = rng.random(len(angle)) * self.radius < from_axis
            x, y = from_axis * np.cos(around), from_axis * np.sin(around)
            return np.column_stack([x, y, self.tube_radius * np.sin(angle)])[kept]

        return collect(draw, n)
