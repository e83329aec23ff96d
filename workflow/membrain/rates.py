"""What a job of each step costs, from what it has to work through.

Seconds are those of a processor of the machine that the rates were measured on, at 2.1 GHz;
`machine_factor` compares another with it. Measured on the demo and on a semi-real tomogram
(docs/performance.md); the speed of GPUs on a training.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

GPU_SPEEDUP = 30.0  # over one processor core; a small training on an H100 was 33 times as fast
POINTS_PER_PARTICLE = 50.0
REFERENCE_SECONDS = 0.0205  # of `machine_factor`'s task


@dataclass(frozen=True)
class Load:
    """What a job has to work through.

    Attributes
    ----------
    n_membranes : int
    n_points : float, points of all sides
    read_mb : float, MB of masks and tomograms that are read
    n_box_voxels : int, voxels of a box
    n_passes : float, times that networks see each point, in training and of an ensemble
    """

    n_membranes: int = 0
    n_points: float = 0.0
    read_mb: float = 0.0
    n_box_voxels: int = 0
    n_passes: float = 0.0


@dataclass(frozen=True)
class Rate:
    """What a step costs: a start, and shares of its load.

    Attributes
    ----------
    start_seconds : float, of Python and its libraries
    per_membrane, per_kilopoint, per_gb, per_megavoxel : float, processor seconds
        Of a membrane, of 1000 points, of 1000 MB read, of 10^6 voxels of boxes.
    threaded_share : float, part of the work that more threads share
    start_mb, mb_per_kilopoint : float, memory; that of boxes comes on top
    boxes_in_memory : float, how often boxes are held
    bytes_per_point, bytes_per_membrane, bytes_per_job : float, on disk, of what stays
    """

    start_seconds: float
    per_membrane: float = 0.0
    per_kilopoint: float = 0.0
    per_gb: float = 0.0
    per_megavoxel: float = 0.0
    threaded_share: float = 0.0
    start_mb: float = 120.0
    mb_per_kilopoint: float = 0.0
    boxes_in_memory: float = 0.0
    bytes_per_point: float = 0.0
    bytes_per_membrane: float = 150.0
    bytes_per_job: float = 6e3


RATES = {
    "inspect_tomogram": Rate(0.4, per_gb=1.2, start_mb=60),
    "sample_points": Rate(
        1.2,
        per_membrane=0.15,
        per_kilopoint=0.15,
        per_gb=0.3,
        threaded_share=0.5,
        start_mb=180,
        mb_per_kilopoint=1.0,
        bytes_per_point=30,
    ),
    "extract_subvolumes": Rate(
        1.2,
        per_membrane=0.02,
        per_kilopoint=0.15,
        per_gb=0.5,
        threaded_share=0.7,
        start_mb=180,
        mb_per_kilopoint=0.3,
        boxes_in_memory=0.2,
        bytes_per_point=30,
    ),
    "label_points": Rate(0.8, 0.02, 0.02, bytes_per_point=46),
    "replicate_membranes": Rate(
        6.0,
        per_membrane=10.0,
        per_kilopoint=0.3,
        threaded_share=0.5,
        start_mb=1000,
        bytes_per_point=60,
    ),
    "train_model": Rate(
        6.0,
        per_megavoxel=0.45,
        threaded_share=0.9,
        start_mb=600,
        boxes_in_memory=4,
        bytes_per_point=12,
        bytes_per_job=5e5,
    ),
    "join_models": Rate(4, start_mb=400, bytes_per_point=12),
    "score_points": Rate(
        2.8,
        per_membrane=0.02,
        per_megavoxel=0.42,
        threaded_share=0.9,
        start_mb=270,
        mb_per_kilopoint=0.05,
        boxes_in_memory=0.2,
        bytes_per_point=34,
    ),
    "cluster_points": Rate(1.0, 0.02, 0.01, start_mb=170, bytes_per_point=10),
    "gather_annotations": Rate(0.8, per_membrane=0.02),
    "orient_particles": Rate(0.8, 0.02, 0.01, bytes_per_point=5),
    "refine_angles": Rate(
        3.0,
        per_membrane=0.1,
        per_kilopoint=1.0,
        per_gb=0.5,
        threaded_share=0.7,
        start_mb=310,
        bytes_per_point=10,
    ),
    "export_heatmaps": Rate(0.8, 0.01, 0.02, start_mb=125, bytes_per_point=60),
    "export_particles": Rate(0.8, 0.0, 0.005, start_mb=125, bytes_per_point=9),
    "evaluate_particles": Rate(3, 0.05, 0.05, start_mb=220, bytes_per_point=2, bytes_per_job=3e5),
    "compare_picks": Rate(3.0, 0.05, 0.05, start_mb=220),
    "intersect_picks": Rate(1.0, 0.01, 0.01),
    "average_subvolumes": Rate(3.0, per_kilopoint=0.1, per_gb=1, threaded_share=0.7, start_mb=400),
    "rank_trials": Rate(1.0),
    "summarise_trials": Rate(1.0),
    "collect_status": Rate(0.2, 0.001, start_mb=20, bytes_per_membrane=300),
    "check_status": Rate(0.2, start_mb=20, bytes_per_membrane=0),
}
# rules that run a step under another name
OTHER_NAMES = {
    "train_member": "train_model",
    "average_annotations": "average_subvolumes",
    "inspect_trial": "inspect_tomogram",
    "sample_trial": "sample_points",
    "extract_trial": "extract_subvolumes",
    "label_trial": "label_points",
    "try_training": "train_model",
    "train_trial": "train_model",
    "join_trial": "join_models",
    "score_trial": "score_points",
    "cluster_trial": "cluster_points",
    "orient_trial": "orient_particles",
    "evaluate_trial": "evaluate_particles",
    "summarise_ablation": "summarise_trials",
}
ON_GPU = ("train_model", "score_points")


def step_of(rule: str) -> str | None:
    """Return the step that a rule runs; its name may have a prefix, as in a module."""
    names = {step: step for step in RATES} | OTHER_NAMES
    return next((names[n] for n in names if rule == n or rule.endswith(f"_{n}")), None)


def work_seconds(step: str, load: Load) -> float:
    """Return the processor seconds of a job beyond its start."""
    rate = RATES[step]
    return (
        rate.per_membrane * load.n_membranes
        + rate.per_kilopoint * load.n_points / 1e3
        + rate.per_gb * load.read_mb / 1e3
        + rate.per_megavoxel * load.n_points * max(load.n_passes, 1) * load.n_box_voxels / 1e6
    )


def wall_seconds(step: str, load: Load, threads: int) -> float:
    """Return how long a job takes on free cores."""
    rate = RATES[step]
    return rate.start_seconds + work_seconds(step, load) * (
        1 - rate.threaded_share + rate.threaded_share / max(threads, 1)
    )


def gpu_seconds(step: str, load: Load) -> float:
    """Return how long a job holds a GPU where it uses one; 0 for steps that never do."""
    if step not in ON_GPU:
        return 0.0
    return RATES[step].start_seconds + work_seconds(step, load) / GPU_SPEEDUP


def box_megabytes(load: Load) -> float:
    """Return the size of the boxes of a load, 4 bytes a voxel."""
    return 4e-6 * load.n_points * load.n_box_voxels


def memory_megabytes(step: str, load: Load) -> float:
    """Return the most memory that a job holds."""
    rate = RATES[step]
    own = rate.start_mb + rate.mb_per_kilopoint * load.n_points / 1e3
    return own + rate.boxes_in_memory * box_megabytes(load)


def kept_megabytes(step: str, load: Load) -> float:
    """Return the size of what a job leaves, without the boxes that are removed later."""
    rate = RATES[step]
    return 1e-6 * (
        rate.bytes_per_point * load.n_points
        + rate.bytes_per_membrane * load.n_membranes
        + rate.bytes_per_job
    )


def machine_factor(clock: Callable[[], float] = time.thread_time) -> float:
    """Return how many times slower this machine is than the one that the rates are from.

    Processor time of a small task of one thread counts, so that other work on the machine does not.
    The least of three tries is taken.
    """
    rng = np.random.default_rng(0)
    values = rng.standard_normal(300_000)
    seconds = []
    for _ in range(3):
        start = clock()
        np.sort(values)
        np.exp(values).cumsum()
        sum(i * i for i in range(300_000))
        seconds.append(clock() - start)
    return min(seconds) / REFERENCE_SECONDS
