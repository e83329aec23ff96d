"""A density map laid on the average of annotated particles and scaled to it."""

import logging

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from membrain.errors import InputError
from membrain.map_densities import fit_map, read_map, replace_by_maps
from membrain.particle_densities import soft_ball
from membrain.volumes import write_volume

BLOBS = ((4, 1.5, 1), (-4, -1.5, 1), (0, 0, 4), (2, -3, -2))


def body(half, scale=1.0, pose=None, shift=(0, 0, 0)):
    """Blobs without any symmetry; `scale` voxels per unit."""
    g = np.arange(-half, half + 1.0) / scale
    z, y, x = np.meshgrid(g, g, g, indexing="ij")
    centres = np.array(BLOBS, float)
    if pose is not None:
        centres = pose.apply(centres)
    centres = centres + shift
    return sum(
        np.exp(-((x - a) ** 2 + (y - b) ** 2 + (z - c) ** 2) / 5) for a, b, c in centres
    ).astype(np.float32)


def test_pose_shift_scale_and_sign_of_the_average_are_found():
    """A map at half the voxel, upside down, turned and moved; the average is dark and noisy."""
    pose = Rotation.from_euler("z", 130, degrees=True) * Rotation.from_euler("x", np.pi)
    average = -7 * body(12, pose=pose, shift=(1, 0, 2))
    rng = np.random.default_rng(0)
    noisy = (average + rng.normal(0, 0.5, average.shape)).astype(np.float32)
    found, r = fit_map(body(24, scale=2.0), 5.0, noisy, 10.0, 11.0)
    inside = soft_ball(12, 11.0) == 1
    assert r > 0.88  # of 0.93 for the body itself
    assert np.corrcoef(found[inside], average[inside])[0, 1] > 0.97
    assert (found * average)[inside].sum() / (average**2)[inside].sum() == pytest.approx(
        1, abs=0.12
    )
    assert not found[0].any()


def write(folder, name, density, pixel_size=10.0):
    path = folder / name
    write_volume(path, np.ascontiguousarray(density, dtype=np.float32), pixel_size)
    return str(path)


def test_axis_of_the_map_becomes_the_normal(tmp_path):
    density = body(10)
    for axis, order in (("x", (2, 0, 1)), ("y", (1, 2, 0)), ("z", (0, 1, 2))):
        # zyx of the file such that its named axis is the particle's z, with the same hand
        turned = np.transpose(density, np.argsort(order))
        found, pixel_size = read_map(write(tmp_path, f"{axis}.mrc", turned), axis)
        assert pixel_size == 10
        assert np.allclose(found, density), axis


def test_only_named_classes_are_replaced(tmp_path):
    path = write(tmp_path, "a.mrc", body(12))
    averages = {"PSII": -3 * body(12), "UK": np.ones((25, 25, 25), np.float32)}
    options = ("PSII", 10.0, "z", 11.0)
    found = replace_by_maps(averages, [path], *options)  # without a name: of the first class
    assert found["UK"] is averages["UK"]
    inside = soft_ball(12, 11.0) == 1
    assert np.abs(found["PSII"] - averages["PSII"])[inside].max() < 0.2
    named = replace_by_maps(averages, [f"psii={path}"], *options)
    assert np.array_equal(named["PSII"], found["PSII"])
    other = replace_by_maps(averages, [f"b6f={path}"], *options)
    assert other["PSII"] is averages["PSII"]


def test_map_that_does_not_fit_is_not_used(tmp_path, caplog):
    average = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(25, 25, 25)), 1)
    averages = {"A": average.astype(np.float32)}
    path = write(tmp_path, "a.mrc", body(12))
    with caplog.at_level(logging.WARNING):
        found = replace_by_maps(averages, [path], "A", 10.0, "z", 11.0)
    assert found["A"] is averages["A"]
    assert "with the average of class A, below 0.5: the average is used" in caplog.text


def test_map_without_density_is_refused(tmp_path):
    path = write(tmp_path, "a.mrc", np.zeros((8, 8, 8)))
    with pytest.raises(InputError, match=r"a.mrc: no density above 0; found at most 0"):
        read_map(path, "z")


def test_empty_average_gives_no_correlation():
    found, r = fit_map(body(8), 10.0, np.zeros((17, 17, 17), np.float32), 10.0, 7.0)
    assert r == 0
    assert not found.any()
