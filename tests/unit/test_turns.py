"""Averages over turns about the normal, with known answers."""

import numpy as np
import pytest
from scipy.special import ive

from membrain.turns import average_turns


def blob(shape, z, y, x, sigma=2.0):
    index = np.indices(shape)
    squares = sum((i - c) ** 2 for i, c in zip(index, (z, y, x), strict=True))
    return np.exp(-squares / (2 * sigma**2))


@pytest.mark.parametrize("n", [20, 21])
def test_every_turn_of_a_gaussian_is_the_bessel_ring(n):
    c, z, radius, sigma = n // 2, 6, 5.0, 2.0
    volume = blob((14, n, n), z, c + 3, c + 4, sigma)
    found = average_turns(volume)
    k, y, x = np.indices(volume.shape)
    r = np.hypot(y - c, x - c)
    across = np.exp(-((r - radius) ** 2) / (2 * sigma**2)) * ive(0, r * radius / sigma**2)
    expected = np.exp(-((k - z) ** 2) / (2 * sigma**2)) * across
    inside = r <= c - 1
    assert np.abs(found - expected)[inside].max() < 0.003
    assert expected[inside].max() > 0.15


def test_round_volume_stays():
    volume = blob((9, 17, 17), 4, 8, 8, 3.0)
    assert np.allclose(average_turns(volume), volume, atol=2e-3)


def test_constant_stays_constant_up_to_the_corners():
    volume = np.full((3, 12, 12), 4.0)
    for n in (0, 2, 3, 4):
        assert np.allclose(average_turns(volume, n), 4.0)


def test_c1_changes_nothing():
    volume = np.random.default_rng(0).normal(size=(4, 8, 8))
    assert np.array_equal(average_turns(volume, 1), volume.astype(np.float32))


@pytest.mark.parametrize(("n", "turns"), [(2, (0, 2)), (4, (0, 1, 2, 3))])
def test_right_angles_are_exact(n, turns):
    volume = np.random.default_rng(1).normal(size=(5, 9, 9))
    expected = np.mean([np.rot90(volume, k, (1, 2)) for k in turns], axis=0)
    assert np.allclose(average_turns(volume, n), expected, atol=1e-6)


def test_axis_of_an_even_box_runs_through_its_centre_index():
    volume = np.zeros((1, 8, 8))
    volume[0, 4, 4], volume[0, 4, 6] = 5, 1
    found = average_turns(volume, 2)[0]
    assert found[4, 4] == pytest.approx(5)
    assert found[4, 6] == found[4, 2] == pytest.approx(0.5)


def test_c3_puts_three_copies_a_third_of_a_turn_apart():
    volume = blob((1, 41, 41), 0, 20, 30, 2.5)[:1]
    found = average_turns(volume, 3)[0]
    for k in range(3):
        y, x = 20 + 10 * np.sin(2 * np.pi * k / 3), 20 + 10 * np.cos(2 * np.pi * k / 3)
        near = blob((1, 41, 41), 0, y, x, 2.5)[0] / 3
        window = (slice(int(y) - 2, int(y) + 4), slice(int(x) - 2, int(x) + 4))
        assert np.allclose(found[window], near[window], atol=0.01)
