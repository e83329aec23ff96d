import math

import numpy as np
import pytest
from scipy import ndimage

from membrain.sampling import (
    BoxGrid,
    box_axes,
    boxes_inside,
    gaussian_kernel,
    sample_boxes,
    smooth,
    smoothing_sigma,
    spline_coefficients,
)

SHAPE = (34, 41, 53)  # anisotropic: a swap of axes shows


def sample(volume, points, normals, grid):
    origins, steps = box_axes(points, normals, grid)
    return sample_boxes(spline_coefficients(volume), origins, steps, grid.shape)


def positions(point, normal, grid):
    """Position of each index by the formula of the module's sketch, with explicit loops."""
    origins, steps = box_axes([point], [normal], BoxGrid((1, 1, 1), (0, 0, 0), 1.0))
    np.testing.assert_allclose(origins[0], point)
    down, first, second = steps[0]
    unit = np.asarray(normal) / np.linalg.norm(normal)
    np.testing.assert_allclose(down, -unit, atol=1e-12)
    out = np.empty((*grid.shape, 3))
    for k in range(grid.shape[0]):
        for i in range(grid.shape[1]):
            for j in range(grid.shape[2]):
                out[k, i, j] = (
                    point
                    + (grid.centre[0] - k) * grid.step * unit
                    + (i - grid.centre[1]) * grid.step * first
                    + (j - grid.centre[2]) * grid.step * second
                )
    return out


def random_normals(rng, n):
    normals = rng.normal(size=(n, 3))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


@pytest.mark.parametrize("step", [1.0, 0.7, 1.9])
def test_boxes_equal_scipy(step):
    rng = np.random.default_rng(1)
    volume = rng.random(SHAPE, dtype=np.float32)
    grid = BoxGrid((5, 6, 7), (2, 3, 4), step)
    points = rng.uniform(0, np.array(SHAPE) - 1, (40, 3))  # many boxes leave the volume
    normals = random_normals(rng, 40)
    boxes = sample(volume, points, normals, grid)
    for point, normal, box in zip(points, normals, boxes, strict=True):
        where = np.moveaxis(positions(point, normal, grid), -1, 0)
        expected = ndimage.map_coordinates(volume.astype(float), where, order=3, mode="mirror")
        np.testing.assert_allclose(box, expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 5, 6), (2, 3, 4), (3, 3, 3)])
def test_thin_volumes_equal_scipy(shape):
    rng = np.random.default_rng(2)
    volume = rng.random(shape, dtype=np.float32)
    grid = BoxGrid((2, 2, 2), (1, 1, 1), 0.5)
    point, normal = (np.array(shape) - 1) / 2, np.array([0.0, 0.6, 0.8])
    where = np.moveaxis(positions(point, normal, grid), -1, 0)
    where = np.clip(where, 0, np.array(shape)[:, None, None, None] - 1)
    if shape[0] > 1:
        expected = ndimage.map_coordinates(volume.astype(float), where, order=3, mode="mirror")
        np.testing.assert_allclose(sample(volume, [point], [normal], grid)[0], expected, atol=1e-5)
    else:
        assert np.isfinite(sample(volume, [point], [normal], grid)).all()


@pytest.mark.parametrize("normal", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, -1), (-0.3, 0.5, 0.8)])
def test_ramp_along_normal_falls_along_first_index(normal):
    unit = np.array(normal) / np.linalg.norm(normal)
    point = np.array([17.0, 20.0, 26.0])
    grid_points = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    ramp = ((grid_points - point) @ unit).astype(np.float32)
    box = sample(ramp, [point], [normal], BoxGrid())[0]
    expected = np.broadcast_to((6.0 - np.arange(12))[:, None, None], box.shape)
    # +6 voxels along the normal at index 0, -5 at index 11, nothing along i and j
    np.testing.assert_allclose(box, expected, atol=1e-4)


