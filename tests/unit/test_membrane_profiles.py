"""Heights above a surface, and the profile of a membrane measured and drawn."""

import numpy as np
import pytest

from membrain.membrane_profiles import (
    BLOCK_VOXEL,
    Sheet,
    bare_points,
    draw_profile,
    iter_bands,
    measure_profile,
)

SHAPE = (48, 70, 80)
NORMAL = np.array([0.8, 0.0, 0.6])
CENTRE = np.array([24.0, 35.0, 40.0])


def plane(spacing=1.5, extent=24.0):
    """A tilted square of points."""
    u, v = np.array([-0.6, 0, 0.8]), np.array([0.0, 1.0, 0.0])
    s = np.arange(-extent, extent + 0.1, spacing)
    a, b = (part.ravel() for part in np.meshgrid(s, s))
    points = CENTRE + a[:, None] * u + b[:, None] * v
    return Sheet(points, np.tile(NORMAL, (len(points), 1)))


def heights_of(shape=SHAPE):
    grid = np.stack(np.indices(shape), axis=-1) - CENTRE
    return grid @ NORMAL


def two_leaflets(height):
    return -8 * np.exp(-((height + 1) ** 2) / 3) - 5 * np.exp(-((height + 5) ** 2) / 3)


def places_of(band):
    return np.stack(np.unravel_index(band.index, (BLOCK_VOXEL,) * 3), axis=1) + band.start


def test_heights_above_a_plane_are_exact():
    sheet = plane()
    n = 0
    for band in iter_bands(sheet):
        places = places_of(band)
        inside = band.lateral < 1
        want = (places - CENTRE) @ NORMAL
        assert np.allclose(band.height[inside], want[inside], atol=1e-4)
        n += len(places)
    assert n > 50 * 50 * 30


def test_heights_above_a_sphere_are_distances_within_a_tenth():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    sheet = Sheet(25 * normals + 40, normals)
    for band in iter_bands(sheet):
        radius = np.linalg.norm(places_of(band) - 40, axis=1)
        near = (np.abs(radius - 25) < 6) & (band.lateral < 1.5)
        assert np.allclose(band.height[near], radius[near] - 25, atol=0.15)


def test_every_voxel_within_reach_comes_once():
    sheet = Sheet(np.array([[10.0, 31.5, 0.0]]), np.array([[1.0, 0, 0]]), step=0.5)
    places = np.concatenate([places_of(band) for band in iter_bands(sheet)])
    grid = np.stack(np.indices((40, 60, 40)), axis=-1).reshape(-1, 3) - [15, 0, 20]
    want = grid[np.linalg.norm(grid - sheet.points[0], axis=1) < 10]
    assert sorted(map(tuple, places)) == sorted(map(tuple, want))


def test_no_point_gives_no_band():
    assert list(iter_bands(Sheet(np.empty((0, 3)), np.empty((0, 3))))) == []


@pytest.mark.parametrize("sign", [1, -1])
def test_profile_of_a_tilted_membrane_is_recovered_and_drawn(sign):
    rng = np.random.default_rng(0)
    clean = 100 + sign * two_leaflets(heights_of())
    volume = (clean + rng.normal(0, 2, SHAPE)).astype(np.float32)
    sheet = plane()
    bands = list(iter_bands(sheet))

    def read(start, stop):
        return volume[tuple(map(slice, start, stop))]

    is_bare = np.ones(len(sheet.points), bool)
    profile = measure_profile(bands, sheet, is_bare, read, SHAPE, 100.0)
    middle = np.abs(profile.heights) <= 12
    want = sign * two_leaflets(profile.heights)
    assert np.abs(profile.values - want)[middle].max() < 0.3
    assert profile.values[0] == profile.values[-1] == 0
    drawn = draw_profile(bands, sheet, profile).read((0, 0, 0), SHAPE) + 100
    inner = np.abs(np.stack(np.indices(SHAPE), -1) - CENTRE).max(axis=-1) < 14
    assert np.abs(drawn - clean)[inner].max() < 0.8  # of 8: bins of a voxel round the leaflets
    assert np.sqrt(np.mean((drawn - clean)[inner] ** 2)) < 0.25
    assert not (drawn[:, 0] - 100).any()  # 11 voxels beyond the rim


def test_places_of_particles_do_not_count():
    sheet = plane()
    volume = np.zeros(SHAPE, np.float32)
    is_half = sheet.points[:, 1] < CENTRE[1]
    volume[:, : int(CENTRE[1])] = 5.0

    def read(start, stop):
        return volume[tuple(map(slice, start, stop))]

    bands = list(iter_bands(sheet))
    profile = measure_profile(bands, sheet, ~is_half, read, SHAPE, 0.0)
    assert np.abs(profile.values).max() < 0.1
    profile = measure_profile(bands, sheet, is_half, read, SHAPE, 0.0)
    assert profile.values[20] > 4.7


def test_bare_points_are_far_from_particles_or_the_farthest_tenth():
    sheet = plane()
    is_bare = bare_points(sheet, CENTRE[None])
    distance = np.linalg.norm(sheet.points - CENTRE, axis=1)
    assert np.array_equal(is_bare, distance >= 10)
    is_bare = bare_points(sheet, sheet.points[::7])
    assert 0.1 <= is_bare.mean() < 0.5
    assert bare_points(sheet, np.empty((0, 3))).all()
