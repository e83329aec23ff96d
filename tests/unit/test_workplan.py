"""What a run will take, from its jobs and the sheets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from membrain import rates
from membrain.sheets import MembraneRow
from membrain.workplan import (
    Membrane,
    Run,
    count_passes,
    load_of,
    plan_jobs,
    sum_steps,
    tell_reason,
    to_membranes,
    to_schedule,
)

CHANGED = "Code has changed since last execution"
RUN = Run(
    batches={
        ("A", "batch001"): [Membrane("A", "1", 100.0, 5.0), Membrane("A", "2", 200.0, 5.0)],
        ("A", "train001"): [Membrane("A", "3", 1000.0, 5.0)],
        ("B", "batch001"): [Membrane("B", "1", 50.0, 7.0)],
    },
    tomogram_mb={"A": 400.0, "B": 300.0},
    box_voxels=1000,
    training_box_voxels=2250,
    n_passes=60.0,
    results=Path("results"),
)


def _record(rule, reason="Missing output files: x", **wildcards):
    record = {"rule_name": rule, "wildcards": wildcards, "reason": reason, "threads": 2}
    return {**record, "input": ["in"], "output": ["out"], "resources": {"gpu": 1, "mem_mb": 5}}


def test_load_is_that_of_the_batch_the_tomogram_or_all():
    batch = load_of(RUN, "sample_points", "A", "batch001")
    assert (batch.n_membranes, batch.n_points, batch.read_mb) == (2, 300, 10)
    assert load_of(RUN, "extract_subvolumes", "A", "batch001").read_mb == 400
    tomogram = load_of(RUN, "export_heatmaps", "A", None)
    assert (tomogram.n_membranes, tomogram.n_points) == (3, 1300)
    assert load_of(RUN, "export_particles", None, None).n_points == 1350


def test_points_are_scored_by_every_network_of_an_ensemble():
    assert load_of(RUN, "score_points", "A", "batch001").n_passes == 1
    ensemble = replace(RUN, n_networks=3)
    assert load_of(ensemble, "score_points", "A", "batch001").n_passes == 3


def test_boxes_to_train_on_are_larger_and_only_training_batches_are_trained_on():
    assert load_of(RUN, "extract_subvolumes", "A", "batch001").n_box_voxels == 1000
    assert load_of(RUN, "extract_subvolumes", "A", "train001").n_box_voxels == 2250
    training = load_of(RUN, "train_model", None, None)
    assert (training.n_points, training.n_passes, training.n_box_voxels) == (1000, 60, 2250)
    assert load_of(RUN, "sample_points", "A", "train001").n_box_voxels == 0


@pytest.mark.parametrize(
    ("changes", "validates", "n_passes"),
    [
        ({}, False, 60),
        ({"validation_fraction": 0.25}, False, 100),
        ({"validation_fraction": 0.0}, False, 20),
        ({"no_refit": True}, False, 20),
        ({}, True, 20),
    ],
)
def test_passes_of_training_are_counted_over_its_runs(changes, validates, n_passes):
    training = {"epochs": 20, "validation_fraction": 0.5, "no_refit": False, **changes}
    assert count_passes(training, validates) == n_passes


def test_reasons_are_told_in_some_words_and_the_telling_one_first():
    text = "Missing output files: a; Input files updated by another job: b"
    assert tell_reason(text) == "not made yet"
    text = "Input files updated by another job: b; Params have changed since last execution: c"
    assert tell_reason(text) == "options, sheet, masks or code changed"
    assert tell_reason("Input files updated by another job: b") == "follows from an earlier step"
    assert tell_reason("a new one") == "a new one"
    assert tell_reason("") == "-"


def test_targets_are_no_jobs():
    scoring = _record("x_score_points", tomogram="B", batch="batch001")
    jobs = plan_jobs(RUN, [_record("all"), scoring])
    assert [job.step for job in jobs] == ["score_points"]
    assert jobs[0].load.n_points == 50
    assert jobs[0].uses_gpu


def test_steps_are_summed_and_the_rest_is_done():
    records = [
        _record("cluster_points", tomogram="A", batch="batch001"),
        _record(
            "cluster_points",
            "Code has changed since last execution",
            tomogram="B",
            batch="batch001",
        ),
    ]
    jobs = plan_jobs(RUN, records)
    scheduled = to_schedule(jobs, dict.fromkeys(rates.RATES, 2.0))
    steps = sum_steps(jobs, scheduled, {"sample_points": 3, "cluster_points": 3})
    sampled, clustered = steps
    assert (sampled.step, sampled.n_jobs, sampled.n_done) == ("sample_points", 0, 3)
    assert (clustered.n_jobs, clustered.n_done, clustered.n_points) == (2, 1, 350)
    assert clustered.reasons == "not made yet (1), rule changed (1)"
    loads = [job.load for job in jobs]
    wall = sum(rates.wall_seconds("cluster_points", load, 1) for load in loads)
    assert clustered.cpu_seconds == pytest.approx(2 * wall)
    assert clustered.gpu_seconds > -1e-9


def test_boxes_are_planned_to_be_removed():
    record = _record("extract_subvolumes", tomogram="A", batch="batch001")
    jobs = plan_jobs(RUN, [{**record, "output": ["a.npy", "a.npz", "a.status.tsv"]}])
    (job,) = to_schedule(jobs, dict.fromkeys(rates.RATES, 1.0))
    assert job.removed == ("a.npy",)
    assert job.removed_mb == pytest.approx(300 * 1000 * 4e-6)
    assert 0.006 < job.kept_mb < 0.1


def test_mask_is_shared_by_its_labels(tmp_path):
    path = tmp_path / "labels.mrc"
    path.write_bytes(bytes(3_000_000))
    rows = [MembraneRow("T", f"M{i}", path, i) for i in (1, 2, 3)]
    found = to_membranes(rows, {("T", f"M{i}"): 10.0 * i for i in (1, 2, 3)})
    assert [(m.n_points, m.mask_mb) for m in found] == [(10, 1), (20, 1), (30, 1)]
