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
    error, signed, fold, normal = pose_errors(
        matrices[:, ::-1, 2], matrices[:, ::-1, 0], relion_angles(known), ["PSII"] * 7, {}, 2, {}
    )
    np.testing.assert_allclose(error, min(abs(turn), 180 - abs(turn)), atol=1e-5)
    np.testing.assert_allclose(signed, turn, atol=1e-5)
    np.testing.assert_allclose(normal, tilt, atol=1e-5)
    assert fold.tolist() == [2] * 7


def test_round_classes_and_unknown_angles_have_no_error():
    vectors = np.eye(3)[:2]
    error, turn, fold, normal = pose_errors(
        vectors, vectors[::-1], np.zeros((2, 3)), ["Round", "x"], {"round": 0}, 2, {}
    )
    assert np.isnan([error[0], turn[0]]).all()
    assert fold.tolist() == [0, 2]
    assert np.isfinite(normal).all()
    unknown = pose_errors(vectors, vectors[::-1], None, ["x", "x"], {}, 2, {})
    assert np.isnan([unknown[0], unknown[1], unknown[3]]).all()


def test_no_pair_gives_empty_errors():
    none = np.zeros((0, 3))
    assert [len(part) for part in pose_errors(none, none, none, [], {}, 2, {})] == [0] * 4
