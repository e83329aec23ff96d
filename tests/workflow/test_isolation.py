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
