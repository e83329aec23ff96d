import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.orientation import (
    axis_from_angles,
    in_plane_axis,
    normal_at,
    number_particles,
    turns_between,
)
from membrain.rotations import angle_between, frames_from_normals


def test_normal_of_a_plane_and_its_sign():
    points = np.column_stack([np.full(25, 3.0), *np.mgrid[0:5, 0:5].reshape(2, -1)])
    for sign in (1.0, -1.0):
        normals = np.tile([sign, 0, 0], (25, 1))
        np.testing.assert_allclose(
            normal_at([3.5, 2, 2], points, normals), [sign, 0, 0], atol=1e-12
        )


def test_normal_of_a_sphere_points_outwards():
    rng = np.random.default_rng(0)
    directions = rng.normal(size=(9000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for wanted in ([1, 0, 0], [0, 1, 0], [0, 0, -1], [0.5, -0.6, 0.62]):
        unit = np.array(wanted) / np.linalg.norm(wanted)
        normal = normal_at(30 * unit, 30 * directions, directions)
        assert np.linalg.norm(normal) == pytest.approx(1)
        assert angle_between(normal, unit) < 1.5


def test_normal_is_weighted_towards_the_centre():
    points = np.array([[0.0, 0, 0], [0, 0, 5]])
    normals = np.array([[1.0, 0, 0], [0, 1, 0]])
    normal = normal_at([0, 0, 0], points, normals, radius=6.0)
    w = np.exp(-2 * 25 / 36)  # exp(-2 d^2 / r^2)
    np.testing.assert_allclose(normal, np.array([1, w, 0]) / np.hypot(1, w), atol=1e-12)


def test_normal_without_a_near_point_is_the_nearest_ones():
    normals = np.array([[0, 0.6, 0.8], [1.0, 0, 0]])
    points = np.array([[0.0, 0, 20], [0, 0, 30]])
    np.testing.assert_allclose(normal_at([0, 0, 0], points, normals, 6.0), [0, 0.6, 0.8])


def test_normals_that_cancel_give_the_nearest_ones():
    points = np.array([[0.0, 0, 1], [0, 0, -1], [0, 0, 0.5]])
    normals = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0.0, 0, 0]])
    np.testing.assert_allclose(normal_at([0, 0, 0.9], points[:1], normals[:1]), [1, 0, 0])
    got = normal_at([0, 0, 0], points[:2], normals[:2])
    np.testing.assert_allclose(got, [1, 0, 0])


@pytest.mark.parametrize("weighted", [True, False])
def test_planted_axis_comes_back_in_any_orientation(weighted):
    rng = np.random.default_rng(1)
    for _ in range(60):
        turn = Rotation.random(rng=rng).as_matrix()
        axis, normal = turn[:, 0], turn[:, 2]
        flat = rng.normal(0, [3.35, 1.86], (4000, 2)) @ turn[:, :2].T
        points = 50 + flat + rng.normal(0, 0.3, (4000, 1)) * normal
        weights = np.exp(-np.linalg.norm(flat, axis=1)) if weighted else None
        got, is_found = in_plane_axis(points, normal, weights)
        assert is_found
        assert np.linalg.norm(got) == pytest.approx(1)
        assert abs(got @ normal) < 1e-9
        error = angle_between(got, axis)
        assert min(error, 180 - error) < (4.5 if weighted else 2.0)


def test_height_along_the_normal_does_not_count():
    rng = np.random.default_rng(2)
    points = np.column_stack([rng.normal(0, 50, 500), rng.normal(0, 1, 500), rng.normal(0, 3, 500)])
    got, _ = in_plane_axis(points, np.array([1.0, 0, 0]))
    assert angle_between(got, [0, 0, 1]) < 5


def test_sign_makes_the_largest_component_positive():
    points = np.array([[0.0, 0, 0], [0, 1.0, -2.0]])
    for p in (points, points[::-1], -points):
        got, is_found = in_plane_axis(p, np.array([1.0, 0, 0]))
        assert is_found
        np.testing.assert_allclose(got, np.array([0, -1, 2]) / 5**0.5, atol=1e-12)


def test_two_points_by_hand_in_a_tilted_plane():
    normal = np.array([1.0, 1.0, 0]) / 2**0.5
    got, _ = in_plane_axis([[0.0, 0, 0], [2.0, 0, 2.0]], normal)
    # (2, 0, 2) less its part along the normal: (1, -1, 2)
    np.testing.assert_allclose(got, np.array([1, -1, 2]) / 6**0.5, atol=1e-12)


def test_weights_decide():
    cross = np.array([[0, 0, 3.0], [0, 0, -3.0], [0, 2.0, 0], [0, -2.0, 0]])
    normal = np.array([1.0, 0, 0])
    assert angle_between(in_plane_axis(cross, normal)[0], [0, 0, 1]) < 1e-6
    got, _ = in_plane_axis(cross, normal, np.array([0.1, 0.1, 1, 1]))
    assert angle_between(got, [0, 1, 0]) < 1e-6


