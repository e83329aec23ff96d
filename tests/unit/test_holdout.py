"""The part kept for validation: cut off in space, with a gap."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.holdout import box_diagonal, hold_out, n_parts


def strip(n=4000, extent=(3.0, 40.0, 200.0), seed=0):
    return np.random.default_rng(seed).uniform(0, 1, (n, 3)) * extent


def test_parts_are_farther_apart_than_the_gap():
    points = strip()
    training, validation = hold_out(points, np.zeros(4000, int), 0.25, 18.0)
    nearest = cKDTree(points[training]).query(points[validation])[0]
    assert nearest.min() >= 18
    assert not (training & validation).any()


def test_cut_goes_across_the_longest_axis():
    points = strip()
    training, validation = hold_out(points, np.zeros(4000, int), 0.25, 10.0)
    assert points[training, 2].max() < points[validation, 2].min()
    assert validation.mean() == pytest.approx(0.25 - 5 / 200, abs=0.02)
    assert training.mean() == pytest.approx(0.75 - 5 / 200, abs=0.02)


def test_split_does_not_depend_on_where_and_how_the_membrane_lies():
    points = strip()
    flat = hold_out(points, np.zeros(4000, int), 0.25, 10.0)
    turn = Rotation.from_euler("xyz", [10, 20, 30], degrees=True)  # keeps the axis' sign
    turned = hold_out(turn.apply(points) + 500, np.zeros(4000, int), 0.25, 10.0)
    assert np.array_equal(flat[0], turned[0])
    assert np.array_equal(flat[1], turned[1])


def test_each_membrane_is_cut_by_itself():
    points = np.concatenate([strip(), strip(seed=1) + [0, 500, 0]])
    membrane = np.repeat([3, 9], 4000)
    _, validation = hold_out(points, membrane, 0.25, 10.0)
    assert validation[membrane == 3].mean() == pytest.approx(0.225, abs=0.02)
    assert validation[membrane == 9].mean() == pytest.approx(0.225, abs=0.02)


def test_short_membrane_trains_as_a_whole_beside_a_long_one():
    points = np.concatenate([strip(), strip(100, (2, 5, 5))])
    membrane = np.repeat([0, 1], [4000, 100])
    training, validation = hold_out(points, membrane, 0.25, 20.0)
    assert training[membrane == 1].all()
    assert not validation[membrane == 1].any()


def test_fraction_of_zero_keeps_nothing():
    training, validation = hold_out(strip(), np.zeros(4000, int), 0.0, 20.0)
    assert training.all()
    assert not validation.any()


def test_no_membrane_long_enough_is_told():
    with pytest.raises(InputError, match="no membrane is long enough.*set validation_fraction 0"):
        hold_out(strip(100, (2, 5, 5)), np.zeros(100, int), 0.25, 20.0)


def test_boxes_a_diagonal_apart_share_no_voxel():
    assert box_diagonal((12, 12, 12)) == pytest.approx(12 * np.sqrt(3))


@pytest.mark.parametrize("fraction", [0.5, 0.25, 0.3])
def test_parts_in_turn_share_no_point_and_keep_their_distance(fraction):
    points = strip()
    total = np.zeros(len(points), int)
    for part in range(n_parts(fraction)):
        training, validation = hold_out(points, np.zeros(len(points), int), fraction, 10.0, part)
        assert training.any()
        assert not (training & validation).any()
        assert cKDTree(points[training]).query(points[validation])[0].min() >= 9.99
        total += validation
    assert total.max() == 1
    if fraction != 0.3:
        assert total.mean() > 0.6


def test_number_of_parts():
    assert [n_parts(f) for f in (0, 0.5, 0.3, 0.2, 0.1, 0.9)] == [0, 2, 3, 5, 10, 1]
