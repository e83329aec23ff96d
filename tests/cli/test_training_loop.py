"""The benchmark of the training loop, on a handful of boxes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/training_loop.py"


def run(*flags):
    command = [sys.executable, str(SCRIPT), "--device", "cpu", *map(str, flags)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("network", ["membrain", "wide"])
def test_each_case_tells_speed_and_seconds_per_10_000_boxes(network):
    how = ("--boxes", 20, "--epochs", 1, "--networks", network)
    done = run(*how, "--precisions", "fp32", "--batch-sizes", 8)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = {line[:52].strip(): float(line[52:62]) for line in done.stdout.splitlines()[1:]}
    assert rows["2 cores: 1500^3 matrix product, float32"] > 0
    speed = rows[f"{network}, fp32, batch 8: boxes"]
    assert rows["10 000 boxes, by the clock"] == pytest.approx(1e4 / speed, rel=0.01)
    assert rows["10 000 boxes, processor time / threads"] > 0


def test_an_impossible_number_of_boxes_ends_with_usage():
    done = run("--boxes", 1)
    assert done.returncode == 2
    assert "--boxes and --batch-sizes from 2" in done.stderr
