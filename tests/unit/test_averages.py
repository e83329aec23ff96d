"""Averages of particles whose density and poses are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.averages import (
    add_particles,
    averages_of,
    box_grid,
    empty_sums,
    has_pose,
    particle_boxes,
    split_halves,
    voxels_inside,
)

SHAPE = (70, 90, 110)  # zyx
GREY = {"centre": 0.0, "scale": 1.0, "low": -4.0, "high": 6.0, "limit": 10.0}
INFO = {"shape": SHAPE, "pixel_size_angstrom": 10.0, "grey": GREY}
# centres (xyz, voxel of the tomogram) and weights of Gaussians: no turn and no mirror maps the
# whole onto itself
BLOBS = np.array([[6.0, 0, 0], [-3, 4, 1], [0, -4, 5], [1, 1, -6]])
WEIGHTS = np.array([1.0, 0.8, 1.2, 0.7])
SIGMA = 2.0


def gaussians(positions, centres):
    """Values at positions (..., 3) of the Gaussians at centres (4, 3), both in one axis order."""
    squares = ((positions[..., None, :] - centres) ** 2).sum(-1)
    return np.exp(-squares / (2 * SIGMA**2)) @ WEIGHTS


def reference(n=24, step=1.0):
    """The density in the particle's frame, [z, y, x]."""
    zyx = (np.indices((n, n, n)).reshape(3, -1).T - n // 2) * step
    return gaussians(zyx[:, ::-1], BLOBS).reshape(n, n, n)


def particles(n=14, seed=0, margin=21.0):
    """Positions zyx (at least 21 voxels apart) and poses of particles in the tomogram."""
    rng, chosen = np.random.default_rng(seed), []
    while len(chosen) < n:
        point = rng.uniform(margin, np.array(SHAPE) - 1 - margin)
        if all(np.linalg.norm(point - other) > 21 for other in chosen) or rng.random() < 0.01:
            chosen.append(point)
    return np.array(chosen), Rotation.random(n, rng=seed)


def render(points, poses, shape=SHAPE, noise=0.0):
    """A tomogram of the particles; each in the ball around its centre."""
    volume = np.random.default_rng(9).normal(0, noise, shape) if noise else np.zeros(shape)
    for point, pose in zip(points, poses, strict=True):
        low = np.maximum(np.floor(point).astype(int) - 17, 0)
        high = np.minimum(np.ceil(point).astype(int) + 18, shape)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        zyx = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)),
                                   indexing="ij"), axis=-1)  # fmt: skip
        volume[box] += gaussians(zyx[..., ::-1], pose.apply(BLOBS) + point[::-1])
    return volume.astype(np.float32)


def average(volume, points, poses, *, n=24, pixel_size=10.0, is_dark=False, flip=1.0):
    """The average of all, and the sums."""
    matrices = poses.as_matrix()
    place = (points, flip * matrices[:, ::-1, 2], matrices[:, ::-1, 0])
    sums = empty_sums(1, n)
    half = split_halves(np.ones((len(points), 1), bool), np.random.default_rng(0))

    def read(start, stop):
        return volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]

    info = {**INFO, "shape": volume.shape}
    add_particles(sums, read, info, place, half, pixel_size, is_dark)
    return averages_of(sums, 0)[0], sums


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def test_average_is_the_density_in_the_particle_frame():
    points, poses = particles(8)
    found, sums = average(render(points, poses), points, poses)
    expected = reference()
    assert correlation(found, expected) > 0.99
    assert np.abs(found - expected).max() < 0.1
    assert sums.n_whole.sum() == 8
    for axis in range(3):  # no mirror image of it
        mirrored = np.roll(np.flip(expected, axis), 1, axis)
        assert correlation(found, mirrored) < 0.8


def test_noisy_particles_average_to_the_density():
    points, poses = particles(14)
    found, _ = average(render(points, poses, noise=0.1), points, poses)
    assert correlation(found, reference()) > 0.95


