"""A replica of a membrane with known profile, particles and noise looks like the membrane."""

import logging

import mrcfile
import numpy as np
import pytest
from scipy import fft, ndimage

from membrain.agreement import Place
from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.labels import Labelling, label_with_remarks
from membrain.mask_cells import MaskCells
from membrain.particle_densities import Particles, draw_particles, soft_ball, turned
from membrain.replicas import (
    draw_signal,
    generator,
    make_replica,
    measure_membrane,
    replica_name,
    turns_of,
    write_replica,
)
from membrain.rotations import poses_from_axes, relion_angles
from membrain.sampling import BoxGrid
from membrain.shuffled_particles import as_annotations
from membrain.sparse_volumes import SparseVolume
from membrain.subvolumes import iter_boxes

SHAPE = (76, 120, 128)
NORMAL = np.array([0.96, 0.0, 0.28])
CENTRE = np.array([40.0, 60.0, 64.0])
SYMMETRY = {"": 2}
GREY = {"centre": 100.0, "scale": 4.0, "low": -6.0, "high": 6.0}


def surface():
    u, v = np.array([-0.28, 0, 0.96]), np.array([0.0, 1.0, 0.0])
    s = np.arange(-46, 46.1, 1.5)
    a, b = (part.ravel() for part in np.meshgrid(s, s))
    return CENTRE + a[:, None] * u + b[:, None] * v, np.tile(NORMAL, (a.size, 1)), (u, v)


def profile(height):
    return -8 * np.exp(-((height + 1) ** 2) / 2.5) - 6 * np.exp(-((height + 5) ** 2) / 2.5)


def dimer(half=13):
    g = np.arange(-half, half + 1.0)
    z, y, x = np.meshgrid(g, g, g, indexing="ij")
    blobs = ((4, 0.5, 1.5), (-4, -0.5, 1.5), (0, 0, 3.5))
    return sum(-9 * np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / 5) for a, b, c in blobs)


def ball(half=13):
    g = np.arange(-half, half + 1.0)
    z, y, x = np.meshgrid(g, g, g, indexing="ij")
    return -9 * np.exp(-(x**2 + y**2 + (z - 2) ** 2) / 8)


def noise(shape, seed):
    """Noise that falls with frequency and lacks a wedge about z."""
    f = np.meshgrid(
        fft.fftfreq(shape[0]), fft.fftfreq(shape[1]), fft.rfftfreq(shape[2]), indexing="ij"
    )
    colour = np.exp(-(sum(a**2 for a in f) / 0.06)) * (np.abs(f[0]) <= 1.7 * np.abs(f[2]) + 0.02)
    white = fft.rfftn(np.random.default_rng(seed).standard_normal(shape))
    out = fft.irfftn(white * colour, s=shape)
    return 2.0 * out / out.std()


def annotated(seed=0):
    """30 dimers (A), 14 balls (UK), 3 of a rare class on a grid of places, 11 voxels apart."""
    rng = np.random.default_rng(seed)
    _, _, (u, v) = surface()
    spots = np.stack(np.meshgrid(np.arange(-38, 39, 12.6), np.arange(-38, 39, 12.6)), -1).reshape(
        -1, 2
    )
    spots = rng.permutation(spots)[:47] + rng.uniform(-0.8, 0.8, (47, 2))
    positions = CENTRE + spots[:, :1] * u + spots[:, 1:] * v + 0.5 * NORMAL
    base = poses_from_axes(np.tile(NORMAL[::-1], (47, 1)), np.tile(u[::-1], (47, 1)))
    poses = base * turned(rng.uniform(0, 2 * np.pi, 47))
    classes = ("A",) * 30 + ("UK",) * 14 + ("rare",) * 3
    return Annotations(positions, classes, relion_angles(poses), "test"), poses


@pytest.fixture(scope="module")
def scene():
    """Tomogram, place, annotations and cells of a membrane seen from one side."""
    points, normals, _ = surface()
    known, poses = annotated()
    height = (np.stack(np.indices(SHAPE), axis=-1) - CENTRE) @ NORMAL
    signal = profile(height)
    canvas = SparseVolume()
    densities = {"A": dimer().astype(np.float32), "UK": ball().astype(np.float32)}
    particles = as_particles(known, poses)
    draw_particles(canvas, particles, densities, np.ones(len(known)))
    volume = (100 + signal + canvas.read((0, 0, 0), SHAPE) + noise(SHAPE, 1)).astype(np.float32)
    place = Place(points, normals, np.zeros(len(points), int), 1.0, 10.0, SHAPE, "T1/M1")
    cells = MaskCells(SHAPE)
    cells.add(np.argwhere((height < 1) & (height > -7)))
    return volume, place, known, cells


