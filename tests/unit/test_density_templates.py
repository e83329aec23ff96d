"""Templates of densities whose places are known."""

import logging

import numpy as np
import pytest

from membrain.density_templates import make_template, read_template, sample_turned
from membrain.errors import InputError
from membrain.sampling import BoxGrid
from membrain.volumes import write_volume

GRID = BoxGrid((9, 9, 9), (4, 4, 4), 1.0)


def blob(*places, n=40, width=2.5):
    """A density [z, y, x] of Gaussians at places (xyz, voxel, from index n // 2)."""
    xyz = np.indices((n, n, n))[::-1] - n // 2
    return sum(
        np.exp(-((xyz.T - p) ** 2).sum(-1).T / (2 * width**2)) for p in map(np.array, places)
    )


def brightest(box):
    return tuple(int(i) - 4 for i in np.unravel_index(box.argmax(), box.shape))  # z, y, x


def made(density, **options):
    return make_template(density, 5.0, 10.0, 8.0, is_centred=True, **options)


def test_unturned_template_is_the_map_at_working_voxels():
    assert brightest(sample_turned(made(blob((6, 0, 2))), GRID, [0.0])[0]) == (1, 0, 3)


def test_quarter_turn_brings_x_to_y():
    boxes = sample_turned(made(blob((6, 0, 2))), GRID, np.radians([90, 180, 270]))
    assert [brightest(box) for box in boxes] == [(1, 3, 0), (1, 0, -3), (1, -3, 0)]


@pytest.mark.parametrize(("axis", "place"), [("z", (1, 2, 3)), ("x", (3, 1, 2)), ("y", (2, 3, 1))])
def test_axis_of_the_map_becomes_the_normal(axis, place):
    # a blob at particle x 1, y 2, z 3, two map voxels each
    template = made(blob(tuple(2 * c for c in place)), axis=axis)
    assert brightest(sample_turned(template, GRID, [0.0])[0]) == (3, 2, 1)


def test_symmetry_averages_the_turns():
    whole = sample_turned(made(blob((6, 0, 0))), GRID, [0.0], symmetry=2)[0]
    assert whole[4, 4, 7] == pytest.approx(whole[4, 4, 1], rel=1e-3)


def test_centroid_is_the_centre_unless_told():
    density = blob((5, -3, 1), width=3)
    template = make_template(density, 5.0, 10.0, 8.0)
    assert brightest(sample_turned(template, GRID, [0.0])[0]) == (0, 0, 0)


@pytest.mark.parametrize("degree", [-80, -30, 0, 25, 60])
def test_long_axis_is_that_of_the_density(degree):
    along = 6 * np.array([np.cos(np.radians(degree)), np.sin(np.radians(degree)), 0])
    found = np.degrees(made(blob(along, -along)).long_axis)
    assert abs((found - degree + 90) % 180 - 90) < 2


def test_dark_protein_on_a_bright_ground_is_turned_round(caplog):
    with caplog.at_level(logging.INFO):
        template = made(7 - 3 * blob((6, 0, 0)))
    assert "turned round" in caplog.text
    assert brightest(sample_turned(template, GRID, [0.0])[0]) == (0, 0, 3)


def test_map_without_particle_is_refused():
    with pytest.raises(InputError, match=r"map: no particle above density 90; found 0 voxels"):
        made(blob((0, 0, 0)), threshold=90.0)


def test_map_with_nan_is_refused():
    density = blob((0, 0, 0))
    density[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="map: densities that are not numbers"):
        made(density)


def test_file_is_read_with_its_own_pixel_size(tmp_path):
    write_volume(tmp_path / "map.mrc", blob((6, 0, 2)).astype(np.float32), 5.0)
    template = read_template(tmp_path / "map.mrc", 10.0, 8.0, is_centred=True)
    assert brightest(sample_turned(template, GRID, [0.0])[0]) == (1, 0, 3)
