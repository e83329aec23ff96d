"""Labels: distances with known answers, sides, and annotations that do not fit."""

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.labels import (
    Labelling,
    label_membrane,
    label_with_remarks,
    nearest_particle,
    place_of,
)
from membrain.particle_shapes import covariance_from_radii, metric_of
from membrain.rotations import frames_from_normals, poses_from_axes, relion_angles

ELLIPSOID = {"": covariance_from_radii([80.0, 40.0, 20.0])}


def sheet(size=31, z=20.0, sides=(1,)):
    """Points of a sheet in the xy plane, one voxel apart; side b looks to +z, a to -z."""
    y, x = np.meshgrid(np.arange(size), np.arange(size), indexing="ij")
    points, normals, side = [], [], []
    for value in sides:
        sign = 1.0 if value else -1.0
        flat = np.stack([np.full(x.size, z + 1.5 * sign), y.ravel(), x.ravel()], axis=1)
        points.append(flat)
        normals.append(np.tile([sign, 0.0, 0.0], (x.size, 1)))
        side.append(np.full(x.size, value))
    return np.concatenate(points), np.concatenate(normals), np.concatenate(side)


def annotated(positions_zyx, classes=None, normals_xyz=None, axes_xyz=None):
    positions = np.array(positions_zyx, dtype=float).reshape(-1, 3)
    angles = None
    if normals_xyz is not None:
        angles = relion_angles(poses_from_axes(np.array(normals_xyz), np.array(axes_xyz)))
    return Annotations(positions, tuple(classes or ["PSII"] * len(positions)), angles, "test")


def how(classes=(("PSII",),), shapes=None, **more):
    return Labelling(classes, shapes or {}, **more)


def test_without_shape_the_distance_is_euclidean_and_capped():
    points, normals, side = sheet()
    target = [21.5, 10.0, 14.0]
    found = label_membrane(points, normals, side, annotated([target]), how())
    expected = np.minimum(np.linalg.norm(points - target, axis=1), 7)
    assert found.dtype == np.float32
    assert np.allclose(found[:, 0], expected, atol=1e-6)
    assert expected.min() == 0
    assert (expected == 7).any()


def test_nearest_of_several_particles_counts():
    points = np.random.default_rng(0).uniform(0, 30, (500, 3))
    positions = np.random.default_rng(1).uniform(0, 30, (20, 3))
    found, which = nearest_particle(points, positions, np.tile(np.eye(3), (20, 1, 1)), 5.0)
    brute = np.linalg.norm(points[:, None] - positions[None], axis=2)
    assert np.allclose(found, np.minimum(brute.min(axis=1), 5), atol=1e-5)
    assert np.array_equal(which, np.where(brute.min(axis=1) < 5, brute.argmin(axis=1), -1))


def test_mahalanobis_distance_of_turned_ellipsoids_against_the_formula():
    rng = np.random.default_rng(2)
    points = rng.uniform(0, 25, (800, 3))
    positions = rng.uniform(5, 20, (6, 3))
    covariance = np.diag([16.0, 4.0, 1.0])
    brute = np.full(len(points), 6.0)
    metrics = []
    for position in positions:
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        turned = turn @ covariance @ turn.T
        metrics.append(turn @ metric_of(covariance) @ turn.T)
        for i, point in enumerate(points):
            offset = point - position
            squared = offset @ np.linalg.solve(turned, offset)
            brute[i] = min(brute[i], np.sqrt(squared) * np.linalg.det(turned) ** (1 / 6))
    found, _ = nearest_particle(points, positions, np.array(metrics), 6.0)
    assert np.allclose(found, brute, atol=1e-5)
    assert (brute < 6).mean() > 0.2


@pytest.mark.parametrize("degree", [0.0, 30.0, 90.0])
def test_long_axis_of_the_particle_lies_where_its_angles_say(degree):
    points, normals, side = sheet()
    turn = np.radians(degree)
    axis = np.array([np.cos(turn), np.sin(turn), 0.0])  # xyz
    found = label_membrane(
        *(points, normals, side),
        annotated([[21.5, 15, 15]], None, [[0.0, 0.0, 1.0]], [axis]),
        how(shapes=ELLIPSOID, cap=20.0),
    )[:, 0]
    offset = (points - [21.5, 15, 15])[:, ::-1]  # xyz
    along, across = offset @ axis, offset @ [-axis[1], axis[0], 0]
    mean = (80 * 40 * 20) ** (1 / 3)
    expected = np.hypot(along * mean / 80, across * mean / 40)
    assert np.allclose(found, np.minimum(expected, 20), atol=1e-4)
    assert (expected < 20).mean() > 0.9


