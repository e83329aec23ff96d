"""What runs again after a change, and what does not: the exact set of jobs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest

BATCH_STEPS = (
    *("sample_points", "extract_subvolumes", "score_points"),
    *("cluster_points", "orient_particles"),
)
TOTAL = {"export_particles", "collect_status", "check_status", "all"}


def steps_of(batch, first="sample_points"):
    return {f"{step} {batch}" for step in BATCH_STEPS[BATCH_STEPS.index(first) :]}


@pytest.fixture(scope="module")
def root(new_program):
    """A copy of the program whose steps do no work, to be changed."""
    return new_program("idle_step.py")


@pytest.fixture(scope="module")
def template(new_project, root, tmp_path_factory):
    """A project whose run has ended well."""
    made = new_project(tmp_path_factory.mktemp("finished"))
    done = made.snakemake(root=root)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture
def finished(template, tmp_path):
    """A copy of the finished project in another folder, with the times of its files."""
    folder = tmp_path / "copy"
    shutil.copytree(template.folder, folder)
    return replace(
        template,
        folder=folder,
        membranes={name: list(known) for name, known in template.membranes.items()},
        options=dict(template.options),
    )


def test_nothing_is_left_to_do_after_a_move_of_the_whole(finished, root):
    assert finished.planned(root=root) == set()


def test_new_membrane_makes_a_batch_of_its_own(finished, root):
    finished.add("T1", "M0")
    finished.membranes["T1"] = ["M0", "M1"]  # the new one stands first
    finished.write_sheets()
    assert finished.planned(root=root) == steps_of("T1 batch002") | TOTAL


def test_new_tomogram_runs_alone(finished, root):
    finished.add("T3", "M1")
    expected = {"inspect_tomogram T3"} | steps_of("T3 batch001") | TOTAL
    assert finished.planned(root=root) == expected


def test_changed_clustering_runs_clustering_and_later(finished, root):
    finished.options["cluster_points"] = {"bandwidth_voxel": 5.0}
    expected = steps_of("T1 batch001", "cluster_points")
    expected |= steps_of("T2 batch001", "cluster_points") | TOTAL
    assert finished.planned(root=root) == expected


def test_changed_model_runs_scoring_and_later(finished, root):
    for kind in ("safetensors", "json"):
        weights = root / f"resources/weights/simulated.{kind}"
        shutil.copyfile(weights, finished.folder / f"other.{kind}")
    finished.options["model"] = "other.safetensors"
    # boxes are not kept, so that they are cut again where they are scored again
    expected = steps_of("T1 batch001", "extract_subvolumes")
    expected |= steps_of("T2 batch001", "extract_subvolumes") | TOTAL
    assert finished.planned(root=root) == expected


def test_mended_mask_runs_its_batch_alone(finished, root):
    finished.write_mask("T2", "M1", 12)
    assert finished.planned(root=root) == steps_of("T2 batch001") | TOTAL


def test_touched_source_runs_nothing(finished, root):
    for path in (*root.rglob("*.py"), *root.rglob("*.smk"), root / "Snakefile"):
        os.utime(path)
    assert finished.planned(root=root) == set()


@pytest.fixture
def change(root):
    """Change a line of a step while a test runs."""
    path = root / "workflow/membrain/clusters.py"
    before = path.read_text()

    def write(old, new):
        assert old in before
        path.write_text(before.replace(old, new, 1))

    yield write
    path.write_text(before)


def test_comment_in_the_source_runs_nothing(finished, root, change):
    change(
        "from __future__ import annotations\n", "# a remark\nfrom __future__ import annotations\n"
    )
    assert finished.planned(root=root) == set()


def test_changed_source_runs_its_step_and_later(finished, root, change):
    change("import numpy as np\n", "import numpy as np\n\nADDED = 1\n")
    expected = steps_of("T1 batch001", "cluster_points")
    expected |= steps_of("T2 batch001", "cluster_points") | TOTAL
    # the code of clusters is also what orient_particles reads them with
    assert finished.planned(root=root) == expected


def test_moved_results_run_nothing(finished, root):
    (finished.folder / "results").rename(finished.folder / "elsewhere")
    finished.options["results"] = "elsewhere"
    assert finished.planned(root=root) == set()


def test_changed_allowance_checks_anew(finished, root):
    finished.options["allow_failed"] = 3
    assert finished.planned(root=root) == {"check_status", "all"}


def write_rows(project, masks, annotations=("", "", "")):
    """Write three membranes of one tomogram, with their masks and annotations."""
    lines = ["tomogram\tmembrane\tmask\tsplit\tannotations"]
    for i, (mask, file) in enumerate(zip(masks, annotations, strict=True), 1):
        lines.append(f"T1\tM{i}\tT1_{mask}.mrc\t{'train' if file else ''}\t{file}")
    (project.folder / "membranes.tsv").write_text("\n".join(lines) + "\n")
    project.write_sheets = lambda: None


def test_membrane_that_gets_another_mask_runs_again(project, root):
    project.write_mask("T1", "M2", 20)
    write_rows(project, ("M1", "M2", "M1"))
    assert project.snakemake(root=root).returncode == 0
    write_rows(project, ("M1", "M2", "M2"))  # the same files are read
    assert "sample_points T1 batch001" in project.planned(root=root)


def test_annotations_that_change_places_are_labelled_again(project, root):
    for name in ("a", "b"):
        (project.folder / f"{name}.csv").write_text("class,x,y,z\nPSII,20,20,12\n")
    project.options |= {"model": "train"}
    write_rows(project, ("M1", "M1", "M1"), ("a.csv", "b.csv", ""))
    until = ("--until", "label_points", "--notemp")
    done = project.snakemake(*until, root=root)
    assert done.returncode == 0, done.stderr
    assert not {job for job in project.planned(*until, root=root) if "label" in job}
    write_rows(project, ("M1", "M1", "M1"), ("b.csv", "a.csv", ""))
    assert "label_points T1 train001" in project.planned(*until, root=root)
