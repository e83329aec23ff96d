import numpy as np
import pytest

from membrain.simulation.imaging import (
    apply_wedge,
    coloured_noise,
    measured,
    scale_noise,
    wiener_filter,
)

SHAPE = (24, 30, 41)  # zyx, one side odd


@pytest.fixture
def volume():
    return np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)


def missing(shape, max_tilt_degree):
    """Return which frequencies of a full transform a tilt around y up to the angle misses."""
    f_z, _, f_x = np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")
    angle = np.degrees(np.arctan2(np.abs(f_z), np.abs(f_x)))
    return (angle > max_tilt_degree + 0.01) & ((f_x != 0) | (f_z != 0))


def power(volume):
    return np.abs(np.fft.fftn(volume.astype(np.float64))) ** 2


def test_wedge_empties_what_is_missed_and_keeps_the_rest(volume):
    seen = power(apply_wedge(volume, 60.0))
    lost = missing(SHAPE, 60.0)
    assert lost.mean() == pytest.approx(0.5 / np.tan(np.radians(60)), abs=0.03)
    assert seen[lost].max() < 1e-9 * seen[~lost].mean()
    np.testing.assert_allclose(seen[~lost], power(volume)[~lost], rtol=1e-3)


def test_no_wedge_at_90_degrees(volume):
    assert measured(SHAPE, 90.0).all()
    np.testing.assert_allclose(apply_wedge(volume, 90.0), volume, atol=1e-5)


def test_noise_has_the_wedge_of_the_signal():
    noise = coloured_noise(SHAPE, 0.5, 60.0, np.random.default_rng(1))
    spectrum, lost = power(noise), missing(SHAPE, 60.0)
    assert noise.dtype == np.float32
    assert spectrum[lost].max() < 1e-9 * spectrum[~lost].mean()


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_noise_follows_its_power_law_and_rolls_off(exponent):
    shape = (64, 64, 64)
    spectrum = power(coloured_noise(shape, exponent, 90.0, np.random.default_rng(2)))
    f = np.sqrt(sum(a**2 for a in np.meshgrid(*[np.fft.fftfreq(64)] * 3, indexing="ij")))

    def at(frequency):
        return spectrum[np.abs(f - frequency) < 0.01].mean()

    assert at(0.05) / at(0.15) == pytest.approx(3 ** (2 * exponent), rel=0.15)
    assert at(0.6) < 0.02 * at(0.15)


def test_scaled_noise_gives_the_snr_in_the_region(volume):
    rng = np.random.default_rng(3)
    region = np.zeros(SHAPE, dtype=bool)
    region[5:15, 3:20] = True
    noise = scale_noise(volume, rng.standard_normal(SHAPE).astype(np.float32), 2.5, region)
    assert volume[region].var() / noise[region].var() == pytest.approx(2.5, rel=1e-4)


def test_wiener_filter_comes_nearer_to_the_signal():
    rng = np.random.default_rng(5)
    z, y, x = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    signal = np.exp(-((z - 12) ** 2 + (y - 15) ** 2 + (x - 20) ** 2) / 30).astype(np.float32)
    noise = (0.2 * rng.standard_normal(SHAPE)).astype(np.float32)
    smooth = wiener_filter(signal, noise, signal > 0.05)
    assert np.square(smooth - signal).mean() < 0.3 * np.square(noise).mean()
    assert np.corrcoef(smooth.ravel(), signal.ravel())[0, 1] > 0.8


def test_wiener_filter_of_empty_volumes_is_empty():
    nothing = np.zeros(SHAPE, dtype=np.float32)
    assert not wiener_filter(nothing, nothing, nothing.astype(bool)).any()


def test_bytes_do_not_depend_on_the_number_of_threads(volume):
    one, three = apply_wedge(volume, 60.0, 1), apply_wedge(volume, 60.0, 3)
    assert one.tobytes() == three.tobytes()
