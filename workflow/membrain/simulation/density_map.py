"""A user's density map as a kind of particle: read, centred, turned into the particle frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import InputError
from ..volumes import has_pixel_size, read_box, read_header
from .surfaces import pose_from_axis

OCCUPIED = 0.35  # of the typical protein density: where the molecule's outline is taken
TRANSMEMBRANE_ANGSTROM = 20.0  # half height of the slab whose outline is the footprint
# sigma of the low-pass before sampling, in voxels of the tomogram: half amplitude at 0.31 / voxel
ANTI_ALIAS_VOXEL = 0.42


@dataclass(frozen=True)
class DensityMap:
    """A density on a grid.

    Attributes
    ----------
    values : (nz, ny, nx) float32, protein about 1
    pixel_size : float, angstrom per voxel of the map
    origin : (3,) float64, xyz, angstrom, of the particle frame's origin in the map
    turn : (3, 3) float64, particle frame -> map, xyz
    length, width : float, angstrom, of the transmembrane part along and across the long axis
    height, reach : float, angstrom, as in `proteins.Kind`
    """

    values: np.ndarray
    pixel_size: float
    origin: np.ndarray
    turn: np.ndarray
    length: float
    width: float
    height: float
    reach: float

    def sample(self, own: np.ndarray, pixel_size: float) -> np.ndarray:
        """Return values (n,) at points (n, 3), xyz, angstrom, low-passed for `pixel_size`."""
        sigma = ANTI_ALIAS_VOXEL * pixel_size / self.pixel_size
        smooth = ndimage.gaussian_filter(self.values, sigma)
        at = (own @ self.turn.T + self.origin) / self.pixel_size
        return ndimage.map_coordinates(smooth, at.T[::-1], order=1, mode="constant")


def _read(name: str, path: Path, pixel_size: float | None) -> tuple[np.ndarray, float]:
    volume = read_header(path)
    if pixel_size is None and not has_pixel_size(volume):
        raise InputError(
            f"kind '{name}': map {path}: no pixel size in the header",
            found=volume.header_pixel_size[0],
            expected="angstrom per voxel",
            remedy="give pixel_size_angstrom in the recipe",
        )
    values = read_box(volume, (0, 0, 0), volume.shape).astype(np.float32)
    return values, pixel_size or volume.header_pixel_size[0]


def load_density_map(name: str, content: Mapping, folder: Path) -> DensityMap:
    """Return the density of a kind with shape ``map``.

    The origin lies over the centre of mass of the molecule's outline, at the given height; the long
    axis is the longest direction of the outline in the membrane's plane.

    Parameters
    ----------
    name : str
    content : mapping
        ``map``, ``normal_axis`` and, where given, ``pixel_size_angstrom``,
        ``transmembrane_centre_angstrom``, ``long_axis_degree``.
    folder : path
        The recipe's folder.

    Raises
    ------
    InputError
        When the file is unreadable, has no pixel size, or no density where the membrane should be.
    """
    path = folder / content["map"]
    values, pixel_size = _read(name, path, content.get("pixel_size_angstrom"))
    strong = values[values > 0.25 * values.max()]
    if values.max() <= 0 or not len(strong):
        raise InputError(f"kind '{name}': map {path}: no density above 0")
    values = values / np.percentile(strong, 90)
    occupied = np.argwhere(values > OCCUPIED)[:, ::-1] * pixel_size  # (n, 3) xyz

    axis = content["normal_axis"]
    direction = np.eye(3)["xyz".index(axis[-1])] * (-1.0 if axis[0] == "-" else 1.0)
    origin = occupied.mean(axis=0)
    middle = (np.array(values.shape[::-1]) - 1) / 2 * pixel_size
    height = content.get("transmembrane_centre_angstrom", middle @ np.abs(direction))
    origin = np.where(direction != 0, height, origin)

    turn = pose_from_axis(direction)
    plane = turn.apply(occupied - origin, inverse=True)[:, :2]
    longest = np.linalg.eigh(np.cov(plane.T))[1][:, 1]
    angle = np.degrees(np.arctan2(longest[1], longest[0]))
    turn = pose_from_axis(direction, content.get("long_axis_degree", angle))
    own = turn.apply(occupied - origin, inverse=True)
    slab = own[np.abs(own[:, 2]) < TRANSMEMBRANE_ANGSTROM]
    if not len(slab):
        heights = occupied @ np.abs(direction)
        raise InputError(
            f"kind '{name}': map {path}: no density within "
            f"{TRANSMEMBRANE_ANGSTROM:.0f} angstrom of the membrane's middle",
            found=f"transmembrane_centre_angstrom {height:.0f}",
            expected=f"a height between {heights.min():.0f} and {heights.max():.0f}",
        )
    half = np.percentile(np.abs(slab[:, :2]), 99, axis=0) + pixel_size / 2
    return DensityMap(
        values=values,
        pixel_size=pixel_size,
        origin=origin,
        turn=turn.as_matrix(),
        length=float(2 * half[0]),
        width=float(2 * min(half)),
        height=float(own[:, 2].max()),
        reach=float(np.linalg.norm(own, axis=1).max() + 2 * pixel_size + 10.0),
    )
