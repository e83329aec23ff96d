"""What fails stays alone: the other membranes and tomograms get their particles."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from membrain.files import read_table
from membrain.volumes import write_volume

pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def failed(project):
    rows = read_table(project.folder / "results/status.tsv")[1]
    return {
        (row["tomogram"], row["membrane"], row["step"]): row["message"]
        for row in rows
        if row["status"] == "failed"
    }


def test_tomogram_that_fails_while_the_run_goes_stops_no_other(project):
    good = (project.folder / "T2.mrc").read_bytes()
    write_volume(project.folder / "T2.mrc", np.ones((40, 50, 60), np.float32), 14.0)
    project.add("T2", "M2")
    done = project.snakemake()
    assert done.returncode == 1
    told = done.stderr.partition("What failed, and why:\n")[2]
    assert "2 of 3 membranes failed; expected at most 0; mend what the lines below say" in told
    assert "T2/M1, M2, sample_points: its tomogram failed: " in told
    assert "T2.mrc: every voxel has the same value" in told
    assert set(failed(project)) == {("T2", m, "sample_points") for m in ("M1", "M2")}
    assert (project.folder / "results/particles.csv").is_file()
    assert (project.folder / "results/particles/T2.star").is_file()
    # two may fail: only the check is done again
    project.options["allow_failed"] = 2
    assert project.planned() == {"check_status", "all"}
    assert project.snakemake().returncode == 0
    # once it is mended, nothing of the other tomogram is done again
    (project.folder / "T2.mrc").write_bytes(good)
    jobs = project.planned()
    assert not {job for job in jobs if "T1" in job}
    assert {"inspect_tomogram T2", "sample_points T2 batch001"} <= jobs
    assert project.snakemake().returncode == 0
    assert failed(project) == {}


def test_membrane_that_fails_is_mended_alone(project):
    project.options["membranes_per_job"] = 1
    project.write_mask("T1", "M1", None)
    project.add("T1", "M2")
    done = project.snakemake()
    assert done.returncode == 1
    assert "1 of 3 membranes failed" in done.stderr
    with open(project.folder / "results/particles.csv") as handle:
        assert {row["membrane"] for row in csv.DictReader(handle)} <= {"M1", "M2"}
    assert list(failed(project)) == [("T1", "M1", "sample_points")]
    project.write_mask("T1", "M1", 20)
    steps = ("sample_points", "extract_subvolumes", "score_points", "cluster_points")
    expected = {f"{step} T1 batch001" for step in (*steps, "orient_particles")}
    expected |= {"export_particles", "collect_status", "check_status", "all"}
    assert project.planned() == expected
    assert project.snakemake().returncode == 0
    assert failed(project) == {}


@pytest.fixture(scope="module")
def mortal(new_program):
    """A copy of the program whose jobs die where the project's file `dying` says so."""
    return new_program("dying_step.py")


STEPS = ("inspect_tomogram", "sample_points", "extract_subvolumes", "score_points")
STEPS += ("cluster_points", "orient_particles")


def test_jobs_that_die_in_each_try_fail_alone_and_run_again(project, mortal):
    dying = {f"T{i}": step for i, step in enumerate(STEPS, 2)}
    for tomogram in list(dying)[1:]:
        project.add(tomogram, "M1")
    project.options["tries"] = 2
    file = project.folder / "dying"
    file.write_text("".join(f"{step} {name} killed\n" for name, step in dying.items()))
    done = project.snakemake(root=mortal)
    assert done.returncode == 1
    assert done.stderr.count("Trying to restart job") == 2 * len(STEPS)
    told = done.stderr.partition("What failed, and why:\n")[2]
    assert "6 of 7 membranes failed" in told
    assert "T4/M1, extract_subvolumes: its job ended without a message in each try: " in told
    assert failed(project).keys() == {
        (name, "M1", "sample_points" if name == "T2" else step) for name, step in dying.items()
    }
    assert (project.folder / "results/particles.csv").is_file()
    # these jobs run again though nothing that they read has changed; what went well does not
    file.unlink()
    jobs = project.planned(root=mortal)
    assert {f"{step} {name} batch001" for name, step in dying.items() if name != "T2"} <= jobs
    assert "inspect_tomogram T2" in jobs
    assert not {job for job in jobs if "T1" in job}
    assert not {"sample_points T5 batch001", "score_points T6 batch001"} & jobs
    assert project.snakemake(root=mortal).returncode == 0
    assert failed(project) == {}
    assert project.planned(root=mortal) == set()


def test_reason_of_a_job_that_fails_in_each_try_is_told(project, mortal):
    (project.folder / "dying").write_text("inspect_tomogram T2 error\n")
    project.options |= {"tries": 1, "allow_failed": 1}
    done = project.snakemake(root=mortal)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Trying to restart job") == 1
    (message,) = failed(project).values()
    assert message == "its tomogram failed: its job failed in each try, at last: no room"
    # accepted, but tried again by each run
    assert "inspect_tomogram T2" in project.planned(root=mortal)


def test_tomogram_that_vanishes_while_the_run_goes_fails_alone(project, mortal):
    (project.folder / "dying").write_text("sample_points T2 lost\n")
    done = project.snakemake(root=mortal)
    assert done.returncode == 1
    assert "T2/M1, extract_subvolumes: its tomogram failed: " in done.stderr
    assert (project.folder / "results/particles.csv").is_file()


def test_mask_that_vanishes_while_the_run_goes_fails_alone(project, mortal):
    (project.folder / "dying").write_text("inspect_tomogram T2 lost_mask\n")
    done = project.snakemake(root=mortal)
    assert done.returncode == 1
    assert "T2_M1.mrc" in failed(project)["T2", "M1", "sample_points"]
    assert (project.folder / "results/particles.csv").is_file()