def test_wrong_sign_of_the_normal_is_seen():
    points, poses = particles(8)
    found, _ = average(render(points, poses), points, poses, flip=-1.0)
    assert correlation(found, reference()) < 0.8


def test_wrong_turn_about_the_normal_is_seen():
    points, poses = particles(8)
    turned = poses * Rotation.from_euler("z", 90, degrees=True)
    found, _ = average(render(points, poses), points, turned)
    assert correlation(found, reference()) < 0.8


def test_z_points_up_along_the_normal():
    """One blob 6 voxels above the membrane on the normal, one 4 along x, one 5 along y."""
    points = np.array([[35.0, 45, 55]])
    normal, axis = np.array([[0.0, 0.6, 0.8]]), np.array([[1.0, 0, 0]])  # zyx
    across = np.cross(normal[:, ::-1], axis[:, ::-1])[:, ::-1]
    volume = np.zeros(SHAPE, np.float32)
    zyx = np.indices(SHAPE).reshape(3, -1).T
    for shift, value in ((6 * normal, 1.0), (4 * axis, 2.0), (5 * across, 3.0)):
        squares = ((zyx - points - shift) ** 2).sum(1)
        volume += (value * np.exp(-squares / 2)).reshape(SHAPE).astype(np.float32)
    sums = empty_sums(1, 16)
    read = lambda start, stop: volume[tuple(map(slice, start, stop))]  # noqa: E731
    add_particles(sums, read, INFO, (points, normal, axis), np.zeros((1, 1), int), 10.0, False)
    found, _ = averages_of(sums, 0)
    assert found[8 + 6, 8, 8] == pytest.approx(1.0, abs=0.05)
    assert found[8, 8, 8 + 4] == pytest.approx(2.0, abs=0.1)
    assert found[8, 8 + 5, 8] == pytest.approx(3.0, abs=0.15)


def test_other_pixel_size_of_the_boxes():
    points, poses = particles(8)
    found, _ = average(render(points, poses), points, poses, n=16, pixel_size=15.0)
    assert correlation(found, reference(16, 1.5)) > 0.97
    assert correlation(found, reference(16, 1.0)) < 0.9


def test_dark_protein_becomes_bright():
    points, poses = particles(6)
    volume = render(points, poses)
    bright, _ = average(volume, points, poses)
    dark, _ = average(-volume, points, poses, is_dark=True)
    assert np.allclose(dark, bright, atol=1e-4)


def test_voxels_outside_the_tomogram_do_not_count():
    points, poses = particles(6)
    volume = render(points, poses)
    cut = volume[:, :, : int(points[:, 2].max()) + 4]  # through some of the particles
    found, sums = average(cut, points, poses)
    expected, _ = average(volume, points, poses)
    assert sums.n_partial.sum() >= 1
    assert sums.n_partial.sum() + sums.n_whole.sum() == 6
    weight = sums.weights.sum(axis=(0, 1)) + sums.n_whole.sum()
    assert weight.max() == 6
    assert weight.min() < 6
    assert correlation(found, reference()) > 0.95
    assert np.allclose(found[weight == 6], expected[weight == 6], atol=0.02)


def test_constant_tomogram_stays_constant_where_boxes_are_cut():
    points = np.array([[2.0, 45, 55], [35, 45, 55]])
    found, sums = average(np.ones(SHAPE, np.float32), points, Rotation.identity(2))
    assert (sums.n_partial.sum(), sums.n_whole.sum()) == (1, 1)
    assert np.allclose(found, 1, atol=1e-5)


def test_voxel_that_no_box_has_is_zero():
    poses = Rotation.identity(1)
    points = np.array([[2.0, 45, 55]])
    found, sums = average(np.ones(SHAPE, np.float32), points, poses)
    assert (found[:10] == 0).all()  # below the tomogram's first slice
    assert np.allclose(found[10:], 1, atol=1e-5)
    assert sums.n_partial.sum() == 1