def test_tilted_sheet_gives_the_labels_of_the_flat_one():
    from scipy.spatial.transform import Rotation

    points, normals, side = sheet(21)
    positions, normal, axis = np.array([[21.5, 9.0, 12.0]]), [0.0, 0.0, 1.0], [0.8, 0.6, 0.0]
    flat = label_membrane(
        points, normals, side, annotated(positions, None, [normal], [axis]), how(shapes=ELLIPSOID)
    )
    turn = Rotation.from_euler("xyz", [40, -65, 110], degrees=True)

    def turned(zyx):
        return turn.apply(zyx[:, ::-1])[:, ::-1]

    tilted = label_membrane(
        *(turned(points), turned(normals), side),
        annotated(turned(positions), None, [turn.apply(normal)], [turn.apply(axis)]),
        how(shapes=ELLIPSOID),
    )
    assert np.allclose(tilted, flat, atol=1e-4)
    assert flat.min() < 0.5


def test_without_angles_the_particle_is_round_about_the_normal():
    points, normals, side = sheet()
    found = label_membrane(
        points, normals, side, annotated([[23.5, 15, 15]]), how(shapes=ELLIPSOID, cap=20.0)
    )[:, 0]
    mean = (80 * 40 * 20) ** (1 / 3)
    in_plane = np.linalg.norm((points - [23.5, 15, 15])[:, 1:], axis=1)
    expected = np.hypot(in_plane * mean / np.sqrt(80 * 40), 2.0 * mean / 20)
    assert np.allclose(found, expected, atol=1e-4)


def test_distances_are_in_working_voxels():
    points, normals, side = sheet()
    found = label_membrane(points, normals, side, annotated([[21.5, 15, 15]]), how(step=2.0))
    expected = np.linalg.norm(points - [21.5, 15, 15], axis=1) / 2
    assert np.allclose(found[:, 0], np.minimum(expected, 7), atol=1e-6)


def test_each_group_of_classes_has_its_output():
    points, normals, side = sheet()
    known = annotated(
        [[21.5, 5, 5], [21.5, 5, 25], [21.5, 25, 5], [21.5, 25, 25]], ["PSII", "uk", "b6f", "PSI"]
    )
    found = label_membrane(points, normals, side, known, how((("PSII", "UK"), ("b6f",))))
    near = [points[found[:, output] == 0].tolist() for output in range(2)]
    assert near == [[[21.5, 5, 5], [21.5, 5, 25]], [[21.5, 25, 5]]]


def test_particles_label_the_side_that_they_point_to():
    points, normals, side = sheet(sides=(0, 1))
    known = annotated([[20, 15, 15]], None, [[0.0, 0.0, 1.0]], [[1.0, 0, 0]])
    found = label_membrane(points, normals, side, known, how())[:, 0]
    assert (found[side == 0] == 7).all()
    assert found[side == 1].min() == pytest.approx(1.5)


def test_without_angles_particles_label_the_nearest_side():
    points, normals, side = sheet(sides=(0, 1))
    found = label_membrane(points, normals, side, annotated([[20.4, 15, 15]]), how())[:, 0]
    assert (found[side == 0] == 7).all()
    assert found[side == 1].min() == pytest.approx(1.1)


@pytest.mark.parametrize("n_points", [0, 1])
def test_no_annotation_labels_everything_with_the_cap(n_points):
    points, normals, side = (part[:n_points] for part in sheet())
    found = label_membrane(points, normals, side, annotated(np.zeros((0, 3))), how(cap=5.0))
    assert found.shape == (n_points, 1)
    assert (found == 5).all()


def test_no_point_gives_no_label():
    empty = np.zeros((0, 3))
    found = label_membrane(empty, empty, np.zeros(0, int), annotated([[1, 2, 3]]), how())
    assert found.shape == (0, 1)


def test_particles_that_all_point_away_are_refused():
    points, normals, side = sheet()
    known = annotated([[21.5, 9, 9]], None, [[0.0, 0.0, -1.0]], [[1.0, 0, 0]])
    with pytest.raises(InputError, match="T1/M1: the annotated particles' z axes point away"):
        label_membrane(points, normals, side, known, how(), "T1/M1")


def test_membership_is_one_near_a_particle_and_zero_elsewhere():
    points, normals, side = sheet()
    known, options = annotated([[21.5, 10, 10], [21.5, 20, 22]]), {"cap": 5.0}
    distance = label_membrane(points, normals, side, known, how(**options))
    options |= {"target": "membership", "membership": 3.0}
    found = label_membrane(points, normals, side, known, how(**options))
    membership = 1 - found / 5.0
    assert found.dtype == np.float32
    assert np.array_equal(membership[:, 0], (distance[:, 0] <= 3).astype(np.float32))
    assert membership.sum() == 2 * 29  # voxels of a disc of radius 3


