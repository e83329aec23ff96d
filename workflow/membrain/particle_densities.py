"""What annotated particles add to a tomogram: averages in the particles' frame, and drawn again.

An average is an array ``[z, y, x]`` in the particle's frame with the particle at its middle::

      z = normal, away from the membrane
      |   .
      |  .  y = z x x
      | .
      +------- x = in-plane axis
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from .sampling import SPLINE_REACH_VOXEL, sample_boxes, spline_coefficients
from .sparse_volumes import SparseVolume
from .subvolumes import ReadBox, cut_tiles

TILE_VOXELS = 4_000_000  # of a crop: 16 MB in each of the float32 arrays that exist at a time
BLOCK_BOXES = 64  # boxes in memory at a time
ROUND_TURNS = 24  # that make an average round: every 15 degrees
MASK_EDGE = 0.75  # of the reach, from where an average goes over to zero
ROUNDS = 3  # of fitting the averages together: neighbours see each other's density


@dataclass(frozen=True)
class Particles:
    """Poses of particles.

    Attributes
    ----------
    positions : (n, 3) float64, zyx, voxel
    poses : Rotation of n, particle -> tomogram, xyz
    classes : (n,) array of str
    side : (n,) int, the value of `PointTable.side` that they stand on
    """

    positions: np.ndarray
    poses: Rotation
    classes: np.ndarray
    side: np.ndarray

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, rows: np.ndarray) -> Particles:
        """Return the particles that a mask or an index array names."""
        rows = np.arange(len(self))[rows]
        parts = (self.positions[rows], self.poses[rows], self.classes[rows], self.side[rows])
        return Particles(*parts)

    @property
    def axes(self) -> np.ndarray:
        """The particles' own z, y and x axes as rows, (n, 3, 3) float64, zyx."""
        matrices = self.poses.as_matrix().reshape(-1, 3, 3)  # (n, xyz, axis)
        return matrices[:, ::-1, ::-1].transpose(0, 2, 1)


def turned(angles_radian: np.ndarray) -> Rotation:
    """Return turns about z by angles, (n,)."""
    return Rotation.from_rotvec(np.multiply.outer(angles_radian, [0.0, 0.0, 1.0]))


def soft_ball(half: int, reach: float) -> np.ndarray:
    """Return a ball, (2 half + 1,)^3 float32; its edge goes from 1 to 0 in the last quarter."""
    grid = np.arange(-half, half + 1.0)
    radius = np.sqrt(grid[:, None, None] ** 2 + grid[:, None] ** 2 + grid**2)
    phase = np.clip((radius / reach - MASK_EDGE) / (1 - MASK_EDGE), 0, 1)
    return (0.5 * (1 + np.cos(np.pi * phase))).astype(np.float32)


def mean_boxes(
    read: ReadBox, shape: Sequence[int], particles: Particles, half: int, n_turns: int
) -> np.ndarray:
    """Return the mean of the boxes around particles, (2 half + 1,)^3 float32, in their frame.

    Parameters
    ----------
    read : function of (start, stop), returns grey values of a box, zyx
    shape : (3,) int, zyx, voxel: of the tomogram; beyond its faces it is mirrored
    particles : Particles, at least one
    half : int, voxel
    n_turns : int
        Each box is read at so many turns about its z axis.
    """
    size = 2 * half + 1
    total = np.zeros((size,) * 3)
    turns = turned(2 * np.pi * np.arange(n_turns) / n_turns)
    margin = math.ceil(math.sqrt(3) * half) + SPLINE_REACH_VOXEL
    for tile in cut_tiles(particles.positions, margin, shape, TILE_VOXELS):
        coefficients = spline_coefficients(read(tile.start, tile.stop))
        mine = particles.select(tile.rows)
        for turn in turns:
            axes = replace(mine, poses=mine.poses * turn).axes
            for first in range(0, len(mine), BLOCK_BOXES):
                steps = axes[first : first + BLOCK_BOXES]
                places = mine.positions[first : first + BLOCK_BOXES] - tile.start
                boxes = sample_boxes(
                    coefficients, places - np.full(3, half) @ steps, steps, (size,) * 3
                )
                total += boxes.sum(axis=0, dtype=np.float64)
    return (total / (len(particles) * n_turns)).astype(np.float32)


def draw_particles(
    canvas: SparseVolume,
    particles: Particles,
    averages: Mapping[str, np.ndarray],
    amplitudes: np.ndarray,
) -> None:
    """Add the average of its class, at its pose, for each particle whose class has one.

    Parameters
    ----------
    canvas : SparseVolume, changed in place
    particles : Particles
    averages : mapping of class to (2 half + 1,)^3 float32, zero near its faces
    amplitudes : (n,) float, factor of each particle
    """
    axes = particles.axes
    for name, average in averages.items():
        half = len(average) // 2
        size = 2 * half + 1
        coefficients = spline_coefficients(average)
        offsets = np.indices((size,) * 3).reshape(3, -1).T - half  # (n_voxels, 3) zyx
        for i in np.flatnonzero(particles.classes == name):
            start = np.rint(particles.positions[i]).astype(int) - half
            shift = start - particles.positions[i]
            origin, steps = axes[i] @ shift + half, axes[i].T  # of voxels in the particle's frame
            box = sample_boxes(coefficients, origin[None], steps[None], (size,) * 3)[0]
            far = ((offsets + half + shift) ** 2).sum(axis=1) >= half**2
            box[far.reshape(box.shape)] = 0  # beyond the average's faces it would be mirrored
            canvas.add(start, np.float32(amplitudes[i]) * box)


def fit_averages(
    read_real: ReadBox,
    shape: Sequence[int],
    membrane: SparseVolume,
    background: float,
    particles: Particles,
    turns: Mapping[str, int],
    reach: float,
    n_rounds: int = ROUNDS,
) -> dict[str, np.ndarray]:
    """Return the average of each class of particles: what they add to membrane and background.

    Parameters
    ----------
    read_real : function of (start, stop), returns the voxels of a box of the tomogram, zyx
    shape : (3,) int, zyx, voxel: of the tomogram
    membrane : SparseVolume, grey values minus the background
    background : float
    particles : Particles
    turns : mapping of class to n of Cn, 0: round; classes that are not in it get no average
    reach : float, voxel
    n_rounds : int

    Returns
    -------
    dict of class to (2 half + 1,)^3 float32

    Notes
    -----
    The first round averages tomogram minus membrane minus background. An average of crowded
    particles also holds their neighbours; each further round draws all particles with the averages
    so far, and adds to these the mean of what is still left at the particles of their class.
    """
    half = math.ceil(reach) + 1
    ball = soft_ball(half, reach)
    averages = {name: np.zeros_like(ball) for name in turns}
    for _ in range(n_rounds):
        drawn = membrane.copy()
        draw_particles(drawn, particles, averages, np.ones(len(particles)))

        def read(start, stop, drawn=drawn):
            return read_real(start, stop).astype(np.float32) - background - drawn.read(start, stop)

        for name, n in turns.items():
            mine = particles.select(particles.classes == name)
            left = mean_boxes(read, shape, mine, half, n or ROUND_TURNS)
            averages[name] = averages[name] + ball * left
    return averages
