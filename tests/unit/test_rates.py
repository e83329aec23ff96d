"""What jobs cost."""

from __future__ import annotations

import pytest

from membrain import rates
from membrain.rates import RATES, Load
from membrain.steps import VERBS


def test_every_step_that_a_rule_runs_has_a_rate():
    others = {"simulate", "init", "import_weights"}
    assert set(VERBS) - others <= set(RATES)


def test_step_is_found_behind_the_prefix_of_a_module():
    assert rates.step_of("score_points") == "score_points"
    assert rates.step_of("membrain_orient_particles") == "orient_particles"
    assert rates.step_of("membrain_train_member") == "train_model"
    assert rates.step_of("all") is None
    assert rates.step_of("rescore_points2") is None


def test_cost_grows_with_the_load():
    small = Load(n_membranes=2, n_points=1e3, n_box_voxels=1000)
    large = Load(n_membranes=2, n_points=1e4, n_box_voxels=1000)
    few = rates.work_seconds("score_points", small)
    assert rates.work_seconds("score_points", large) > 5 * few
    assert rates.kept_megabytes("score_points", large) > 5 * rates.kept_megabytes(
        "score_points", small
    )
    assert rates.memory_megabytes("score_points", large) > rates.memory_megabytes(
        "score_points", small
    )


def test_boxes_take_four_bytes_a_voxel():
    assert rates.box_megabytes(Load(n_points=1e6, n_box_voxels=12**3)) == pytest.approx(6912)


def test_threads_shorten_the_work_but_not_the_start():
    load = Load(n_points=1e5, n_box_voxels=12**3)
    one, four = (rates.wall_seconds("score_points", load, n) for n in (1, 4))
    start, work = RATES["score_points"].start_seconds, rates.work_seconds("score_points", load)
    assert one == pytest.approx(start + work)
    assert start + work / 4 < four < one


def test_training_pays_for_every_pass():
    once = Load(n_points=1e4, n_box_voxels=12**3, n_passes=1)
    often = Load(n_points=1e4, n_box_voxels=12**3, n_passes=60)
    work = rates.work_seconds("train_model", once)
    assert rates.work_seconds("train_model", often) == pytest.approx(60 * work)


def test_only_the_network_uses_a_gpu():
    load = Load(n_points=1e5, n_box_voxels=12**3)
    assert 0 < rates.gpu_seconds("score_points", load) < rates.wall_seconds("score_points", load, 1)
    assert rates.gpu_seconds("sample_points", load) == 0


def test_machine_that_takes_twice_the_time_has_factor_two():
    slow, slower = 2 * rates.REFERENCE_SECONDS, 9 * rates.REFERENCE_SECONDS
    times = iter([0.0, slower, 0.0, slow, 0.0, slower])
    assert rates.machine_factor(lambda: next(times)) == pytest.approx(2)
