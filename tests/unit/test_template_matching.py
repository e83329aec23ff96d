"""Correlation with templates, against sums that are done in full."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.density_templates import make_template
from membrain.template_matching import (
    Search,
    compare,
    iter_filtered_boxes,
    make_stack,
    template_energies,
)
from membrain.whitening import apply_response

SEARCH = Search(radius=5, depth=4, shift=1.5, heights=(-1.5, 1.5), turn_degree=30.0, step=1.0)


def template():
    xyz = np.indices((41, 41, 41))[::-1] - 20
    density = sum(
        np.exp(-((xyz.T - p) ** 2).sum(-1).T / 32.0) for p in ((7, 0, 2), (-5, 5, 0), (0, -6, -4))
    )
    return make_template(density, 5.0, 10.0, SEARCH.reach + 1, is_centred=True)


def cube_of(stack, turn=0):
    """The stack's template at one turn in a cube of 32 voxels."""
    out = np.zeros((32,) * 3, np.float32)
    corner = 16 - np.array(SEARCH.template_grid.centre, dtype=int)
    out[tuple((stack.voxels + corner).T)] = stack.values[turn]
    return out


def test_layers_have_no_mean():
    stack = make_stack(template(), SEARCH)
    layers = np.zeros(SEARCH.template_grid.shape[0])
    np.add.at(layers, stack.voxels[:, 0], stack.values[0])
    np.testing.assert_allclose(layers, 0, atol=1e-4)


def test_energy_without_filter_is_the_sum_of_squares():
    stack = make_stack(template(), SEARCH)
    found = template_energies(stack, np.full((32,) * 3, 1.0), np.eye(3)[None], SEARCH.turns)
    expected = (stack.values**2).sum(axis=1)
    np.testing.assert_allclose(found[0], expected, rtol=0.05)


@pytest.mark.parametrize("turn", [0, 3, 5])
def test_energy_is_that_of_the_filtered_template(turn):
    stack = make_stack(template(), SEARCH)
    z, y, x = np.meshgrid(*[np.fft.fftfreq(32)] * 3, indexing="ij")
    # no mirror or exchange of axes leaves it; even, as every response
    response = np.exp(-4 * (np.abs(z + 0.4 * x) + 2 * np.abs(y - 0.3 * x)))
    cube = cube_of(stack, turn)
    expected = (cube * apply_response(cube, response)).sum()
    found = template_energies(stack, response, np.eye(3)[None], SEARCH.turns)[0, turn]
    assert found == pytest.approx(expected, rel=0.04)


def test_energy_follows_the_pose():
    stack = make_stack(template(), SEARCH)
    z, _, _ = np.meshgrid(*[np.fft.fftfreq(32)] * 3, indexing="ij")
    response = np.exp(-10 * np.abs(z))
    # z axis of the particle along x of the tomogram: the filter works along the particle's -x
    pose = Rotation.from_euler("y", 90, degrees=True).as_matrix()[None]
    cube = cube_of(stack)
    expected = (cube * apply_response(cube, response.transpose(2, 1, 0))).sum()
    found = template_energies(stack, response, pose, SEARCH.turns)[0, 0]
    assert found == pytest.approx(expected, rel=0.04)


def test_template_itself_is_found_at_its_turn_and_shift():
    stack = make_stack(template(), SEARCH)
    box = np.zeros(SEARCH.box_grid.shape, np.float32)
    shift = np.array([1, -1, 0])
    corner = (np.array(SEARCH.box_grid.centre) - SEARCH.template_grid.centre).astype(int)
    box[tuple((stack.voxels + corner + shift).T)] = stack.values[4]
    z = compare(box, stack, SEARCH, (stack.values**2).sum(axis=1))
    s, t = np.unravel_index(z.argmax(), z.shape)
    assert t == 4
    np.testing.assert_array_equal(SEARCH.shifts[s], shift)
    assert z.max() == pytest.approx(np.linalg.norm(stack.values[4]), rel=1e-4)


def test_shifts_stay_within_their_reach():
    search = replace(SEARCH, step=0.5)
    shifts = search.shifts * 0.5
    assert np.hypot(shifts[:, 1], shifts[:, 2]).max() <= 1.5
    assert set(shifts[:, 0]) == {-1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5}


def test_turns_cover_one_period():
    turns = replace(SEARCH, symmetry=2).turns
    np.testing.assert_allclose(np.degrees(turns), [0, 30, 60, 90, 120, 150])


@pytest.mark.parametrize("step", [1.0, 1.25])
def test_boxes_show_the_tomogram_in_the_particles_frame(step):
    centre = np.array([30.0, 34.0, 38.0])
    zyx = np.indices((60, 68, 76)).T[..., ::1].transpose(2, 1, 0, 3)
    # a blob 3 working voxels along the normal (tomogram y) and 2 along the axis (tomogram x)
    place = centre + step * np.array([0, 3, 2])
    volume = np.exp(-((zyx - place) ** 2).sum(-1) / (2 * 1.5**2)).astype(np.float32)
    grey = {"centre": 0.0, "scale": 1.0, "low": -10.0, "high": 10.0, "limit": 10.0}
    info = {"tomogram": "T1", "shape": volume.shape, "grey": grey}

    def read(start, stop):
        return volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]

    poses = (centre[None], np.array([[0.0, 1, 0]]), np.array([[0.0, 0, 1]]))
    grid = SEARCH.box_grid
    [(row, box)] = iter_filtered_boxes(read, info, step, np.ones((16,) * 3), poses, grid)
    assert row == 0
    found = np.array(np.unravel_index(box.argmax(), box.shape)) - grid.centre
    np.testing.assert_array_equal(found, [3, 0, 2])
