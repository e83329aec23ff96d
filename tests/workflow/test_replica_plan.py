"""When simulated membranes are planned, and what trains on them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/workflow/lint"


def plan(folder, **changes):
    options = yaml.safe_load((DATA / "config.yaml").read_text())
    options |= {name: str(ROOT / options[name]) for name in ("tomograms", "membranes")}
    config = folder / "my.yaml"
    config.write_text(yaml.safe_dump({**options, **changes}))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(config), "--cores", "2", "--dry-run", "--printshellcmds"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_replicas_train_after_the_real_membranes(tmp_path):
    options = {"replicas": 3}
    code, text = plan(
        tmp_path, model="train", replicate_membranes=options, label_points={"symmetry": {"b6f": 1}}
    )
    assert code == 0, text
    assert "rule replicate_membranes:" in text
    for flag in (
        "--replicas 3 ",
        "--source average ",
        "--symmetry b6f=1 ",
        "--jitter 0.15 ",
    ):
        assert flag in text
    (command,) = (line for line in text.splitlines() if "step train_model" in line)
    labels = command.split("--labels")[1].split("--subvolumes")[0].split()
    assert [label.split("/")[-3] for label in labels] == ["label_points", "replicate_membranes"]
    boxes = command.split("--subvolumes")[1].split("--validation")[0].split()
    assert [box.split("/")[-3] for box in boxes] == ["extract_subvolumes", "replicate_membranes"]
    (command,) = (line for line in text.splitlines() if "step replicate_membranes" in line)
    assert "--classes null" in command
    assert "replicate_membranes" in next(
        line for line in text.splitlines() if "collect_status --s" in line
    )


@pytest.mark.parametrize(
    "changes",
    [{"model": "train"}, {"model": "pretrained", "replicate_membranes": {"replicas": 3}}],
)
def test_no_replicas_unless_asked_for_in_training(tmp_path, changes):
    code, text = plan(tmp_path, **changes)
    assert code == 0, text
    assert "rule replicate_membranes:" not in text


def test_wrong_options_are_told(tmp_path):
    code, text = plan(tmp_path, replicate_membranes={"replica": 1, "source": "maps", "jitter": 1})
    assert code == 2
    assert "unknown key 'replicate_membranes.replica'; did you mean 'replicas'?" in text
    assert "expected one of average, map" in text
    assert "expected less than 1" in text
