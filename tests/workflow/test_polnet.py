"""The whole workflow on an independent simulation, where its data is at hand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "../shared/data/polnet_a"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.workflow,
    pytest.mark.skipif(not (DATA / "gt.csv").is_file(), reason=f"{DATA} is not here"),
]


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("polnet")
    command = [sys.executable, str(ROOT / "benchmarks/polnet.py"), "--output", str(folder)]
    command += ["--data", str(DATA), "--cores", "2", "--levels", "low", "--models", "pretrained"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "figures.json").read_text())["low"]["pretrained"]


def test_side_a_is_the_outside_at_every_point_of_every_membrane(figures):
    assert sorted(figures["sides"]) == ["M001", "M002", "M003", "M004"]
    for membrane, sides in figures["sides"].items():
        assert sorted(sides) == ["a", "b"], membrane
        for side, found in sides.items():
            assert found["share_right"] == 1.0, (membrane, side)
            assert found["n_points"] > 400, (membrane, side)
            assert found["normal_error_median_degree"] < 6, (membrane, side)


def test_picks_on_both_sides_reach_a_modest_f1(figures):
    picks = figures["picks"]
    assert picks["any"]["known"] == 122
    assert picks["any"]["strict"]["f1"] > 0.8
    assert picks["any"]["position_error_voxel"] < 2.5
    assert all(picks[name]["strict"]["recall"] > 0.6 for name in picks if name != "any")


def test_protein_is_picked_once_though_it_stands_out_on_both_sides(figures):
    assert figures["picks"]["any"]["strict"]["precision"] > 0.95


def test_workflow_counts_as_an_independent_count_does(figures):
    assert figures["differences"] == []
