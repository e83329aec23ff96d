import math

import numba
import numpy as np
import pytest

from membrain import mean_shift
from membrain.mean_shift import climb, diameter, fuse


def slow_climb(points, weights, bandwidth, tolerance=1e-3):
    """The method in plain numpy, one seed after the other, every distance computed."""
    centres = []
    for seed in points:
        x = seed.copy()
        while True:
            d = np.linalg.norm(points - x, axis=1)
            w = np.where(d < bandwidth, weights * np.exp(-(d**2) / (4 * bandwidth**2)), 0)
            if w.sum() == 0:
                break
            mean = (w[:, None] * points).sum(axis=0) / w.sum()
            moved = np.linalg.norm(mean - x)
            x = mean
            if moved < tolerance:
                break
        centres.append(x)
    return np.array(centres)


def test_one_point_stays():
    centres, densities = climb([[3.0, 4.0, 5.0]], [0.7], 5.0)
    np.testing.assert_allclose(centres, [[3, 4, 5]])
    np.testing.assert_allclose(densities, [0.7])


def test_two_equal_points_meet_in_the_middle():
    centres, _ = climb([[0.0, 0.0, 0.0], [0.0, 0.0, 3.0]], [1.0, 1.0], 4.0, tolerance=1e-9)
    np.testing.assert_allclose(centres, [[0, 0, 1.5], [0, 0, 1.5]], atol=1e-8)


def test_one_step_of_two_points_by_hand():
    # first seed: (0 * 1 * 1 + 3 * 0.5 * e^(-9/64)) / (1 + 0.5 e^(-9/64)), then the step is "small"
    centres, densities = climb([[0.0, 0, 0], [3.0, 0, 0]], [1.0, 0.5], 4.0, tolerance=10.0)
    k = math.exp(-9 / 64)
    assert centres[0, 0] == pytest.approx(1.5 * k / (1 + 0.5 * k), abs=1e-12)
    assert centres[1, 0] == pytest.approx(1.5 / (k + 0.5), abs=1e-12)
    np.testing.assert_allclose(densities, [1 + 0.5 * k, k + 0.5], rtol=1e-12)


def test_heavier_of_two_points_pulls():
    """The centre c solves w1 k(c) c = w2 k(3 - c) (3 - c); solved here by bisection."""
    centres, _ = climb([[0.0, 0, 0], [3.0, 0, 0]], [1.0, 0.5], 4.0, tolerance=1e-10)
    low, high = 0.0, 3.0
    for _ in range(100):
        c = (low + high) / 2
        pull = 0.5 * math.exp(-((3 - c) ** 2) / 64) * (3 - c) - math.exp(-(c**2) / 64) * c
        low, high = (c, high) if pull > 0 else (low, c)
    np.testing.assert_allclose(centres[:, 0], c, atol=1e-8)
    assert c < 1.2


def test_two_points_at_the_bandwidth_do_not_see_each_other():
    points = np.array([[0.0, 0, 0], [4.0, 0, 0]])
    np.testing.assert_array_equal(climb(points, [1.0, 1.0], 4.0)[0], points)
    assert climb(points, [1.0, 1.0], 4.0001, tolerance=1e-9)[0][0, 0] == pytest.approx(2)


def test_three_equal_points_in_a_triangle_meet_at_its_centre():
    points = np.array(
        [[0, math.cos(a), math.sin(a)] for a in (0.3, 0.3 + 2 * math.pi / 3, 0.3 + 4 * math.pi / 3)]
    )
    np.testing.assert_allclose(climb(points, np.ones(3), 3.0, 1e-9)[0], np.zeros((3, 3)), atol=1e-8)


def test_a_point_without_weight_climbs_but_does_not_pull():
    centres, _ = climb([[0.0, 0, 0], [0, 0, 2.0]], [1.0, 0.0], 4.0)
    np.testing.assert_allclose(centres, np.zeros((2, 3)), atol=1e-12)


def test_a_lone_point_without_weight_stays():
    points = np.array([[5.0, 6.0, 7.0], [50.0, 6.0, 7.0]])
    centres, densities = climb(points, [0.0, 1.0], 4.0)
    np.testing.assert_array_equal(centres, points)
    assert densities.tolist() == [0.0, 1.0]


