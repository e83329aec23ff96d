"""A part of membranes that is kept out of training, cut off in space."""

from __future__ import annotations

import numpy as np

from .errors import InputError


def box_diagonal(box_shape: tuple[int, ...]) -> float:
    """Return the distance, in voxels of the box, from which two boxes share no voxel."""
    return float(np.linalg.norm(np.asarray(box_shape, dtype=float)))


def hold_out(
    points: np.ndarray, membrane: np.ndarray, fraction: float, gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return which points train and which validate, split by a plane across each membrane.

    ::

        train train train train | gap | validation      along the longest principal axis

    Parameters
    ----------
    points : (n, 3) float, working voxel
    membrane : (n,) int
        The split is made for each value by itself.
    fraction : float, 0 to below 1
        Part of each membrane's points beyond the middle of the gap, at the end of its axis.
    gap : float, working voxel
        Points nearer to the plane than half of it take no part, so that a box of one part shares
        no voxel with a box of the other.

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
        cut = np.quantile(along, 1 - fraction)
        before, beyond = along <= cut - gap / 2, along >= cut + gap / 2
        if not before.any() or not beyond.any():
            continue
        is_training[rows], is_validation[rows] = before, beyond
    if not is_validation.any():
        raise InputError(
            "no membrane is long enough to keep a part of it for validation",
            expected=f"a part of {fraction:g} beyond a gap of {gap:.0f} working voxels",
            remedy="name a validation membrane (split 'validation'), or set validation_fraction 0",
        )
    return is_training, is_validation
