"""The workflow on a real SLURM: the same outputs as on one machine, whatever happens meanwhile.

A cluster of three nodes is started for these tests (cluster.py); the data set and its configuration
are the demo's.
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

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
DEMO = ROOT / "resources/demo"
RESULTS = "demo/results"
TABLE = f"{RESULTS}/particles.csv"
RULES_WITH_GPU = {"score_points"}
COMPARED = (
    *("particles.csv", "particles.star", "import.star", "status.tsv", "particles/demo1.star"),
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
    simulate += ["--recipe", str(DEMO / "simulation.yaml"), "--output-dir", str(data)]
    subprocess.run(simulate, check=True)
    link_data(data, folder)
    done = subprocess.run(
        [*snakemake(), "--cores", "4"], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def link_data(data, folder):
    """Put the demo's data where its configuration says."""
    (folder / "demo").mkdir()
    (folder / "demo/data").symlink_to(data)


def snakemake(*flags):
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    return [*command, "--configfile", str(DEMO / "config.yaml"), *flags]


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
        shutil.rmtree(folder / RESULTS / name)
    for name in LATE_FILES:
        (folder / RESULTS / name).unlink()
    return folder


def running(cluster, rule):
    """Return the number of a running job of a rule; empty where there is none."""
    lines = cluster.run("squeue", "-h", "-t", "R", "-o", "%A %k").splitlines()
    return next((line.split()[0] for line in lines if f"rule_{rule}" in line), "")


def wait_until_running(cluster, rule, but=""):
    """Return the number of a running job of a rule that is not one named before."""
    wait_for(f"a job of {rule}", lambda: running(cluster, rule) not in ("", but), 600)
    return running(cluster, rule)


def particles(folder):
    return (folder / TABLE).read_bytes()


def slurm_logs(folder):
    """Return what SLURM told of the jobs that failed."""
    return "".join(path.read_text() for path in (folder / ".snakemake/slurm_logs").rglob("*.log"))


@contextlib.contextmanager
def without_node(cluster, job):
    """Lose the node of a job, which comes back with the end of the block."""
    name = cluster.run("squeue", "-h", "-j", job, "-o", "%N").strip()
    node = ("scontrol", "update", f"NodeName={name}", "Reason=test")
    cluster.run(*node, "State=DOWN")
    yield
    cluster.run(*node, "State=RESUME", check=False)  # an error where it is back already


def states(cluster, rule):
    """Return partition, granted resources and state of each job of a rule so far."""
    text = cluster.run("sacct", "-X", "-n", "-P", "-o", "Comment,Partition,AllocTRES,State")
    rows = [line.split("|") for line in text.splitlines()]
    return [tuple(row[1:]) for row in rows if f"rule_{rule}" in row[0]]


def test_outputs_are_those_of_a_local_run_and_only_gpu_steps_get_a_gpu(cluster, local, tmp_path):
    link_data((local / "demo/data").readlink(), tmp_path)
    with run(cluster, tmp_path) as process:
        finish(process, tmp_path)
    for name in COMPARED:
        assert (tmp_path / RESULTS / name).read_bytes() == (local / RESULTS / name).read_bytes()
    assert particles(local).count(b"\n") > 5
    for rule in ("inspect_tomogram", "sample_points", "score_points", "export_particles"):
        found = states(cluster, rule)
        assert found, rule
        for partition, granted, state in found:
            assert partition == ("gpu" if rule in RULES_WITH_GPU else "cpu"), rule
            assert ("gres/gpu=1" in granted) == (rule in RULES_WITH_GPU), rule
            assert state == "COMPLETED"


def test_job_that_is_cancelled_or_loses_its_node_or_time_is_tried_again(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    rule = "cluster_points_wildcards_demo1"
    flags = ("--config", "tries=4", "--set-resources", "cluster_points:runtime=1+9*(attempt>3)")
    with run(cluster, folder, TABLE, *flags) as process:
        job = wait_until_running(cluster, rule)
        cluster.run("scancel", job)
        job = wait_until_running(cluster, rule, but=job)
        with without_node(cluster, job):
            job = wait_until_running(cluster, rule, but=job)
        cluster.run("scancel", "--signal=STOP", "--full", job)  # it stands still: time runs out
        finish(process, folder)
    assert particles(folder) == particles(local)
    found = [state.split()[0] for *_, state in states(cluster, rule)]
    assert sorted(found[-4:]) == ["CANCELLED", "COMPLETED", "NODE_FAIL", "TIMEOUT"]


def test_job_over_its_memory_gets_more_or_fails_alone(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    # that of demo1 has enough at the second try, that of demo2 when it is given up
    more = "cluster_points:mem_mb=90+1400*(attempt>1+(wildcards.tomogram>'demo1'))"
    with run(cluster, folder, "--config", "tries=2", "--set-resources", more) as process:
        told = finish(process, folder, code=1)
    assert "exceeded memory limit" in slurm_logs(folder)
    reasons = told.partition("What failed, and why:\n")[2]
    assert "4 of 7 membranes failed; expected at most 0" in reasons
    assert "demo2/stack1, stack2, vesicle, wavy, cluster_points: its job ended without" in reasons
    lines = particles(local).splitlines(keepends=True)
    assert particles(folder) == b"".join(line for line in lines if not line.startswith(b"demo2"))
    # the next run tries it again
    with run(cluster, folder) as process:
        finish(process, folder)
    assert particles(folder) == particles(local)


def test_restart_of_the_controller_is_survived(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    with run(cluster, folder, TABLE) as process:
        wait_until_running(cluster, "cluster_points")
        cluster.stop("slurmctld")
        cluster.start_controller()
        finish(process, folder)
    assert particles(folder) == particles(local)


def test_new_start_after_snakemake_was_killed(cluster, local, tmp_path):
    folder = copy_without_particles(local, tmp_path / "run")
    with run(cluster, folder, TABLE) as process:
        wait_until_running(cluster, "cluster_points")
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with run(cluster, folder, TABLE) as process:
        assert "--unlock" in finish(process, folder, code=1)
    with run(cluster, folder, "--unlock") as process:
        finish(process, folder)
    with run(cluster, folder, TABLE) as process:
        finish(process, folder)
    assert particles(folder) == particles(local)
