"""The workflow from any folder, and as a module of another workflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OTHER = f"""
configfile: "other.yaml"


module membrain:
    snakefile: "{ROOT}/Snakefile"
    config: config["membrain"]


use rule * from membrain as membrain_*


rule all:
    input: "count.txt"
    default_target: True


rule count:
    input: rules.membrain_export_particles.output.csv
    output: "count.txt"
    shell: "wc -l < {{input}} > {{output}}"
"""


@pytest.fixture
def other(project):
    """Another workflow that begins where this one ends."""
    (project.folder / "workflow").mkdir()
    (project.folder / "workflow/Snakefile").write_text(OTHER)
    sheets = {name: f"{name}.tsv" for name in ("tomograms", "membranes")}
    options = {**sheets, "results": "results", "device": "cpu"}
    content = {"membrain": options, "unknown_here": 1}
    (project.folder / "other.yaml").write_text(yaml.safe_dump(content))
    return project


def snakemake(folder, *flags):
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def jobs_of_module(other, *flags):
    done = snakemake(other.folder, "--dry-run", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_rules_of_the_module_make_what_another_workflow_asks_for(other):
    text = jobs_of_module(other, "--printshellcmds")
    for rule in ("membrain_inspect_tomogram", "membrain_score_points", "membrain_export_particles"):
        assert f"rule {rule}:" in text
    assert "rule count:" in text
    assert "check_status" not in text
    weights = ROOT / "resources/weights/simulated.safetensors"
    assert f"--weights {weights} " in text


def test_mistake_in_the_configuration_of_the_module_is_told(other):
    path = other.folder / "other.yaml"
    content = yaml.safe_load(path.read_text())
    content["membrain"]["membrane_per_job"] = 3
    path.write_text(yaml.safe_dump(content))
    done = snakemake(other.folder, "--dry-run")
    assert done.returncode == 2
    assert "did you mean 'membranes_per_job'?" in done.stderr


@pytest.mark.slow
@pytest.mark.workflow
def test_another_workflow_runs_the_module(other):
    done = snakemake(other.folder)
    assert done.returncode == 0, done.stderr
    assert int((other.folder / "count.txt").read_text()) >= 1
    assert snakemake(other.folder, "--dry-run").stdout.count("Nothing to be done") == 1


def test_folder_that_it_is_started_in_does_not_matter(project, tmp_path):
    here = project.planned()
    (tmp_path / "elsewhere").mkdir()
    command = ("--snakefile", str(ROOT / "Snakefile"), "--directory", str(project.folder))
    config = ("--configfile", str(project.folder / "my.yaml"), "--dry-run")
    done = snakemake(tmp_path / "elsewhere", *command, *config)
    assert done.returncode == 0, done.stderr
    for job in here:
        assert f"rule {job.split()[0]}:" in done.stdout + done.stderr
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("target", [(), ("search",), ("crossval",)])
def test_absolute_path_of_results_in_the_folder_of_the_run(project, target):
    """Weights that are trained, asked for by one rule and made by another, are one file."""
    (project.folder / "a.csv").write_text("class,x,y,z\nA,20,20,9\nA,40,30,9\n")
    sheet = project.folder / "membranes.tsv"
    header, *rows = sheet.read_text().splitlines()
    added = [f"{header}\tsplit\tannotations", *(f"{row}\ttrain\ta.csv" for row in rows)]
    sheet.write_text("\n".join(added) + "\n")
    project.options |= {"model": "train", "search": {"grid": {"train_model.epochs": [1, 2]}}}
    relative = project.planned(*target)
    assert any("train" in job for job in relative)
    project.options["results"] = str(project.folder / "results")
    assert project.planned(*target) == relative
