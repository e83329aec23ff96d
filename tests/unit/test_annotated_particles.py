import numpy as np
import pytest

from membrain.annotated_particles import have_angles
from membrain.formats.base import Annotations
from membrain.picks import as_particles


def particles(angles, classes=None):
    n = len(angles)
    names = tuple(classes or ["PSII"] * n)
    angles = np.array(angles, dtype=float)
    return as_particles(Annotations(np.zeros((n, 3)), names, angles, "test"), "T1", 10.0)


def test_particles_with_a_pose_have_angles():
    np.testing.assert_array_equal(have_angles(particles([[1, 2, 3], [4, 5, 6]])), [True, True])
    without = as_particles(Annotations(np.zeros((2, 3)), ("a", "b"), None, "test"), "T1", 10.0)
    np.testing.assert_array_equal(have_angles(without), [False, False])
    assert have_angles(particles(np.zeros((0, 3)))).shape == (0,)


@pytest.mark.parametrize(("n", "has"), [(2, True), (3, False)])
def test_one_rot_for_all_particles_of_a_class_is_none(n, has):
    angles = [[0, 10 * i, 20 * i] for i in range(n)] + [[5 * i, 1, 2] for i in range(3)]
    found = have_angles(particles(angles, ["PSII"] * n + ["b6f"] * 3))
    np.testing.assert_array_equal(found, [has] * n + [True] * 3)
