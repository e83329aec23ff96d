"""Averages of particles in their own frame, and the same drawn again."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.particle_densities import (
    Particles,
    draw_particles,
    fit_averages,
    mean_boxes,
    soft_ball,
)
from membrain.rotations import poses_from_relion, relion_angles
from membrain.sparse_volumes import SparseVolume

SHAPE = (50, 90, 100)
HALF = 9


def dimer(xyz):
    """Two blobs along x, one along z between them: C2 about z."""
    out = np.zeros(xyz.shape[:-1])
    for x, y, z, width in ((3.5, 0.5, 1, 4), (-3.5, -0.5, 1, 4), (0, 0, -3, 6)):
        out += np.exp(-((xyz - [x, y, z]) ** 2).sum(axis=-1) / width)
    return out


def in_own_frame(half=HALF):
    g = np.arange(-half, half + 1.0)
    z, y, x = np.meshgrid(g, g, g, indexing="ij")
    return dimer(np.stack([x, y, z], axis=-1))


def analytic(particles, shape=SHAPE):
    """The scene by formula, without any interpolation."""
    grid = np.stack(np.indices(shape), axis=-1)
    out = np.zeros(shape)
    for position, pose in zip(particles.positions, particles.poses, strict=True):
        offset = (grid - position)[..., ::-1]  # xyz
        out += dimer(offset @ pose.as_matrix())
    return out.astype(np.float32)


def some(n=12, seed=0, spacing=16, shape=SHAPE):
    rng = np.random.default_rng(seed)
    positions = np.empty((0, 3))
    while len(positions) < n:
        place = rng.uniform(10, np.array(shape) - 11)
        if not len(positions) or np.linalg.norm(positions - place, axis=1).min() > spacing:
            positions = np.vstack([positions, place])
    poses = Rotation.random(n, rng=seed)
    return Particles(positions, poses, np.array(["A"] * n, object), np.zeros(n, int))


def reader(volume):
    return lambda start, stop: volume[tuple(map(slice, start, stop))]


def correlation(a, b, reach=8.0):
    ball = soft_ball(len(a) // 2, reach) > 0.5
    return np.corrcoef(a[ball], b[ball])[0, 1]


def test_mean_of_turned_particles_is_the_particle():
    particles = some()
    found = mean_boxes(reader(analytic(particles)), SHAPE, particles, HALF, 1)
    ball = soft_ball(HALF, HALF) > 0.5
    assert np.abs(found - in_own_frame())[ball].max() < 0.03


def test_axes_are_those_of_relion_angles():
    """A particle's x axis by the formulas of the angles themselves."""
    rot, tilt, psi = 30.0, 40.0, 50.0
    particles = some(1)
    particles = Particles(
        particles.positions,
        poses_from_relion([[rot, tilt, psi]]),
        particles.classes,
        particles.side,
    )
    t, p = np.radians([tilt, psi])
    z_xyz = [-np.cos(p) * np.sin(t), np.sin(p) * np.sin(t), np.cos(t)]
    assert np.allclose(particles.axes[0, 0], z_xyz[::-1])
    assert np.allclose(relion_angles(particles.poses), [[rot, tilt, psi]])


def test_turns_make_the_mean_symmetric_and_round():
    particles = some(3, seed=2)
    lopsided = analytic(particles)
    shift = particles.axes[:, 2] * 4  # a blob on +x alone
    grid = np.stack(np.indices(SHAPE), axis=-1)
    for place in particles.positions + shift:
        lopsided += np.exp(-((grid - place) ** 2).sum(axis=-1) / 4).astype(np.float32)
    plain, two, ring = (mean_boxes(reader(lopsided), SHAPE, particles, HALF, n) for n in (1, 2, 24))
    assert np.abs(plain - plain[:, ::-1, ::-1]).max() > 0.5
    assert np.abs(two - two[:, ::-1, ::-1]).max() < 0.03
    quarter = np.rot90(ring, axes=(1, 2))
    assert np.abs(ring - quarter).max() < 0.03
    assert np.abs(ring[HALF, HALF, HALF + 4] - ring[HALF, HALF - 4, HALF]) < 0.01


