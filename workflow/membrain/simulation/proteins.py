"""The kinds of particles: a density, the area they take up in the membrane, and their height.

Particle frame: x, y, z in angstrom, origin in the middle of the membrane, z along the outward
normal, x along the long axis::

              z     lobes
              |    __    __
              |   |  |  |  |
        ------|---|  |--|  |---  outer face of the membrane
        x <---+   |  transm. |
        ----------|__________|-  inner face
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from .density_map import load_density_map

EDGE_ANGSTROM = 4.5  # softness of a logistic edge: 10 to 90 % over 20 angstrom, a map at about 14
MEMBRANE_FACE_ANGSTROM = 35.0  # from the mid-surface, where the standing-out part begins
BUILT_IN = {"dimer": {"shape": "dimer"}, "round": {"shape": "round"}}


class Density(Protocol):
    """A density in the particle frame."""

    def sample(self, own: np.ndarray, pixel_size: float) -> np.ndarray:
        """Return values (n,) at points (n, 3), xyz, angstrom; protein is about 1."""


@dataclass(frozen=True)
class Blobs:
    """The union of soft ellipsoids along the axes of the particle frame.

    Attributes
    ----------
    centres, semi_axes : (n_blobs, 3) float, xyz, angstrom
    """

    centres: np.ndarray
    semi_axes: np.ndarray

    def sample(self, own: np.ndarray, pixel_size: float) -> np.ndarray:
        """Return values (n,) at points (n, 3), xyz, angstrom; a voxel's mean widens the edge."""
        spread = np.hypot(EDGE_ANGSTROM * np.pi / np.sqrt(3), pixel_size / np.sqrt(12))
        edge = spread * np.sqrt(3) / np.pi
        values = np.zeros(len(own))
        for centre, semi in zip(self.centres, self.semi_axes, strict=True):
            depth = (1 - np.linalg.norm((own - centre) / semi, axis=1)) * semi.mean()
            values = np.maximum(values, 0.5 * (1 + np.tanh(depth / (2 * edge))))
        return values

    @property
    def reach(self) -> float:
        """Radius around the origin beyond which the density is below 1 %, angstrom."""
        ends = np.linalg.norm(self.centres, axis=1) + self.semi_axes.max(axis=1)
        return float(ends.max() + 7 * EDGE_ANGSTROM)


@dataclass(frozen=True)
class Kind:
    """One kind of particle.

    Attributes
    ----------
    name : str, as recipes call it
    label : str, the class in annotations
    density : Density
    footprint : (n_discs, 3) float: x, y and radius of discs in the membrane's plane, angstrom
    height : float, angstrom, of the top above the middle of the membrane
    reach : float, angstrom, radius around the origin that holds the density
    """

    name: str
    label: str
    density: Density
    footprint: np.ndarray
    height: float
    reach: float

    @property
    def extent(self) -> float:
        """Radius of the footprint around the origin, angstrom."""
        x, y, radii = self.footprint.T
        return float((np.hypot(x, y) + radii).max())


def footprint_of(length: float, width: float) -> np.ndarray:
    """Return a row of discs along x, (n_discs, 3) x, y, radius, that covers length by width."""
    n_discs = 1 + int(np.ceil((length - width) / width)) if length > width else 1
    half = max(length - width, 0.0) / 2
    x = np.linspace(-half, half, n_discs) if n_discs > 1 else np.zeros(1)
    return np.column_stack([x, np.zeros(n_discs), np.full(n_discs, width / 2)])


def _dimer(content: Mapping) -> Blobs:
    """Return a C2-symmetric density: two halves, each with a lobe beside the long axis.

    Proportions after photosystem II at 14 angstrom: 200 x 110 in the membrane, two lobes 100 apart.
    The lobes lie off the x axis; the part in the membrane is shifted the other way, so that x is
    the longest axis of the whole.
    """
    length, width = content["length_angstrom"], content["width_angstrom"]
    top = MEMBRANE_FACE_ANGSTROM + content["height_angstrom"]
    half = [
        [0.23 * length, -0.045 * width, 0.0, 0.27 * length, 0.47 * width, 30.0],
        [0.19 * length, 0.06 * width, 0.45 * top, 0.21 * length, 0.38 * width, 0.3 * top],
        [0.25 * length, 0.13 * width, 0.66 * top, 0.15 * length, 0.25 * width, 0.34 * top],
    ]
    blobs = np.array([*half, *(np.array(half) * [-1, -1, 1, 1, 1, 1])])
    return Blobs(blobs[:, :3], blobs[:, 3:])


def _round(content: Mapping) -> Blobs:
    """Return a compact density, slightly wider in the membrane than above it."""
    half = content["diameter_angstrom"] / 2
    top = MEMBRANE_FACE_ANGSTROM + content["height_angstrom"]
    blobs = np.array(
        [[0, 0, 0, half, half, 30.0], [0, 0, 0.6 * top, 0.85 * half, 0.85 * half, 0.4 * top]]
    )
    return Blobs(blobs[:, :3], blobs[:, 3:])


def make_kind(name: str, content: Mapping, folder: Path) -> Kind:
    """Return the kind that a recipe's entry describes.

    Parameters
    ----------
    name : str
    content : mapping
        A checked entry of ``kinds`` with its defaults.
    folder : path
        The recipe's; the path of a map is relative to it.

    Raises
    ------
    InputError
        When a density map cannot be used.
    """
    label = content.get("class", name)
    if content["shape"] == "map":
        density = load_density_map(name, content, folder)
        footprint = footprint_of(density.length, density.width)
        return Kind(name, label, density, footprint, density.height, density.reach)
    if content["shape"] == "dimer":
        density = _dimer(content)
        footprint = footprint_of(content["length_angstrom"], content["width_angstrom"])
    else:
        density = _round(content)
        footprint = footprint_of(content["diameter_angstrom"], content["diameter_angstrom"])
    height = MEMBRANE_FACE_ANGSTROM + content["height_angstrom"]
    return Kind(name, label, density, footprint, height, density.reach)
