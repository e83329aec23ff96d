"""Which factor, order of axes or offset brings positions to where they belong.

Positions that somebody wrote with another unit, pixel size, binning or origin lie nowhere near
their membrane. The caller says how good a set of positions is; the usual mistakes are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Share = Callable[[np.ndarray], float]  # (n, 3) positions to 0 .. 1

WHOLE_FACTORS = range(2, 17)  # binnings
NANOMETRE = 10.0  # angstrom
LARGEST_FACTOR = 8.0  # of two pixel sizes
FACTOR_STEP = 0.005  # relative; finer steps are tried around the best
CLEARLY_BETTER = 0.1  # by which a change has to beat none, and an odd factor the usual mistakes


def _other_axes(positions: np.ndarray, shape: Sequence[int] | None) -> list[tuple[str, np.ndarray]]:
    """Return positions with axes in another order, or mirrored in the tomogram."""
    changes = []
    for first, second in (("x", "z"), ("x", "y"), ("y", "z")):
        swap = {first: second, second: first}
        order = ["zyx".index(swap.get(axis, axis)) for axis in "zyx"]
        words = f"with {first} and {second} exchanged they would fit"
        changes.append((words, positions[:, order]))
    for names in ("yzx", "zxy"):  # the columns that hold x, y and z
        order = ["zyx".index(name) for name in names[::-1]]
        words = f"with the columns taken as {', '.join(names)} they would fit"
        changes.append((words, positions[:, order]))
    for axis, name in enumerate("zyx" if shape is not None else ""):
        moved = positions.copy()
        moved[:, axis] = shape[axis] - 1 - moved[:, axis]
        changes.append((f"mirrored along {name} they would fit", moved))
    return changes


class Fit(NamedTuple):
    """A change that brings positions to where they belong.

    Attributes
    ----------
    words : str, the change, for a message
    share : float, part of the positions that lies where it should then
    moved : (n, 3) float64, the changed positions
    """

    words: str
    share: float
    moved: np.ndarray


def _usual_changes(
    positions: np.ndarray,
    pixel_size: float,
    shifts: Sequence[tuple[str, np.ndarray]],
    shape: Sequence[int] | None,
) -> list[tuple[str, np.ndarray]]:
    """Return the usual mistakes undone: words and moved positions."""
    changes = []
    if pixel_size > 0 and pixel_size != 1:
        words = f"divided by {pixel_size:g} they would fit (angstrom, not voxels?)"
        changes.append((words, positions / pixel_size))
        words = f"multiplied by {pixel_size:g} they would fit (voxels, not angstrom?)"
        changes.append((words, positions * pixel_size))
        factor = NANOMETRE / pixel_size
        words = f"divided by {1 / factor:g} they would fit (nanometres, not voxels?)"
        changes.append((words, positions * factor))
    for n in WHOLE_FACTORS:
        for word, factor in (("multiplied", float(n)), ("divided", 1 / n)):
            words = f"{word} by {n} they would fit (another binning or unit?)"
            changes.append((words, positions * factor))
    changes += _other_axes(positions, shape)
    shifts = list(shifts)
    if shape is not None:
        shifts.insert(0, ("half the tomogram: counted from its centre?", np.asarray(shape) / 2))
    for words, shift in shifts:
        x, y, z = (int(v) for v in np.round(shift)[::-1])
        words = f"moved by ({x}, {y}, {z}) voxels (x, y, z) they would fit ({words})"
        changes.append((words, positions + shift))
    return changes


def fitting_factor(positions: np.ndarray, share: Share) -> tuple[float, float]:
    """Return the factor between 1/8 and 8 with the largest share, and that share.

    Parameters
    ----------
    positions : (n, 3) float
    share : function of (n, 3) positions
        Part of them, 0 to 1, that lies where it should.
    """
    n_steps = int(np.log(LARGEST_FACTOR) / FACTOR_STEP)
    best = 1.0
    for factors in (
        np.exp(np.arange(-n_steps, n_steps + 1) * FACTOR_STEP),
        1 + 4 * FACTOR_STEP * np.linspace(-1, 1, 81),
    ):
        factors = best * factors
        shares = np.array([share(positions * factor) for factor in factors])
        tied = np.flatnonzero(shares == shares.max())
        best = float(factors[tied[len(tied) // 2]])
    return best, share(positions * best)


def what_would_fit(
    positions: np.ndarray,
    share: Share,
    enough: float,
    pixel_size: float = 0.0,
    shifts: Sequence[tuple[str, np.ndarray]] = (),
    shape: Sequence[int] | None = None,
) -> Fit | None:
    """Return what brings positions to where they belong.

    Parameters
    ----------
    positions : (n, 3) float, zyx, voxel
    share : function of (n, 3) positions
        Part of them, 0 to 1, that lies where it should.
    enough : float
        Share from which a change counts as a fit; it also has to beat that of no change by 0.1.
    pixel_size : float, angstrom per voxel; 0: not known
    shifts : sequence of (words, (3,) float zyx voxel)
        Offsets to try, with what they may come from.
    shape : (3,) int, zyx, voxel, optional
        Size of the tomogram; with it mirrored and centred coordinates are tried.

    Returns
    -------
    Fit, or None where nothing fits
        The best of: voxels taken for angstrom or nanometres and the reverse, whole factors up to
        16, axes in another order, the given offsets, and any factor between 1/8 and 8.
    """
    positions = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    if not len(positions):
        return None
    best = Fit("", 0.0, positions)
    for words, moved in _usual_changes(positions, pixel_size, shifts, shape):
        found = share(moved)
        if found > best.share:
            best = Fit(words, found, moved)
    factor, found = fitting_factor(positions, share)
    if found > best.share + CLEARLY_BETTER:
        words = f"multiplied by {factor:.3g} they would fit (another pixel size?)"
        best = Fit(words, found, positions * factor)
    return best if best.share >= max(enough, share(positions) + CLEARLY_BETTER) else None