@pytest.mark.parametrize("offset", [(4, 0, 0), (0, 3, 0), (0, 0, -3), (-3, 2, 4)])
def test_blob_lands_at_its_index(offset):
    rng = np.random.default_rng(3)
    point, (normal,) = np.array([16.3, 20.6, 27.9]), random_normals(rng, 1)
    _, steps = box_axes([point], [normal], BoxGrid())
    down, first, second = steps[0]
    centre = point - offset[0] * down + offset[1] * first + offset[2] * second
    grid_points = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    blob = np.exp(-((grid_points - centre) ** 2).sum(axis=-1) / 8).astype(np.float32)
    box = sample(blob, [point], [normal], BoxGrid())[0]
    peak = np.unravel_index(box.argmax(), box.shape)
    assert peak == (6 - offset[0], 6 + offset[1], 6 + offset[2])
    assert box.max() == pytest.approx(1, abs=0.005)


def test_in_plane_axes_belong_to_a_right_angled_frame():
    _, steps = box_axes(np.zeros((50, 3)), random_normals(np.random.default_rng(4), 50), BoxGrid())
    np.testing.assert_allclose(
        steps @ steps.swapaxes(1, 2), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-12
    )


def test_boxes_inside_is_exact_at_the_faces():
    grid = BoxGrid((12, 12, 12), (6, 6, 6))
    normal = [[1.0, 0.0, 0.0]]
    # the box reaches 6 voxels up and 5 down along z
    for z, expected in (
        (4.99, False),
        (5.0, True),
        (SHAPE[0] - 7.0, True),
        (SHAPE[0] - 6.99, False),
    ):
        origins, steps = box_axes([[z, 20.0, 26.0]], normal, grid)
        assert boxes_inside(origins, steps, grid, SHAPE).tolist() == [expected], z


def test_boxes_inside_agrees_with_every_sample():
    rng = np.random.default_rng(5)
    grid = BoxGrid((5, 8, 6), (1, 4, 3), 1.3)
    points, normals = rng.uniform(-2, np.array(SHAPE) + 1, (300, 3)), random_normals(rng, 300)
    expected = [
        ((p >= 0) & (p <= np.array(SHAPE) - 1)).all()
        for p in (positions(a, b, grid) for a, b in zip(points, normals, strict=True))
    ]
    assert 50 < sum(expected) < 250
    np.testing.assert_array_equal(
        boxes_inside(*box_axes(points, normals, grid), grid, SHAPE), expected
    )


def test_reach_is_the_farthest_corner():
    assert BoxGrid((12, 12, 12), (6, 6, 6), 2.0).reach == pytest.approx(12 * math.sqrt(3))
    assert BoxGrid((5, 1, 1), (0, 0, 0), 1.5).reach == pytest.approx(6)


def test_no_point_gives_no_box():
    origins, steps = box_axes(np.empty((0, 3)), np.empty((0, 3)), BoxGrid())
    assert boxes_inside(origins, steps, BoxGrid(), SHAPE).shape == (0,)
    boxes = sample_boxes(
        spline_coefficients(np.zeros(SHAPE, np.float32)), origins, steps, (2, 3, 4)
    )
    assert boxes.shape == (0, 2, 3, 4)
    assert boxes.dtype == np.float32


def test_constant_volume_gives_constant_boxes():
    rng = np.random.default_rng(6)
    volume = np.full(SHAPE, 0.25, np.float32)
    boxes = sample(volume, rng.uniform(0, 30, (9, 3)), random_normals(rng, 9), BoxGrid())
    np.testing.assert_allclose(boxes, 0.25, atol=1e-6)


