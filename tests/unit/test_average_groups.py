"""Groups of particles that are averaged, and the contrast at them."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.average_groups import group_particles, pick_contrast
from membrain.errors import InputError
from membrain.particles import ParticleTable, empty_particles
from membrain.rotations import relion_angles

SHAPE = (30, 40, 50)
INFOS = {"T1": {"shape": SHAPE, "pixel_size_angstrom": 10.0}}


def table(positions, classes=None, tomogram="T1"):
    positions = np.array(positions, float).reshape(-1, 3)
    n = len(positions)
    poses = Rotation.random(n, rng=0) if n else Rotation.identity(0)
    matrices = poses.as_matrix().reshape(-1, 3, 3)

    def names(values):
        return np.array(values, dtype=object)

    return ParticleTable(
        names([tomogram] * n), names(["M"] * n), names(["a"] * n), np.arange(n), positions,
        positions * 10, np.ones(n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0],
        relion_angles(poses) if n else np.zeros((0, 3)), names(classes or ["PSII"] * n),
    )  # fmt: skip


INSIDE = [[5, 5, 5], [29, 39, 49], [0, 0, 0]]


def test_all_each_class_and_each_list_is_a_group():
    lists = {"all": table(INSIDE, ["b", "A", "b"]), "both": table(INSIDE[:1]), "only": table([])}
    found = group_particles(lists, INFOS)
    assert list(zip(found.kinds, found.names, strict=True)) == [
        ("all", "all"), ("class", "A"), ("class", "b"), ("list", "both"), ("list", "only"),
    ]  # fmt: skip
    assert found.files == ["all", "class_A", "class_b", "list_both", "list_only"]
    assert found.is_member.astype(int).tolist() == [
        [1, 0, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0], [0, 0, 0, 1, 0],
    ]  # fmt: skip
    assert np.array_equal(found.is_member, found.is_averaged)


def test_names_of_files_differ():
    lists = {"all": table(INSIDE, ["b/f", "b f", "B_f"])}
    assert group_particles(lists, INFOS).files == ["all", "class_B_f", "class_b_f_2", "class_b_f_3"]


def test_particles_outside_and_without_pose_are_left_out():
    found = table([*INSIDE, [30, 5, 5], [5, 5, -0.1], [5, 6, 7]])
    found.axes[5] = np.nan
    groups = group_particles({"all": found}, INFOS)
    assert groups.is_outside.tolist() == [False, False, False, True, True, False]
    assert groups.lacks_pose.tolist() == [False] * 5 + [True]
    assert groups.is_averaged[:, 0].tolist() == [True] * 3 + [False] * 3
    assert groups.is_member[:, 0].all()


def test_no_particle_is_one_empty_group():
    groups = group_particles({"all": empty_particles()}, INFOS)
    assert groups.names == ["all"]
    assert groups.is_member.shape == (0, 1)


def test_particles_that_all_lack_a_pose_are_refused():
    found = table(INSIDE)
    found.normals[:] = np.nan
    with pytest.raises(InputError, match="no particle has an orientation; found 3 positions"):
        group_particles({"all": found}, INFOS)


def test_particles_that_all_lie_outside_are_refused():
    found = table(10 * np.array([[5.0, 6, 7], [20, 20, 20]]))
    with pytest.raises(InputError) as caught:
        group_particles({"all": found}, INFOS)
    text = str(caught.value)
    assert "no particle lies in its tomogram; found 2 positions, x 70 to 200, y 60 to 200" in text
    assert "expected within [49, 39, 29] (x, y, z); are they voxels" in text


def test_tomogram_without_info_is_refused():
    with pytest.raises(InputError, match="tomogram 'T9' has particles but no info file"):
        group_particles({"all": table(INSIDE, tomogram="T9")}, INFOS)


@pytest.mark.parametrize(("sign", "word"), [(-1, "dark"), (1, "bright")])
def test_contrast_is_measured_in_the_membrane_around_few_particles(sign, word):
    shape = (40, 50, 60)
    volume = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    volume[17:22] += sign * 1.0
    mean, std = float(volume.mean()), float(volume.std())
    grey = {"centre": mean, "scale": std, "low": -5.0, "high": 5.0, "limit": 5.0}
    info = {"shape": shape, "pixel_size_angstrom": 10.0, "mean": mean, "std": std, "grey": grey}
    points = np.array([[21.0, 20, 30], [21, 30, 20]])
    poses = (points, np.tile([1.0, 0, 0], (2, 1)), np.tile([0, 0, 1.0], (2, 1)))

    def read(start, stop):
        return volume[tuple(map(slice, start, stop))]

    found = pick_contrast("auto", read, info, poses, 10.0)
    assert (found.data, found.is_clear, found.n_points) == (word, True, 50)
    assert pick_contrast("bright", None, info, poses, 10.0).data == "bright"