def as_particles(known, poses):
    side = np.zeros(len(known), int)
    return Particles(known.positions, poses, np.array(known.classes, object), side)


def reader(volume):
    return lambda start, stop: volume[tuple(map(slice, start, stop))]


def measure(scene, seed=0, sign=1, **changes):
    volume, place, known, cells = scene
    known = changes.get("known", known)
    rng = generator(seed, "T1/M1", 0)
    options = (changes.get("symmetry", SYMMETRY), 10.0, 0.3, rng)
    return measure_membrane(reader(sign * volume), place, known, cells, *options)


@pytest.fixture(scope="module")
def measured(scene):
    return measure(scene)


def boxes_of(read, place):
    grid = BoxGrid((12, 12, 12), (6, 6, 6), 1.0)
    out = np.empty((len(place.points), 12, 12, 12), np.float32)
    for rows, boxes in iter_boxes(read, SHAPE, place.points, place.normals, grid, GREY):
        out[rows] = boxes
    return out


def inner(place, margin=34):
    return np.flatnonzero(np.linalg.norm(place.points - CENTRE, axis=1) < margin)


def test_profile_of_bare_membrane_is_recovered(measured):
    near = np.abs(measured.profile.heights) < 10
    want = profile(measured.profile.heights)
    assert np.abs(measured.profile.values - want)[near].max() < 0.9
    assert np.corrcoef(measured.profile.values[near], want[near])[0, 1] > 0.995
    assert measured.background.level == pytest.approx(100, abs=0.3)


