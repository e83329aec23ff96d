"""Noise measured in a tomogram and made again with the same spectrum."""

import numpy as np
import pytest
from scipy import fft

from membrain.background_noise import (
    Background,
    measure_background,
    periodic_noise,
    read_periodic,
)
from membrain.errors import InputError
from membrain.mask_cells import MaskCells

SHAPE = (72, 96, 108)
POINTS = np.array([[36.0, 48, 54], [40, 60, 70]])


def colour(shape):
    """Amplitude that falls with frequency, is stronger along y, and lacks a wedge about z."""
    z, y, x = np.meshgrid(
        fft.fftfreq(shape[0]), fft.fftfreq(shape[1]), fft.rfftfreq(shape[2]), indexing="ij"
    )
    radius = np.sqrt(z**2 + y**2 + x**2)
    return (
        np.exp(-((radius / 0.25) ** 2))
        * (1 + (np.abs(y) < 0.1))
        * (np.abs(z) <= 1.7 * np.abs(x) + 1e-9)
    )


def coloured(shape, seed=0):
    white = fft.rfftn(np.random.default_rng(seed).standard_normal(shape))
    return (50 + 10 * fft.irfftn(white * colour(shape), s=shape)).astype(np.float32)


def shells(volume, n=10):
    """Mean power by radius up to Nyquist, and that inside the wedge."""
    power = np.abs(fft.fftn(volume - volume.mean())) ** 2 / volume.size
    f = np.meshgrid(*map(fft.fftfreq, volume.shape), indexing="ij")
    radius = np.sqrt(sum(a**2 for a in f))
    which = (radius * 2 * n).astype(int)
    out = [power[which == i].mean() for i in range(1, n)]
    in_wedge = (np.abs(f[0]) > 3 * np.abs(f[2]) + 0.08) & (radius < 0.3)
    return np.array(out), power[in_wedge].mean() / power[radius < 0.3].mean()


def reader(volume):
    return lambda start, stop: volume[tuple(map(slice, start, stop))]


@pytest.fixture(scope="module")
def measured():
    volume = coloured(SHAPE)
    rng = np.random.default_rng(1)
    return measure_background(reader(volume), SHAPE, MaskCells(SHAPE), POINTS, 1.0, rng)


def test_spectrum_of_the_noise_is_the_tomograms(measured):
    noise = periodic_noise(measured, SHAPE, np.random.default_rng(2))
    found, in_wedge = shells(noise)
    want, _ = shells(coloured(SHAPE, seed=3))
    # patches of 32 voxels blur the spectrum: 10 %, and 20 % where it falls fastest
    assert np.abs(found / want - 1)[want > 0.05 * want.max()].max() < 0.2
    assert noise.std() == pytest.approx(coloured(SHAPE, seed=3).std(), rel=0.05)
    assert in_wedge < 0.1
    assert abs(noise.mean()) < 0.2
    along_y = [np.abs(np.fft.rfft(v, axis=1))[:, 20:].mean() for v in (noise, coloured(SHAPE, 3))]
    assert along_y[0] == pytest.approx(along_y[1], rel=0.1)


def test_level_and_number_of_patches(measured):
    assert measured.level == pytest.approx(50, abs=0.5)
    assert measured.n_patches >= 40
    assert measured.power.shape == (32, 32, 32)


def test_patches_avoid_masks_and_what_stands_out():
    volume = coloured(SHAPE)
    volume[:, :, 54:] += 1000 * np.random.default_rng(0).standard_normal((72, 96, 54))
    cells = MaskCells(SHAPE)
    z, y, x = np.indices(SHAPE)
    cells.add(np.stack([z, y, x], axis=-1)[:, :, 54:].reshape(-1, 3))
    rng = np.random.default_rng(1)
    found = measure_background(reader(volume), SHAPE, cells, POINTS, 1.0, rng)
    assert found.power.mean() < 200
    volume = coloured(SHAPE)
    volume[:4, :4, :4] = 5000  # gold
    found = measure_background(reader(volume), SHAPE, MaskCells(SHAPE), POINTS, 1.0, rng)
    assert found.power.mean() < 200


def test_no_room_is_told():
    cells = MaskCells(SHAPE)
    cells.is_taken[:] = True
    with pytest.raises(
        InputError, match=r"too little room without membranes .* found 0 boxes of \[16, 16, 16\]"
    ):
        measure_background(
            reader(coloured(SHAPE)), SHAPE, cells, POINTS, 1.0, np.random.default_rng(0)
        )


def test_flat_tomogram_has_flat_patches():
    shape = (20, 96, 108)
    found = measure_background(
        reader(coloured(shape)), shape, MaskCells(shape), POINTS / 2, 1.0, np.random.default_rng(0)
    )
    assert found.power.shape == (20, 32, 32)
    assert periodic_noise(found, shape, np.random.default_rng(0)).shape[0] == 20


def test_patches_grow_with_the_working_voxel():
    found = measure_background(
        reader(coloured(SHAPE)), SHAPE, MaskCells(SHAPE), POINTS, 1.5, np.random.default_rng(0)
    )
    assert found.power.shape == (48, 48, 48)


def test_same_generator_same_noise(measured):
    one, two, other = (
        periodic_noise(measured, (40, 40, 40), np.random.default_rng(i)) for i in (5, 5, 6)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_long_volumes_repeat_the_noise():
    background = Background(0.0, np.ones((8, 8, 8)), 1)
    noise = periodic_noise(background, (9, 20, 700), np.random.default_rng(0))
    assert noise.shape[2] == 256
    read = read_periodic(noise, (1, 2, 250), (4, 7, 270))
    assert np.array_equal(read[:, :, 6:], noise[1:4, 2:7, :14])
    assert np.array_equal(read_periodic(noise, (-3, 0, 0), (0, 5, 5)), noise[-3:, :5, :5])


def test_smaller_patches_are_taken_where_room_is_scarce():
    """Slabs of mask leave gaps of 40 voxels: room for patches of 24 with their margins."""
    volume, cells = coloured(SHAPE), MaskCells(SHAPE)
    cells.is_taken[0::11] = True
    rng = np.random.default_rng(0)
    found = measure_background(reader(volume), SHAPE, cells, POINTS, 1.0, rng)
    assert found.power.shape == (24, 24, 24)
    assert found.power.mean() == pytest.approx(coloured(SHAPE).var(), rel=0.1)