@pytest.mark.parametrize("period", [2.5, 3.0, 5.0, 20.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_lowpass_halves_the_amplitude_at_its_period(period, axis):
    shape = [9, 9, 9]
    shape[axis] = 400
    wave = np.cos(2 * np.pi * np.arange(400) / period)
    volume = np.moveaxis(np.broadcast_to(wave, (9, 9, 400)), -1, axis).astype(np.float32)
    smoothed = np.moveaxis(smooth(volume, smoothing_sigma(1.0, period)), axis, -1)[4, 4]
    inner = slice(60, 340)  # away from the mirrored ends
    np.testing.assert_allclose(smoothed[inner], 0.5 * wave[inner], atol=0.004)


@pytest.mark.parametrize("sigma", [0.2, 0.4, 0.65, 1.0, 3.0])
def test_kernel_has_the_response_of_a_gaussian(sigma):
    kernel = gaussian_kernel(sigma)
    assert kernel.sum() == pytest.approx(1)
    taps = np.arange(len(kernel)) - len(kernel) // 2
    for frequency in (0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.5):
        response = (kernel * np.cos(2 * np.pi * frequency * taps)).sum()
        expected = math.exp(-2 * (math.pi * sigma * frequency) ** 2)
        assert response == pytest.approx(expected, abs=0.02 if frequency == 0.5 else 0.005)


def test_smoothing_begins_at_zero_for_equal_voxels_and_takes_the_wider():
    assert smoothing_sigma(1.0) == 0
    assert smoothing_sigma(0.5) == 0
    assert smoothing_sigma(1.001) == 0
    assert smoothing_sigma(2.0) == pytest.approx(0.3748 * math.sqrt(3), abs=1e-3)
    assert smoothing_sigma(2.0, 1.0) == smoothing_sigma(2.0)
    assert smoothing_sigma(2.0, 40.0) == smoothing_sigma(1.0, 40.0) > smoothing_sigma(2.0)


def test_smooth_leaves_its_input_alone_and_constants_too():
    volume = np.random.default_rng(7).random((12, 13, 14), dtype=np.float32)
    before = volume.copy()
    smoothed = smooth(volume, 0.8)
    np.testing.assert_array_equal(volume, before)
    assert smoothed.std() < volume.std()
    np.testing.assert_allclose(smooth(np.full((8, 9, 10), 3.0, np.float32), 0.8), 3.0, rtol=1e-6)


def test_same_box_from_fine_and_coarse_tomograms():
    """A blob of 40 angstrom, once in voxels of 7 angstrom and once of 14, on a grid of 14."""
    centre, sigma = np.array([250.0, 270.0, 290.0]), 40.0  # angstrom
    boxes = []
    for pixel_size in (7.0, 14.0):
        shape = [round(n / pixel_size) for n in (504, 546, 588)]
        grid_points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
        square = ((grid_points * pixel_size - centre) ** 2).sum(axis=-1)
        volume = np.exp(-square / (2 * sigma**2)).astype(np.float32)
        grid = BoxGrid(step=14.0 / pixel_size)
        volume = smooth(volume, smoothing_sigma(grid.step))
        point = (centre + [5.0, -11.0, 8.0]) / pixel_size
        boxes.append(sample(volume, [point], [[0.4, -0.5, 0.7]], grid)[0])
    np.testing.assert_allclose(boxes[0], boxes[1], atol=0.025)
    # the anti-alias filter of sigma 4.54 angstrom widens the blob by a known amount, and no more
    widened = math.sqrt(sigma**2 + (7.0 * smoothing_sigma(2.0)) ** 2)
    point = centre + [5.0, -11.0, 8.0]
    where = positions(point, np.array([0.4, -0.5, 0.7]), BoxGrid(step=14.0))
    expected = (sigma / widened) ** 3 * np.exp(
        -((where - centre) ** 2).sum(axis=-1) / (2 * widened**2)
    )
    np.testing.assert_allclose(boxes[0], expected, atol=2e-3)


def test_noise_beyond_the_coarse_grid_is_damped():
    rng = np.random.default_rng(8)
    volume = rng.normal(size=(60, 60, 60)).astype(np.float32)
    smoothed = smooth(volume, smoothing_sigma(3.0))
    spectrum = np.abs(np.fft.rfft(smoothed, axis=2)) ** 2
    raw = np.abs(np.fft.rfft(volume, axis=2)) ** 2
    ratio = (spectrum.sum(axis=(0, 1)) / raw.sum(axis=(0, 1))) ** 0.5
    ratio /= ratio[0]
    assert ratio[10] == pytest.approx(0.54, abs=0.03)  # the coarse Nyquist, 1/6 cycle per voxel
    assert ratio[20] < 0.12
