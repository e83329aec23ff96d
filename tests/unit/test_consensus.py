"""What two lists both hold, and what one holds alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.consensus import (
    PAIR_COLUMNS,
    TABLE_COLUMNS,
    consensus_rows,
    intersect,
    pair_rows,
    turns_about,
)
from membrain.evaluation import Settings
from membrain.formats.base import Annotations
from membrain.particles import concatenate_particles
from membrain.picks import as_particles
from membrain.rotations import relion_angles

STEPS = {"T1": 1.0, "T2": 2.0}


def picks(zyx, tomogram="T1", poses=None):
    zyx = np.asarray(zyx, float).reshape(-1, 3)
    angles = None if poses is None else relion_angles(poses)
    found = Annotations(zyx, ("particle",) * len(zyx), angles, "csv")
    return as_particles(found, tomogram, 10.0)


GRID = np.stack(np.meshgrid([10.0], [0, 20, 40, 60], [0, 20, 40], indexing="ij"), axis=-1)
GRID = GRID.reshape(-1, 3)  # 12 positions, 20 apart


@pytest.mark.parametrize(("shift", "n_both"), [(0, 12), (4.4, 12), (4.5, 12), (4.6, 0)])
def test_shifted_list_is_the_same_up_to_the_radius(shift, n_both):
    found = intersect(picks(GRID), picks(GRID + [0, 0, shift]), STEPS, 4.5)
    assert len(found.pairs) == n_both
    assert len(found.only_first) == len(found.only_second) == 12 - n_both
    np.testing.assert_allclose(found.distance_voxel, shift)


def test_shift_by_one_place_leaves_the_ends_alone():
    row = GRID[GRID[:, 2] == 0]  # four positions along y
    found = intersect(picks(row), picks(row + [0, 20, 1]), STEPS, 4.5)
    assert found.pairs.tolist() == [[1, 0], [2, 1], [3, 2]]
    assert (found.only_first.tolist(), found.only_second.tolist()) == ([0], [3])


def test_each_pick_has_one_partner_at_most():
    found = intersect(picks([[0, 0, 0], [0, 0, 1]]), picks([[0, 0, 0.9]]), STEPS, 4.5)
    assert found.pairs.tolist() == [[1, 0]]
    assert found.only_first.tolist() == [0]


def test_tomograms_are_kept_apart_and_lengths_are_working_voxels():
    first = concatenate_particles([picks(GRID[:3]), picks(GRID[:3], "T2")])
    second = concatenate_particles([picks(GRID[:3] + [8, 0, 0], "T2"), picks(GRID[:1], "T3")])
    found = intersect(first, second, STEPS, 4.5)
    assert found.pairs.tolist() == [[3, 0], [4, 1], [5, 2]]
    np.testing.assert_allclose(found.distance_voxel, 4.0)


def test_counts_of_all_and_of_each_tomogram():
    first = concatenate_particles([picks(GRID), picks(GRID[:4], "T2")])
    second = concatenate_particles([picks(GRID[:6] + 1), picks(GRID[4:], "T2")])
    rows = consensus_rows(intersect(first, second, STEPS, 4.5))
    assert [list(row) for row in rows] == [list(TABLE_COLUMNS)] * 3
    counts = [[row[name] for name in TABLE_COLUMNS[:6]] for row in rows]
    assert counts == [["all", 16, 14, 6, 10, 8], ["T1", 12, 6, 6, 6, 0], ["T2", 4, 8, 0, 4, 8]]
    assert rows[0]["jaccard"] == 6 / 24
    assert (rows[1]["share_of_first"], rows[1]["share_of_second"]) == (0.5, 1.0)
    assert rows[0]["distance_mean_voxel"] == pytest.approx(np.sqrt(3))
    assert rows[2]["distance_mean_voxel"] is None


@pytest.mark.parametrize(
    ("turn", "symmetry", "expected"), [(30, 2, 30), (100, 2, -80), (100, 1, 100)]
)
def test_turned_list_has_the_planted_turn(turn, symmetry, expected):
    poses = Rotation.random(12, random_state=np.random.default_rng(0))
    turned = poses * Rotation.from_euler("z", turn, degrees=True)
    found = intersect(picks(GRID, poses=poses), picks(GRID + 1, poses=turned), STEPS, 4.5)
    rows = pair_rows(found, Settings(default_symmetry=symmetry))
    assert [list(row) for row in rows] == [list(PAIR_COLUMNS)] * 12
    np.testing.assert_allclose([row["turn_degree"] for row in rows], expected, atol=1e-5)
    np.testing.assert_allclose([row["normal_degree"] for row in rows], 0, atol=1e-5)
    assert [(row["first_particle"], row["second_particle"]) for row in rows][2] == (3, 3)
    assert [rows[1][f"{axis}_voxel"] for axis in "xyz"] == [20, 0, 10]


def test_tilted_list_has_the_planted_normal_difference():
    poses = Rotation.random(12, random_state=np.random.default_rng(0))
    tilted = poses * Rotation.from_euler("x", 25, degrees=True)
    rows = pair_rows(
        intersect(picks(GRID, poses=poses), picks(GRID, poses=tilted), STEPS, 1), Settings()
    )
    np.testing.assert_allclose([row["normal_degree"] for row in rows], 25, atol=1e-5)


def test_unknown_poses_and_round_particles_have_no_turn():
    rows = pair_rows(intersect(picks(GRID), picks(GRID), STEPS, 4.5), Settings())
    assert np.isnan([row["turn_degree"] for row in rows]).all()
    axes = np.eye(3)
    both = turns_about(axes[[2, 2]], axes[[0, 0]], axes[[1, 1]], np.array([0, 1]))
    np.testing.assert_allclose(both, [np.nan, 90])


@pytest.mark.parametrize(("n_first", "n_second"), [(0, 0), (0, 3), (3, 0)])
def test_empty_lists(n_first, n_second):
    found = intersect(picks(GRID[:n_first]), picks(GRID[:n_second]), STEPS, 4.5)
    assert len(found.pairs) == 0
    row = consensus_rows(found)[0]
    assert (row["n_only_first"], row["n_only_second"]) == (n_first, n_second)
    assert row["jaccard"] == (0.0 if n_first or n_second else None)
    assert pair_rows(found, Settings()) == []
