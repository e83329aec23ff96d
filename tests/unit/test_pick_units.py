"""Picks in another unit, pixel size, order of axes or origin are refused."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.particles import concatenate_particles
from membrain.pick_units import check_units, common_shift, share_with_pick
from membrain.picks import as_particles

SHAPE = (200, 400, 600)  # zyx
PIXEL = 13.68
INFO = {"tomogram": "T1", "shape": SHAPE, "pixel_size_angstrom": PIXEL}
INFOS = {"T1": INFO, "T2": {**INFO, "tomogram": "T2"}}
RADIUS = {"T1": 9.0, "T2": 9.0}


def positions(seed, n=60):
    """Return positions on a tilted sheet in a part of the volume."""
    rng = np.random.default_rng(seed)
    y, x = rng.uniform(100, 300, n), rng.uniform(150, 500, n)
    return np.stack([60 + 0.2 * y + 0.1 * x, y, x], axis=1)


def picks(voxel, tomogram="T1"):
    found = Annotations(np.asarray(voxel, float), ("particle",) * len(voxel), None, "csv")
    return as_particles(found, tomogram, PIXEL)


def everywhere(seed, n):
    return np.random.default_rng(seed).uniform(0, SHAPE, (n, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * PIXEL, r"divided by 13.68 they would fit \(angstrom, not voxels\?\), 60 of"),
        (lambda p: p / PIXEL, r"multiplied by 13.68 they would fit \(voxels, not angstrom\?\)"),
        (lambda p: p * 4, "divided by 4 they would fit"),
        (lambda p: p / 2, "multiplied by 2 they would fit"),
        (lambda p: p * 10 / PIXEL, r"multiplied by 1.37 they would fit \(another pixel size\?\)"),
        (lambda p: p[:, ::-1], "with x and z exchanged they would fit"),
        (lambda p: p - np.array(SHAPE) / 2, r"moved by \(300, 200, 100\) voxels \(x, y, z\)"),
    ],
)
@pytest.mark.parametrize("n_others", [0, 400])
def test_the_mistake_is_named_also_among_picks_elsewhere(change, message, n_others):
    listed = np.vstack([positions(0), everywhere(1, n_others)])
    with pytest.raises(InputError, match=message) as caught:
        check_units("crYOLO", picks(change(listed)), {"T1": positions(0)}, RADIUS, INFOS)
    text = str(caught.value)
    assert text.startswith("crYOLO: the picks do not lie where the annotated positions are; found ")
    assert "of 60 have a pick within 9 voxels, half of the" in text
    is_factor = message.startswith(("divided", "multiplied"))
    assert ("give the pixel size of the list's coordinates, 1 for angstrom" in text) == is_factor


def test_several_tomograms_are_judged_together():
    known = {"T1": positions(0), "T2": positions(1)}
    listed = concatenate_particles(picks(p / 3, name) for name, p in known.items())
    with pytest.raises(InputError, match="multiplied by 3 they would fit.*120 of 120"):
        check_units("TM", listed, known, RADIUS, INFOS)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
def test_a_list_that_finds_a_part_of_them_passes(share):
    n = int(60 * share)
    rng = np.random.default_rng(3)
    near = positions(0)[:n] + rng.normal(0, 2, (n, 3))
    listed = np.vstack([near, everywhere(1, 1000)])
    check_units("crYOLO", picks(listed), {"T1": positions(0)}, RADIUS, INFOS)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [30, 300, 3000])
def test_a_bad_list_in_the_right_unit_is_no_mistake(seed, n):
    check_units("crYOLO", picks(everywhere(seed, n)), {"T1": positions(9)}, RADIUS, INFOS)


def test_a_list_that_meets_enough_of_them_passes_whatever_else_would_fit():
    # 15 of 60 where they belong, and all 60 once more in another binning
    listed = np.vstack([positions(0)[:15], positions(0) / 2])
    check_units("crYOLO", picks(listed), {"T1": positions(0)}, RADIUS, INFOS)


def test_nothing_near_is_told(caplog):
    listed = np.random.default_rng(0).uniform(0, (60, 90, 120), (40, 3))
    check_units("crYOLO", picks(listed), {"T1": positions(9)}, RADIUS, INFOS)
    assert "crYOLO: no pick lies near any of the 60 annotated positions" in caplog.text


def test_picks_outside_the_tomogram_are_refused_even_where_nothing_fits():
    listed = everywhere(0, 50) + [5000, 0, 0]
    with pytest.raises(InputError, match="50 lie outside the tomogram; is this the right file"):
        check_units("crYOLO", picks(listed), {"T1": positions(9)}, RADIUS, INFOS)


def test_few_known_positions_prove_nothing():
    known = {"T1": positions(0)[:4]}
    check_units("crYOLO", picks(positions(0) / 3), known, RADIUS, INFOS)


@pytest.mark.parametrize("known", [{}, {"T1": np.zeros((0, 3))}, {"T9": positions(0)}])
def test_nothing_known_or_picked_passes(known):
    check_units("crYOLO", picks(positions(0) / 3), known, RADIUS, INFOS)
    check_units("crYOLO", picks(np.zeros((0, 3))), {"T1": positions(0)}, RADIUS, INFOS)


def test_share_counts_each_known_position_once():
    share = share_with_pick({"T1": np.array([[0.0, 0, 0], [0, 0, 50], [0, 50, 0]])}, RADIUS)
    assert share({"T1": np.array([[0.0, 0, 1], [0, 0, 2], [0, 0, 45]])}) == pytest.approx(2 / 3)
    assert share({"T2": np.zeros((1, 3))}) == 0


def test_picks_crowded_into_a_corner_are_no_fit():
    share = share_with_pick({"T1": np.array([[0.0, 0, 0], [0, 0, 50]])}, RADIUS)
    assert share({"T1": np.random.default_rng(0).normal(0, 1, (100, 3))}) == 0


def test_shift_that_most_pairs_share():
    moved = np.vstack([positions(0) + [5, -40, 60], everywhere(2, 500)])
    found = common_shift({"T1": moved}, {"T1": positions(0)}, np.random.default_rng(0))
    np.testing.assert_allclose(found, [-5, 40, -60], atol=1.5)
    assert common_shift({}, {"T1": positions(0)}, np.random.default_rng(0)) is None
