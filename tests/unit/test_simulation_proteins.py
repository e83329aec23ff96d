import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.simulation.proteins import footprint_of, make_kind

DIMER = {"shape": "dimer", "length_angstrom": 200, "width_angstrom": 110, "height_angstrom": 50}
ROUND = {"shape": "round", "diameter_angstrom": 70, "height_angstrom": 40}
PIXEL = 5.0


def grid(step=4.0, reach=140.0):
    axis = np.arange(-reach, reach + step / 2, step)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)  # xyz


def extent(points, values):
    """Return lowest and highest coordinate where the density is above one half, (2, 3) xyz."""
    inside = points[values > 0.5]
    return np.array([inside.min(axis=0), inside.max(axis=0)])


def test_dimer_has_the_size_asked_for_and_is_c2_symmetric(tmp_path):
    kind = make_kind("dimer", DIMER, tmp_path)
    points = grid()
    values = kind.density.sample(points, 14.0)
    low, high = extent(points, values)
    np.testing.assert_allclose(high - low, [200, 110, 115], atol=9)
    assert high[2] == pytest.approx(35 + 50, abs=6)
    turned = kind.density.sample(points * [-1, -1, 1], 14.0)
    np.testing.assert_allclose(values, turned, atol=1e-12)
    mirrored = kind.density.sample(points * [-1, 1, 1], 14.0)
    assert np.abs(values - mirrored).max() > 0.2


def test_lobes_of_the_dimer_show_its_long_axis(tmp_path):
    kind = make_kind("dimer", DIMER, tmp_path)
    points = grid()
    lobes = points[(kind.density.sample(points, 14.0) > 0.5) & (points[:, 2] > 45)][:, :2]
    spread, directions = np.linalg.eigh(np.cov(lobes.T))
    assert spread[1] > 4 * spread[0]
    assert abs(directions[0, 1]) > np.cos(np.radians(25))


def test_round_kind_is_round(tmp_path):
    kind = make_kind("round", ROUND, tmp_path)
    points = grid()
    low, high = extent(points, kind.density.sample(points, 14.0))
    np.testing.assert_allclose(high - low, [70, 70, 105], atol=9)
    np.testing.assert_allclose(
        kind.density.sample(points[:, [1, 0, 2]], 14.0)[::97],
        kind.density.sample(points, 14.0)[::97],
        atol=1e-12,
    )


@pytest.mark.parametrize("content", [DIMER, ROUND])
def test_nothing_is_left_beyond_the_reach(tmp_path, content):
    kind = make_kind("k", content, tmp_path)
    points = grid(8.0, 240.0)
    outside = np.linalg.norm(points, axis=1) > kind.reach
    assert kind.density.sample(points, 14.0)[outside].max() < 0.01


def test_larger_voxels_soften_the_edge(tmp_path):
    kind = make_kind("round", ROUND, tmp_path)
    line = np.column_stack([np.arange(0.0, 80, 1), np.zeros((80, 2))])
    fine, coarse = (kind.density.sample(line, pixel_size) for pixel_size in (5.0, 40.0))
    assert np.abs(np.diff(coarse)).max() < 0.8 * np.abs(np.diff(fine)).max()


def test_footprint_covers_length_and_width():
    discs = footprint_of(200.0, 110.0)
    np.testing.assert_allclose(discs, [[-45, 0, 55], [45, 0, 55]])
    np.testing.assert_allclose(footprint_of(70.0, 70.0), [[0, 0, 35]])
    assert len(footprint_of(400.0, 100.0)) == 4


def test_annotations_may_call_a_kind_by_another_name(tmp_path):
    assert make_kind("small", {**ROUND, "class": "round"}, tmp_path).label == "round"
    assert make_kind("small", ROUND, tmp_path).label == "small"


@pytest.fixture
def map_file(tmp_path):
    """Write an L-shaped molecule, anisotropic box: slab at y = 60..100, bump above it at high y."""
    values = np.zeros((30, 40, 50), dtype=np.float32)  # zyx
    values[10:20, 12:21, 5:45] = 2.0  # 10 x 9 x 40 voxels: long along x
    values[11:19, 21:29, 33:41] = 2.0  # bump towards +y at high x
    with mrcfile.new(tmp_path / "m.mrc") as file:
        file.set_data(values)
        file.voxel_size = PIXEL
    return tmp_path / "m.mrc"


