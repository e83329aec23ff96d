"""In-plane angles of particles of known pose, rendered on tilted sheets with noise."""

from dataclasses import replace

import numpy as np
import pytest

from membrain.density_templates import make_template, turn_over
from membrain.rotations import fold_angle
from membrain.template_angles import (
    Source,
    find_turns,
    matrices_of,
    onto_surface,
    peak_offset,
    place_template,
    turned_axes,
)
from membrain.template_matching import Search
from membrain.whitening import measure_power, whitening_response

SHAPE = (84, 96, 110)  # zyx
GREY = {"centre": 0.0, "scale": 1.0, "low": -10.0, "high": 10.0, "limit": 10.0}
INFO = {"tomogram": "T1", "shape": SHAPE, "pixel_size_angstrom": 10.0, "grey": GREY}
# centres (xyz, voxel, around 0) and weights of Gaussians of a particle without any symmetry, and of
# a long one with two-fold symmetry, whose long axis lies 30 degrees from x
ODD = (np.array([[3.6, 0.4, 0], [-2, 2.6, 0.6], [-1, -2.6, 1.4], [-0.6, -0.4, -2]]), [1, 0.8, 1, 1])
LONG = (np.array([[3.6, 2.1, 0.5], [-3.6, -2.1, 0.5], [1, -1.5, -2], [-1, 1.5, -2]]), [1, 1, 1, 1])
WIDTH = 1.3
SEARCH = Search(radius=5.5, depth=5.0, shift=2.0)


def density(xyz, shape):
    centres, weights = shape
    squares = ((xyz[..., None, :] - centres) ** 2).sum(-1)
    return np.exp(-squares / (2 * WIDTH**2)) @ np.array(weights, dtype=float)


def map_of(shape, pixel_size=5.0, n=44, mirror=False):
    """The particle's density map, [z, y, x], its own pixel size."""
    zyx = (np.indices((n, n, n)).reshape(3, -1).T - n // 2) * pixel_size / 10
    xyz = zyx[:, ::-1] * ([1, -1, 1] if mirror else [1, 1, 1])
    return density(xyz, shape).reshape(n, n, n)


def template(shape, mirror=False, **options):
    return make_template(map_of(shape, mirror=mirror), 5.0, 10.0, SEARCH.reach + 1, **options)


def scene(shape, n=14, seed=0, noise=0.15, height=0.0, is_dark=True, flip=False):
    """A tomogram of particles on pieces of membrane of any tilt; positions, poses and the truth."""
    rng = np.random.default_rng(seed)
    points = []
    while len(points) < n:
        p = rng.uniform(16, np.array(SHAPE) - 17)
        if all(np.linalg.norm(p - q) > 16 for q in points):
            points.append(p)
    points = np.array(points)
    normals = rng.normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    axes = np.cross(normals, rng.normal(size=(n, 3)))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    truth = rng.uniform(0, 2 * np.pi, n)
    matrices = matrices_of(normals, turned_axes(normals, axes, truth))
    volume = rng.normal(0, noise, SHAPE)
    for p, matrix in zip(points, matrices, strict=True):
        low = np.maximum(np.floor(p).astype(int) - 9, 0)
        box = tuple(slice(a, a + 20) for a in low)
        zyx = np.stack(np.meshgrid(*(np.arange(a, a + 20) for a in low), indexing="ij"), -1) - p
        own = zyx[..., ::-1] @ matrix  # xyz of the particle
        sheet = 1.5 * np.exp(-((own[..., 2] + 3) ** 2) / 2)
        own[..., 2] -= height
        volume[box] += density(own * ([1, -1, -1] if flip else 1), shape) + sheet
    volume = (-volume if is_dark else volume).astype(np.float32)

    def read(start, stop):
        return volume[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))]

    power = measure_power(read, INFO, 1.0, np.random.default_rng(1), n_cubes=40)
    source = Source(read, INFO, 1.0, whitening_response(power), -1.0 if is_dark else 1.0)
    shifted = points + rng.normal(0, 0.4, points.shape)
    return source, (shifted, normals, axes), truth


def found_angles(source, poses, shape, symmetry=1, top="high", **options):
    search = replace(SEARCH, symmetry=symmetry)
    how = template(shape, **options)
    placement = place_template(source, how, poses, search, top)
    return find_turns(source, placement, poses, search, 1.0), placement


def errors(turn, truth, symmetry=1):
    return fold_angle(np.degrees(turn - truth), symmetry)


@pytest.mark.parametrize(("shape", "symmetry"), [(ODD, 1), (LONG, 2), (LONG, 1)])
def test_known_angles_are_found(shape, symmetry):
    source, poses, truth = scene(shape)
    found, placement = found_angles(source, poses, shape, symmetry)
    fold = 2 if shape is LONG else 1
    assert np.median(errors(found.turn, truth, fold)) < 1.5
    assert errors(found.turn, truth, fold).max() < 3
    assert abs(placement.height) < 1
    assert (found.strength > 4).all()


