"""Errors of predicted poses: about the annotated normal, and of the normal."""

from __future__ import annotations

import numpy as np

from .rotations import angle_between, poses_from_relion


def signed_turn(turn_degree: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return turns about the normal brought to -180/n .. 180/n degrees by their Cn symmetry.

    Parameters
    ----------
    turn_degree, fold : (n,) float, angle, and n of Cn (1 or more where the angle is known)
    """
    period = 360.0 / np.maximum(fold, 1)
    return turn_degree - period * np.round(turn_degree / period)


def _turns(axes_xyz: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return by how many degrees predicted axes are turned from annotated x axes, about their z."""
    in_frame = (
        poses_from_relion(angles).inv().apply(axes_xyz) if len(axes_xyz) else np.zeros((0, 3))
    )
    turn = np.degrees(np.arctan2(in_frame[:, 1], in_frame[:, 0]))
    return np.where(np.hypot(in_frame[:, 0], in_frame[:, 1]) > 1e-6, turn, np.nan)


def pose_errors(
    normals: np.ndarray,
    axes: np.ndarray,
    angles: np.ndarray | None,
    fold: np.ndarray,
    axis_degree: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return in-plane error, signed turn and normal error of pairs, row by row.

    Parameters
    ----------
    normals, axes : (n, 3) float, zyx: predicted
    angles : (n, 3) float or None: annotated rot, tilt, psi in degrees
    fold : (n,) float, n of the Cn symmetry of the annotated particle; 0: round
    axis_degree : (n,) float, angle of the long axis in the annotated particle's xy plane

    Returns
    -------
    error, turn, normal_error : (n,) float64, degree; NaN where a pose is not known
    """
    if angles is None:
        unknown = np.full(len(normals), np.nan)
        return unknown, unknown, unknown
    turn = np.where(fold > 0, _turns(axes[:, ::-1], angles) - axis_degree, np.nan)
    error = np.abs(signed_turn(turn, fold))
    known = poses_from_relion(angles).apply([0.0, 0.0, 1.0]) if len(turn) else np.zeros((0, 3))
    return error, turn, angle_between(normals[:, ::-1], known.reshape(-1, 3))
