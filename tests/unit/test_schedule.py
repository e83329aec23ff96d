"""A run played through on paper."""

from __future__ import annotations

import pytest

from membrain.schedule import START_SECONDS, Job, play


def _chain(n, **kwargs):
    """Return n jobs, each of which reads what the one before made."""
    return [Job((f"{i}",), (f"{i + 1}",), start_seconds=10.0, **kwargs) for i in range(n)]


def _seconds(course):
    return course.seconds - START_SECONDS


def test_jobs_that_wait_for_each_other_add_up():
    assert _seconds(play(_chain(4), 8, 1.0)) == pytest.approx(44)


def test_independent_jobs_share_cores():
    jobs = [Job((), (f"{i}",), start_seconds=10.0) for i in range(6)]
    assert _seconds(play(jobs, 1, 0.0)) == pytest.approx(60)
    assert _seconds(play(jobs, 3, 0.0)) == pytest.approx(20)
    assert _seconds(play(jobs, 100, 0.0)) == pytest.approx(10)


def test_threads_are_scaled_down_to_the_machine_but_not_on_a_cluster():
    jobs = [Job((), (f"{i}",), threads=4, shared_seconds=40.0) for i in range(2)]
    assert _seconds(play(jobs, 2, 0.0)) == pytest.approx(40)
    assert _seconds(play(jobs, 8, 0.0)) == pytest.approx(10)
    assert _seconds(play(jobs, 1, 0.0, is_cluster=True)) == pytest.approx(20)
    assert _seconds(play(jobs, 2, 0.0, is_cluster=True)) == pytest.approx(10)


def test_memory_is_that_of_jobs_at_the_same_time():
    jobs = [Job((), (f"{i}",), start_seconds=1.0, memory_mb=100.0) for i in range(4)]
    assert play(jobs, 1, 0.0).memory_mb == 100
    assert play(jobs, 3, 0.0).memory_mb == 300


def test_boxes_leave_the_disk_when_their_last_reader_has_ended():
    jobs = []
    for i in range(3):
        files = (f"boxes{i}", f"status{i}")
        size = {"removed": files[:1], "kept_mb": 1.0, "removed_mb": 100.0}
        makes = Job((), files, start_seconds=1.0, **size)
        jobs += [makes, Job((f"boxes{i}",), (f"scores{i}",), start_seconds=1.0, kept_mb=10.0)]
    jobs.append(Job(("status0", "status1", "status2"), ("status",), start_seconds=1.0))
    assert play(jobs, 1, 0.0).disk_mb == pytest.approx(100 + 3 + 30)
    assert play(jobs, 3, 0.0).disk_mb == pytest.approx(300 + 3 + 30)
    reader = Job(("boxes0", "boxes1", "boxes2", "scores2"), ("model",), start_seconds=1.0)
    assert play([*jobs, reader], 1, 0.0).disk_mb == pytest.approx(300 + 3 + 30)


def test_nothing_to_do_takes_no_longer_than_looking():
    course = play([], 4, 1.0)
    assert (course.seconds, course.memory_mb, course.disk_mb) == (START_SECONDS, 0, 0)
