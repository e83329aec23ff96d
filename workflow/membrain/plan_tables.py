"""A plan as tables, on screen and in files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

from .schedule import Course
from .workplan import StepPlan

HOUR = 3600.0
STEP_COLUMNS = ("step", "jobs", "done", "membranes", "points", "cpu_hours", "gpu_hours")
STEP_COLUMNS += ("memory_gb", "disk_kept_gb", "disk_removed_gb", "why")
COURSE_COLUMNS = ("where", "parallel", "wall_hours", "memory_gb", "disk_peak_gb", "disk_end_gb")


@dataclass(frozen=True)
class PlannedCourse:
    """How a run goes with so many cores of one machine, or jobs at a time on a cluster."""

    where: str
    n_parallel: int
    course: Course


def add_up(steps: Sequence[StepPlan]) -> StepPlan:
    """Return the sum of steps; of memory, points and membranes the most."""
    sums = {
        field.name: sum(getattr(step, field.name) for step in steps)
        for field in fields(StepPlan)
        if field.name not in ("step", "reasons", "memory_mb", "n_membranes", "n_points")
    }
    most = {
        name: max((getattr(step, name) for step in steps), default=0)
        for name in ("memory_mb", "n_membranes", "n_points")
    }
    return StepPlan(step="total", **sums, **most)


def step_rows(steps: Sequence[StepPlan]) -> list[list[str]]:
    """Return the rows of the table of steps, the total last, as text."""
    rows = []
    for step in (*steps, add_up(steps)):
        name, n_jobs, n_done, n_membranes, n_points, cpu, gpu, memory, kept, removed, why = astuple(
            step
        )
        rows.append(
            [name, *map(str, (n_jobs, n_done, n_membranes, round(n_points)))]
            + [f"{seconds / HOUR:.4f}" for seconds in (cpu, gpu)]
            + [f"{megabytes / 1e3:.4f}" for megabytes in (memory, kept, removed)]
            + [why]
        )
    return rows


def course_rows(courses: Sequence[PlannedCourse], end_mb: float) -> list[list[str]]:
    """Return the rows of the table of runs, as text; `end_mb`: disk at the end."""
    return [
        [
            one.where,
            str(one.n_parallel),
            f"{one.course.seconds / HOUR:.4f}",
            *(f"{mb / 1e3:.4f}" for mb in (one.course.memory_mb, one.course.disk_mb, end_mb)),
        ]
        for one in courses
    ]


def tell_seconds(seconds: float) -> str:
    """Return a time in the unit that fits: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s" if 0 < seconds < 10 and seconds % 1 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def tell_megabytes(megabytes: float) -> str:
    """Return a size in the unit that fits: ``0.3 MB``, ``12 MB``, ``1.2 GB``."""
    if megabytes < 1000:
        return f"{megabytes:.0f} MB" if megabytes >= 10 or not megabytes else f"{megabytes:.1f} MB"
    return f"{megabytes / 1e3:.1f} GB"


def align(rows: Sequence[Sequence[str]], n_left: int = 1) -> list[str]:
    """Return rows as lines with columns below each other; the first and the last go to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < n_left or i == last else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def plan_lines(
    steps: Sequence[StepPlan], courses: Sequence[PlannedCourse], notes: Sequence[str]
) -> list[str]:
    """Return a plan as lines for the screen."""
    total = add_up(steps)
    if not total.n_jobs:
        return ["Nothing to do: every output is there and up to date."]
    head = ["step", "to run", "done", "points", "CPU time", "on a GPU", "memory", "disk", "why"]
    rows = [head]
    for step in (*steps, total):
        rows.append(
            [
                step.step,
                str(step.n_jobs),
                str(step.n_done),
                f"{step.n_points:.0f}",
                tell_seconds(step.cpu_seconds),
                tell_seconds(step.gpu_seconds) if step.gpu_seconds else "-",
                tell_megabytes(step.memory_mb) if step.n_jobs else "-",
                tell_megabytes(step.kept_mb + step.removed_mb),
                step.reasons,
            ]
        )
    runs = [["run with", "takes", "memory", "disk at peak", "disk at the end"]]
    for one in courses:
        size = (one.course.memory_mb, one.course.disk_mb, total.kept_mb)
        name = f"{one.n_parallel} {one.where}"
        runs.append([name, tell_seconds(one.course.seconds), *map(tell_megabytes, size)])
    return [*align(rows), "", *align(runs), "", *notes]
