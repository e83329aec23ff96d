"""Spectra and filters of volumes whose spectra are known."""

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.whitening import (
    apply_response,
    measure_power,
    read_working,
    whitening_response,
    working_shape,
)

GREY = {"centre": 0.0, "scale": 1.0, "low": -1000.0, "high": 1000.0, "limit": 1000.0}


def info_of(volume):
    return {"tomogram": "T1", "shape": volume.shape, "grey": GREY}


def reader(volume):
    return lambda start, stop: volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]


def power_of(volume, n_cubes=60):
    rng = np.random.default_rng(0)
    return measure_power(reader(volume), info_of(volume), 1.0, rng, n_cubes)


def coloured(factor, shape=(48, 52, 56), seed=0):
    """Noise whose amplitudes are multiplied by a function of the frequencies z, y, x."""
    noise = np.random.default_rng(seed).normal(size=shape)
    f = np.meshgrid(*map(np.fft.fftfreq, shape), indexing="ij")
    return np.fft.ifftn(np.fft.fftn(noise) * factor(*f)).real.astype(np.float32)


def test_white_noise_has_a_flat_spectrum_of_its_variance():
    power = power_of(2 * coloured(lambda z, y, x: 1 + 0 * z))
    assert power.shape == (32, 32, 32)
    assert power.mean() == pytest.approx(4, rel=0.1)


def test_response_undoes_the_colour_to_its_exponent():
    power = power_of(coloured(lambda z, y, x: np.exp(-2 * np.sqrt(z**2 + y**2 + x**2))))
    response = whitening_response(power, 0.5)
    line = response[0, 0, 3:15] * np.exp(-2 * np.arange(3, 15) / 32)
    assert line.std() < 0.12 * line.mean()
    assert response[0, 0, 0] == 0


def test_directions_without_power_are_left_out():
    # nothing where |z| > |x|, as a missing wedge
    power = power_of(coloured(lambda z, y, x: np.abs(z) <= np.abs(x) + 0.02))
    response = whitening_response(power, 0.5)
    assert response[10, 0, 0] < 0.02 * response[0, 0, 10]
    assert response[0, 0, 10] == pytest.approx(response[0, 10, 10], rel=0.3)


def test_filter_of_ones_changes_nothing():
    volume = np.random.default_rng(1).normal(size=(11, 14, 17)).astype(np.float32)
    np.testing.assert_allclose(apply_response(volume, np.ones((16,) * 3)), volume, atol=1e-5)


def test_filter_takes_each_axis_for_itself():
    z, y, x = np.indices((40, 44, 48))
    wave = {0: np.cos(2 * np.pi * z / 4), 2: np.cos(2 * np.pi * x / 4)}
    response = np.ones((32,) * 3)
    response[np.abs(np.fft.fftfreq(32)) > 0.15] = 0  # fast waves along z
    volume = (wave[0] + wave[2]).astype(np.float32)
    inner = (slice(18, 22),) * 3
    filtered = apply_response(volume, response)
    np.testing.assert_allclose(filtered[inner], wave[2][inner], atol=0.1)


def test_working_voxels_lie_at_multiples_of_the_step():
    z, y, x = np.indices((40, 44, 48)).astype(np.float32)
    volume = z + 2 * y - x
    assert working_shape(volume.shape, 1.5) == (27, 29, 32)
    box = read_working(reader(volume), info_of(volume), (8, 9, 10), (12, 14, 16), 1.5)
    k, j, i = np.indices((4, 5, 6))
    np.testing.assert_allclose(box, 1.5 * ((8 + k) + 2 * (9 + j) - (10 + i)), atol=0.02)


def test_same_voxels_are_read_as_they_are():
    volume = np.random.default_rng(2).normal(size=(20, 22, 24)).astype(np.float32)
    box = read_working(reader(volume), info_of(volume), (3, 4, 5), (9, 9, 9), 1.0)
    np.testing.assert_allclose(box, volume[3:9, 4:9, 5:9], atol=1e-3)


def test_flat_tomogram_is_refused():
    with pytest.raises(InputError, match="one grey value wherever it was looked at"):
        power_of(np.zeros((40, 40, 40), np.float32), 3)


def test_thin_tomogram_is_refused():
    with pytest.raises(InputError, match=r"too thin to measure its spectrum; found 7 working"):
        power_of(np.zeros((7, 40, 40), np.float32), 3)
