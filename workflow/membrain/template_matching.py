"""Correlation of a template, turned about the normal, with the boxes around particles.

For every turn a, shift s and height h the template T is compared with the filtered tomogram W x
(`whitening`)::

    z(a, s, h) = <T_a, (W x)(s, h)> / sqrt(<T_a, W T_a>)

which is what fits the template by its amplitude. T_a has no mean in any layer along the normal, so
that the membrane, the same everywhere in its plane, does not count. The lower term depends on the
turn because W has no frequencies in the missing wedge; it is summed in frequency space.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy import fft

from .averages import particle_boxes
from .density_templates import Template, sample_turned
from .rotations import poses_from_axes
from .sampling import BoxGrid, sample_boxes, spline_coefficients
from .subvolumes import ReadBox, cut_tiles
from .whitening import apply_response, cut_margin, read_working, working_shape

TILE_VOXELS = 2_000_000  # of a crop: 8 MB in each of some float32 and complex arrays
SPECTRUM_VOXEL = 32  # edge of the cube in which the template's spectrum is summed, at least
SPECTRUM_SHARE = 1e-3  # of the largest power; fainter frequencies are left out


@dataclass(frozen=True)
class Search:
    """What is compared, in working voxels.

    Attributes
    ----------
    radius, depth : float
        The template counts up to this distance from its axis, and to this height above and below
        its centre.
    shift : float, how far from the particle's position in the plane is looked
    heights : (low, high) float, of the template's centre above the position
    step : float, of the grid that everything is sampled on
    turn_degree : float, step of the turns
    symmetry : int, n of Cn
    """

    radius: float = 6.0
    depth: float = 6.0
    shift: float = 3.0
    heights: tuple[float, float] = (-1.0, 1.0)
    step: float = 0.75
    turn_degree: float = 5.0
    symmetry: int = 1

    @property
    def turns(self) -> np.ndarray:
        """(n,) float64, radian: the turns of one period."""
        period = 360 / self.symmetry
        n = max(round(period / self.turn_degree), 3)
        return np.radians(period) * np.arange(n) / n

    @property
    def reach(self) -> float:
        """Distance of the template's farthest sample from its centre."""
        return self.step * math.hypot(*(n // 2 for n in self.template_grid.shape))

    @property
    def template_grid(self) -> BoxGrid:
        """Grid of the template around its centre."""
        height = math.ceil(self.depth / self.step)
        width = math.ceil((self.radius + 0.5) / self.step)
        return BoxGrid(
            (2 * height + 1, 2 * width + 1, 2 * width + 1), (height, width, width), self.step
        )

    @property
    def box_grid(self) -> BoxGrid:
        """Grid of the boxes, with room for every shift and height; its centre is the position."""
        shape, centre = self.template_grid.shape, self.template_grid.centre
        low, high = self._levels
        room = int(self.shift / self.step + 1e-9)
        return BoxGrid(
            (shape[0] + high - low, shape[1] + 2 * room, shape[2] + 2 * room),
            (centre[0] - low, centre[1] + room, centre[2] + room),
            self.step,
        )

    @property
    def _levels(self) -> tuple[int, int]:
        low, high = (round(h / self.step) for h in self.heights)
        return low, high

    @property
    def shifts(self) -> np.ndarray:
        """(n, 3) int, zyx of the particle's frame, steps of the grid: every height and shift."""
        low, high = self._levels
        room = int(self.shift / self.step + 1e-9)
        z, y, x = np.mgrid[low : high + 1, -room : room + 1, -room : room + 1].reshape(3, -1)
        is_near = (y**2 + x**2) * self.step**2 <= self.shift**2 + 1e-9
        return np.stack([z, y, x], axis=1)[is_near]


@dataclass(frozen=True)
class Stack:
    """A template at every turn.

    Attributes
    ----------
    values : (n_turns, M) float32, of the voxels that count
    voxels : (M, 3) int, their indices in the template's grid
    frequencies : (m, 3) float64, xyz of the particle, cycles per working voxel
    power : (m,) float64, of the unturned template
    """

    values: np.ndarray
    voxels: np.ndarray
    frequencies: np.ndarray
    power: np.ndarray


def make_stack(template: Template, search: Search) -> Stack:
    """Return a template at every turn, without the mean of its layers, in a cylinder."""
    grid = search.template_grid
    half = grid.shape[1] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * search.step
    # falls from 1 to 0 within a voxel, so that turns change nothing at the edge
    mask = np.clip(search.radius + 0.5 - np.hypot(y, x), 0, 1)
    turned = sample_turned(template, grid, search.turns, search.symmetry).astype(np.float64)
    turned -= (turned * mask).sum(axis=(2, 3), keepdims=True) / mask.sum()
    turned *= mask
    voxels = np.argwhere(np.broadcast_to(mask > 0, grid.shape))
    values = turned[:, *voxels.T]
    size = max(SPECTRUM_VOXEL, fft.next_fast_len(max(grid.shape)))
    spectrum = np.abs(fft.fftn(turned[0], (size,) * 3)) ** 2 / size**3
    line = fft.fftfreq(size, search.step)
    frequencies = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)[..., ::-1]
    counts = (spectrum > SPECTRUM_SHARE * spectrum.max()) & (frequencies[..., 0] >= 0)
    spectrum *= np.where(frequencies[..., 0] > 0, 2, 1)  # the other half is the same
    return Stack(values.astype(np.float32), voxels, frequencies[counts], spectrum[counts])


@njit(cache=True, inline="always")
def _interpolated(volume, z, y, x):  # of a periodic volume
    size = volume.shape[0]
    kz, ky, kx = math.floor(z), math.floor(y), math.floor(x)
    tz, ty, tx = z - kz, y - ky, x - kx
    value = 0.0
    for a in range(2):
        for b in range(2):
            w = (tz if a else 1 - tz) * (ty if b else 1 - ty)
            row = volume[(kz + a) % size, (ky + b) % size]
            value += w * ((1 - tx) * row[kx % size] + tx * row[(kx + 1) % size])
    return value


@njit(cache=True, parallel=True)
def _energies(frequencies, power, response, matrices, cosines, sines, out):
    size = response.shape[0]
    for p in prange(out.shape[0]):
        m = matrices[p] * size
        for t in range(out.shape[1]):
            total = 0.0
            for f in range(len(power)):
                x = cosines[t] * frequencies[f, 0] - sines[t] * frequencies[f, 1]
                y = sines[t] * frequencies[f, 0] + cosines[t] * frequencies[f, 1]
                z = frequencies[f, 2]
                place_x = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z
                place_y = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z
                place_z = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z
                if max(abs(place_x), abs(place_y), abs(place_z)) < size / 2:
                    total += power[f] * _interpolated(response, place_z, place_y, place_x)
            out[p, t] = total


def template_energies(
    stack: Stack, response: np.ndarray, poses: np.ndarray, turns: np.ndarray
) -> np.ndarray:
    """Return ``<T, W T>`` of a template in every pose and turn.

    Parameters
    ----------
    stack : Stack
    response : (S, S, S) float64, see `whitening.whitening_response`
    poses : (n, 3, 3) float64, xyz, particle -> tomogram
    turns : (n_turns,) float, radian

    Returns
    -------
    (n, n_turns) float64
    """
    out = np.zeros((len(poses), len(turns)))
    cosines, sines = np.cos(turns), np.sin(turns)
    _energies(stack.frequencies, stack.power, response, poses, cosines, sines, out)
    return out


def iter_filtered_boxes(
    read_box: ReadBox,
    info: Mapping,
    step: float,
    response: np.ndarray,
    poses: Sequence[np.ndarray],
    grid: BoxGrid,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield row and box of each particle, cut in its own frame from the filtered tomogram.

    Parameters
    ----------
    read_box, info, step : see `whitening.read_working`
    response : see `whitening.whitening_response`
    poses : points, normals, axes, (n, 3) float each, zyx, points in voxels of the tomogram
    grid : BoxGrid, its step in working voxels

    Yields
    ------
    row : int
    box : (K, J, I) float32, along the particle's z, y, x
    """
    points, normals, axes = poses[0] / step, poses[1], poses[2]
    shape = working_shape(info["shape"], step)
    for tile in cut_tiles(points, cut_margin(len(response), grid.reach), shape, TILE_VOXELS):
        crop = read_working(read_box, info, tile.start, tile.stop, step)
        coefficients = spline_coefficients(apply_response(crop, response))
        for row in tile.rows:
            place = (points[row : row + 1], normals[row : row + 1], axes[row : row + 1])
            origins, steps = particle_boxes(*place, grid)
            yield row, sample_boxes(coefficients, origins - tile.start, steps, grid.shape)[0]


def matrices_of(normals: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Return the matrices (n, 3, 3), xyz, particle -> tomogram, of normals and axes (n, 3) zyx."""
    return poses_from_axes(normals[:, ::-1], axes[:, ::-1]).as_matrix().reshape(-1, 3, 3)


def compare(box: np.ndarray, stack: Stack, search: Search, energies: np.ndarray) -> np.ndarray:
    """Return z of a box at every shift and turn.

    Parameters
    ----------
    box : (K, J, I) float32, on the search's `box_grid`
    stack : Stack
    search : Search
    energies : (n_turns,) float, see `template_energies`

    Returns
    -------
    (n_shifts, n_turns) float32, in the order of the search's shifts and turns
    """
    corner = np.array(search.box_grid.centre) - np.array(search.template_grid.centre)
    strides = np.array([box.shape[1] * box.shape[2], box.shape[2], 1])
    base = (stack.voxels + corner.astype(int)) @ strides
    windows = box.ravel()[base + (search.shifts @ strides)[:, None]]  # (n_shifts, M)
    return windows @ stack.values.T / np.sqrt(np.maximum(energies, 1e-30)).astype(np.float32)
