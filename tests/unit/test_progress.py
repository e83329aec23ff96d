"""How far a run is, told on the screen and in a log."""

from __future__ import annotations

import io
import logging
from types import SimpleNamespace

import pytest

import progress
from membrain.tracking import TrackedJob
from progress import ProgressHandler, track_jobs

JOBS = {1: TrackedJob("score_points", 3), 2: TrackedJob("orient_particles", 3)}


class Screen(io.StringIO):
    """A stream that may be a terminal."""

    def __init__(self, is_terminal):
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self):
        return self.is_terminal


def _event(event, **fields):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "text", (), None)
    record.__dict__.update(event=event, **fields)
    return record


@pytest.fixture
def follow(tmp_path):
    handlers = []

    def run(is_quiet=False, is_terminal=False, jobs=lambda: JOBS):
        screen = Screen(is_terminal)
        log = tmp_path / "logs/progress.log"
        handler = ProgressHandler(jobs, 5, log, lambda: is_quiet, screen)
        handlers.append(handler)
        handler.handle(_event("run_info"))
        handler.handle(_event("job_started", jobs=[1]))
        handler.handle(_event("job_finished", job_id=1))
        handler.handle(_event("job_started", jobs=[2]))
        handler.handle(_event("job_finished", job_id=2))
        handler.close()
        return screen.getvalue(), log.read_text() if log.is_file() else ""

    yield run
    for handler in handlers:
        handler.close()


def test_log_and_screen_get_lines(follow):
    screen, log = follow()
    lines = log.splitlines()
    assert lines[0].endswith(" 2 of 5 membranes done; 0 of 2 jobs; running score_points")
    assert lines[-1].endswith(" 5 of 5 membranes done; 2 of 2 jobs")
    assert screen.splitlines()[-1] == "progress: 5 of 5 membranes done; 2 of 2 jobs"


def test_name_of_a_module_is_told_on_the_screen(tmp_path):
    screen = Screen(False)
    handler = ProgressHandler(lambda: JOBS, 5, tmp_path / "p.log", stream=screen, name="res/one")
    handler.handle(_event("job_started", jobs=[1]))
    handler.close()
    assert screen.getvalue().startswith("progress: res/one: 2 of 5 membranes done; ")


def test_quiet_run_tells_the_log_alone(follow):
    screen, log = follow(is_quiet=True)
    assert screen == ""
    assert "5 of 5 membranes done" in log


def test_quiet_terminal_keeps_one_line(follow):
    screen, _ = follow(is_quiet=True, is_terminal=True)
    assert screen.count("\n") == 1
    assert screen.endswith(progress.WHOLE_LINE + "5 of 5 membranes done; 2 of 2 jobs\n")


def test_lines_are_some_seconds_apart(follow, monkeypatch):
    jobs = {i: TrackedJob("score_points", 1) for i in range(1, 100)}
    assert len(follow(jobs=lambda: jobs)[1].splitlines()) == 1


def test_fault_ends_the_telling_and_not_the_run(follow):
    def fail():
        raise AttributeError("no such jobs")

    screen, log = follow(jobs=fail)
    assert screen == "progress is not told any more: AttributeError('no such jobs')\n"
    assert log == ""


def test_run_of_rules_that_are_no_steps_is_not_told(follow):
    assert follow(jobs=lambda: {1: TrackedJob(None)}) == ("", "")


def test_line_comes_by_itself_when_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.01)
    log = tmp_path / "progress.log"
    handler = ProgressHandler(lambda: JOBS, 5, log, lambda: False, Screen(False))
    handler.handle(_event("job_started", jobs=[1]))
    handler.handle(_event("job_started", jobs=[2]))
    for _ in range(500):
        if "running score_points, orient_particles" in log.read_text():
            break
        handler.has_ended.wait(0.01)
    handler.close()
    assert "running score_points, orient_particles" in log.read_text()


def test_same_line_comes_again_after_a_while(tmp_path):
    log = tmp_path / "progress.log"
    handler = ProgressHandler(lambda: JOBS, 5, log, lambda: False, Screen(False))
    handler.handle(_event("job_started", jobs=[1]))
    for later in (1.0, progress.TICK_SECONDS, 1.0):  # a job that takes long
        handler.tell(handler.told + later, whole=True)
    handler.close()
    assert log.read_text().count("running score_points") == 2


def test_membranes_of_jobs_are_those_of_their_batch_their_tomogram_or_all():
    def job(i, rule, *output, **wildcards):
        named = SimpleNamespace(name=rule)
        return SimpleNamespace(i=i, rule=named, wildcards_dict=wildcards, output=output)

    jobs = [
        job(1, "score_points", "results/b1.npz", tomogram="A", batch="b1"),
        job(2, "export_heatmaps", "results/A", tomogram="A"),
        job(3, "export_particles", "results/particles.csv", "results/particles.star"),
        job(4, "all"),
        job(5, "other_score_points", "other/b1.npz", tomogram="A", batch="b1"),
    ]
    dag = SimpleNamespace(needrun_jobs=lambda: jobs, jobid=lambda job: job.i)
    batches = {("A", "b1"): [0, 0], ("A", "b2"): [0], ("B", "b1"): [0]}
    found = track_jobs(dag, batches, "results")
    assert list(found) == [1, 2, 3, 4]  # the last is of another module
    assert [found[i].n_membranes for i in (1, 2, 3)] == [2, 3, 4]
    assert found[4].step is None
