"""The formulas here are written out by hand, so that no library's convention is trusted."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.rotations import (
    angle_between,
    dynamo_angles,
    fold_angle,
    frames_from_normals,
    poses_from_axes,
    poses_from_dynamo,
    poses_from_relion,
    relion_angles,
)

POLES = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
AXES = np.vstack([np.eye(3), -np.eye(3)])


def turn(axis, degree):
    """Return the matrix that turns vectors right-handedly about x or z by an angle in degrees."""
    c, s = np.cos(np.radians(degree)), np.sin(np.radians(degree))
    if axis == "x":
        return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def relion_matrix(rot, tilt, psi):
    """Return particle -> tomogram of RELION's angles, its nine terms written out."""
    (ca, sa), (cb, sb), (cg, sg) = ((np.cos(a), np.sin(a)) for a in np.radians([rot, tilt, psi]))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


def random_vectors(n=200, seed=1):
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_poses(n, seed):
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=(n, 4)))


def random_angles(n=100, seed=2):
    """Return rot, tilt, psi in degrees with tilt inside 1 .. 179."""
    return np.random.default_rng(seed).uniform([-179, 1, -179], [179, 179, 179], size=(n, 3))


def assert_same_angle(a, b, tolerance=1e-6):
    difference = (np.asarray(a) - np.asarray(b) + 180) % 360 - 180
    np.testing.assert_allclose(difference, 0, atol=tolerance)


@pytest.mark.parametrize(
    "normals", [random_vectors(), 7.5 * AXES, [[0, 0.4358899, 0.9]], [[2, 0, 1]]]
)
def test_frames_are_right_handed_with_the_normal_last(normals):
    frames = frames_from_normals(normals)
    unit = np.asarray(normals) / np.linalg.norm(normals, axis=1, keepdims=True)
    np.testing.assert_allclose(frames[:, :, 2], unit, atol=1e-12)
    eye = np.broadcast_to(np.eye(3), frames.shape)
    np.testing.assert_allclose(frames.transpose(0, 2, 1) @ frames, eye, atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1, atol=1e-12)


def test_frame_depends_on_the_normal_alone():
    normals = random_vectors(5)
    np.testing.assert_array_equal(
        frames_from_normals(normals)[3], frames_from_normals(normals[3])[0]
    )


def test_no_normals_give_no_frames():
    assert frames_from_normals(np.zeros((0, 3))).shape == (0, 3, 3)


def test_pose_turns_particle_z_to_the_normal_and_x_to_the_axis():
    normals, helpers = random_vectors(seed=3), random_vectors(seed=4)
    axes = np.cross(normals, helpers)
    poses = poses_from_axes(3 * normals, axes)
    x = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    np.testing.assert_allclose(poses.apply([0, 0, 1]), normals, atol=1e-9)
    np.testing.assert_allclose(poses.apply([1, 0, 0]), x, atol=1e-9)
    np.testing.assert_allclose(poses.apply([0, 1, 0]), np.cross(normals, x), atol=1e-9)


def test_pose_of_a_slanted_axis_uses_its_part_in_the_plane():
    pose = poses_from_axes([0, 0, 2], [0, 3, 5])
    np.testing.assert_allclose(pose.as_matrix()[0], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)


@pytest.mark.parametrize("angles", [*random_angles(20), (10, 0, 30), (10, 180, 30), (0, 90, 0)])
def test_relion_angles_mean_the_written_out_matrix(angles):
    np.testing.assert_allclose(
        poses_from_relion([angles]).as_matrix()[0], relion_matrix(*angles), atol=1e-9
    )


def test_relion_round_trip_of_angles_and_poses():
    angles = random_angles()
    assert_same_angle(relion_angles(poses_from_relion(angles)), angles)
    poses = random_poses(200, seed=5)
    again = poses_from_relion(relion_angles(poses))
    np.testing.assert_allclose(again.as_matrix(), poses.as_matrix(), atol=1e-9)


def test_particle_z_axis_follows_from_tilt_and_psi():
    poses = random_poses(200, seed=6)
    _, tilt, psi = np.radians(relion_angles(poses)).T
    z = np.stack([-np.cos(psi) * np.sin(tilt), np.sin(psi) * np.sin(tilt), np.cos(tilt)], axis=1)
    np.testing.assert_allclose(poses.apply([0, 0, 1]), z, atol=1e-9)


def test_tilt_and_psi_follow_from_the_normal_whatever_the_axis():
    normals = random_vectors(seed=7)
    for seed in (8, 9):
        poses = poses_from_axes(normals, random_vectors(seed=seed))
        _, tilt, psi = relion_angles(poses).T
        assert_same_angle(tilt, np.degrees(np.arccos(normals[:, 2])))
        assert_same_angle(psi, 180 - np.degrees(np.arctan2(normals[:, 1], normals[:, 0])))


