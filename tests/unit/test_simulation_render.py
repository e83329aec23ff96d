import numpy as np
import pytest

from membrain.simulation.patches import Sheet
from membrain.simulation.placement import Particle, Request, Room, generator, place_particles
from membrain.simulation.proteins import make_kind
from membrain.simulation.render import (
    Grid,
    add_bilayer,
    add_crowding,
    add_particle,
    mask_voxels,
    smooth_noise,
    voxels_near,
)
from membrain.simulation.surfaces import Surface, pose_from_axis
from membrain.simulation.vesicles import Sphere, Torus

GRID = Grid((50, 62, 74), 14.0)  # zyx
MIDDLE = np.array([350.0, 430.0, 520.0])
BILAYER = {
    "leaflet_distance_angstrom": 20.0,
    "leaflet_sigma_angstrom": 12.0,
    "rim_fade_angstrom": 40.0,
}
MASK = {
    "thickness_angstrom": 70.0,
    "roughness_angstrom": 0.0,
    "raggedness_angstrom": 0.0,
    "bump_length_angstrom": 200.0,
}


def sheet(axis=(0, 0, 1), size=(500.0, 500.0), centre=MIDDLE):
    return Surface("m", Sheet(size), np.asarray(centre), pose_from_axis(axis))


def all_positions(grid):
    return grid.positions(np.arange(np.prod(grid.shape)))


@pytest.mark.parametrize(
    "surface",
    [
        sheet((1, 0.4, 0.7)),
        sheet((0, 0, 1), centre=(10.0, 20.0, 900.0)),
        Surface("m", Sphere(260.0, 30.0), MIDDLE, pose_from_axis([0, 1, 1])),
        Surface("m", Torus(200.0, 90.0), MIDDLE, pose_from_axis([1, 1, 1])),
    ],
    ids=["tilted", "cut by the border", "holed sphere", "torus"],
)
def test_voxels_near_a_surface_are_those_of_a_full_search(surface):
    distance, _, rim = surface.locate(all_positions(GRID))
    expected = np.flatnonzero((np.abs(distance) <= 60.0) & (rim >= -60.0))
    np.testing.assert_array_equal(voxels_near(surface, GRID, 60.0), expected)


def test_no_voxel_near_a_surface_outside():
    assert len(voxels_near(sheet(centre=(9000.0, 0, 0)), GRID, 60.0)) == 0


def test_mask_of_a_sheet_has_its_thickness_and_extent():
    flat = mask_voxels(sheet(centre=(350.0, 434.0, 518.0)), GRID, MASK, np.random.default_rng(0))
    voxels = np.column_stack(np.unravel_index(flat, GRID.shape))
    assert sorted(set(voxels[:, 0])) == [23, 24, 25, 26, 27]  # 350 / 14 = 25, +-2.5 voxels
    np.testing.assert_array_equal(np.ptp(voxels, axis=0)[1:], [34, 34])


def test_rough_mask_varies_by_what_was_asked_and_repeats():
    options = {**MASK, "roughness_angstrom": 6.0, "raggedness_angstrom": 20.0}
    surface = sheet((0.2, 1, 0.3), (900.0, 900.0))
    flat = mask_voxels(surface, Grid((100, 100, 100), 7.0), options, np.random.default_rng(3))
    again = mask_voxels(surface, Grid((100, 100, 100), 7.0), options, np.random.default_rng(3))
    np.testing.assert_array_equal(flat, again)
    distance, _, rim = surface.locate(Grid((100, 100, 100), 7.0).positions(flat))
    assert 40 < np.abs(distance).max() <= 35 + 15
    assert -50 <= rim.min() < -10


def test_smooth_noise_is_smooth_and_has_unit_variance():
    points = np.random.default_rng(0).uniform(0, 5000, (20_000, 3))
    field = smooth_noise(points, 200.0, np.random.default_rng(1))
    assert np.abs(field).max() <= 2.5
    assert field.std() == pytest.approx(1, abs=0.08)
    near = smooth_noise(points + [5.0, 0, 0], 200.0, np.random.default_rng(1))
    far = smooth_noise(points + [100.0, 0, 0], 200.0, np.random.default_rng(1))
    assert np.corrcoef(field, near)[0, 1] > 0.97
    assert np.corrcoef(field, far)[0, 1] < 0.4


def test_bilayer_has_two_leaflets_and_fades_at_the_rim():
    grid = Grid((60, 100, 110), 5.0)
    surface = sheet(centre=(150.0, 250.0, 275.0), size=(300.0, 300.0))
    volume = np.zeros(grid.shape, dtype=np.float32)
    add_bilayer(volume, surface, grid, BILAYER)
    profile = volume[:, 50, 55]
    peaks = np.flatnonzero((profile[1:-1] > profile[:-2]) & (profile[1:-1] > profile[2:])) + 1
    np.testing.assert_array_equal(peaks, [26, 34])  # 130 and 170 angstrom
    assert profile[30] < 0.8 * profile[26]
    row = volume[26, 50]  # along x, rim at 125 and 425 angstrom
    assert row[25] == pytest.approx(row[55] / 2, rel=0.05)
    assert row[20] == 0
    assert row[29] == pytest.approx(row[55], rel=1e-3)


