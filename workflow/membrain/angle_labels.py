"""In-plane angles that a network learns: which way the nearest particle lies in a point's own box.

::

      e_j ^        a: from e_i towards e_j, the axes of the point's box
          |  x     x: the particle's axis, seen along the normal
          | / a
          +------ e_i

A particle of symmetry Cn looks the same after a turn by 360 / n degrees, so that only
``(cos n a, sin n a)`` can be told from a box; n is the fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .class_groups import AMBIGUOUS
from .class_options import ANY_CLASS
from .errors import InputError
from .rotations import frames_from_normals

REACH_VOXEL = 2.5  # working voxel: farther from a particle its angle is not told
MIN_IN_PLANE = 0.3  # an axis that stands steeper on the membrane has no certain angle in its plane


def fold_of(folds: Mapping[str, int], name: str) -> int:
    """Return the fold of a class; 0: its angle is not learnt.

    Parameters
    ----------
    folds : mapping of class (lower case, `ANY_CLASS` for all others) to n of Cn
        Classes that stand for "not known" have an angle only if they are named.
    name : str
    """
    name = name.lower()
    return folds.get(name, 0 if name in AMBIGUOUS else folds.get(ANY_CLASS, 0))


def folds_of_outputs(classes: Sequence[Sequence[str]], folds: Mapping[str, int]) -> tuple[int, ...]:
    """Return the fold of each output, 0 where none of its classes has one.

    Raises
    ------
    InputError
        When the classes of one output have different symmetries.
    """
    out = []
    for group in classes:
        found = {name: fold_of(folds, name) for name in group if fold_of(folds, name)}
        if len(set(found.values())) > 1:
            raise InputError(
                f"symmetry of the output {' + '.join(group)}",
                found=", ".join(f"{name}: {fold}" for name, fold in found.items()),
                expected="one for all classes of an output, or 0",
                remedy="give these classes outputs of their own (config: label_points.classes)",
            )
        out.append(next(iter(found.values()), 0))
    return tuple(out)


def angle_labels(normals: np.ndarray, axes: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the angle vector of an axis in the box of each point.

    Parameters
    ----------
    normals : (n, 3) float, zyx
        Of the points; they decide how a box lies.
    axes : (n, 3) float, zyx, unit length
        x axis of the particle that is told of; NaN where there is none.
    folds : (n,) int
        0: none.

    Returns
    -------
    (n, 2) float32
        ``(cos n a, sin n a)``, zeros where nothing is told.
    """
    if not len(normals):
        return np.zeros((0, 2), dtype=np.float32)
    frames = frames_from_normals(normals)  # (n, 3, 3) columns e_i, e_j, normal
    flat = np.einsum("nab,na->nb", frames[:, :, :2], axes)  # (n, 2)
    is_told = (np.linalg.norm(flat, axis=1) > MIN_IN_PLANE) & (folds > 0)  # false for NaN
    angles = folds * np.arctan2(flat[:, 1], flat[:, 0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.where(is_told[:, None], vectors, 0.0).astype(np.float32)
