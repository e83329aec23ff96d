"""A patch that is placed in a tomogram: distance, normal and rim of points of the tomogram."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ..errors import InputError
from ..rotations import poses_from_axes
from .patches import Cylinder, Fold, Located, Patch, Sheet
from .vesicles import Ellipsoid, Sphere, Torus

# of curvature: more strongly bent, a wavy sheet has no unique nearest point within reach
LEAST_RADIUS_ANGSTROM = 300.0


@dataclass(frozen=True)
class Surface:
    """A membrane's mid-surface in a tomogram.

    Attributes
    ----------
    name : str, of the membrane
    patch : Patch
    centre : (3,) float64, zyx, angstrom, where the patch's origin lies
    pose : Rotation, own frame -> tomogram, xyz
    """

    name: str
    patch: Patch
    centre: np.ndarray
    pose: Rotation

    def locate(self, points: np.ndarray) -> Located:
        """Return how points lie to the surface.

        Parameters
        ----------
        points : (n, 3) float, zyx, angstrom

        Returns
        -------
        distance : (n,) float64, angstrom, positive on the normal's side
        normal : (n, 3) float64, zyx, unit length, at the nearest point of the surface
        rim : (n,) float64, angstrom, from that point to the rim, positive inside the patch
        """
        own = self.pose.apply((points - self.centre)[:, ::-1], inverse=True)
        distance, normal, rim = self.patch.locate(own)
        return distance, self.pose.apply(normal)[:, ::-1], rim

    def scatter(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Return n points of the surface, even by area: (n, 3) float64, zyx, angstrom."""
        return self.pose.apply(self.patch.scatter(rng, n))[:, ::-1] + self.centre

    @property
    def middle(self) -> np.ndarray:
        """A point of the surface far from its rim: (3,) float64, zyx, angstrom."""
        return self.pose.apply(self.patch.middle)[::-1] + self.centre

    def side_sign(self, side: int | str) -> int:
        """Return +1 for the side that the normal points to, -1 for the other.

        Parameters
        ----------
        side : 1, -1, ``outside`` or ``inside``

        Raises
        ------
        InputError
            When the surface has no inside and one is asked for.
        """
        if side in (1, -1):
            return int(side)
        if not self.patch.has_inside:
            raise InputError(
                f"membrane '{self.name}': a {type(self.patch).__name__.lower()} has no {side}",
                expected="side 1 (where its axis points) or -1",
            )
        return 1 if side == "outside" else -1


def pose_from_axis(axis_xyz: np.ndarray, spin_degree: float = 0.0) -> Rotation:
    """Return the rotation that brings an own z axis to `axis_xyz`, after a spin about itself.

    Without spin the own x axis comes to lie as near to the tomogram's x axis as it can (to y where
    the axis itself is near x).
    """
    axis = np.asarray(axis_xyz, dtype=np.float64)
    is_along_x = abs(axis[0]) > 0.9 * np.linalg.norm(axis)
    near = np.array([0.0, 1.0, 0.0] if is_along_x else [1.0, 0.0, 0.0])
    return poses_from_axes(axis, near)[0] * Rotation.from_euler("z", spin_degree, degrees=True)


def _patch(name: str, content: Mapping) -> Patch:
    shape = content["shape"]
    if shape == "sheet":
        sheet = Sheet(
            tuple(content["size_angstrom"]),
            content["wave_amplitude_angstrom"],
            content["wave_length_angstrom"],
        )
        if sheet.curvature * LEAST_RADIUS_ANGSTROM > 1:
            raise InputError(
                f"membrane '{name}': waves too strong",
                found=f"a radius of curvature of {1 / sheet.curvature:.0f} angstrom",
                expected=f"at least {LEAST_RADIUS_ANGSTROM:.0f}",
                remedy="lower wave_amplitude_angstrom or raise wave_length_angstrom",
            )
        return sheet
    if shape == "fold":
        return Fold(
            content["arm_length_angstrom"],
            content["width_angstrom"],
            content["bend_radius_angstrom"],
        )
    if shape == "cylinder":
        return Cylinder(content["radius_angstrom"], content["length_angstrom"])
    if shape == "sphere":
        return Sphere(content["radius_angstrom"], content["hole_degree"])
    if shape == "ellipsoid":
        return Ellipsoid(tuple(content["semi_axes_angstrom"]))
    return Torus(content["ring_radius_angstrom"], content["tube_radius_angstrom"])


def make_surface(name: str, content: Mapping) -> Surface:
    """Return the surface that a recipe's entry describes.

    Parameters
    ----------
    name : str
        The membrane's, for messages.
    content : mapping
        A checked ``surface`` entry of a recipe with its defaults.

    Raises
    ------
    InputError
        When the axis is zero or a sheet is bent too strongly.
    """
    if not np.any(content["axis"]):
        raise InputError(
            f"membrane '{name}': axis of the surface", found="0 0 0", expected="a direction"
        )
    return Surface(
        name=name,
        patch=_patch(name, content),
        centre=np.array(content["centre_angstrom"], dtype=np.float64)[::-1],
        pose=pose_from_axis(content["axis"], content["spin_degree"]),
    )
