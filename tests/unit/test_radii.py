"""Figures over the hit radius."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.evaluation import Case, Settings, class_groups
from membrain.formats.base import Annotations
from membrain.particles import ParticleTable
from membrain.radii import COLUMNS, figures_over_radii


def particles(voxel, classes="PSII"):
    voxel = np.asarray(voxel, dtype=float).reshape(-1, 3)
    n = len(voxel)

    def names(value):
        return np.array([value] * n, dtype=object)

    normals, axes = np.tile([1.0, 0, 0], (n, 1)), np.tile([0.0, 0, 1], (n, 1))
    return ParticleTable(
        names("T"), names("M"), names("a"), np.arange(n), voxel, voxel, np.linspace(1, 0.5, n),
        np.ones(n, int), normals, axes, np.zeros((n, 3)), names(classes),
    )  # fmt: skip


def known(positions, classes):
    return Annotations(np.asarray(positions, dtype=float), tuple(classes), None, "csv")


# four annotations far apart; picks 0.5, 1.5 and 3.5 voxels off, one lost, one pick on nothing
KNOWN = [[0, 0, 0], [0, 0, 100], [0, 100, 0], [0, 100, 100]]
PICKED = [[0, 0, 0.5], [0, 1.5, 100], [3.5, 100, 0], [50, 50, 50]]


def one_case(**changes):
    case = {"split": "", "annotations": known(KNOWN, ["PSII"] * 4), "particles": particles(PICKED)}
    return Case("T", "M", **{**case, **changes})


def test_figures_at_each_radius_by_hand():
    case = one_case()
    groups = class_groups(["PSII"], ["PSII"], frozenset())
    rows = figures_over_radii([case], groups, Settings(), [4, 1, 2, 2.0, 0.25])
    assert [row["radius_voxel"] for row in rows if row["class"] == "overall"] == [0.25, 1, 2, 4]
    assert [list(row) for row in rows] == [list(COLUMNS)] * 8
    hits = {0.25: 0, 1: 1, 2: 2, 4: 3}
    for row in rows:
        n = hits[row["radius_voxel"]]
        for way in ("paper", "strict"):
            assert row[f"{way}_precision"] == row[f"{way}_recall"] == n / 4
            assert row[f"{way}_f1"] == n / 4
        assert row["n_hits"] == n
        assert row["strict_f1_low"] is None  # one membrane has no interval
    # the three best scores are hits: 3 of 4 found without a wrong one before
    assert rows[3]["average_precision"] == 0.75
    assert rows[3]["position_error_mean_voxel"] == pytest.approx((0.5 + 1.5 + 3.5) / 3, abs=1e-4)


def test_two_picks_on_one_annotation_part_the_two_ways_of_counting():
    twice = particles([[0, 0, 1], [0, 0, -3]])
    case = one_case(annotations=known([[0, 0, 0]], ["PSII"]), particles=twice)
    groups = class_groups(["PSII"], ["PSII"], frozenset())
    rows = figures_over_radii([case], groups, Settings(), [2, 4])[:2]
    assert [row["paper_precision"] for row in rows] == [0.5, 1.0]
    assert [row["strict_precision"] for row in rows] == [0.5, 0.5]


def test_radii_are_working_voxels():
    case = one_case(working_voxel=2.0)
    groups = class_groups(["PSII"], ["PSII"], frozenset())
    rows = figures_over_radii([case], groups, Settings(), [0.5, 1, 2])[:3]
    assert [row["n_hits"] for row in rows] == [1, 2, 3]


def test_each_class_follows_the_overall_rows():
    annotated = known([[0, 0, 0], [0, 0, 100]], ["PSII", "b6f"])
    case = one_case(annotations=annotated, particles=particles([[0, 0, 0]]))
    groups = class_groups(["PSII", "b6f"], ["PSII", "b6f"], frozenset())
    rows = figures_over_radii([case], groups, Settings(), [1])
    found = [(row["class"], row["n_annotated"], row["strict_f1"]) for row in rows]
    assert found == [("overall", 2, 0.666667), ("PSII", 1, 1.0), ("b6f", 1, 0.0)]


def test_intervals_of_several_membranes_hold_the_value():
    cases = [one_case(), one_case(particles=particles(KNOWN)), one_case(particles=particles([]))]
    cases = [Case("T", f"M{i}", "", c.annotations, c.particles) for i, c in enumerate(cases)]
    groups = class_groups(["PSII"], ["PSII"], frozenset())
    row = figures_over_radii(cases, groups, Settings(), [4], 500)[0]
    for way in ("paper", "strict"):
        assert row[f"{way}_f1_low"] < row[f"{way}_f1"] < row[f"{way}_f1_high"]


def test_no_case_gives_rows_without_figures():
    rows = figures_over_radii([], [], Settings(), [1, 2])
    assert [row["strict_f1"] for row in rows] == [None, None]