def test_drawn_particles_are_those_of_the_formula():
    particles = some(8, seed=1)
    canvas = SparseVolume()
    average = (in_own_frame() * soft_ball(HALF, HALF - 1)).astype(np.float32)
    draw_particles(canvas, particles, {"A": average}, np.full(8, 2.0))
    found, want = canvas.read((0, 0, 0), SHAPE), 2 * analytic(particles)
    assert np.corrcoef(found.ravel(), want.ravel())[0, 1] > 0.998
    assert np.abs(found - want).max() < 0.1


def test_nothing_is_drawn_beyond_the_reach_of_an_average():
    """A full cube: corners of the drawn box lie beyond the average's faces."""
    canvas = SparseVolume()
    particles = some(1)
    draw_particles(canvas, particles, {"A": np.ones((19,) * 3, np.float32)}, np.ones(1))
    grid = np.stack(np.indices(SHAPE), axis=-1)
    far = np.linalg.norm(grid - particles.positions[0], axis=-1) >= HALF
    assert not canvas.read((0, 0, 0), SHAPE)[far].any()


def test_classes_without_average_are_not_drawn():
    canvas = SparseVolume()
    draw_particles(canvas, some(3), {"B": np.ones((5, 5, 5), np.float32)}, np.ones(3))
    assert canvas.blocks == {}


def test_membrane_and_background_are_taken_off():
    particles = some()
    membrane = SparseVolume()
    sheet = np.zeros(SHAPE, np.float32)
    sheet[20:25] = -7
    membrane.add((0, 0, 0), sheet)
    volume = analytic(particles) + sheet + 50
    turns = {"A": 2}
    found = fit_averages(reader(volume), SHAPE, membrane, 50.0, particles, turns, 8.0)["A"]
    assert correlation(found, in_own_frame(len(found) // 2)) > 0.99
    assert not found[0].any()


def test_average_from_noise_correlates_with_the_particle():
    particles = some(24, seed=3, spacing=12)
    noise = np.random.default_rng(0).normal(0, 0.4, SHAPE).astype(np.float32)
    volume = analytic(particles) + noise
    found = fit_averages(reader(volume), SHAPE, SparseVolume(), 0.0, particles, {"A": 2}, 8.0)["A"]
    assert correlation(found, in_own_frame(len(found) // 2)) > 0.9


def test_neighbours_are_kept_out_of_crowded_averages():
    """Of pairs 6 voxels apart each average has a part of the other particle, at random turns."""
    single = some(10, seed=5, spacing=24)
    partners = single.positions + 6 * single.axes[:, 1]
    particles = Particles(
        np.concatenate([single.positions, partners]),
        Rotation.concatenate([single.poses, Rotation.random(10, rng=1)]),
        np.array(["A"] * 20, object),
        np.zeros(20, int),
    )
    volume = analytic(particles)
    errors = []
    for n_rounds in (1, 3):
        options = (SparseVolume(), 0.0, particles, {"A": 1}, 8.0, n_rounds)
        found = fit_averages(reader(volume), SHAPE, *options)["A"]
        want = in_own_frame(len(found) // 2) * soft_ball(len(found) // 2, 8.0)
        errors.append(np.sqrt(np.mean((found - want) ** 2)) / want.std())
    assert errors[0] > 0.3
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("reach", [4.0, 12.0])
def test_ball_is_one_inside_and_zero_beyond_its_reach(reach):
    ball = soft_ball(14, reach)
    line = ball[14, 14, 14:]
    assert (line[: int(0.75 * reach) + 1] == 1).all()
    assert (line[int(reach) :] < 1e-6).all()
    assert (np.diff(line) <= 0).all()
