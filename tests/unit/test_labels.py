"""Labels: distances with known answers, sides, and annotations that do not fit."""

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.labels import Labelling, belongs_to_side, label_membrane, nearest_distance
from membrain.particle_shapes import covariance_from_radii, metric_of
from membrain.rotations import poses_from_axes, relion_angles

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
    found = nearest_distance(points, positions, np.tile(np.eye(3), (20, 1, 1)), 5.0)
    brute = np.linalg.norm(points[:, None] - positions[None], axis=2).min(axis=1)
    assert np.allclose(found, np.minimum(brute, 5), atol=1e-5)


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
    found = nearest_distance(points, positions, np.array(metrics), 6.0)
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


def test_sides_are_told_apart_whatever_their_numbers():
    points, normals, side = sheet(sides=(0, 1))
    known = annotated([[19, 3, 3], [21, 3, 9]])
    is_on, nearest = belongs_to_side(known, points, normals, side)
    assert is_on.tolist() == [[True, False], [False, True]]
    assert (side[nearest[0]] == 0).all()
    assert (side[nearest[1]] == 1).all()


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


SPREAD = np.array([[21.5, y, x] for y in (4, 11, 19, 26) for x in (3, 14, 27)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * 4, "divided by 4 they would fit"),
        (lambda p: p / 3, "multiplied by 3 they would fit"),
        (lambda p: p * 13.68, r"divided by 13.68 they would fit \(angstrom, not voxels"),
        (
            lambda p: p + [40, -60, 70],
            r"moved by \(-(69|70|71), (59|60|61), -40\) voxels",
        ),
        (lambda p: p[:, ::-1], "with x and z exchanged they would fit"),
        (lambda p: p * 60 % 97 * 50 + 9000, "is this the file of this membrane"),
    ],
)
def test_annotations_elsewhere_are_refused_with_what_would_fit(change, message):
    points, normals, side = sheet()
    points = points + [50, 0, 0]
    known = annotated(change(SPREAD + [50.0, 0, 0]))
    with pytest.raises(InputError, match=message) as caught:
        label_membrane(points, normals, side, known, how(pixel_size=13.68), "T1/M1")
    assert "do not lie on the membrane; found half of the 12 are at least" in str(caught.value)


def test_how_far_off_counts_in_working_voxels():
    points, normals, side = sheet()
    known = annotated(SPREAD + [15.0, 0, 0])
    label_membrane(points, normals, side, known, how(step=2.0))
    with pytest.raises(InputError, match="at least 15 working voxels"):
        label_membrane(points, normals, side, known, how())
