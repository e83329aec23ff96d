"""What a run will take, step by step, from its jobs and the sheets."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import rates
from .rates import Load
from .schedule import Job
from .sheets import MembraneRow

# what Snakemake gives as a reason, most telling first, and how it is told here
REASONS = {
    "Forced execution": "forced",
    "Incomplete output files": "was cut off",
    "Params have changed since last execution": "options, sheet, masks or code changed",
    "Code has changed since last execution": "rule changed",
    "Set of input files has changed since last execution": "other files to read",
    "Software environment definition has changed since last execution": "environment changed",
    "Updated input files": "files to read changed",
    "Missing output files": "not made yet",
    "Input files updated by another job": "follows from an earlier step",
}
BATCH_STEPS = ("sample_points", "extract_subvolumes", "label_points", "score_points")
BATCH_STEPS += ("cluster_points", "orient_particles")


@dataclass(frozen=True)
class Membrane:
    """A membrane as a plan sees it: points expected, and MB of its mask (shared by its labels)."""

    tomogram: str
    name: str
    n_points: float
    mask_mb: float


@dataclass(frozen=True)
class Run:
    """What a plan knows of a run.

    Attributes
    ----------
    batches : mapping of sequence of Membrane, by (tomogram, batch)
    tomogram_mb : mapping of float, MB of each tomogram's file
    box_voxels, training_box_voxels : int, voxels of a box, to be scored and to train on
    n_passes : float, times that training sees each of its points
    n_networks : int, that score each point
    results : Path
    """

    batches: Mapping[tuple[str, str], Sequence[Membrane]]
    tomogram_mb: Mapping[str, float]
    box_voxels: int
    training_box_voxels: int
    n_passes: float
    results: Path
    n_networks: int = 1


def count_passes(training: Mapping[str, object], validates: bool) -> float:
    """Return how often training sees each point, over all its runs.

    Parameters
    ----------
    training : mapping, section ``train_model`` of the configuration
    validates : bool
        Whether whole membranes validate; then there is one run.
    """
    epochs, fraction = float(training["epochs"]), float(training["validation_fraction"])
    if validates or not fraction or training["no_refit"]:
        return epochs
    return epochs * (int(1 / fraction + 1e-9) + 1)


def tell_reason(reason: str) -> str:
    """Return in some words why Snakemake runs a job."""
    return next((words for text, words in REASONS.items() if text in reason), reason or "-")


def load_of(run: Run, step: str, tomogram: str | None, batch: str | None) -> Load:
    """Return what a job of a step works through."""
    if tomogram and batch:
        keys = [(tomogram, batch)] if (tomogram, batch) in run.batches else []
    else:
        keys = [(t, b) for t, b in run.batches if tomogram in (None, t)]
    if step in ("train_model", "join_models"):
        keys = [key for key in keys if key[1].startswith("train")]
    members = [membrane for key in keys for membrane in run.batches[key]]
    masks = math.fsum(m.mask_mb for m in members)
    volumes = math.fsum(run.tomogram_mb[t] for t in {t for t, _ in keys})
    read_mb = {"sample_points": masks, "evaluate_particles": 0.0}.get(step, volumes)
    boxes = {"train_model": run.training_box_voxels, "score_points": run.box_voxels}
    if step == "extract_subvolumes":
        is_training = str(batch).startswith("train")
        boxes[step] = run.training_box_voxels if is_training else run.box_voxels
    return Load(
        n_membranes=len(members),
        n_points=math.fsum(m.n_points for m in members),
        read_mb=read_mb,
        n_box_voxels=boxes.get(step, 0),
        n_passes={"train_model": run.n_passes, "score_points": run.n_networks}.get(step, 0.0),
    )


@dataclass(frozen=True)
class PlannedJob:
    """A job with its step, load, threads, files and reason."""

    step: str
    load: Load
    threads: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reason: str
    uses_gpu: bool = False


def plan_jobs(run: Run, records: Sequence[Mapping]) -> list[PlannedJob]:
    """Return the jobs of a dry run that do work, each with its load."""
    out = []
    for record in records:
        step = rates.step_of(record["rule_name"])
        if step is None:
            continue
        wildcards = record["wildcards"]
        load = load_of(run, step, wildcards.get("tomogram"), wildcards.get("batch"))
        out.append(
            PlannedJob(
                step,
                load,
                record["threads"] or 1,
                tuple(record["input"] or ()),
                tuple(record["output"] or ()),
                tell_reason(record["reason"] or ""),
                bool(record["resources"].get("gpu")),
            )
        )
    return out


def to_schedule(jobs: Sequence[PlannedJob], factors: Mapping[str, float]) -> list[Job]:
    """Return jobs as `schedule.play` takes them.

    Parameters
    ----------
    jobs : sequence of PlannedJob
    factors : mapping of float, by step
        How many times slower than the built-in rates each step is here.
    """
    out = []
    for job in jobs:
        factor, share = factors[job.step], rates.RATES[job.step].threaded_share
        work = factor * rates.work_seconds(job.step, job.load)
        makes_boxes = job.step == "extract_subvolumes"
        boxes = tuple(file for file in job.outputs if makes_boxes and file.endswith(".npy"))
        out.append(
            Job(
                inputs=job.inputs,
                outputs=job.outputs,
                threads=job.threads,
                start_seconds=factor * rates.RATES[job.step].start_seconds + (1 - share) * work,
                shared_seconds=share * work,
                read_mb=job.load.read_mb,
                memory_mb=rates.memory_megabytes(job.step, job.load),
                kept_mb=rates.kept_megabytes(job.step, job.load),
                removed=boxes,
                removed_mb=rates.box_megabytes(job.load) if makes_boxes else 0.0,
            )
        )
    return out


@dataclass(frozen=True)
class StepPlan:
    """What the jobs of a step take together; memory is that of the largest."""

    step: str
    n_jobs: int = 0
    n_done: int = 0
    n_membranes: int = 0
    n_points: float = 0.0
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    memory_mb: float = 0.0
    kept_mb: float = 0.0
    removed_mb: float = 0.0
    reasons: str = ""


def sum_steps(
    jobs: Sequence[PlannedJob], scheduled: Sequence[Job], n_total: Mapping[str, int]
) -> list[StepPlan]:
    """Return what each step takes, in the order of the workflow.

    Parameters
    ----------
    jobs, scheduled : sequences of PlannedJob and Job, one by one the same
    n_total : mapping of int, by step
        Jobs of a whole run; those that are not to run are done.
    """
    out = []
    for step in rates.RATES:
        mine = [pair for pair in zip(jobs, scheduled, strict=True) if pair[0].step == step]
        n_done = max(n_total.get(step, 0) - len(mine), 0)
        if not mine and not n_done:
            continue
        counts = Counter(job.reason for job, _ in mine)
        row = StepPlan(
            step,
            n_jobs=len(mine),
            n_done=n_done,
            n_membranes=sum(job.load.n_membranes for job, _ in mine),
            n_points=math.fsum(job.load.n_points for job, _ in mine),
            cpu_seconds=math.fsum(j.start_seconds + j.shared_seconds for _, j in mine),
            memory_mb=max((j.memory_mb for _, j in mine), default=0.0),
            kept_mb=math.fsum(j.kept_mb for _, j in mine),
            removed_mb=math.fsum(j.removed_mb for _, j in mine),
            reasons=", ".join(f"{words} ({n})" for words, n in counts.most_common()),
        )
        if any(job.uses_gpu for job, _ in mine):
            seconds = math.fsum(rates.gpu_seconds(step, job.load) for job, _ in mine)
            row = replace(row, gpu_seconds=seconds)
        out.append(row)
    return out


def to_membranes(
    rows: Sequence[MembraneRow], n_points: Mapping[tuple[str, str], float]
) -> list[Membrane]:
    """Return membranes with their points and their part of the mask's file."""
    n_sharing = Counter(row.mask for row in rows)
    sizes = {path: path.stat().st_size / 1e6 for path in n_sharing}
    return [
        Membrane(
            row.tomogram,
            row.membrane,
            n_points[row.tomogram, row.membrane],
            sizes[row.mask] / n_sharing[row.mask],
        )
        for row in rows
    ]
