"""Units, factors and offsets that bring positions to where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.misfits import fitting_factor, what_would_fit

RIGHT = np.random.default_rng(0).uniform([40, 100, 200], [90, 260, 420], (60, 3))  # zyx
SHAPE = (120, 300, 500)


def share(moved):
    return float(np.mean(cKDTree(RIGHT).query(moved)[0] <= 3.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p * 13.68, "divided by 13.68 they would fit (angstrom, not voxels?)"),
        (lambda p: p / 13.68, "multiplied by 13.68 they would fit (voxels, not angstrom?)"),
        (lambda p: p * 4, "divided by 4 they would fit (another binning or unit?)"),
        (lambda p: p / 2, "multiplied by 2 they would fit (another binning or unit?)"),
        (lambda p: p * 1.368, "divided by 1.368 they would fit (nanometres, not voxels?)"),
        (lambda p: p[:, ::-1], "with x and z exchanged they would fit"),
        (lambda p: p[:, [1, 0, 2]], "with y and z exchanged they would fit"),
        (lambda p: p[:, [0, 2, 1]], "with x and y exchanged they would fit"),
        (lambda p: p[:, [2, 0, 1]], "with the columns taken as z, x, y they would fit"),
        (lambda p: [119, 0, 0] + p * [-1, 1, 1], "mirrored along z they would fit"),
        (lambda p: [0, 299, 0] + p * [1, -1, 1], "mirrored along y they would fit"),
        (
            lambda p: p - [60, 150, 250],
            "moved by (250, 150, 60) voxels (x, y, z) they would fit "
            "(half the tomogram: counted from its centre?)",
        ),
        (lambda p: p * 1.68, "multiplied by 0.595 they would fit (another pixel size?)"),
        (
            lambda p: p - [0, 0, 150],
            "moved by (150, 0, 0) voxels (x, y, z) they would fit (the header?)",
        ),
    ],
)
def test_the_mistake_is_named(change, words):
    shifts = [("the header?", np.array([0, 0, 150.0]))]
    found = what_would_fit(change(RIGHT), share, 0.5, 13.68, shifts, SHAPE)
    assert (found.words, found.share) == (words, 1.0)
    np.testing.assert_allclose(found.moved, RIGHT, atol=1.0)


def test_nothing_fits_positions_of_something_else():
    other = np.random.default_rng(1).uniform(0, 400, (60, 3))
    assert what_would_fit(other, share, 0.5, 13.68) is None
    assert what_would_fit(np.zeros((0, 3)), share, 0.5) is None


def test_a_fit_of_few_positions_counts_from_the_share_that_is_asked_for():
    mixed = np.vstack([RIGHT / 2, np.random.default_rng(1).uniform(900, 999, (180, 3))])
    assert what_would_fit(mixed, share, 0.5) is None
    found = what_would_fit(mixed, share, 0.2)
    assert found.words == "multiplied by 2 they would fit (another binning or unit?)"
    assert found.share == 0.25


@pytest.mark.parametrize("factor", [0.2, 0.731, 1.0, 1.07, 3.3])
def test_any_factor_is_found_to_a_thousandth(factor):
    found, part = fitting_factor(RIGHT / factor, share)
    assert found == pytest.approx(factor, rel=2e-3)
    assert part == 1.0


def test_columns_in_the_order_told_are_x_y_z_again():
    wrong = RIGHT[:, ::-1][:, [1, 2, 0]]  # columns x, y, z of a file that holds y, z, x
    words = what_would_fit(wrong[:, ::-1], share, 0.5).words
    order = words.split("as ")[1].split(" they")[0].split(", ")
    assert np.array_equal(wrong[:, ["xyz".index(name) for name in order]], RIGHT[:, ::-1])
