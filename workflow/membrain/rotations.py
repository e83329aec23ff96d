"""Every rotation convention of the project, in one place.

A particle's pose is a `scipy.spatial.transform.Rotation` that maps particle -> tomogram, both
**xyz**. The particle's z axis is the membrane's normal on the picked side, its x axis the in-plane
axis (the long axis of the cluster)::

        z = normal
        |   .
        |  .  y = z x x
        | .
        +------- x = in-plane axis

Euler angles exist only here and in files.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation


def frames_from_normals(normals: np.ndarray) -> np.ndarray:
    """Return a right-handed orthonormal frame for each normal.

    Parameters
    ----------
    normals : (n, 3) float, any axis order, any length above zero

    Returns
    -------
    (n, 3, 3) float64
        ``[:, :, 0]`` and ``[:, :, 1]`` span the membrane's plane, ``[:, :, 2]`` is the unit normal,
        all in the axis order of the input. The frame depends on the normal alone.
    """
    normals = np.asarray(normals, dtype=np.float64).reshape(-1, 3)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    helper = np.where(np.abs(normals[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    first = np.cross(helper, normals)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(normals, first), normals], axis=2)


def poses_from_axes(normals_xyz: np.ndarray, axes_xyz: np.ndarray) -> Rotation:
    """Return the poses (particle -> tomogram) with z along the normals and x along the axes.

    Parameters
    ----------
    normals_xyz : (n, 3) float, xyz
    axes_xyz : (n, 3) float, xyz
        In-plane axes; only the part perpendicular to the normal counts. It must not vanish.
    """
    z = np.asarray(normals_xyz, dtype=np.float64).reshape(-1, 3)
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    x = np.asarray(axes_xyz, dtype=np.float64).reshape(-1, 3)
    x = x - (x * z).sum(axis=1, keepdims=True) * z
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    matrices = np.stack([x, np.cross(z, x), z], axis=2)  # (n, 3, 3) columns x, y, z
    return Rotation.from_matrix(matrices.reshape(-1, 3, 3))


def relion_angles(poses: Rotation) -> np.ndarray:
    """Return RELION's rot, tilt, psi of poses (particle -> tomogram).

    Returns
    -------
    (n, 3) float64, degree
        Intrinsic ZYZ angles of the inverse rotation: `rlnAngleRot`, `rlnAngleTilt`, `rlnAnglePsi`.

    Notes
    -----
    Where the normal is along z, rot and psi are not unique; psi is then 0.
    """
    matrices = poses.inv().as_matrix().reshape(-1, 3, 3)
    # the inverse is Rz(rot) Ry(tilt) Rz(psi)
    sin_tilt = np.hypot(matrices[:, 0, 2], matrices[:, 1, 2])
    is_flat = sin_tilt < 1e-9
    tilt = np.arctan2(sin_tilt, matrices[:, 2, 2])
    spin = np.arctan2(-matrices[:, 0, 1], matrices[:, 1, 1])
    rot = np.where(is_flat, spin, np.arctan2(matrices[:, 1, 2], matrices[:, 0, 2]))
    psi = np.where(is_flat, 0.0, np.arctan2(matrices[:, 2, 1], -matrices[:, 2, 0]))
    return np.degrees(np.stack([rot, tilt, psi], axis=1))


def poses_from_relion(angles_degree: np.ndarray) -> Rotation:
    """Return the poses (particle -> tomogram) of RELION's rot, tilt, psi in degrees, (n, 3)."""
    return Rotation.from_euler("ZYZ", np.asarray(angles_degree).reshape(-1, 3), degrees=True).inv()


def dynamo_angles(poses: Rotation) -> np.ndarray:
    """Return Dynamo's tdrot, tilt, narot of poses (particle -> tomogram), (n, 3), degree."""
    rot, tilt, psi = relion_angles(poses).T
    return np.stack([psi - 90.0, tilt, rot + 90.0], axis=1)


def poses_from_dynamo(angles_degree: np.ndarray) -> Rotation:
    """Return the poses (particle -> tomogram) of Dynamo's tdrot, tilt, narot in degrees, (n, 3)."""
    return Rotation.from_euler("zxz", np.asarray(angles_degree).reshape(-1, 3), degrees=True).inv()


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the angle between vectors, row by row, in degrees (0 to 180), for (n, 3) arrays."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    cross = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.degrees(np.arctan2(cross, (a * b).sum(axis=-1)))


def fold_angle(angles_degree: np.ndarray, symmetry: int = 1) -> np.ndarray:
    """Return in-plane angle differences folded by a Cn symmetry to 0 .. 180/n degrees."""
    period = 360.0 / symmetry
    angles = np.mod(np.asarray(angles_degree, dtype=np.float64), period)
    return np.minimum(angles, period - angles)
