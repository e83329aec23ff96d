"""Units, factors and offsets that bring positions to where they belong."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from membrain.misfits import fitting_factor, what_would_fit

RIGHT = np.random.default_rng(0).uniform([40, 100, 200], [90, 260, 420], (60, 3))  # zyx


def share(moved):
    return float(np.mean(cKDTree(RIGHT).query(moved)[0] <= 3.0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p * 13.68, "divided by 13.68 they would fit (angstrom, not voxels?)"),
        (lambda p: p / 13.68, "multiplied by 13.68 they would fit (voxels, not angstrom?)"),
        (lambda p: p * 4, "divided by 4 they would fit (another binning or unit?)"),
        (lambda p: p / 2, "multiplied by 2 they would fit (another binning or unit?)"),
        (lambda p: p[:, ::-1], "with x and z exchanged they would fit"),
        (lambda p: p * 1.368, "multiplied by 0.731 they would fit (another pixel size?)"),
        (
            lambda p: p - [0, 0, 150],
            "moved by (150, 0, 0) voxels (x, y, z) they would fit (the header?)",
        ),
    ],
)
def test_the_mistake_is_named(change, words):
    shifts = [("the header?", np.array([0, 0, 150.0]))]
    found, part = what_would_fit(change(RIGHT), share, 0.5, 13.68, shifts)
    assert found == words
    assert part == 1.0


def test_nothing_fits_positions_of_something_else():
    other = np.random.default_rng(1).uniform(0, 400, (60, 3))
    assert what_would_fit(other, share, 0.5, 13.68) is None
    assert what_would_fit(np.zeros((0, 3)), share, 0.5) is None


def test_a_fit_of_few_positions_counts_from_the_share_that_is_asked_for():
    mixed = np.vstack([RIGHT / 2, np.random.default_rng(1).uniform(900, 999, (180, 3))])
    assert what_would_fit(mixed, share, 0.5) is None
    assert what_would_fit(mixed, share, 0.2) == (
        "multiplied by 2 they would fit (another binning or unit?)",
        0.25,
    )


@pytest.mark.parametrize("factor", [0.2, 0.731, 1.0, 1.07, 3.3])
def test_any_factor_is_found_to_a_thousandth(factor):
    found, part = fitting_factor(RIGHT / factor, share)
    assert found == pytest.approx(factor, rel=2e-3)
    assert part == 1.0