def test_membership_follows_the_shape_of_the_particle():
    points, normals, side = sheet()
    known = annotated([[21.5, 15, 15]], None, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    options = {"shapes": ELLIPSOID, "target": "membership", "membership": 3.0}
    found = label_membrane(points, normals, side, known, how(**options))[:, 0]
    members = (points - [21.5, 15, 15])[found == 0]
    mean = (80 * 40 * 20) ** (1 / 3)
    assert np.abs(members[:, 2]).max() == np.floor(3 * 80 / mean)
    assert np.abs(members[:, 1]).max() == np.floor(3 * 40 / mean)


def test_no_particle_means_no_member():
    points, normals, side = sheet()
    options = {"target": "membership", "cap": 5.0}
    found = label_membrane(points, normals, side, annotated(np.zeros((0, 3))), how(**options))
    assert (found == 5).all()


def test_annotations_far_from_the_membrane_are_left_out_and_told():
    points, normals, side = sheet()
    known = annotated([[21.5, 5, 5], [21.5, 5, 20], [21.5, 20, 5], [33, 20, 20]])
    place = place_of(points, normals, side, how(), "T1/M1")
    found = label_with_remarks(place, known, how(cap=30.0))
    alone = label_membrane(points, normals, side, known.select(np.arange(3)), how(cap=30.0))
    assert np.array_equal(found.distances, alone)
    assert found.remarks == ["1 of 4 annotations far from it, left out"]


def test_annotations_on_a_side_not_sampled_are_told():
    points, normals, side = sheet()
    up, down = [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]
    positions = [[21.5, 5, 5], [18.5, 5, 20], [18.5, 20, 5]]
    known = annotated(positions, None, [up, up, down], [[1.0, 0, 0]] * 3)
    place = place_of(points, normals, side, how(), "T1/M1")
    found = label_with_remarks(place, known, how())
    assert found.remarks == ["1 of 3 annotations on a side not sampled"]
    assert found.distances[(points[:, 1] == 20) & (points[:, 2] == 5), 0] == 7


def angles_of(known, **more):
    points, normals, side = sheet()
    options = how(**more)
    place = place_of(points, normals, side, options, "T1/M1")
    return points, label_with_remarks(place, known, options)


def test_angle_is_that_of_the_nearest_particle_within_reach():
    up = [0.0, 0, 1]
    known = annotated([[21.5, 6, 6], [21.5, 6, 20]], None, [up, up], [[1.0, 0, 0], [0, 1.0, 0]])
    points, found = angles_of(known, folds={"": 1})
    frame = frames_from_normals([[1.0, 0, 0]])[0]  # the sheet's boxes
    for x, axis_zyx in ((6, [0, 0, 1]), (20, [0, 1, 0])):
        near = np.linalg.norm(points - [21.5, 6, x], axis=1) < 2.5
        wanted = frame[:, :2].T @ axis_zyx
        assert np.allclose(found.angles[near, 0], wanted, atol=1e-6)
    is_far = found.distances[:, 0] >= 2.5
    assert is_far.any()
    assert not found.angles[is_far].any()
    assert np.allclose(np.linalg.norm(found.angles[~is_far, 0], axis=1), 1, atol=1e-6)


def test_points_nearest_to_an_unknown_particle_have_no_angle():
    up = [0.0, 0, 1]
    places = [[21.5, 6, 6], [21.5, 6, 20]]
    known = annotated(places, ["PSII", "UK"], [up, up], [[1.0, 0, 0]] * 2)
    points, found = angles_of(known, classes=(("PSII", "UK"),), folds={"": 2})
    near = [np.linalg.norm(points - place, axis=1) < 2.5 for place in places]
    assert found.angles[near[0]].any(axis=(1, 2)).all()
    assert not found.angles[near[1]].any()


def test_membership_keeps_the_angles():
    known = annotated([[21.5, 6, 6]], None, [[0.0, 0, 1]], [[1.0, 0, 0]])
    distance, member = (
        angles_of(known, folds={"": 2}, target=t)[1] for t in ("distance", "membership")
    )
    assert np.array_equal(distance.angles, member.angles)
    assert member.angles.any()


def test_annotations_without_angles_give_none():
    _, found = angles_of(annotated([[21.5, 6, 6]]), folds={"": 2})
    assert found.angles.shape == (961, 1, 2)
    assert not found.angles.any()
