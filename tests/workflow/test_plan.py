"""A run told before it starts, and while it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from membrain.files import read_table

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/workflow/lint"
NOT_NEEDED = ("torch", "matplotlib", "numba")


@pytest.fixture
def config(tmp_path):
    options = yaml.safe_load((DATA / "config.yaml").read_text())
    options |= {name: str(ROOT / options[name]) for name in ("tomograms", "membranes")}
    path = tmp_path / "my config.yaml"
    path.write_text(yaml.safe_dump({**options, "results": "my results", "device": "auto"}))
    return path


def _run(folder, *command):
    """Run a command where torch cannot be imported and no scheduler or conda is at hand."""
    blocked = folder / "blocked"
    for name in NOT_NEEDED:
        (blocked / name).mkdir(parents=True, exist_ok=True)
        (blocked / name / "__init__.py").write_text("raise ImportError('not to be imported')\n")
    environment = {**os.environ, "PYTHONPATH": str(blocked), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, *map(str, command)]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _snakemake(folder, config, *flags):
    command = ("-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--configfile", config)
    return _run(folder, *command, "--cores", "2", *flags)


def test_dry_run_needs_neither_torch_nor_conda_nor_a_scheduler(tmp_path, config):
    done = _snakemake(tmp_path, config, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "rule score_points:" in done.stdout + done.stderr


def test_plan_tells_every_step_and_makes_nothing_but_its_tables(tmp_path, config):
    done = _snakemake(tmp_path, config, "plan")
    assert done.returncode == 0, done.stderr
    for part in ("score_points", "not made yet (1)", "2 cores", "64 jobs on a cluster"):
        assert part in done.stdout
    rows = {row["step"]: row for row in read_table(tmp_path / "my results/plan.tsv")[1]}
    assert (rows["score_points"]["jobs"], rows["inspect_tomogram"]["jobs"]) == ("2", "1")
    assert rows["total"]["why"] == ""
    assert {row["parallel"] for row in read_table(tmp_path / "my results/plan_runs.tsv")[1]} >= {
        "1",
        "8",
    }
    made = {path.name for path in (tmp_path / "my results").rglob("*") if path.is_file()}
    assert made == {"plan.tsv", "plan_runs.tsv", "plan.log"}


def test_plan_of_a_target_by_hand(tmp_path, config):
    script, target = ROOT / "workflow/plan.py", "my results/inspect_tomogram/T1.json"
    done = _run(tmp_path, script, "--configfile", config, "--quick", target)
    assert done.returncode == 0, done.stderr
    assert "inspect_tomogram" in done.stdout
    assert "score_points" not in done.stdout
    assert "0 from their masks" in done.stdout
    assert not (tmp_path / "my results").exists()


def test_plan_tells_faults_of_the_configuration_in_one_line(tmp_path, config):
    config.write_text(config.read_text() + "devise: cpu\n")
    done = _run(tmp_path, ROOT / "workflow/plan.py", "--configfile", config)
    assert done.returncode == 2
    assert done.stderr.startswith("plan: error: ")
    assert "unknown key 'devise'; did you mean 'device'?" in done.stderr
    assert "Traceback" not in done.stderr


def _inspect(folder, config, *flags):
    """Run the first step, which needs no torch, on a tomogram whose voxels differ."""
    volume = folder / "volume.mrc"
    content = bytearray((DATA / "volume.mrc").read_bytes())
    content[-8:] = bytes(range(8))
    volume.write_bytes(content)
    (folder / "t.tsv").write_text(f"tomogram\tpath\tpixel_size_angstrom\nT1\t{volume}\t10\n")
    options = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**options, "tomograms": "t.tsv"}))
    return _snakemake(folder, config, *flags, "--", "my results/inspect_tomogram/T1.json")


def test_plan_tells_what_is_done_and_why_the_rest_runs(tmp_path, config):
    assert _inspect(tmp_path, config).returncode == 0
    plan = (ROOT / "workflow/plan.py", "--configfile", config, "--output-dir", "here")
    assert _run(tmp_path, *plan).returncode == 0
    row = read_table(tmp_path / "here/plan.tsv")[1][0]
    assert (row["step"], row["jobs"], row["done"]) == ("inspect_tomogram", "0", "1")
    options = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**options, "inspect_tomogram": {"clip": 5.0}}))
    assert _run(tmp_path, *plan).returncode == 0
    row = read_table(tmp_path / "here/plan.tsv")[1][0]
    assert (row["jobs"], row["done"]) == ("1", "0")
    assert row["why"] == "options, sheet, masks or code changed (1)"


@pytest.mark.parametrize("quiet", [(), ("--quiet", "all")])
def test_progress_is_told_on_the_screen_and_in_a_log(tmp_path, config, quiet):
    done = _inspect(tmp_path, config, *quiet)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "my results/logs/progress.log").read_text()
    assert log.splitlines()[-1].endswith(" 1 of 1 jobs")
    assert ("progress: 1 of 1 jobs" in done.stderr) is not bool(quiet)
