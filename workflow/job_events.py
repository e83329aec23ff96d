"""What Snakemake tells of its jobs, as records of its logger.

Its logger passes every event (a job's plan, start, end) as a record with named fields, the same
that logger plugins get; a handler of our own is added where the Snakefile is read. Other than a
plugin it needs no installation and no flag, and works in a module.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

FIELDS = ("rule_name", "reason", "input", "output", "threads")


def describe_job(record: logging.LogRecord) -> dict:
    """Return what a plan needs to know of the job of an event, as JSON can hold it."""
    out = {name: getattr(record, name, None) for name in FIELDS}
    out["wildcards"] = dict(getattr(record, "wildcards", None) or {})
    resources = dict(getattr(record, "resources", None) or {})
    out["resources"] = {
        name: value for name, value in resources.items() if isinstance(value, int | float)
    }
    out["has_command"] = bool(getattr(record, "shellcmd", None))
    return out


class JobRecorder(logging.Handler):
    """Writes the jobs of a dry run to a file, one JSON object a line, after a first of the run."""

    def __init__(self, path: str | Path, run: Mapping[str, object]) -> None:
        super().__init__()
        self.path = Path(path)
        self.path.write_text(json.dumps({"run": run}) + "\n", encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a job; other events are passed over."""
        if getattr(record, "event", None) != "job_info":
            return
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps(describe_job(record)) + "\n")


def read_jobs(path: str | Path) -> tuple[dict, list[dict]]:
    """Return the run and its jobs from a file of `JobRecorder`."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    jobs = [json.loads(line) for line in lines[1:]]
    return json.loads(lines[0])["run"], jobs
