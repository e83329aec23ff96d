"""A run played through on paper: which job starts when, and what it holds meanwhile."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

START_SECONDS = 4.0  # of Snakemake: sheets, plan, first and last look at files


@dataclass(frozen=True)
class Job:
    """A job to come.

    Attributes
    ----------
    inputs, outputs : tuple of str, files
    threads : int, that it uses at most
    start_seconds, shared_seconds : float
        Its time that more threads do not shorten, and that which they share.
    read_mb : float, size of what it reads beside the outputs of others
    memory_mb : float
    removed : tuple of str, those of its outputs that go when their last reader has ended
    kept_mb, removed_mb : float, disk that the other outputs take for good, and these meanwhile
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    threads: int = 1
    start_seconds: float = 0.0
    shared_seconds: float = 0.0
    read_mb: float = 0.0
    memory_mb: float = 0.0
    removed: tuple[str, ...] = ()
    kept_mb: float = 0.0
    removed_mb: float = 0.0

    def seconds(self, threads: int) -> float:
        """Return how long the job takes."""
        return self.start_seconds + self.shared_seconds / max(threads, 1)


@dataclass(frozen=True)
class Course:
    """How a run goes: wall time, and the most memory and disk that it takes at a time."""

    seconds: float
    memory_mb: float
    disk_mb: float


class _Run:
    """The state of a run: what is ready, what runs, what is held."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        maker = {file: i for i, job in enumerate(jobs) for file in job.outputs}
        self.jobs = jobs
        self.before = [
            {maker[file] for file in job.inputs if file in maker} - {i}
            for i, job in enumerate(jobs)
        ]
        self.after: list[list[int]] = [[] for _ in jobs]
        for i, makers in enumerate(self.before):
            for other in makers:
                self.after[other].append(i)
        self.n_awaited = [len(makers) for makers in self.before]
        owner = {file: i for i, job in enumerate(jobs) for file in job.removed}
        self.frees = [{owner[file] for file in job.inputs if file in owner} for job in jobs]
        self.n_readers = [0] * len(jobs)
        for makers in self.frees:
            for other in makers:
                self.n_readers[other] += 1
        self.ready: list[tuple[float, float, int]] = []
        self.running: list[tuple[float, int]] = []
        self.memory = self.disk = self.peak_memory = self.peak_disk = 0.0
        for i, n in enumerate(self.n_awaited):
            if n == 0:
                self.make_ready(i)

    def make_ready(self, i: int) -> None:
        """Put a job where Snakemake does: jobs that free disk first, then those that read much."""
        freed = sum(self.jobs[other].removed_mb for other in self.frees[i])
        heapq.heappush(self.ready, (-freed, -self.jobs[i].read_mb, i))

    def start(self, i: int, end: float) -> None:
        """Start a job that ends at a time."""
        job = self.jobs[i]
        heapq.heappush(self.running, (end, i))
        self.memory += job.memory_mb
        self.disk += job.kept_mb + job.removed_mb
        self.peak_memory = max(self.peak_memory, self.memory)
        self.peak_disk = max(self.peak_disk, self.disk)

    def finish(self) -> tuple[float, int]:
        """End the job that ends next; return when, and which."""
        now, i = heapq.heappop(self.running)
        self.memory -= self.jobs[i].memory_mb
        for other in self.frees[i]:
            self.n_readers[other] -= 1
            if self.n_readers[other] == 0:
                self.disk -= self.jobs[other].removed_mb
        for other in self.after[i]:
            self.n_awaited[other] -= 1
            if self.n_awaited[other] == 0:
                self.make_ready(other)
        return now, i


def play(
    jobs: Sequence[Job], n_parallel: int, job_seconds: float, is_cluster: bool = False
) -> Course:
    """Return how a run of jobs goes.

    Parameters
    ----------
    jobs : sequence of Job
    n_parallel : int
        Cores of one machine; on a cluster: jobs at a time, each with its threads.
    job_seconds : float
        Overhead of each job: its start by Snakemake, or its way through a cluster's queue.
    is_cluster : bool
    """
    run = _Run(jobs)
    widths = [1 if is_cluster else min(job.threads, n_parallel) for job in jobs]
    free, now = n_parallel, START_SECONDS
    while run.ready or run.running:
        too_wide = []
        while run.ready and free > 0:
            item = heapq.heappop(run.ready)
            i = item[-1]
            if widths[i] > free:
                too_wide.append(item)
                continue
            free -= widths[i]
            threads = jobs[i].threads if is_cluster else widths[i]
            run.start(i, now + job_seconds + jobs[i].seconds(threads))
        for item in too_wide:
            heapq.heappush(run.ready, item)
        now, i = run.finish()
        free += widths[i]
    return Course(now, run.peak_memory, run.peak_disk)
