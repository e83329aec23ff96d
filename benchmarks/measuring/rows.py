"""Rows of a benchmark, each measured in a process of its own."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def timed(function: Callable, repeat: int = 3) -> tuple:
    """Return the result and the least processor time of some calls, the first not counted.

    The first compiles and fills caches. Time of the system counts as well.
    """
    result = function()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        result = function()
        times.append(time.process_time() - start)
    return result, min(times)


def peak_mb() -> float:
    """Return the largest memory of this process so far, its libraries included, in MB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_figures(figures: Sequence[tuple]) -> None:
    """Write figures (name, value, unit, goal) and the memory used so far, for `print_row`."""
    for figure in figures:
        print(json.dumps([*figure, peak_mb()]))


def print_head() -> None:
    """Print the head of the table."""
    print(f"{'':<52}{'measured':>10} {'':<8} {'goal':<14} {'peak':>8}")


def print_row(command: Sequence[str]) -> None:
    """Run a command that calls `write_figures` and print what it wrote."""
    command = [sys.executable, *command]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name, value, unit, goal, peak in map(json.loads, out.splitlines()):
        print(f"{name:<52}{value:>10.2f} {unit:<8} {goal:<14} {peak:>5.0f} MB", flush=True)
