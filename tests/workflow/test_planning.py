"""What the workflow plans from its sheets, and how it refuses a wrong configuration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/workflow/lint"


def _options(**changes):
    options = yaml.safe_load((DATA / "config.yaml").read_text())
    for name in ("tomograms", "membranes"):
        options[name] = str(ROOT / options[name])
    return {**options, **changes}


def _dry_run(folder, options, *flags):
    config = folder / "my config.yaml"
    config.write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--configfile", str(config), "--cores", "2", "--dry-run", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_plan_holds_every_step_once_per_batch(tmp_path):
    done = _dry_run(tmp_path, _options())
    assert done.returncode == 0, done.stderr
    for step in (
        "inspect_tomogram",
        "sample_points",
        "extract_subvolumes",
        "score_points",
        "cluster_points",
        "orient_particles",
        "export_particles",
        "collect_status",
        "check_status",
    ):
        assert f"rule {step}:" in done.stdout + done.stderr, step
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"membrane_per_job": 4}, "did you mean 'membranes_per_job'?"),
        (
            {"cluster_points": {"treshold": 3}},
            "unknown key 'cluster_points.treshold'; did you mean",
        ),
        ({"device": "gpu"}, "one of auto, cpu, cuda"),
        ({"membranes_per_job": 0}, "at least 1"),
        ({"model": "nowhere.safetensors"}, "config key 'model': nowhere.safetensors not found"),
    ],
)
def test_wrong_configuration_ends_with_one_message_and_code_2(tmp_path, changes, message):
    done = _dry_run(tmp_path, _options(**changes))
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_sheet_is_named(tmp_path):
    done = _dry_run(tmp_path, _options(membranes="nowhere.tsv"))
    assert done.returncode == 2
    assert "nowhere.tsv: unreadable" in done.stderr


def test_missing_key_is_named(tmp_path):
    options = _options()
    del options["tomograms"]
    done = _dry_run(tmp_path, options)
    assert done.returncode == 2
    assert "'tomograms' is missing" in done.stderr


def test_shapes_by_class_become_flags_and_inputs(tmp_path):
    (tmp_path / "the map.mrc").write_bytes(b"")
    (tmp_path / "b.mrc").write_bytes(b"")
    shapes = {
        "map": {"PSII": "the map.mrc", "b6f": "b.mrc"},
        "map_threshold": {"PSII": 0.1},
        "radii_angstrom": {"UK": [80, 40, 30]},
        "covariance_angstrom2": [1, 2, 3, 0, 0, -0.5],
    }
    options = _options(model="train", label_points=shapes)
    done = _dry_run(tmp_path, options, "--printshellcmds")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    for flag in (
        "--map PSII='the map.mrc' b6f=b.mrc ",
        "--map-threshold PSII=0.1 ",
        "--radii-angstrom UK=80,40,30 ",
        "--covariance-angstrom2 1 2 3 0 0 -0.5 ",
    ):
        assert flag in text
    (tmp_path / "b.mrc").unlink()
    done = _dry_run(tmp_path, options)
    assert done.returncode == 1
    assert "b.mrc" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (
            {"radii_angstrom": [1, 2]},
            "key 'label_points.radii_angstrom'; found [1, 2]; expected at",
        ),
        ({"radii_angstrom": {"A": -1}}, "key 'label_points.radii_angstrom.A'; found -1"),
        (
            {"covariance_angstrom2": {"A": [1]}},
            "covariance_angstrom2.A'; found [1]; expected at le",
        ),
        ({"map": {"A": 3}}, "key 'label_points.map.A'; found 3; expected a value of type string"),
        ({"target": "classes"}, "expected one of distance, membership"),
    ],
)
def test_wrong_shapes_are_refused(tmp_path, shapes, message):
    done = _dry_run(tmp_path, _options(label_points=shapes))
    assert done.returncode == 2
    assert message in done.stderr


def test_averages_are_made_when_asked_for(tmp_path):
    (tmp_path / "both.csv").write_text("class,x,y,z\n")
    options = {"lists": {"both": "both.csv"}, "box_voxel": 20, "symmetry": {"PSII": 2}}
    options = _options(average_subvolumes=options)
    done = _dry_run(tmp_path, options, "--printshellcmds", "average")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    line = next(line for line in text.splitlines() if "step average_subvolumes" in line)
    for flag in ("--lists both=both.csv ", "--box-voxel 20 ", "--symmetry PSII=2 "):
        assert flag in line
    assert "--particles results/particles.csv " in line
    assert "--pixel-size-angstrom" not in line
    assert "average_subvolumes" not in _dry_run(tmp_path, options).stdout
