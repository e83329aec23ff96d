"""What finished jobs tell of those to come."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from membrain import rates
from membrain.files import write_json, write_table
from membrain.past_runs import find_factors, known_points
from membrain.workplan import Membrane, Run, load_of


def _run(results):
    batches = {("A", "batch001"): [Membrane("A", "1", 4000.0, 5.0)]}
    return Run(batches, {"A": 400.0}, 1000, 2250, 60.0, Path(results))


def _status(folder, rows):
    path = folder / "sample_points/A/batch001.status.tsv"
    write_table(path, ("membrane", "status", "n"), rows)
    return path


def test_points_of_a_batch_are_as_sampled_before(tmp_path):
    _status(tmp_path, [("1", "ok", 4000), ("2", "empty", 0), ("3", "failed", 0)])
    assert known_points(tmp_path, "A", "batch001") == {"1": 4000, "2": 0}
    assert known_points(tmp_path, "A", "batch002") == {}


@pytest.mark.parametrize("text", ["", "membrane\tstatus\tn\n1\tok\tmany\n", "membrane\n1\n"])
def test_damaged_status_counts_as_none(tmp_path, text):
    _status(tmp_path, []).write_text(text)
    assert known_points(tmp_path, "A", "batch001") == {}


def test_members_of_an_ensemble_tell_how_slow_training_is(tmp_path):
    run = replace(_run(tmp_path), batches={("A", "train001"): [Membrane("A", "1", 4000.0, 5.0)]})
    seconds = 2 * rates.wall_seconds("train_model", load_of(run, "train_model", None, None), 1)
    for i in (1, 2):
        write_table(tmp_path / f"benchmarks/train_model/member{i}.tsv", ("s",), [(seconds,)])
    factors, n_jobs = find_factors(run, 1.0)
    assert factors["train_model"] == pytest.approx(2)
    assert n_jobs == {"train_model": 2}


def test_finished_jobs_tell_how_slow_their_step_is(tmp_path):
    run = _run(tmp_path)
    load = load_of(run, "cluster_points", "A", "batch001")
    seconds = 3 * rates.wall_seconds("cluster_points", load, 1)
    path = tmp_path / "benchmarks/cluster_points/A/batch001.tsv"
    write_table(path, ("s", "h:m:s"), [(seconds, "-")])
    write_table(tmp_path / "benchmarks/cluster_points/A/batch009.tsv", ("s",), [(1e9,)])
    write_table(tmp_path / "benchmarks/inspect_tomogram/A.tsv", ("s",), [])
    factors, n_jobs = find_factors(run, 1.5)
    assert factors["cluster_points"] == pytest.approx(3)
    assert factors["score_points"] == factors["inspect_tomogram"] == 1.5
    assert n_jobs == {"cluster_points": 1}


def test_job_that_was_given_up_tells_nothing(tmp_path):
    run = _run(tmp_path)
    write_table(tmp_path / "benchmarks/cluster_points/A/batch001.tsv", ("s",), [(0.1,)])
    notes = tmp_path / "logs/cluster_points/A/batch001.tries.json"
    write_json(notes, {"n_given_up": 1, "last": ""})
    factors, n_jobs = find_factors(run, 1.5)
    assert factors["cluster_points"] == 1.5
    assert n_jobs == {}


def test_threads_of_finished_jobs_are_not_counted_twice(tmp_path):
    run = _run(tmp_path)
    load = load_of(run, "score_points", "A", "batch001")
    path = tmp_path / "benchmarks/score_points/A/batch001.tsv"
    write_table(path, ("s",), [(2 * rates.wall_seconds("score_points", load, 4),)])
    assert rates.RATES["score_points"].threaded_share > 0.5
    assert find_factors(run, 1.0, {"score_points": 4})[0]["score_points"] == pytest.approx(2)
    assert find_factors(run, 1.0)[0]["score_points"] < 1.5
