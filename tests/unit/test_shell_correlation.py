"""Fourier shell correlation with known answers."""

import numpy as np
import pytest

from membrain.shell_correlation import resolution, shell_correlation, soft_sphere


def noise(seed, n=24):
    return np.random.default_rng(seed).normal(size=(n, n, n))


def filtered(volume, shell):
    """A volume without frequencies above a shell."""
    n = len(volume)
    index = np.fft.fftfreq(n) * n
    radius = np.sqrt(sum(k**2 for k in np.meshgrid(index, index, index, indexing="ij")))
    return np.fft.ifftn(np.fft.fftn(volume) * (radius <= shell)).real


def test_same_volume_correlates_fully_whatever_its_scale_and_offset():
    assert np.allclose(shell_correlation(noise(0), 3 * noise(0) + 100), 1)
    assert np.allclose(shell_correlation(noise(0), -noise(0)), -1)


def test_independent_noise_does_not_correlate():
    found = shell_correlation(noise(0, 32), noise(1, 32))
    assert len(found) == 16
    assert np.abs(found[4:]).max() < 0.2


def test_common_signal_of_equal_power_gives_one_half():
    signal = noise(0, 40)
    found = shell_correlation(signal + noise(1, 40), signal + noise(2, 40))
    assert np.mean(found[5:]) == pytest.approx(0.5, abs=0.03)


def test_band_limited_signal_is_resolved_to_its_limit():
    signal = filtered(noise(0, 48), 12)
    found = shell_correlation(signal + noise(1, 48), signal + noise(2, 48))
    assert resolution(found, 48, 10.0) == pytest.approx(480 / 12, rel=0.15)


@pytest.mark.parametrize("shell", [4, 9])
def test_wave_stands_in_the_shell_of_its_frequency(shell):
    wave = np.cos(2 * np.pi * shell * np.arange(24) / 24)[None, None, :]
    found = shell_correlation(3 * wave + noise(1), 3 * wave + noise(2))
    assert np.argmax(found) == shell - 1
    assert found[shell - 1] > 0.7


def test_volume_without_power_gives_zeros():
    assert (shell_correlation(np.zeros((8, 8, 8)), noise(0, 8)) == 0).all()


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([1, 0.9, 0.343, 0.043, 0.5], 300 / (3 + 0.2 / 0.3)),
        ([1, 0.9, 0.8, 0.7, 0.6], 300 / 5),
        ([0.1, 0.9, 0.9, 0.9, 0.9], None),
    ],
)
def test_resolution_is_interpolated(curve, expected):
    found = resolution(np.array(curve, float), 10, 30.0)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_soft_sphere_is_round_and_fades():
    mask = soft_sphere(17)
    assert mask[8, 8, 8] == 1
    assert mask[8, 8, 16] == pytest.approx(0)
    assert mask[0, 0, 0] == 0
    assert mask[8, 8, 14] == pytest.approx(mask[14, 8, 8])
    assert 0 < mask[8, 8, 15] < mask[8, 8, 14] < 1
