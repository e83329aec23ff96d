"""What Snakemake tells of its jobs, kept in a file."""

from __future__ import annotations

import logging

from job_events import JobRecorder, read_jobs


def _record(**fields):
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "text", (), None)
    record.__dict__.update(fields)
    return record


def test_jobs_are_recorded_and_other_events_are_not(tmp_path):
    recorder = JobRecorder(tmp_path / "jobs", {"results": "here"})
    recorder.emit(_record())
    recorder.emit(_record(event="progress", done=1))
    recorder.emit(
        _record(
            event="job_info",
            rule_name="score_points",
            reason="Missing output files: a",
            input=["i"],
            output=["o"],
            threads=4,
            wildcards={"tomogram": "T"},
            resources={"mem_mb": 3, "tmpdir": "/tmp", "late": object()},
            shellcmd="step",
        )
    )
    run, jobs = read_jobs(tmp_path / "jobs")
    assert run == {"results": "here"}
    (job,) = jobs
    assert job["rule_name"] == "score_points"
    assert job["wildcards"] == {"tomogram": "T"}
    assert job["resources"] == {"mem_mb": 3}
    assert job["has_command"]


def test_event_without_fields_is_recorded_all_the_same(tmp_path):
    JobRecorder(tmp_path / "jobs", {}).emit(_record(event="job_info"))
    assert read_jobs(tmp_path / "jobs")[1][0]["rule_name"] is None
