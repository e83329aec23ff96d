"""Errors of predicted poses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.pose_errors import pose_errors, signed_turn
from membrain.rotations import relion_angles


@pytest.mark.parametrize(
    ("turn", "fold", "expected"),
    [(100, 2, -80), (-100, 2, 80), (100, 1, 100), (190, 1, -170), (50, 3, 50), (70, 3, -50)],
)
def test_turns_are_folded_with_their_sign(turn, fold, expected):
    assert signed_turn(np.array([float(turn)]), np.array([fold])) == pytest.approx([expected])


def test_unknown_turns_stay_unknown():
    assert np.isnan(signed_turn(np.array([np.nan]), np.array([0.0])))


@pytest.mark.parametrize(("turn", "tilt"), [(30, 0), (-75, 10), (100, 25), (170, 40)])
def test_planted_turn_and_tilt_are_found(turn, tilt):
    known = Rotation.random(7, random_state=np.random.default_rng(0))
    pose = known * Rotation.from_euler("z", turn, degrees=True)
    pose = pose * Rotation.from_euler("x", tilt, degrees=True)  # about the turned x axis
    matrices = pose.as_matrix()
    error, signed, normal = pose_errors(
        matrices[:, ::-1, 2], matrices[:, ::-1, 0], relion_angles(known), np.full(7, 2), np.zeros(7)
    )
    np.testing.assert_allclose(error, min(abs(turn), 180 - abs(turn)), atol=1e-5)
    np.testing.assert_allclose(signed, turn, atol=1e-5)
    np.testing.assert_allclose(normal, tilt, atol=1e-5)


def test_long_axis_off_the_annotated_x_axis_is_taken_into_account():
    known = Rotation.random(3, random_state=np.random.default_rng(0))
    turned = known * Rotation.from_euler("z", 113, degrees=True)
    matrices = turned.as_matrix()
    angles, axis = relion_angles(known), np.array([0.0, 113.0, 100.0])
    error, turn, _ = pose_errors(
        matrices[:, ::-1, 2], matrices[:, ::-1, 0], angles, np.full(3, 2), axis
    )
    np.testing.assert_allclose(error, [67, 0, 13], atol=1e-5)
    np.testing.assert_allclose(turn, [113, 0, 13], atol=1e-5)


def test_round_particles_and_unknown_angles_have_no_error():
    vectors, fold, axis = np.eye(3)[:2], np.array([0.0, 2.0]), np.zeros(2)
    in_plane = np.eye(3)[1:]  # zyx: y and x
    error, turn, normal = pose_errors(vectors, in_plane, np.zeros((2, 3)), fold, axis)
    assert np.isnan([error[0], turn[0]]).all()
    assert np.isfinite([error[1], turn[1], *normal]).all()
    assert np.isnan(pose_errors(vectors, vectors[::-1], None, fold, axis)).all()


def test_no_pair_gives_empty_errors():
    none, empty = np.zeros((0, 3)), np.zeros(0)
    assert [len(part) for part in pose_errors(none, none, none, empty, empty)] == [0] * 3