def test_mirrored_map_or_turned_sign_finds_other_angles():
    source, poses, truth = scene(ODD)
    right, _ = found_angles(source, poses, ODD)
    wrong, _ = found_angles(source, poses, ODD, mirror=True)
    assert np.median(errors(wrong.turn, truth)) > 10
    assert (wrong.strength < 0.97 * right.strength).all()
    assert np.median(errors(-right.turn, truth)) > 30


def test_template_is_found_at_its_height():
    source, poses, truth = scene(ODD, height=4.0)
    found, placement = found_angles(source, poses, ODD)
    assert placement.height == pytest.approx(4.0, abs=1.0)
    assert np.median(errors(found.turn, truth)) < 3


def test_map_upside_down_is_turned_over_about_its_long_axis():
    source, poses, truth = scene(LONG, flip=True)
    found, placement = found_angles(source, poses, LONG, 2, top="auto")
    assert placement.is_turned_over
    # turned over about x in the scene (long axis at -30 degrees), about the long axis (at 30) here
    offset = np.angle(np.exp(2j * (found.turn - truth)).mean()) / 2
    assert np.degrees(offset) == pytest.approx(-60, abs=2)


def test_map_that_stands_upright_is_left_so():
    source, poses, _ = scene(LONG)
    _, placement = found_angles(source, poses, LONG, 2, top="auto")
    assert not placement.is_turned_over


def test_bright_protein_is_found_too():
    source, poses, truth = scene(ODD, is_dark=False)
    found, _ = found_angles(source, poses, ODD)
    assert np.median(errors(found.turn, truth)) < 2
    wrong = replace(source, sign=-1.0)
    assert np.median(errors(found_angles(wrong, poses, ODD)[0].turn, truth)) > 10


def test_evidence_decides_where_the_density_does_not():
    source, poses, truth = scene(LONG)
    search = replace(SEARCH, symmetry=1)
    placement = place_template(source, template(LONG), poses, search, "high")
    evidence = 20 * np.cos(search.turns - truth[:, None])
    found = find_turns(source, placement, poses, search, 1.0, evidence)
    assert np.median(errors(found.turn, truth)) < 3  # not folded: the two-fold pose is told


def test_far_shifts_are_less_likely():
    source, poses, _ = scene(ODD, noise=0.05)
    moved = poses[0] + 1.5 * matrices_of(*poses[1:])[:, ::-1, 0]
    search = replace(SEARCH, symmetry=1)
    placement = place_template(source, template(ODD), poses, search, "high")
    found = find_turns(source, placement, (moved, *poses[1:]), search, position=0.02)
    np.testing.assert_array_equal(found.shift, 0)


def test_shift_tells_where_the_particle_lies():
    source, poses, _ = scene(ODD, noise=0.05)
    matrices = matrices_of(*poses[1:])
    moved = poses[0] + 1.5 * matrices[:, ::-1, 0]  # along x of the frame
    found, _ = found_angles(source, (moved, *poses[1:]), ODD)
    assert np.median(found.shift[:, 2]) == pytest.approx(-1.5, abs=0.5)
    assert abs(np.median(found.shift[:, 1])) < 0.5


def test_turn_over_is_its_own_inverse_and_keeps_the_long_axis():
    once = turn_over(template(LONG))
    assert np.degrees(once.long_axis) == pytest.approx(30, abs=2)
    axis = np.array([np.cos(once.long_axis), np.sin(once.long_axis), 0])
    np.testing.assert_allclose(once.matrix @ axis, axis, atol=1e-12)
    np.testing.assert_allclose(once.matrix[:, 2], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(turn_over(once).matrix, np.eye(3), atol=1e-12)


def test_axes_turn_counter_clockwise_about_their_normals():
    turned = turned_axes(np.array([[1.0, 0, 0]]), np.array([[0.0, 0, 1]]), np.array([np.pi / 2]))
    np.testing.assert_allclose(turned, [[0, 1, 0]], atol=1e-12)  # z up: x goes to y


def test_positions_move_along_the_normal_into_their_points():
    y, x = np.mgrid[-6:7:1.5, -6:7:1.5]
    points = np.stack([np.full(y.size, 2.0), y.ravel(), x.ravel()], axis=1)
    positions = np.array([[3.0, 0.5, 0.2], [40.0, 0, 0]])
    moved = onto_surface(positions, np.array([[1.0, 0, 0]] * 2), points)
    np.testing.assert_allclose(moved, [[2.0, 0.5, 0.2], [40.0, 0, 0]], atol=1e-9)
    assert positions[0, 0] == 3.0


@pytest.mark.parametrize("true", [-0.4, 0.0, 0.3])
def test_parabola_finds_the_top_between_the_steps(true):
    line = -((np.arange(9) - 4 - true) ** 2)
    assert peak_offset(line, 4) == pytest.approx(true)
    assert peak_offset(np.roll(line, -4), 0) == pytest.approx(true)


def test_flat_line_has_its_top_at_the_step():
    assert peak_offset(np.zeros(5), 0) == 0.0