def test_rot_is_the_spin_about_the_particles_own_z():
    angles = random_angles(30)
    spun = poses_from_relion(angles) * Rotation.from_matrix(turn("z", 25))
    assert_same_angle(relion_angles(spun), angles - [25, 0, 0])


def test_known_relion_angles_of_a_normal_along_x_and_along_y():
    # normal +x: psi 180; the in-plane axis z is then the particle's x, rot 0
    assert_same_angle(relion_angles(poses_from_axes([1, 0, 0], [0, 0, 1])), [[0, 90, 180]])
    assert_same_angle(relion_angles(poses_from_axes([0, 1, 0], [0, 0, 1])), [[0, 90, 90]])


@pytest.mark.parametrize("normal", POLES)
@pytest.mark.parametrize("spin", [0, 35, 90, 180, -120])
def test_flat_membrane_has_psi_zero_and_still_the_right_pose(normal, spin):
    axis = [np.cos(np.radians(spin)), np.sin(np.radians(spin)), 0]
    poses = poses_from_axes(normal, axis)
    ((rot, tilt, psi),) = relion_angles(poses)
    assert psi == 0
    assert tilt == pytest.approx(0 if normal[2] > 0 else 180)
    matrix = relion_matrix(rot, tilt, psi)
    np.testing.assert_allclose(matrix @ [0, 0, 1], normal, atol=1e-9)
    np.testing.assert_allclose(matrix @ [1, 0, 0], axis, atol=1e-9)


@pytest.mark.parametrize("slant", [1e-3, 1e-6, 1e-12])
@pytest.mark.parametrize("sign", [1, -1])
def test_nearly_flat_membrane_keeps_its_pose(slant, sign):
    poses = poses_from_axes([slant, -2 * slant, sign], [0.3, 0.7, 0.1])
    matrix = relion_matrix(*relion_angles(poses)[0])
    np.testing.assert_allclose(matrix, poses.as_matrix()[0], atol=1e-8)


def test_dynamo_angles_are_relion_angles_with_shifted_names():
    poses = random_poses(50, seed=10)
    rot, tilt, psi = relion_angles(poses).T
    assert_same_angle(dynamo_angles(poses), np.stack([psi - 90, tilt, rot + 90], axis=1))


@pytest.mark.parametrize(
    "angles", [*random_angles(20, seed=11), (20, 0, 0), (0, 180, 50), (5, 90, 0)]
)
def test_dynamo_angles_mean_the_inverse_of_turns_about_fixed_z_x_z(angles):
    tdrot, tilt, narot = angles
    to_particle = turn("z", narot) @ turn("x", tilt) @ turn("z", tdrot)
    np.testing.assert_allclose(poses_from_dynamo([angles]).as_matrix()[0], to_particle.T, atol=1e-9)


def test_dynamo_round_trip_of_poses_those_of_flat_membranes_too():
    poses = Rotation.concatenate(
        [
            random_poses(100, seed=12),
            poses_from_axes(POLES, [[1, 2, 0], [-3, 1, 0]]),
        ]
    )
    again = poses_from_dynamo(dynamo_angles(poses))
    np.testing.assert_allclose(again.as_matrix(), poses.as_matrix(), atol=1e-9)


def test_single_pose_gives_one_row():
    assert relion_angles(Rotation.identity()).shape == (1, 3)
    assert dynamo_angles(Rotation.identity()).shape == (1, 3)


def test_angle_between_known_vectors_of_any_length():
    a = [[1, 0, 0], [0, 2, 0], [1, 0, 0], [0, 0, 3], [1, 0, 0]]
    b = [[5, 0, 0], [0, -1, 0], [0, 0, 4], [0, 1, 1], [1, 1e-8, 0]]
    expected = [0, 180, 90, 45, np.degrees(1e-8)]
    np.testing.assert_allclose(angle_between(a, b), expected, rtol=1e-12, atol=1e-15)
    assert angle_between(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)


@pytest.mark.parametrize(
    ("symmetry", "angles", "folded"),
    [
        (1, [0, 170, 180, 190, 359, -10, 370], [0, 170, 180, 170, 1, 10, 10]),
        (2, [0, 80, 90, 100, 180, -170], [0, 80, 90, 80, 0, 10]),
        (4, [45, 50, 90, -1], [45, 40, 0, 1]),
    ],
)
def test_angles_fold_by_the_symmetry(symmetry, angles, folded):
    np.testing.assert_allclose(fold_angle(angles, symmetry), folded, atol=1e-9)
