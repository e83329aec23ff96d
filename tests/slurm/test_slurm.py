"""The workflow on a real SLURM: the same outputs as on one machine, whatever happens meanwhile.

A cluster of two nodes is started for these tests (cluster.py); the data set is a small one, made as
the demo's is.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
RULES_WITH_GPU = {"score_points"}
COMPARED = (
    *("particles.csv", "particles.star", "import.star", "status.tsv", "particles/small1.star"),
    *("evaluation/metrics.json", "evaluation/membranes.csv"),
)
LATE = ("cluster_points", "orient_particles", "evaluation", "particles")
LATE_FILES = ("particles.csv", "particles.star", "import.star", "status.tsv")

spec = importlib.util.spec_from_file_location("cluster", HERE / "cluster.py")
cluster_module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cluster_module)
wait_for = cluster_module.wait_for

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(cluster_module.why_not()), reason=cluster_module.why_not()),
]


@pytest.fixture(scope="module")
def cluster():
    # sockets need a short path
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    made = cluster_module.Cluster(folder)
    try:
        made.up()
        yield made
    finally:
        made.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """A finished run on this machine, with as many threads as the jobs on the cluster have."""
    data, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("local")
    simulate = [sys.executable, str(ROOT / "workflow/step.py"), "simulate", "--quiet"]
    simulate += ["--recipe", str(HERE / "simulation.yaml"), "--output-dir", str(data)]
    subprocess.run(simulate, check=True)
    sheets = {name: str(data / f"{name}.tsv") for name in ("tomograms", "membranes")}
    options = {**sheets, "results": "results", "export_particles": {"heatmaps": False}}
    (folder / "my.yaml").write_text(yaml.safe_dump(options))
    done = subprocess.run(
        [*snakemake(), "--cores", "4"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def snakemake(*flags):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return [*command, "--configfile", "my.yaml", *flags]


@contextlib.contextmanager
def run(cluster, folder, *flags):
    """Yield a process of Snakemake on the cluster, which is ended with the block."""
    quick = (
        "--slurm-init-seconds-before-status-checks",
        "3",
        "--seconds-between-status-checks",
        "2",
    )
    command = snakemake("--workflow-profile", str(ROOT / "profiles/slurm"), *quick, *flags)
    with open(folder / "told.txt", "w") as told:
        process = subprocess.Popen(
            command, cwd=folder, env=cluster.env, stdout=told, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def finish(process, folder, code=0):
    """Wait for the end of Snakemake and return what it told."""
    process.wait(1200)
    told = (folder / "told.txt").read_text()
    assert process.returncode == code, told
    return told


def copy_without_particles(local, folder):
    """Copy a finished run without what the last steps made, so that some jobs are left to do."""
    shutil.copytree(local, folder, symlinks=True)
    for name in LATE:
        shutil.rmtree(folder / "results" / name)
    for name in LATE_FILES:
        (folder / "results" / name).unlink()
    return folder


def running(cluster, rule):
    """Return the number of a running job of a rule; empty where there is none."""
    lines = cluster.run("squeue", "-h", "-t", "R", "-o", "%A %k").splitlines()
    return next((line.split()[0] for line in lines if f"rule_{rule}" in line), "")


def wait_until_running(cluster, rule):
    wait_for(f"a job of {rule}", lambda: running(cluster, rule), 600)
    return running(cluster, rule)


def particles(folder):
    return (folder / "results/particles.csv").read_bytes()


def slurm_logs(folder):
    """Return what SLURM told of the jobs that failed."""
    return "".join(path.read_text() for path in (folder / ".snakemake/slurm_logs").rglob("*.log"))


def states(cluster, rule):
    """Return partition, granted resources and state of each job of a rule so far."""
    text = cluster.run("sacct", "-X", "-n", "-P", "-o", "Comment,Partition,AllocTRES,State")
    rows = [line.split("|") for line in text.splitlines()]
    return [tuple(row[1:]) for row in rows if f"rule_{rule}" in row[0]]


def test_outputs_are_those_of_a_local_run_and_only_gpu_steps_get_a_gpu(cluster, local, tmp_path):
    shutil.copy(local / "my.yaml", tmp_path)
    with run(cluster, tmp_path) as process:
        finish(process, tmp_path)
    for name in COMPARED:
        assert (tmp_path / "results" / name).read_bytes() == (local / "results" / name).read_bytes()
    assert particles(local).count(b"\n") > 5
    for rule in ("inspect_tomogram", "sample_points", "score_points", "export_particles"):
        found = states(cluster, rule)
        assert found, rule
        for partition, granted, state in found:
            assert partition == ("gpu" if rule in RULES_WITH_GPU else "cpu"), rule
            assert ("gres/gpu=1" in granted) == (rule in RULES_WITH_GPU), rule
            assert state == "COMPLETED"


def test_cancelled_job_is_tried_again(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    with run(cluster, folder, "results/particles.csv") as process:
        cluster.run("scancel", wait_until_running(cluster, "cluster_points"))
        finish(process, folder)
    assert particles(folder) == particles(local)
    assert any(state.startswith("CANCELLED") for *_, state in states(cluster, "cluster_points"))


def test_job_over_its_memory_gets_more(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    more = ("--set-resources", "cluster_points:mem_mb=90*20**(attempt-1)")
    with run(cluster, folder, "results/particles.csv", *more) as process:
        finish(process, folder)
    assert particles(folder) == particles(local)
    assert "exceeded memory limit" in slurm_logs(folder)


def test_job_that_dies_each_time_is_told(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    flags = ("--set-resources", "cluster_points:mem_mb=90", "--retries", "1")
    with run(cluster, folder, *flags, "results/particles.csv") as process:
        told = finish(process, folder, code=1)
    reasons = told.partition("What failed, and why:\n")[2]
    assert "cluster_points/small1/batch001" in reasons
    assert "cluster_points/small2/batch001" in reasons
    assert "ended without a message: killed, out of memory" in reasons


def test_restart_of_the_controller_is_survived(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    with run(cluster, folder, "results/particles.csv") as process:
        wait_until_running(cluster, "cluster_points")
        cluster.stop("slurmctld")
        cluster.start_controller()
        finish(process, folder)
    assert particles(folder) == particles(local)


def test_new_start_after_snakemake_was_killed(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    with run(cluster, folder, "results/particles.csv") as process:
        wait_until_running(cluster, "cluster_points")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with run(cluster, folder, "results/particles.csv") as process:
        assert "--unlock" in finish(process, folder, code=1)
    with run(cluster, folder, "--unlock") as process:
        finish(process, folder)
    with run(cluster, folder, "results/particles.csv") as process:
        finish(process, folder)
    assert particles(folder) == particles(local)