def test_huge_tomogram_is_read_by_crops():
    shape = (4000, 5000, 6000)
    points = np.array([[500.0, 700, 900], [3500, 4400, 5100], [3490, 4410, 5111]])
    poses = Rotation.random(3, rng=1)
    sizes = []

    def read(start, stop):
        sizes.append(np.prod(np.asarray(stop) - start))
        return np.zeros(np.asarray(stop) - start, np.float32)

    matrices = poses.as_matrix()
    place = (points, matrices[:, ::-1, 2], matrices[:, ::-1, 0])
    info = {**INFO, "shape": shape}
    sums = empty_sums(1, 24)
    add_particles(sums, read, info, place, np.zeros((3, 1), int), 10.0, False)
    assert sums.n_whole.tolist() == [[3, 0]]
    assert len(sizes) == 2
    assert max(sizes) < 1e6


def test_particles_go_to_their_groups_only():
    points, poses = particles(6)
    volume = render(points, poses)
    matrices = poses.as_matrix()
    place = (points, matrices[:, ::-1, 2], matrices[:, ::-1, 0])
    read = lambda start, stop: volume[tuple(map(slice, start, stop))]  # noqa: E731
    half = np.array([[0, -1], [1, -1], [0, 1], [1, 1], [0, 0], [-1, 0]])
    sums = empty_sums(2, 12)
    add_particles(sums, read, INFO, place, half, 10.0, False)
    assert sums.n_whole.tolist() == [[3, 2], [2, 2]]
    last = [part[[2, 3, 4, 5]] for part in place]
    alone = empty_sums(1, 12)
    add_particles(alone, read, INFO, last, np.zeros((4, 1), int), 10.0, False)
    assert np.allclose(averages_of(sums, 1)[0], averages_of(alone, 0)[0], atol=1e-5)


def test_halves_are_even_and_make_up_the_whole():
    is_member = np.random.default_rng(0).random((31, 4)) < 0.6
    is_member[:, 3] = False
    half = split_halves(is_member, np.random.default_rng(1))
    assert np.array_equal(half >= 0, is_member)
    for group in range(4):
        sizes = [(half[:, group] == h).sum() for h in (0, 1)]
        assert 0 <= sizes[0] - sizes[1] <= 1
    again = split_halves(is_member, np.random.default_rng(1))
    assert np.array_equal(half, again)
    assert not np.array_equal(half, split_halves(is_member, np.random.default_rng(2)))


def test_average_is_the_mean_of_the_halves():
    points, poses = particles(6)
    _, sums = average(render(points, poses), points, poses)
    found, halves = averages_of(sums, 0)
    assert np.allclose(found, halves.mean(axis=0), atol=1e-5)


def test_no_particle_gives_zeros():
    sums = empty_sums(1, 8)
    place = (np.zeros((0, 3)),) * 3
    add_particles(sums, None, INFO, place, np.zeros((0, 1), int), 10.0, False)
    assert (averages_of(sums, 0)[0] == 0).all()


def test_pose_needs_two_axes_that_differ():
    normals = np.array([[0, 0, 1.0], [0, 0, 1], [0, 0, np.nan], [0, 0, 0], [0, 1, 0]])
    axes = np.array([[1.0, 0, 0], [0, 0, -1], [1, 0, 0], [1, 0, 0], [0, 1, 5]])
    assert has_pose(normals, axes).tolist() == [True, False, False, False, True]


def test_voxels_inside_agree_with_positions():
    points, poses = particles(3, margin=2.0)
    grid = box_grid(9, 1.3)
    matrices = poses.as_matrix()
    place = particle_boxes(points, matrices[:, ::-1, 2], matrices[:, ::-1, 0], grid)
    found = voxels_inside(*place, grid, SHAPE)
    for i in range(3):
        for index in np.ndindex(9, 9, 9):
            xyz = poses[i].apply((np.array(index) - 4)[::-1] * 1.3)
            position = points[i] + xyz[::-1]
            inside = ((position >= 0) & (position <= np.array(SHAPE) - 1)).all()
            assert found[i][index] == inside
