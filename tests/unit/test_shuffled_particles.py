"""Particles at other places of the same membrane."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from membrain.agreement import Place
from membrain.formats.base import Annotations
from membrain.particle_densities import Particles
from membrain.rotations import relion_angles
from membrain.shuffled_particles import (
    as_annotations,
    poses_on,
    real_particles,
    shuffle_particles,
    spacing_of,
)


def flat(sides=(0,)):
    """Both faces of a flat membrane, 4 voxels apart."""
    y, x = (part.ravel() for part in np.meshgrid(np.arange(10, 90, 1.5), np.arange(10, 110, 1.5)))
    points = [np.stack([np.full(x.size, 30.0 - 4 * side), y, x], axis=1) for side in sides]
    normals = [np.tile([1.0 - 2 * side, 0, 0], (x.size, 1)) for side in sides]
    side = np.repeat(sides, x.size)
    return Place(np.concatenate(points), np.concatenate(normals), side, 1.0, 10.0, (60, 100, 120))


def annotated(n=30, side=0, seed=0, height=2.0):
    """Particles at some height above a face, tilted by 20 degrees; every third is of class B."""
    rng = np.random.default_rng(seed)
    spots = np.stack(np.meshgrid(np.arange(18, 85, 11), np.arange(18, 105, 11)), -1).reshape(-1, 2)
    yx = rng.permutation(spots)[:n] + rng.uniform(-1, 1, (n, 2))
    sign = 1 - 2 * side
    positions = np.column_stack([np.full(n, 30 - 4 * side + sign * height), yx])
    normals = np.tile([float(sign), 0, 0], (n, 1))
    tilt = Rotation.from_rotvec(np.radians(20) * np.eye(3)[rng.integers(0, 2, n)])
    angles = relion_angles(poses_on(normals) * tilt)
    classes = tuple("B" if i % 3 == 0 else "A" for i in range(n))
    return Annotations(positions, classes, angles, "test")


def test_real_particles_keep_pose_class_and_side():
    place = flat((0, 1))
    upper, lower = annotated(20), annotated(10, side=1, seed=1)
    both = Annotations(
        np.concatenate([upper.positions, lower.positions]),
        upper.classes + lower.classes,
        np.concatenate([upper.angles, lower.angles]),
        "test",
    )
    found = real_particles(both, place, 0.3)
    assert np.array_equal(found.positions, both.positions)
    assert found.side.tolist() == [0] * 20 + [1] * 10
    assert np.allclose(relion_angles(found.poses), both.angles)
    assert np.allclose(
        found.axes[:, 0, 0], np.r_[np.full(20, 1), np.full(10, -1)] * np.cos(np.radians(20))
    )


def test_without_angles_the_normal_is_the_axis():
    known = annotated(12)
    bare = Annotations(known.positions, known.classes, None, "test")
    found = real_particles(bare, flat(), 0.3)
    assert np.allclose(found.axes[:, 0], [1, 0, 0])
    assert as_annotations(found, False).angles is None


def test_particles_of_the_side_that_was_not_sampled_are_left_out():
    assert len(real_particles(annotated(10, side=1), flat((0,)), 0.3)) == 0


def test_shuffled_ones_have_the_real_classes_heights_tilts_and_spacing():
    place, real = flat(), real_particles(annotated(), flat(), 0.3)
    found = shuffle_particles(real, place, np.random.default_rng(0))
    assert sorted(found.classes) == sorted(real.classes)
    assert np.allclose(found.positions[:, 0], 32, atol=1.01)  # of the jitter, twice
    assert np.allclose(found.axes[:, 0, 0], np.cos(np.radians(20)))
    distance = cKDTree(found.positions).query(found.positions, k=2)[0][:, 1]
    assert distance.min() >= spacing_of(real.positions) - 2
    assert np.linalg.norm(found.positions[:, None] - real.positions, axis=2).min(1).max() > 3


def test_angles_in_the_plane_and_places_are_spread():
    place, real = flat(), real_particles(annotated(40), flat(), 0.3)
    found = [shuffle_particles(real, place, np.random.default_rng(i)) for i in range(10)]
    axes = np.concatenate([p.axes[:, 2] for p in found])  # x axes, zyx
    angle = np.arctan2(axes[:, 1], axes[:, 2])
    assert abs(np.exp(1j * angle).mean()) < 0.15
    assert abs(np.exp(2j * angle).mean()) < 0.15
    places = np.concatenate([p.positions for p in found])
    assert np.allclose(places.mean(0)[1:], place.points.mean(0)[1:], atol=4)


def test_sides_keep_their_numbers():
    place = flat((0, 1))
    upper, lower = (real_particles(annotated(12, side), place, 0.3) for side in (0, 1))
    real = Particles(
        np.concatenate([upper.positions, lower.positions[:5]]),
        Rotation.concatenate([upper.poses, lower.poses[:5]]),
        np.concatenate([upper.classes, lower.classes[:5]]),
        np.concatenate([upper.side, lower.side[:5]]),
    )
    found = shuffle_particles(real, place, np.random.default_rng(0))
    assert np.bincount(found.side).tolist() == [12, 5]
    assert np.allclose(found.axes[found.side == 1, 0, 0], -np.cos(np.radians(20)))
    assert (found.positions[found.side == 1, 0] < 26).all()


def test_same_generator_same_particles():
    place, real = flat(), real_particles(annotated(), flat(), 0.3)
    one, two, other = (shuffle_particles(real, place, np.random.default_rng(i)) for i in (1, 1, 2))
    assert np.array_equal(one.positions, two.positions)
    assert np.array_equal(one.axes, two.axes)
    assert not np.array_equal(one.positions, other.positions)


def test_a_crowded_membrane_gets_fewer():
    known = annotated(20)
    place = flat()
    small = place.select(np.linalg.norm(place.points - [30, 50, 60], axis=1) < 12, "small")
    real = real_particles(known, place, 0.3)
    found = shuffle_particles(real, small, np.random.default_rng(0))
    assert 1 <= len(found) < 20


@pytest.mark.parametrize("n", [0, 1])
def test_spacing_of_fewer_than_two_is_none(n):
    assert spacing_of(np.zeros((n, 3))) == 0


def test_annotations_have_the_poses():
    real = real_particles(annotated(5), flat(), 0.3)
    known = as_annotations(real, True)
    assert np.allclose(known.angles, annotated(5).angles)
    assert known.classes == ("B", "A", "A", "B", "A")
