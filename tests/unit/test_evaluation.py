"""Comparison of particles with annotations: counting, classes, pose errors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.evaluation import Case, Settings, class_groups, evaluate_membrane
from membrain.formats.base import Annotations
from membrain.particles import ParticleTable

AMBIGUOUS = frozenset({"uk", "unknown"})


def table(voxel, poses=None, classes="particle", membrane="M1", side="a", tomogram="T1"):
    """Return particles at zyx positions with poses (particle -> tomogram, xyz)."""
    voxel = np.asarray(voxel, dtype=float).reshape(-1, 3)
    n = len(voxel)
    matrices = (Rotation.identity(n) if poses is None else poses).as_matrix().reshape(-1, 3, 3)
    classes = [classes] * n if isinstance(classes, str) else classes

    def names(value):
        return np.array([value] * n, dtype=object)

    return ParticleTable(
        names(tomogram), names(membrane), names(side), np.arange(1, n + 1), voxel, voxel * 10,
        np.ones(n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0], np.zeros((n, 3)),
        np.array(classes, dtype=object),
    )  # fmt: skip


def annotations(positions, poses=None, classes="PSII"):
    positions = np.asarray(positions, dtype=float).reshape(-1, 3)
    classes = [classes] * len(positions) if isinstance(classes, str) else classes
    angles = None if poses is None else poses.inv().as_euler("ZYZ", degrees=True)
    return Annotations(positions, tuple(classes), angles, "csv")


def compare(predicted, annotated, settings=None, working_voxel=1.0, **names):
    """Evaluate one membrane with the group of the first predicted class."""
    groups = class_groups(predicted.classes, annotated.classes, AMBIGUOUS, **names)
    case = Case("T1", "M1", "test", annotated, predicted, working_voxel)
    return evaluate_membrane(case, groups[0], settings or Settings())


@pytest.fixture
def poses():
    return Rotation.random(12, random_state=np.random.default_rng(1))


def test_perfect_copy_has_no_error(poses):
    positions = np.random.default_rng(0).uniform(0, 200, (12, 3))
    found = compare(table(positions, poses), annotations(positions, poses))
    assert (found.n_hits, found.n_recalled, found.n_right, found.n_annotated) == (12, 12, 12, 12)
    np.testing.assert_allclose(found.in_plane_degree, 0, atol=1e-4)
    np.testing.assert_allclose(found.normal_degree, 0, atol=1e-4)
    np.testing.assert_allclose(found.position_voxel, 0, atol=1e-12)


@pytest.mark.parametrize(("shift", "n_hits"), [(4.4, 3), (4.6, 0)])
def test_shift_within_and_beyond_the_radius(shift, n_hits):
    positions = np.array([[10.0, 20, 30], [50, 60, 70], [90, 20, 10]])
    found = compare(table(positions + [0, shift, 0]), annotations(positions))
    assert found.n_hits == found.n_recalled == found.n_right == n_hits


def test_radius_and_position_error_are_in_working_voxels():
    positions = np.array([[10.0, 20, 30]])
    found = compare(table(positions + [8, 0, 0]), annotations(positions), working_voxel=2.0)
    assert found.n_hits == 1
    np.testing.assert_allclose(found.position_voxel, [4.0])


def test_two_predictions_on_one_annotation():
    found = compare(table([[0, 0, 1], [0, 0, -2]]), annotations([[0, 0, 0]]))
    assert (found.n_right, found.n_recalled) == (2, 1)  # the paper's precision is 2 of 2
    assert found.n_hits == 1  # the strict one is 1 of 2
    np.testing.assert_allclose(found.position_voxel, [1.0])  # the nearer of the two


def test_one_prediction_between_two_annotations():
    found = compare(table([[0, 0, 0]]), annotations([[0, 0, 4], [0, 4, 0]]))
    assert (found.n_recalled, found.n_hits) == (2, 1)


def test_ambiguous_position_excuses_one_prediction_only():
    annotated = annotations([[0, 0, 0], [50, 0, 0]], classes=["PSII", "UK"])
    found = compare(table([[0, 0, 0], [50, 0, 1], [50, 0, 2], [90, 0, 0]]), annotated)
    assert found.n_annotated == 1
    assert found.n_right == 3
    assert (found.n_hits, found.n_ignored) == (1, 1)


def test_ambiguous_position_takes_no_prediction_away_from_an_annotated_one():
    annotated = annotations([[0, 0, 3], [0, 0, 0]], classes=["PSII", "unknown"])
    found = compare(table([[0, 0, 0]]), annotated)
    assert (found.n_hits, found.n_ignored) == (1, 0)


def test_another_class_is_a_false_positive_for_a_known_class():
    annotated = annotations([[0, 0, 0], [50, 0, 0]], classes=["PSII", "b6f"])
    found = compare(table([[0, 0, 0], [50, 0, 0]], classes="PSII"), annotated)
    assert (found.n_annotated, found.n_hits, found.n_right) == (1, 1, 1)


def test_unknown_class_is_compared_with_every_clear_class():
    annotated = annotations([[0, 0, 0], [50, 0, 0], [90, 0, 0]], classes=["PSII", "b6f", "UK"])
    found = compare(table([[0, 0, 0], [50, 0, 0]], classes="particle"), annotated)
    assert (found.n_annotated, found.n_hits) == (2, 2)


def test_class_groups_follow_names():
    groups = class_groups(["PSII", "b6f", "PSII"], ["PSII", "B6F", "UK"], AMBIGUOUS)
    assert [(g.name, g.annotated) for g in groups] == [
        ("PSII", frozenset({"psii"})),
        ("b6f", frozenset({"b6f"})),
    ]


def test_joined_class_is_compared_with_its_clear_parts():
    (group,) = class_groups(["PSII+UK"], ["PSII", "b6f", "UK"], AMBIGUOUS)
    assert group.annotated == {"psii"}


def test_classes_with_the_same_counterpart_are_one_group():
    (group,) = class_groups(["x", "y"], ["PSII"], AMBIGUOUS)
    assert group.name == "x+y"
    assert group.predicted == {"x", "y"}


def test_output_that_found_nothing_is_evaluated_too():
    outputs = {"PSII": ["PSII", "UK"], "b6f": ["b6f"]}
    groups = class_groups(["PSII"], ["PSII", "b6f", "UK"], AMBIGUOUS, outputs)
    assert [group.name for group in groups] == ["PSII", "b6f"]
    assert groups[0].annotated == {"psii"}


def test_no_prediction_at_all_is_compared_with_everything():
    (group,) = class_groups([], ["PSII", "UK"], AMBIGUOUS)
    assert group.annotated == {"psii"}
    assert class_groups([], [], AMBIGUOUS) == []


@pytest.mark.parametrize("turn", [-170.0, -60.0, 25.0, 100.0])
def test_in_plane_error_is_the_planted_turn_folded(poses, turn):
    positions = np.arange(36.0).reshape(12, 3) * 20
    turned = poses * Rotation.from_euler("z", turn, degrees=True)
    found = compare(table(positions, turned), annotations(positions, poses))
    np.testing.assert_allclose(found.turn_degree, turn, atol=1e-4)
    folded = min(abs(turn) % 180, 180 - abs(turn) % 180)
    np.testing.assert_allclose(found.in_plane_degree, folded, atol=1e-4)
    np.testing.assert_allclose(found.normal_degree, 0, atol=1e-4)


def test_in_plane_error_folds_by_the_symmetry_of_the_annotated_class(poses):
    positions = np.arange(36.0).reshape(12, 3) * 20
    turned = poses * Rotation.from_euler("z", 100, degrees=True)
    classes = ["PSII", "b6f", "round"] * 4
    settings = Settings(symmetry={"psii": 1, "b6f": 3, "round": 0})
    found = compare(table(positions, turned), annotations(positions, poses, classes), settings)
    expected = np.tile([100.0, 20.0, np.nan], 4)
    np.testing.assert_allclose(found.in_plane_degree, expected, atol=1e-4)


def test_long_axis_of_a_class_may_lie_off_its_x_axis(poses):
    positions = np.arange(36.0).reshape(12, 3) * 20
    turned = poses * Rotation.from_euler("z", 113 + 7, degrees=True)
    settings = Settings(axis_degree={"b6f": 113.0})
    found = compare(table(positions, turned), annotations(positions, poses, "b6f"), settings)
    np.testing.assert_allclose(found.turn_degree, 7, atol=1e-4)


def test_normal_error_is_the_planted_tilt(poses):
    positions = np.arange(36.0).reshape(12, 3) * 20
    tilted = poses * Rotation.from_euler("x", 20, degrees=True)  # keeps the particle's x axis
    found = compare(table(positions, tilted), annotations(positions, poses))
    np.testing.assert_allclose(found.normal_degree, 20, atol=1e-4)
    np.testing.assert_allclose(found.in_plane_degree, 0, atol=1e-4)


def test_axis_along_the_annotated_normal_has_no_in_plane_angle():
    known = Rotation.from_euler("x", [[30]], degrees=True)
    pose = known * Rotation.from_euler("y", [[90]], degrees=True)  # its x axis is the known -z
    found = compare(table([[0, 0, 0]], pose), annotations([[0, 0, 0]], known))
    assert np.isnan(found.in_plane_degree).all()


def test_annotations_without_angles_give_no_pose_error():
    found = compare(table([[0, 0, 0]]), annotations([[0, 0, 0]]))
    assert np.isnan(found.in_plane_degree).all()
    assert np.isnan(found.normal_degree).all()


def test_picks_of_both_sides_count():
    both = table([[0, 0, 0], [9, 0, 0]])
    both.side[:] = ["a", "b"]
    found = compare(both, annotations([[0, 0, 0]]))
    assert (found.n_predicted, found.n_hits) == (2, 1)


@pytest.mark.parametrize(("n_predicted", "n_annotated"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_predicted_or_annotated(n_predicted, n_annotated, poses):
    predicted = table(np.zeros((n_predicted, 3)), poses[:n_predicted], "PSII")
    annotated = annotations(np.zeros((n_annotated, 3)), poses[:n_annotated])
    (group,) = class_groups(["PSII"], ["PSII"], AMBIGUOUS)
    case = Case("T1", "M1", "", annotated, predicted)
    found = evaluate_membrane(case, group, Settings())
    assert (found.n_predicted, found.n_annotated, found.n_hits) == (n_predicted, n_annotated, 0)
    assert found.in_plane_degree.shape == (0,)