def map_kind(map_file, **content):
    content = {"shape": "map", "map": map_file.name, "normal_axis": "y"} | content
    return make_kind("mine", content, map_file.parent)


def test_map_is_turned_so_that_z_leaves_the_membrane_and_x_is_long(map_file):
    kind = map_kind(map_file, transmembrane_centre_angstrom=80.0)
    assert kind.height == pytest.approx(28 * PIXEL - 80.0, abs=1)
    x, y, radius = kind.footprint.T
    assert np.ptp(x) + 2 * radius[0] == pytest.approx(40 * PIXEL, abs=35)
    assert radius[0] == pytest.approx(5 * PIXEL, abs=6)
    points = grid()
    low, high = extent(points, kind.density.sample(points, PIXEL))
    np.testing.assert_allclose(high[2], 60, atol=6)
    np.testing.assert_allclose(low[2], -20, atol=6)
    bump = points[(kind.density.sample(points, PIXEL) > 0.5) & (points[:, 2] > 35)]
    assert abs(bump[:, 0].mean()) > 40
    assert abs(bump[:, 1].mean()) < 5


@pytest.mark.parametrize(
    ("axis", "direction"),
    [
        ("x", [1, 0, 0]),
        ("-x", [-1, 0, 0]),
        ("y", [0, 1, 0]),
        ("-y", [0, -1, 0]),
        ("-z", [0, 0, -1]),
    ],
)
def test_map_keeps_its_hand(map_file, axis, direction):
    kind = map_kind(map_file, normal_axis=axis, long_axis_degree=25.0)
    turn = kind.density.turn  # columns: particle axes in the map, xyz
    assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_allclose(turn[:, 2], direction, atol=1e-9)
    inside, outside = np.array([[36.5, 24.5, 15], [10, 25, 15]]) * PIXEL - kind.density.origin
    own = np.stack([turn.T @ inside, turn.T @ outside])
    values = kind.density.sample(own, PIXEL)
    assert values[0] > 0.9
    assert values[1] < 0.1


def test_map_can_be_turned_over(map_file):
    kind = map_kind(map_file, normal_axis="-y", transmembrane_centre_angstrom=80.0)
    assert kind.height == pytest.approx(80.0 - 12 * PIXEL, abs=1)
    points = grid()
    low, high = extent(points, kind.density.sample(points, PIXEL))
    np.testing.assert_allclose([low[2], high[2]], [-60, 20], atol=6)


def test_long_axis_of_a_map_can_be_given(map_file):
    found = map_kind(map_file, transmembrane_centre_angstrom=80.0)
    given = map_kind(map_file, transmembrane_centre_angstrom=80.0, long_axis_degree=30.0)
    apart = found.density.turn[:, 0] @ given.density.turn[:, 0]
    assert abs(apart) < 0.95
    assert map_kind(map_file).density.origin[1] == pytest.approx(19.5 * PIXEL)


def test_recipe_pixel_size_wins_over_the_header(map_file):
    twice = map_kind(map_file, pixel_size_angstrom=10.0, transmembrane_centre_angstrom=160.0)
    assert twice.height == pytest.approx(
        2 * map_kind(map_file, transmembrane_centre_angstrom=80.0).height
    )


def test_bad_maps_are_refused_in_one_line(map_file):
    with pytest.raises(InputError, match=r"no\.mrc: unreadable"):
        map_kind(map_file, map="no.mrc")
    with pytest.raises(
        InputError, match=r"kind 'mine'.*no density within 20 angstrom .* between 60"
    ):
        map_kind(map_file, transmembrane_centre_angstrom=400.0)
    with mrcfile.open(map_file, mode="r+") as file:
        file.voxel_size = 1.0
    with pytest.raises(InputError, match="no pixel size in the header; found 1.0"):
        map_kind(map_file)
    with mrcfile.new(map_file.parent / "zero.mrc") as file:
        file.set_data(np.zeros((4, 4, 4), dtype=np.float32))
        file.voxel_size = 5.0
    with pytest.raises(InputError, match="zero.mrc: no density above 0"):
        map_kind(map_file, map="zero.mrc")
