"""A part of membranes that is kept out of training, cut off in space."""

from __future__ import annotations

import numpy as np

from .errors import InputError


def box_diagonal(box_shape: tuple[int, ...]) -> float:
    """Return the distance, in voxels of the box, from which two boxes share no voxel."""
    return float(np.linalg.norm(np.asarray(box_shape, dtype=float)))


def n_parts(fraction: float) -> int:
    """Return how many parts of a size there are, to be held out in turn; 0 for none."""
    return int(1 / fraction + 1e-9) if fraction > 0 else 0


def hold_out(
    points: np.ndarray, membrane: np.ndarray, fraction: float, gap: float, part: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return which points train and which validate, split by planes across each membrane.

    ::

        train train train train | gap | validation      along the longest principal axis
        train | gap | validation | gap | train train    part 1 of the same

    Parameters
    ----------
    points : (n, 3) float, working voxel
    membrane : (n,) int
        The split is made for each value by itself.
    fraction : float, 0 to below 1
        Part of each membrane's points that validate, up to the middles of the gaps.
    gap : float, working voxel
        Points nearer to the plane than half of it take no part, so that a box of one part shares
        no voxel with a box of the other.
    part : int, below ``n_parts(fraction)``
        Which part validates; 0 is at the end of the axis, the last one at its beginning or near it.

    Returns
    -------
    is_training, is_validation : (n,) bool

    Notes
    -----
    The axis is the first principal one; its sign is chosen so that its largest component is
    positive, so the result depends on the points alone. A membrane that is too short for the gap
    stays in training as a whole.

    Raises
    ------
    InputError
        When a fraction is asked for and no membrane is long enough.
    """
    is_training = np.ones(len(points), dtype=bool)
    is_validation = np.zeros(len(points), dtype=bool)
    if fraction <= 0:
        return is_training, is_validation
    for value in np.unique(membrane):
        rows = np.flatnonzero(membrane == value)
        centred = points[rows] - points[rows].mean(axis=0)
        axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        along = centred @ (axis * np.sign(axis[np.abs(axis).argmax()]))
        low, high = np.quantile(
            along, np.clip([1 - (part + 1) * fraction, 1 - part * fraction], 0, 1)
        )
        low = -np.inf if (part + 1) * fraction > 1 - 1e-9 else low
        high = np.inf if part == 0 else high
        outside = (along <= low - gap / 2) | (along >= high + gap / 2)
        inside = (along >= low + gap / 2) & (along <= high - gap / 2)
        if not outside.any() or not inside.any():
            continue
        is_training[rows], is_validation[rows] = outside, inside
    if not is_validation.any():
        raise InputError(
            "no membrane is long enough to keep a part of it for validation",
            expected=f"a part of {fraction:g} beyond a gap of {gap:.0f} working voxels",
            remedy="name a validation membrane (split 'validation'), or set validation_fraction 0",
        )
    return is_training, is_validation
