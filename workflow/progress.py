"""Tell how far a run is, on the screen and in a plain log, from what Snakemake's logger passes.

On a terminal where Snakemake is quiet one line is kept up to date; where it prints its own lines
ours stand among them, some seconds apart. The log always gets whole lines. Whatever goes wrong
here ends the telling, never the run.
"""

from __future__ import annotations

import logging
import shutil
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TextIO

from membrain.rates import step_of
from membrain.tracking import TrackedJob, Tracker

SECONDS_APART = 10.0  # of lines
NEWS_SECONDS = 2.0  # of lines that tell of more membranes
TICK_SECONDS = 30.0  # after which there is a line though nothing happens
WHOLE_LINE = "\r\x1b[2K"


def track_jobs(
    dag: object, batches: Mapping[tuple[str, str], list], results: str | Path
) -> dict[int, TrackedJob]:
    """Return the jobs that a run has to do, by Snakemake's ids.

    Jobs that make files elsewhere than in the results folder are those of another workflow, of
    which this one is a module.

    Parameters
    ----------
    dag : snakemake.dag.DAG
    batches : mapping of list of membranes, by (tomogram, batch)
    results : path
    """
    sizes: Counter[tuple] = Counter()
    for (tomogram, batch), members in batches.items():
        for key in ((tomogram, batch), (tomogram, None), (None, None)):
            sizes[key] += len(members)
    out = {}
    for job in dag.needrun_jobs():
        if job.output and not Path(job.output[0]).is_relative_to(results):
            continue
        key = tuple(job.wildcards_dict.get(name) for name in ("tomogram", "batch"))
        out[dag.jobid(job)] = TrackedJob(step_of(job.rule.name), sizes[key])
    return out


class ProgressHandler(logging.Handler):
    """Follows the events of a run.

    Parameters
    ----------
    find_jobs : callable
        Returns the jobs of the run; called when the first of them starts, never in a dry run.
    n_membranes : int, of the whole data set
    log_path : path, to which lines are added
    is_quiet : callable
        Says whether Snakemake prints nothing of its jobs.
    stream : text stream, the screen
    name : str
        Told on the screen where several workflows run as modules of one.
    """

    def __init__(
        self,
        find_jobs: Callable[[], Mapping[int, TrackedJob]],
        n_membranes: int,
        log_path: str | Path,
        is_quiet: Callable[[], bool] = lambda: False,
        stream: TextIO | None = None,
        name: str = "",
    ) -> None:
        super().__init__()
        self.find_jobs, self.n_membranes, self.is_quiet = find_jobs, n_membranes, is_quiet
        self.log_path = Path(log_path)
        self.stream = stream or sys.stderr
        self.name = f"{name}: " if name else ""
        self.tracker: Tracker | None = None
        self.told, self.n_told, self.last_line = -SECONDS_APART, -1, ""
        self.has_ended = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take notice of an event."""
        if self.has_ended.is_set():
            return
        try:
            self._follow(record)
        except Exception as error:  # a run goes on without being told of
            self.has_ended.set()
            self.stream.write(f"progress is not told any more: {error!r}\n")

    def _follow(self, record: logging.LogRecord) -> None:
        event, now = str(getattr(record, "event", "")), time.monotonic()
        if event == "job_started":
            if self.tracker is None:
                jobs = self.find_jobs()
                if all(job.step is None for job in jobs.values()):  # as of target plan
                    self.has_ended.set()
                    return
                self.tracker = Tracker(jobs, self.n_membranes, now)
                threading.Thread(target=self._tick, daemon=True).start()
            self.tracker.start(getattr(record, "jobs", None) or record.job_ids, now)
        elif self.tracker is None:
            return
        elif event == "job_finished":
            self.tracker.finish(record.job_id, now)
        elif event == "job_error":
            self.tracker.fail(record.jobid)
        else:
            return
        n_done = self.tracker.n_membranes_done
        is_over = len(self.tracker.finished) == len(self.tracker.jobs)
        apart = SECONDS_APART if n_done == self.n_told else NEWS_SECONDS
        if is_over or now - self.told >= apart:
            self.tell(now, whole=True)
        elif self._is_one_line():
            self.tell(now, whole=False)
        if is_over:
            self.close()

    def _is_one_line(self) -> bool:
        return self.stream.isatty() and self.is_quiet()

    def tell(self, now: float, whole: bool) -> None:
        """Show how far the run is; `whole`: in the log too."""
        line = self.tracker.line(now)
        if self._is_one_line():
            width = shutil.get_terminal_size().columns - 1
            self.stream.write(WHOLE_LINE + (self.name + line)[:width])
            self.stream.flush()
        is_news = line != self.last_line or now - self.told >= TICK_SECONDS
        if not whole or not is_news:
            return
        self.told, self.n_told, self.last_line = now, self.tracker.n_membranes_done, line
        if not self.is_quiet():
            self.stream.write(f"progress: {self.name}{line}\n")
            self.stream.flush()
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "a", encoding="utf-8") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")

    def _tick(self) -> None:
        while not self.has_ended.wait(TICK_SECONDS):
            with self.lock:
                try:
                    now = time.monotonic()
                    if now - self.told >= TICK_SECONDS or self._is_one_line():
                        self.tell(now, whole=now - self.told >= TICK_SECONDS)
                except Exception:  # as in emit; the next event tells of it
                    return

    def close(self) -> None:
        """Leave the line that is kept up to date, and stop."""
        if not self.has_ended.is_set() and self.tracker is not None and self._is_one_line():
            self.stream.write("\n")
        self.has_ended.set()
        super().close()