def test_the_same_scene_at_another_pixel_size():
    """The mean over 2^3 voxels of a fine rendering is close to the coarse one."""
    fine, coarse = Grid((60, 60, 60), 7.0), Grid((30, 30, 30), 14.0)
    volumes = []
    for grid, shift in ((fine, 0.0), (coarse, -3.5)):  # centre of two fine voxels = one coarse one
        volume = np.zeros(grid.shape, dtype=np.float32)
        surface = sheet((0.3, 0.2, 1), (300.0, 300.0), np.full(3, 200.0) + shift)
        add_bilayer(volume, surface, grid, BILAYER)
        volumes.append(volume)
    binned = volumes[0].reshape(30, 2, 30, 2, 30, 2).mean(axis=(1, 3, 5))
    assert np.abs(binned - volumes[1]).max() < 0.12
    assert np.corrcoef(binned.ravel(), volumes[1].ravel())[0, 1] > 0.995


DIMER = {"shape": "dimer", "length_angstrom": 200, "width_angstrom": 110, "height_angstrom": 50}


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("axis", [(0, 0, 1), (1, 0.2, 0.1), (0.3, -0.9, 0.4)])
def test_particle_stands_out_on_its_side_along_its_long_axis(tmp_path, axis, side):
    """Moments of the voxels themselves, in zyx, against the pose."""
    grid = Grid((44, 52, 60), 10.0)
    surface = sheet(axis, (440.0, 440.0), (215.0, 255.0, 295.0))
    kind = make_kind("dimer", DIMER, tmp_path)
    room = Room(np.array([440.0, 520.0, 600.0]), [surface], 35.0, 0.0, 0.0, 5.0)
    particle = place_particles(surface, [Request(kind, side, 1)], room, generator(2))[0]
    volume = np.zeros(grid.shape, dtype=np.float32)
    add_particle(volume, particle, grid)
    weight = volume.ravel().astype(float)
    points = all_positions(grid)
    mass = np.average(points, axis=0, weights=weight)
    outwards = side * np.array(axis)[::-1] / np.linalg.norm(axis)  # zyx
    assert (mass - particle.centre) @ outwards > 8
    np.testing.assert_allclose(particle.normal, outwards, atol=1e-9)
    covariance = np.cov((points - mass).T, aweights=weight)
    longest = np.linalg.eigh(covariance)[1][:, 2]
    assert abs(longest @ particle.axis) > np.cos(np.radians(4))
    lobes = volume[tuple(np.round(p / 10).astype(int) for p in _lobe(particle, 1))]
    behind = volume[tuple(np.round(p / 10).astype(int) for p in _lobe(particle, -1))]
    assert lobes > 0.6
    assert behind < 0.1


def _lobe(particle: Particle, sign: int) -> np.ndarray:
    own = np.array([50.0, 14.0, sign * 60.0])
    return particle.centre + particle.pose.apply(own)[::-1]


def test_particle_at_the_border_is_cut(tmp_path):
    kind = make_kind("dimer", DIMER, tmp_path)
    volume = np.zeros((20, 22, 24), dtype=np.float32)
    pose = pose_from_axis([0, 0, 1])
    for centre in ([0.0, 0.0, 0.0], [300.0, 0.0, 160.0], [5000.0, 0.0, 0.0]):
        particle = Particle("m", kind, 1, np.array(centre), np.zeros(3), np.zeros(3), pose)
        add_particle(volume, particle, Grid(volume.shape, 14.0))
    assert volume[0, 0, 0] > 0.5
    assert volume[10, 11, 12] < 0.5


CROWD = {
    "number_per_cubic_micrometre": 400_000,
    "radius_angstrom": 40.0,
    "clearance_angstrom": 60.0,
}


def test_crowding_keeps_clear_of_membranes():
    surface = sheet((0.5, 1, 0.2), (900.0, 900.0))
    volume = np.zeros(GRID.shape, dtype=np.float32)
    n_balls = add_crowding(volume, [surface], GRID, CROWD, np.random.default_rng(0))
    assert n_balls > 100
    near = voxels_near(surface, GRID, 40.0)
    assert volume.ravel()[near].max() < 0.06
    assert volume.max() > 0.6


def test_crowding_has_the_number_asked_for():
    volume = np.zeros(GRID.shape, dtype=np.float32)
    expected = 4e5 * np.prod((np.array(GRID.shape) - 1) * 14.0 / 1e4)
    n_balls = add_crowding(volume, [], GRID, CROWD, np.random.default_rng(0))
    assert n_balls == pytest.approx(expected, abs=4 * np.sqrt(expected))
    none = {**CROWD, "number_per_cubic_micrometre": 0}
    assert add_crowding(volume, [], GRID, none, np.random.default_rng(0)) == 0
