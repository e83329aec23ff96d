"""Shapes of particles: covariances with known answers."""

import mrcfile
import numpy as np
import pytest

from membrain.errors import InputError
from membrain.particle_shapes import (
    about_normal,
    check_names,
    covariance_from_map,
    covariance_from_numbers,
    covariance_from_radii,
    metric_of,
    shape_of,
    shapes_from_options,
)


def write_map(path, density, pixel_size=4.0):
    with mrcfile.new(path, overwrite=True) as handle:
        handle.set_data(np.asarray(density, dtype=np.float32))
        handle.voxel_size = pixel_size
    return path


def brick(shape=(10, 16, 30), size=(4, 8, 20)):
    """A box of density 1, zyx, with corners of the given size."""
    density = np.zeros(shape)
    low = [(n - m) // 2 for n, m in zip(shape, size, strict=True)]
    density[tuple(slice(a, a + m) for a, m in zip(low, size, strict=True))] = 1
    return density


def test_map_of_a_brick_has_the_variances_of_a_brick(tmp_path):
    found = covariance_from_map(write_map(tmp_path / "b.mrc", brick(), 4.0), 0.5)
    n = 4 * 8 * 20 / (4 * 8 * 20 - 1)  # sample covariance
    expected = [(20**2 - 1) / 12, (8**2 - 1) / 12, (4**2 - 1) / 12]  # of equidistant voxels, xyz
    assert np.allclose(found, np.diag(expected) * 16 * n)


@pytest.mark.parametrize(("axis", "order"), [("z", (0, 1, 2)), ("x", (1, 2, 0)), ("y", (2, 0, 1))])
def test_axis_along_the_normal_becomes_z(tmp_path, axis, order):
    path = write_map(tmp_path / "b.mrc", brick())
    plain = np.diag(covariance_from_map(path, 0.5))
    assert np.allclose(np.diag(covariance_from_map(path, 0.5, axis)), plain[list(order)])


def test_threshold_default_is_a_quarter_of_the_maximum(tmp_path):
    density = brick() * 4
    density[0, 0, 0] = 0.9  # below a quarter
    path = write_map(tmp_path / "b.mrc", density)
    assert np.allclose(covariance_from_map(path), covariance_from_map(path, 2.0))
    density[0, 0, 0] = 1.1
    path = write_map(tmp_path / "c.mrc", density)
    assert not np.allclose(covariance_from_map(path), covariance_from_map(path, 2.0))


@pytest.mark.parametrize("density", [np.zeros((9, 9, 9)), brick((9, 9, 9), (1, 6, 6))])
def test_map_without_body_is_refused(tmp_path, density):
    path = write_map(tmp_path / "flat.mrc", density)
    with pytest.raises(InputError, match="flat.mrc: no particle above density 0.5.*map_threshold"):
        covariance_from_map(path, 0.5)


def test_map_without_pixel_size_is_refused(tmp_path):
    path = write_map(tmp_path / "none.mrc", brick(), 0.0)
    with pytest.raises(InputError, match="none.mrc: no pixel size"):
        covariance_from_map(path)


def test_radii_give_the_covariance_of_a_solid_ellipsoid():
    rng = np.random.default_rng(0)
    inside = rng.uniform(-1, 1, (400_000, 3))
    inside = inside[np.linalg.norm(inside, axis=1) < 1] * [50, 30, 20]
    found = covariance_from_radii([50, 30, 20])
    assert np.allclose(found, np.cov(inside.T), atol=4)


@pytest.mark.parametrize("radii", [[1, 2], [0, 1, 1], [1, -1, 1], [1, 1, float("nan")]])
def test_odd_radii_are_refused(radii):
    with pytest.raises(InputError, match="radii of the particle.*three lengths above 0"):
        covariance_from_radii(radii)


def test_numbers_fill_a_symmetric_matrix():
    expected = [[4, 0.1, 0.2], [0.1, 5, 0.3], [0.2, 0.3, 6]]
    assert np.allclose(covariance_from_numbers([4, 5, 6, 0.1, 0.2, 0.3]), expected)


def test_numbers_of_no_body_are_refused():
    with pytest.raises(InputError, match="expected xx yy zz xy xz yz of a positive definite"):
        covariance_from_numbers([1, 1, 1, 2, 0, 0])


def test_metric_of_any_sphere_is_euclidean():
    assert np.allclose(metric_of(covariance_from_radii([37, 37, 37])), np.eye(3))


def test_metric_keeps_the_volume_of_a_ball():
    metric = metric_of(covariance_from_radii([50, 30, 20]))
    assert np.linalg.det(metric) == pytest.approx(1)
    # along the long axis more voxels count as one
    assert np.sqrt(1 / metric[0, 0]) == pytest.approx(50 / (50 * 30 * 20) ** (1 / 3))


def test_about_normal_is_round_and_keeps_the_area():
    covariance = covariance_from_numbers([9, 4, 1, 2, 0, 0])
    found = about_normal(covariance)
    assert found[0, 0] == found[1, 1]
    assert np.linalg.det(found[:2, :2]) == pytest.approx(9 * 4 - 4)
    assert found[2, 2] == 1


def test_shape_of_a_class_its_own_then_the_common_then_a_sphere():
    own, common = np.eye(3) * 2, np.eye(3) * 3
    assert shape_of({"psii": own, "": common}, "PSII") is own
    assert shape_of({"psii": own, "": common}, "b6f") is common
    assert np.array_equal(shape_of({}, "b6f"), np.eye(3))


def test_options_give_each_class_its_shape(tmp_path):
    path = write_map(tmp_path / "b.mrc", brick())
    found = shapes_from_options(
        maps=[f"PSII={path}"],
        map_threshold=["psii=0.5"],
        radii_angstrom=["b6f=50,30,20", "PSI=40"],
        covariance_angstrom2=[4, 5, 6, 0.1, 0.2, 0.3],
    )
    assert sorted(found) == ["", "b6f", "psi", "psii"]
    assert np.array_equal(found["psii"], covariance_from_map(path, 0.5))
    assert np.array_equal(found["b6f"], covariance_from_radii([50, 30, 20]))
    assert np.array_equal(found["psi"], covariance_from_radii([40, 40, 40]))
    assert np.array_equal(found[""], covariance_from_numbers([4, 5, 6, 0.1, 0.2, 0.3]))


def test_each_map_has_its_threshold(tmp_path):
    density = brick() * 4
    density[0, 0, 0] = 2
    paths = [write_map(tmp_path / f"{name}.mrc", density) for name in "ab"]
    maps = [f"A={paths[0]}", f"B={paths[1]}"]
    found = shapes_from_options(maps=maps, map_threshold=["b=3"])
    assert np.array_equal(found["a"], covariance_from_map(paths[0], 1.0))
    assert np.array_equal(found["b"], covariance_from_map(paths[0], 3.0))
    assert not np.array_equal(found["a"], found["b"])
    every = shapes_from_options(maps=maps, map_threshold=3.0)
    assert np.array_equal(every["a"], every["b"])


def test_euclidean_distances_have_no_shape():
    assert shapes_from_options("euclidean", radii_angstrom=[1, 2, 3]) == {}
    assert shapes_from_options() == {}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"radii_angstrom": [1, 2, 3], "covariance_angstrom2": [1, 1, 1, 0, 0, 0]}, "every class"),
        ({"radii_angstrom": ["A=9"], "covariance_angstrom2": ["a=1,1,1,0,0,0"]}, "class a"),
    ],
)
def test_class_with_two_shapes_is_refused(options, name):
    with pytest.raises(InputError, match=f"give one of --map, .* for {name}"):
        shapes_from_options(**options)


def test_shape_of_a_class_without_output_is_refused_with_the_one_meant():
    check_names(["psii", "uk", ""], [["PSII", "UK"], ["b6f"]])
    with pytest.raises(InputError, match="option of class 'ps2': .* one of PSII, UK, b6f; did you"):
        check_names(["ps2"], [["PSII", "UK"], ["b6f"]])