def test_no_point():
    centres, densities = climb(np.empty((0, 3)), np.empty(0), 4.0)
    assert centres.shape == (0, 3)
    assert densities.shape == (0,)
    assert [len(part) for part in fuse(centres, densities, 3.0)] == [0, 0]


@pytest.mark.parametrize("bandwidth", [1.5, 4.0, 60.0])
@pytest.mark.parametrize("offset", [0.0, -1234.5])
def test_equals_plain_numpy(bandwidth, offset):
    rng = np.random.default_rng(4)
    points = rng.uniform(0, [8, 30, 50], (300, 3)) + offset  # anisotropic
    weights = rng.random(300)
    np.testing.assert_allclose(
        climb(points, weights, bandwidth)[0], slow_climb(points, weights, bandwidth), atol=1e-9
    )


def test_crowded_and_far_travelling_seeds_equal_plain_numpy():
    """More neighbours than the first buffer holds, and seeds that go many bandwidths."""
    rng = np.random.default_rng(8)
    ramp = np.linspace(0, 1, 500) ** 0.5 * 30
    points = np.column_stack([ramp, *rng.normal(0, 0.3, (2, 500))])
    weights = np.linspace(0.1, 1, 500)
    centres, densities = climb(points, weights, 4.0)
    assert np.linalg.norm(centres - points, axis=1).max() > 10
    np.testing.assert_allclose(centres, slow_climb(points, weights, 4.0), atol=1e-9)
    d = np.linalg.norm(points[None] - centres[:, None], axis=2)
    kernel = np.where(d < 4, weights * np.exp(-(d**2) / 64), 0).sum(axis=1)
    np.testing.assert_allclose(densities, kernel, rtol=1e-3)  # of the step before the last


def test_grid_stays_small_for_points_far_apart(monkeypatch):
    monkeypatch.setattr(mean_shift, "MAX_CELLS", 50)
    rng = np.random.default_rng(5)
    points, weights = rng.uniform(0, 40, (200, 3)), rng.random(200)
    np.testing.assert_allclose(
        climb(points, weights, 3.0)[0], slow_climb(points, weights, 3.0), atol=1e-9
    )


def test_same_bytes_for_any_number_of_threads():
    rng = np.random.default_rng(6)
    points, weights = rng.uniform(0, 40, (500, 3)), rng.random(500)
    before = numba.get_num_threads()
    try:
        results = []
        for n in (1, before):
            numba.set_num_threads(n)
            results.append(climb(points, weights, 5.0)[0].tobytes())
    finally:
        numba.set_num_threads(before)
    assert results[0] == results[1]


def test_input_is_left_alone():
    points, weights = np.random.default_rng(7).uniform(0, 9, (50, 3)), np.ones(50)
    copy = points.copy()
    climb(points, weights, 5.0)
    np.testing.assert_array_equal(points, copy)


def test_fuse_gives_near_centres_to_the_densest():
    centres = np.array([[0.0, 0, 0], [2.0, 0, 0], [4.0, 0, 0], [20.0, 0, 0]])
    distinct, labels = fuse(centres, np.array([1.0, 5.0, 2.0, 9.0]), 3.0)
    assert distinct.tolist() == [3, 1]
    assert labels.tolist() == [1, 1, 1, 0]
    distinct, labels = fuse(centres, np.array([5.0, 1.0, 2.0, 9.0]), 3.0)
    assert distinct.tolist() == [3, 0, 2]  # row 0 claims row 1, row 2 is too far from row 0
    assert labels.tolist() == [1, 1, 2, 0]


def test_fuse_includes_the_distance_itself_and_keeps_claims():
    centres = np.array([[0.0, 0, 0], [3.0, 0, 0], [6.0, 0, 0]])
    distinct, labels = fuse(centres, np.array([3.0, 1.0, 2.0]), 3.0)
    assert distinct.tolist() == [0, 2]
    assert labels.tolist() == [0, 0, 1]


def test_diameter():
    assert diameter(np.empty((0, 3))) == 0
    assert diameter([[1.0, 2, 3]]) == 0
    assert diameter([[0.0, 0, 0], [1, 1, 1], [2, 3, 6]]) == pytest.approx(7)
