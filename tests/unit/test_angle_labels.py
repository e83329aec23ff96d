"""Angle labels: they tell the direction that is seen in the box, with the right sign."""

import numpy as np
import pytest

from membrain.angle_labels import angle_labels, fold_of, folds_of_outputs
from membrain.errors import InputError
from membrain.rotations import frames_from_normals
from membrain.sampling import BoxGrid, box_axes, sample_boxes, spline_coefficients

GRID = BoxGrid((5, 17, 17), (2, 8, 8))


def comet(axis, size=41):
    """Return a volume with a blob in its middle, long along an axis, its head on the plus side."""
    offsets = np.stack(np.meshgrid(*[np.arange(size) - size // 2] * 3, indexing="ij"), axis=-1)
    along = offsets @ axis
    square = (offsets**2).sum(axis=-1) - along**2
    body = np.exp(-(along**2) / 18 - square / 6)
    return (body * (1 + np.tanh(along / 3))).astype(np.float32) + 0.3 * body.astype(np.float32)


def directions_in(box):
    """Return the unit vectors (2,) of once and twice the angle at which a box holds its blob."""
    flat = box.sum(axis=0)
    i, j = np.meshgrid(*[np.arange(n) - n // 2 for n in flat.shape], indexing="ij")
    once = np.array([(flat * i).sum(), (flat * j).sum()])
    twice = np.array([(flat * (i * i - j * j)).sum(), 2 * (flat * i * j).sum()])
    return once / np.linalg.norm(once), twice / np.linalg.norm(twice)


def test_labels_are_the_direction_of_the_particle_in_its_box():
    rng = np.random.default_rng(0)
    for _ in range(12):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        axis = np.cross(normal, rng.normal(size=3))
        axis /= np.linalg.norm(axis)
        place = box_axes(np.full((1, 3), 20.0), normal[None], GRID)
        box = sample_boxes(spline_coefficients(comet(axis)), *place, GRID.shape)[0]
        for fold, seen in zip((1, 2), directions_in(box), strict=True):
            label = angle_labels(normal[None], axis[None], np.array([fold]))[0]
            assert np.linalg.norm(label) == pytest.approx(1, abs=1e-6)
            assert label @ seen > 0.99, (fold, label, seen)


def test_axis_out_of_the_plane_is_seen_along_the_normal():
    frame = frames_from_normals([[0.3, -0.5, 0.8]])[0]
    tilted = 0.6 * frame[:, 1] + 0.8 * frame[:, 2]  # e_j, lifted
    label = angle_labels(frame[:, 2][None], tilted[None], np.array([1]))
    assert np.allclose(label, [[0, 1]], atol=1e-6)


def test_nothing_is_told_of_steep_absent_and_round_particles():
    normals = np.tile([1.0, 0, 0], (3, 1))
    axes = np.array([[0.99, 0.14, 0], [np.nan] * 3, [0, 1, 0]])
    found = angle_labels(normals, axes, np.array([2, 2, 0]))
    assert found.dtype == np.float32
    assert not found.any()


def test_no_point_gives_no_label():
    none = np.zeros((0, 3))
    assert angle_labels(none, none, np.zeros(0, int)).shape == (0, 2)


def test_unknown_classes_have_an_angle_only_if_named():
    assert fold_of({"": 2}, "PSII") == 2
    assert fold_of({"": 2}, "UK") == 0
    assert fold_of({"": 2, "uk": 2}, "UK") == 2
    assert fold_of({"b6f": 2}, "PSII") == 0
    assert fold_of({}, "PSII") == 0


def test_each_output_has_the_fold_of_its_classes():
    classes = [["PSII", "UK"], ["ATPase"], ["vault"]]
    assert folds_of_outputs(classes, {"": 2, "atpase": 3, "vault": 0}) == (2, 3, 0)


def test_joined_classes_of_different_symmetry_are_refused():
    with pytest.raises(InputError, match=r"output A \+ B; found A: 2, B: 3; expected one for all"):
        folds_of_outputs([["A", "B"]], {"a": 2, "b": 3})
