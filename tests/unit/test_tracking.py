"""How far a run is."""

from __future__ import annotations

import pytest

from membrain.tracking import TrackedJob, Tracker


def _tracker(n_batches=4, n_membranes=50):
    """Return a tracker of batches of 10 membranes, with a scoring and a last job each."""
    jobs = {2 * i: TrackedJob("score_points", 10) for i in range(n_batches)}
    jobs |= {2 * i + 1: TrackedJob("orient_particles", 10) for i in range(n_batches)}
    return Tracker({**jobs, 99: TrackedJob(None)}, n_membranes, 0.0)


def test_membranes_are_done_when_their_last_step_is():
    tracker = _tracker()
    assert tracker.n_membranes_done == 10  # were done before
    tracker.finish(0, 1.0)
    assert tracker.n_membranes_done == 10
    tracker.finish(1, 1.0)
    tracker.finish(1, 2.0)
    tracker.finish(12345, 2.0)
    assert tracker.n_membranes_done == 20


def test_membranes_are_done_after_their_angles_where_these_are_refined():
    jobs = {0: TrackedJob("orient_particles", 10), 1: TrackedJob("refine_angles", 10)}
    tracker = Tracker(jobs, 10, 0.0)
    tracker.finish(0, 1.0)
    assert tracker.n_membranes_done == 0
    tracker.finish(1, 1.0)
    assert tracker.n_membranes_done == 10


def test_time_left_is_unknown_before_a_job_has_ended():
    tracker = _tracker()
    tracker.start([0], 0.0)
    assert tracker.seconds_left(5.0) is None
    assert "left" not in tracker.line(5.0)


def test_time_left_follows_how_long_jobs_take():
    jobs = {i: TrackedJob("cluster_points", 10) for i in range(5)}
    tracker = Tracker(jobs, 50, 0.0)
    for i in range(2):
        tracker.start([i], 100.0 * i)
        tracker.finish(i, 100.0 * (i + 1))
    assert tracker.seconds_left(200.0) == pytest.approx(300)
    tracker.start([2], 200.0)
    assert tracker.seconds_left(240.0) == pytest.approx(260)
    assert tracker.seconds_left(900.0) == pytest.approx(200)


def test_jobs_side_by_side_take_less_time_together():
    tracker = Tracker({i: TrackedJob("cluster_points", 10) for i in range(8)}, 80, 0.0)
    tracker.start(range(4), 0.0)
    for i in range(4):
        tracker.finish(i, 100.0)
    assert tracker.seconds_left(100.0) == pytest.approx(100)


def test_steps_that_none_ended_of_are_off_like_the_others():
    kinds = ("inspect_tomogram", "cluster_points", "score_points")
    tracker = Tracker({i: TrackedJob(kind, 10) for i, kind in enumerate(kinds)}, 10, 0.0)
    now = 0.0
    for i, slower in ((0, 1.0), (1, 7.0)):
        tracker.start([i], now)
        now += slower * tracker.jobs[i].seconds
        tracker.finish(i, now)
    first, second, third = (job.seconds for job in tracker.jobs.values())
    expected = third * (first + 7 * second) / (first + second)
    assert tracker.seconds_left(now) == pytest.approx(expected)


def test_wait_in_a_queue_is_no_sign_of_slow_work():
    jobs = {0: TrackedJob("inspect_tomogram", 10), 1: TrackedJob("score_points", 100)}
    tracker = Tracker(jobs, 100, 0.0)
    short, long = (job.seconds for job in jobs.values())
    tracker.start([0], 0.0)
    tracker.finish(0, 25 + short)
    assert tracker.seconds_left(25 + short) == pytest.approx(25 + long)


def test_failed_jobs_are_counted_until_they_start_again():
    tracker = _tracker()
    tracker.start([0, 2], 0.0)
    tracker.fail(0)
    tracker.fail(777)
    assert "; 1 failed; running score_points" in tracker.line(1.0)
    tracker.start([0, 4], 2.0)
    assert "failed" not in tracker.line(3.0)
    assert "running score_points x3" in tracker.line(3.0)


def test_line_tells_membranes_jobs_and_time():
    tracker = _tracker()
    tracker.start([0], 0.0)
    tracker.finish(0, 600.0)
    line = tracker.line(600.0)
    assert line.startswith("10 of 50 membranes done; 1 of 9 jobs; about ")
    assert line.endswith(" left")
    tracker.start([1, 99], 600.0)
    assert tracker.line(600.0).endswith(" left; running orient_particles")


def test_run_that_makes_no_particles_tells_jobs_alone():
    tracker = Tracker({0: TrackedJob("train_model", 3)}, 5, 0.0)
    assert tracker.line(0.0) == "0 of 1 jobs"
    tracker.start([0], 0.0)
    tracker.finish(0, 5.0)
    assert tracker.line(5.0) == "1 of 1 jobs"
