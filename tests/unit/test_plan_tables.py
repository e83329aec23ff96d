"""A plan as tables."""

from __future__ import annotations

import pytest

from membrain.plan_tables import (
    COURSE_COLUMNS,
    STEP_COLUMNS,
    PlannedCourse,
    add_up,
    align,
    course_rows,
    plan_lines,
    step_rows,
    tell_megabytes,
    tell_seconds,
)
from membrain.schedule import Course
from membrain.workplan import StepPlan

STEPS = [
    StepPlan("sample_points", 2, 1, 9, 900.0, 3600.0, 0.0, 200.0, 1.0, 0.0, "not made yet (2)"),
    StepPlan("score_points", 3, 0, 9, 900.0, 7200.0, 360.0, 300.0, 2.0, 5.0, "not made yet (3)"),
]
COURSES = [PlannedCourse("cores", 4, Course(1800.0, 500.0, 8.0))]


def test_sum_adds_time_and_disk_but_takes_the_most_of_memory_and_points():
    total = add_up(STEPS)
    assert (total.n_jobs, total.n_done, total.cpu_seconds, total.kept_mb) == (5, 1, 10800, 3)
    assert (total.n_points, total.n_membranes, total.memory_mb) == (900, 9, 300)


def test_rows_fit_their_columns():
    rows = step_rows(STEPS)
    assert [row[0] for row in rows] == ["sample_points", "score_points", "total"]
    assert all(len(row) == len(STEP_COLUMNS) for row in rows)
    assert rows[1][5:10] == ["2.0000", "0.1000", "0.3000", "0.0020", "0.0050"]
    (row,) = course_rows(COURSES, 3.0)
    assert dict(zip(COURSE_COLUMNS, row, strict=True)) == {
        "where": "cores",
        "parallel": "4",
        "wall_hours": "0.5000",
        "memory_gb": "0.5000",
        "disk_peak_gb": "0.0080",
        "disk_end_gb": "0.0030",
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (2.34, "2.3 s"), (99, "99 s"), (600, "10 min"), (9e3, "2.5 h")],
)
def test_time_is_told_in_the_unit_that_fits(seconds, text):
    assert tell_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 MB"), (0.24, "0.2 MB"), (12.3, "12 MB"), (2340, "2.3 GB")]
)
def test_size_is_told_in_the_unit_that_fits(size, text):
    assert tell_megabytes(size) == text


def test_columns_stand_below_each_other():
    assert align([["a", "1", "why"], ["bcd", "100", ""]]) == ["a      1  why", "bcd  100"]


def test_screen_shows_steps_runs_and_notes():
    text = "\n".join(plan_lines(STEPS, COURSES, ["a note"]))
    for part in ("sample_points", "not made yet (2)", "3.0 h", "4 cores", "30 min", "a note"):
        assert part in text


def test_nothing_to_do_is_said():
    (line,) = plan_lines([StepPlan("sample_points", 0, 3)], COURSES, [])
    assert line == "Nothing to do: every output is there and up to date."