@pytest.mark.parametrize(
    ("points", "weights"),
    [
        (np.empty((0, 3)), None),
        (np.ones((1, 3)), None),
        (np.ones((5, 3)), None),
        (np.array([[0, 1.0, 0], [0, -1.0, 0], [0, 0, 1.0], [0, 0, -1.0]]), None),  # round
        (np.array([[0.0, 0, 0], [0, 1, 2.0]]), np.zeros(2)),
        (np.array([[0.0, 0, 0], [7.0, 0, 0]]), None),  # along the normal only
    ],
)
def test_degenerate_clusters_get_the_frames_axis(points, weights):
    normal = np.array([1.0, 0, 0])
    got, is_found = in_plane_axis(points, normal, weights)
    assert not is_found
    frame = frames_from_normals(normal)[0, :, 0]
    np.testing.assert_allclose(np.abs(got), np.abs(frame), atol=1e-12)
    assert got[np.argmax(np.abs(got))] > 0


def test_numbering_is_by_score_then_position():
    scores = [0.5, 0.9, 0.5, 0.5]
    positions = [[2.0, 0, 0], [9, 9, 9], [1, 5, 0], [1, 4, 8]]
    assert number_particles(scores, positions).tolist() == [1, 3, 2, 0]
    assert number_particles([], np.empty((0, 3))).tolist() == []


def tilted(normal, n, rng, degrees=25.0):
    """Return rotations that tilt a normal in any direction, and the tilted normals."""
    tilts = np.cross(normal, rng.normal(size=(n, 3)))
    tilts *= np.radians(degrees) * rng.random((n, 1)) / np.linalg.norm(tilts, axis=1, keepdims=True)
    rotations = Rotation.from_rotvec(tilts)
    return rotations, rotations.apply(normal)


@pytest.mark.parametrize("fold", [1, 2, 3, 4])
def test_axis_comes_back_from_the_boxes_of_a_curved_membrane(fold):
    """Each point tells the axis in its own box, and boxes lie differently from point to point."""
    rng = np.random.default_rng(fold)
    normals = [*rng.normal(size=(20, 3)), [0.3, 0.3, 0.9], [0.43, 0, 0.9], [0, 0, 1.0]]
    for normal in normals:
        normal = np.array(normal) / np.linalg.norm(normal)
        axis = np.cross(normal, rng.normal(size=3))
        axis /= np.linalg.norm(axis)
        rotations, of_points = tilted(normal, 30, rng)
        frames = frames_from_normals(of_points)
        flat = np.einsum("nab,na->nb", frames, rotations.apply(axis))
        angles = np.arctan2(flat[:, 1], flat[:, 0])
        vectors = np.stack([np.cos(fold * angles), np.sin(fold * angles)], axis=1)
        weights = rng.random(30)
        found, agreement = axis_from_angles(vectors, of_points, weights, normal, fold)
        assert agreement == pytest.approx(1, abs=1e-9)
        assert abs(found @ normal) < 1e-9
        turn = np.degrees(np.arctan2(np.cross(axis, found) @ normal, axis @ found))
        assert abs((turn * fold + 180) % 360 - 180) < 1e-6
        if fold % 2 == 0:
            assert found[np.abs(found).argmax()] > 0


def test_boxes_of_one_normal_are_not_turned():
    normals = np.random.default_rng(0).normal(size=(5, 3))
    for normal in normals:
        assert turns_between(normal[None], normal)[0] == pytest.approx(0, abs=1e-12)


def test_certain_and_heavy_points_decide_the_axis():
    normals = np.tile([1.0, 0, 0], (3, 1))
    frame = frames_from_normals(normals[:1])[0]
    vectors = np.array([[1.0, 0], [0, 0.2], [0, 1.0]])
    found, agreement = axis_from_angles(vectors, normals, np.array([1.0, 1, 0]), normals[0], 1)
    angle = np.arctan2(0.2, 1.0)
    wanted = np.cos(angle) * frame[:, 0] + np.sin(angle) * frame[:, 1]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert agreement == pytest.approx(np.hypot(1, 0.2) / 2)


def test_angles_that_contradict_each_other_agree_on_nothing():
    vectors, normals = np.array([[1.0, 0], [-1.0, 0]]), np.tile([0, 0, 1.0], (2, 1))
    assert axis_from_angles(vectors, normals, np.ones(2), normals[0], 2)[1] < 1e-12
    axis, agreement = axis_from_angles(vectors, normals, np.zeros(2), normals[0], 2)
    assert agreement == 0
    assert np.linalg.norm(axis) == pytest.approx(1)
