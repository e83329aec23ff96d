"""How far a run is: membranes done, jobs under way, time left."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import rates
from .plan_tables import tell_seconds
from .rates import Load

LAST_STEPS = ("refine_angles", "orient_particles")  # after the first in use particles are there
POINTS_PER_MEMBRANE = 3000.0  # until finished jobs tell how long their step takes
BOX_VOXELS = 12**3


@dataclass(frozen=True)
class TrackedJob:
    """A job of a run: its step (None: a rule that is none), and how many membranes it works on."""

    step: str | None
    n_membranes: int = 0

    @property
    def seconds(self) -> float:
        """How long such a job takes by the built-in rates, about."""
        if self.step is None:
            return 1.0
        n_boxes = BOX_VOXELS if self.step in ("train_model", "score_points") else 0
        n_points = POINTS_PER_MEMBRANE * self.n_membranes
        n_passes = 60.0 if self.step == "train_model" else 0.0
        load = Load(self.n_membranes, n_points, 0.0, n_boxes, n_passes)
        return rates.wall_seconds(self.step, load, 1)


class Tracker:
    """Follows the jobs of a run by their ids.

    Parameters
    ----------
    jobs : mapping of TrackedJob, by id
        Those that the run has to do.
    n_membranes : int, of the whole data set
    start : float, seconds
        All times are of one clock.
    """

    def __init__(self, jobs: Mapping[int, TrackedJob], n_membranes: int, start: float) -> None:
        self.jobs = dict(jobs)
        self.n_membranes = n_membranes
        self.start_time = start
        self.started: dict[int, float] = {}
        self.finished: set[int] = set()
        self.failed: set[int] = set()
        self.taken: dict[str | None, float] = defaultdict(float)
        self.expected: dict[str | None, float] = defaultdict(float)
        self.n_ended: Counter[str | None] = Counter()
        self.wait = math.inf
        steps = {job.step for job in self.jobs.values()}
        self.last_step = next((step for step in LAST_STEPS if step in steps), None)
        lasting = (job for job in self.jobs.values() if job.step == self.last_step)
        self.n_left = sum(job.n_membranes for job in lasting) if self.last_step else 0

    def start(self, ids: Iterable[int], now: float) -> None:
        """Note jobs that begin, or begin again."""
        for i in ids:
            if i in self.jobs:
                self.started[i] = now
                self.failed.discard(i)

    def finish(self, i: int, now: float) -> None:
        """Note a job that ended well."""
        if i not in self.jobs or i in self.finished:
            return
        job = self.jobs[i]
        if i in self.started:
            taken = now - self.started.pop(i)
            self.taken[job.step] += taken
            self.expected[job.step] += job.seconds
            self.n_ended[job.step] += 1
            self.wait = min(self.wait, max(taken - job.seconds, 0.0))
        self.finished.add(i)
        if self.last_step and job.step == self.last_step:
            self.n_left -= job.n_membranes

    def fail(self, i: int) -> None:
        """Note a job that failed; it may be started again."""
        if i in self.jobs:
            self.started.pop(i, None)
            self.failed.add(i)

    @property
    def n_membranes_done(self) -> int:
        """Membranes whose particles are there."""
        return self.n_membranes - self.n_left

    def seconds_left(self, now: float) -> float | None:
        """Return about how long the run goes on; None before the first job has ended.

        A job waits, as in the queue of a cluster, and works. The wait is what the quickest job took
        beyond its expected time; the rest of the time tells how long the jobs of each step work
        for their size, and those of steps that none ended of are off by as much as the others
        together. As many jobs run at a time as so far.
        """
        taken, expected = sum(self.taken.values()), sum(self.expected.values())
        if not taken or not expected:
            return None

        def factor(steps: Iterable[str | None]) -> float:
            waits = self.wait * sum(self.n_ended[step] for step in steps)
            work = sum(self.taken[step] for step in steps) - waits
            return max(work, 0.0) / sum(self.expected[step] for step in steps)

        factors = {step: factor([step]) for step, n in self.n_ended.items() if n}
        others, left = factor(list(factors)), 0.0
        for i, job in self.jobs.items():
            if i in self.finished or i in self.failed:
                continue
            spent = now - self.started[i] if i in self.started else 0.0
            seconds = self.wait + factors.get(job.step, others) * job.seconds
            left += max(seconds - spent, 0.0)
        busy = taken + sum(now - begin for begin in self.started.values())
        n_parallel = max(busy / max(now - self.start_time, 1e-9), 1.0)
        return left / n_parallel

    def line(self, now: float) -> str:
        """Return how far the run is, in one line."""
        steps = Counter(self.jobs[i].step for i in self.started if self.jobs[i].step)
        running = ", ".join(name + (f" x{n}" if n > 1 else "") for name, n in steps.items())
        parts = [f"{self.n_membranes_done} of {self.n_membranes} membranes done"]
        if not self.last_step:
            parts = []
        parts.append(f"{len(self.finished)} of {len(self.jobs)} jobs")
        if self.failed:
            parts.append(f"{len(self.failed)} failed")
        left = self.seconds_left(now)
        if left is not None and len(self.finished) < len(self.jobs):
            parts.append(f"about {tell_seconds(max(round(left), 1))} left")
        if running:
            parts.append(f"running {running}")
        return "; ".join(parts)