def test_averages_are_the_known_particles(measured):
    for name, density in (("A", dimer), ("UK", ball)):
        found = measured.averages[name]
        want = density(len(found) // 2)
        inside = soft_ball(len(found) // 2, 10.0) > 0.5
        assert np.corrcoef(found[inside], want[inside])[0, 1] > 0.9
        assert (found * want)[inside].sum() / (want**2)[inside].sum() == pytest.approx(1, abs=0.15)


def test_rare_class_is_left_out_and_logged(measured, scene, caplog):
    assert measured.numbers == {"A": 30, "UK": 14}
    with caplog.at_level(logging.WARNING):
        turns = turns_of(np.array(scene[2].classes, object), SYMMETRY, "T1/M1")
    assert turns == {"A": 2, "UK": 0}
    assert "T1/M1: 3 particles of class rare, fewer than 5: replicas have none" in caplog.text


def test_boxes_at_the_real_annotations_are_like_the_real_boxes(measured, scene):
    """Same particles at the same places, other noise."""
    volume, place, known, _ = scene
    signal = draw_signal(measured, measured.particles)
    background = measured.background

    def read(start, stop):
        return signal.read(start, stop) + background.level

    rows = inner(place)
    clean, real = boxes_of(read, place)[rows], boxes_of(reader(volume), place)[rows]
    residual = real - clean
    assert residual.std() == pytest.approx(2.0 / 48, rel=0.15)  # the noise and little else
    assert np.abs(residual.mean(axis=0)).max() < 0.12 * 8 / 48


def test_boxes_of_a_replica_have_the_statistics_of_the_real_ones(measured, scene):
    volume, place, _, _ = scene
    replica = make_replica(measured, 0.15, generator(0, "T1/M1", 1))
    rows = inner(place)
    real, made = boxes_of(reader(volume), place)[rows], boxes_of(replica.read, place)[rows]
    by_layer = [boxes.mean(axis=(0, 2, 3)) for boxes in (real, made)]
    assert np.abs(by_layer[0] - by_layer[1]).max() < 0.02  # of 0 .. 1; the membrane dips by 0.2
    spread = [boxes.std(axis=(0, 2, 3)) for boxes in (real, made)]
    assert np.abs(spread[0] / spread[1] - 1).max() < 0.15


def test_labels_are_zero_at_the_placed_particles(measured, scene):
    _, place, _, _ = scene
    replica = make_replica(measured, 0.0, generator(0, "T1/M1", 2))
    how = Labelling([["A", "UK"]], {}, 7.0)
    found = label_with_remarks(place, as_annotations(replica.particles, True), how)
    labels = found.distances
    assert found.remarks == []
    nearest = np.linalg.norm(place.points[:, None] - replica.particles.positions, axis=2)
    assert (labels[nearest.argmin(axis=0), 0] < 1.8).all()  # the surface lies 0.5 below, 1.5 apart
    # and the density is there: dark at the particles, the membrane's own at points without label
    signal = replica.signal
    above = place.points + 4 * place.normals

    def value(rows):
        places = np.rint(above[rows]).astype(int)
        return np.mean([signal.read(p, p + 1)[0, 0, 0] for p in places])

    near, far = np.flatnonzero(labels[:, 0] < 1.5), np.flatnonzero(labels[:, 0] == 7)
    assert value(near) < 4 * value(far[::5])
    assert value(near) < -3


def test_seed_decides(measured, scene):
    one, two, other = (make_replica(measured, 0.15, generator(s, "T1/M1", 1)) for s in (3, 3, 4))
    box = (20, 30, 30), (50, 80, 80)
    assert np.array_equal(one.read(*box), two.read(*box))
    assert not np.array_equal(one.read(*box), other.read(*box))
    again = measure(scene)
    assert all(np.array_equal(again.averages[n], measured.averages[n]) for n in ("A", "UK"))
    assert np.array_equal(again.background.power, measured.background.power)


def test_replicas_differ_by_number_and_membrane():
    draws = {generator(*key).random() for key in ((0, "T/M", 1), (0, "T/M", 2), (0, "T/N", 1))}
    assert len(draws) == 3
    assert replica_name("M1", 3) == "M1~3"


def test_bright_protein_comes_out_bright(measured, scene):
    found = measure(scene, sign=-1)
    assert np.allclose(found.averages["A"], -measured.averages["A"], atol=1e-3)
    assert np.allclose(found.profile.values, -measured.profile.values, atol=1e-3)
    assert found.background.level == pytest.approx(-measured.background.level)


def test_without_angles_every_average_is_round(scene):
    known = Annotations(scene[2].positions, scene[2].classes, None, "test")
    average = measure(scene, known=known).averages["A"]
    turned_round = np.rot90(average, axes=(1, 2))
    assert np.abs(average - turned_round).max() < 0.05 * np.abs(average).max()
    half = len(average) // 2
    assert average[half + 2, half, half] < -3


def test_too_few_particles_of_every_class_are_told(scene):
    known = scene[2].select(np.array([0, 1, 2, 3, 30, 31]))
    with pytest.raises(
        InputError, match=r"T1/M1: no class with enough .* found \{'A': 4, 'UK': 2\}"
    ):
        measure(scene, known=known)


def test_written_replica_lies_on_the_tomogram(measured, scene, tmp_path):
    _, place, _, _ = scene
    replica = make_replica(measured, 0.15, generator(0, "T1/M1", 1))
    info = {"pixel_size_angstrom": 10.0, "origin_angstrom": [100.0, 0.0, 0.0]}
    write_replica(tmp_path / "r.mrc", replica, place, info)
    with mrcfile.open(tmp_path / "r.mrc") as mrc:
        origin = [float(mrc.header.origin[a]) for a in "xyz"]
        low = np.rint((np.array(origin) - [100, 0, 0]) / 10).astype(int)[::-1]
        assert np.array_equal(mrc.data, replica.read(low, low + mrc.data.shape))
        assert float(mrc.voxel_size.x) == pytest.approx(10)
    assert (low <= np.floor(place.points.min(axis=0))).all()


def test_finer_voxels_are_simulated_on_their_own_grid(scene):
    """The same scene with half the voxel: lengths in working voxels are twice as many there."""
    volume, place, known, cells = scene
    low = np.array([10, 30, 34])
    fine = ndimage.zoom(volume[10:70, 30:90, 34:94], 2, order=3, grid_mode=False, mode="mirror")
    factor = (np.array(fine.shape) - 1) / (np.array([60, 60, 60]) - 1)
    is_in = (np.abs(place.points - CENTRE) < 26).all(axis=1)
    points = (place.points[is_in] - low) * factor
    fine_place = Place(
        points, place.normals[is_in], place.side[is_in], 2.0, 5.0, fine.shape, "T1/M1"
    )
    is_near = (np.abs(known.positions - CENTRE) < 26).all(axis=1)
    few = known.select(is_near)
    few = Annotations((few.positions - low) * factor, ("A",) * len(few), few.angles, "test")
    fine_cells = MaskCells(fine.shape)
    fine_cells.add(np.clip(points - 8 * place.normals[is_in], 0, 118).astype(int))
    rng = np.random.default_rng(0)
    args = (fine_place, few, fine_cells, SYMMETRY, 6.0, 0.3, rng)
    found = measure_membrane(reader(fine), *args)
    half = len(found.averages["A"]) // 2
    assert half == 13
    near = np.abs(found.profile.heights) < 16
    want = profile(found.profile.heights / 2)
    assert np.corrcoef(found.profile.values[near], want[near])[0, 1] > 0.9
