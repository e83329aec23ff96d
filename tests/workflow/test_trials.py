"""What the targets of trials plan, and what they share."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/workflow/lint"


def dry_run(folder, target, **changes):
    options = yaml.safe_load((DATA / "config.yaml").read_text())
    for name in ("tomograms", "membranes"):
        options[name] = str(ROOT / options[name])
    options |= {"model": "train", "results": "results", **changes}
    (folder / "my.yaml").write_text(yaml.safe_dump(options))
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", "my.yaml", "--cores", "1", "--dry-run", "--printshellcmds"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def jobs(done):
    """Return how many jobs of each rule are planned."""
    assert done.returncode == 0, done.stderr
    found = re.findall(r"rule (\w+):$", done.stdout + done.stderr, re.MULTILINE)
    return {name: found.count(name) for name in found}


def commands(done, verb):
    return [line for line in (done.stdout + done.stderr).splitlines() if f"step {verb} " in line]


def test_clustering_of_a_search_needs_no_training_and_boxes_are_the_run_s(tmp_path):
    grid = {
        "train_model.learning_rate": [0.001, 0.0003],
        "cluster_points.bandwidth_voxel": [4.5, 5.0, 6.0],
    }
    done = dry_run(tmp_path, "search", search={"grid": grid}, train_model={"ensemble": 2})
    found = jobs(done)
    assert found["try_training"] == 4  # two rates, two seeds; not once for each bandwidth
    assert found["sample_points"] == found["extract_subvolumes"] == found["label_points"] == 1
    assert not {name for name in found if name.endswith("_trial")}
    assert found["rank_trials"] == 1
    lines = commands(done, "train_model")
    assert all("--membranes T1/M1 " in line and "--output" not in line for line in lines)
    assert sorted("--learning-rate 0.0003 " in line for line in lines) == [False, False, True, True]


def test_options_that_change_boxes_and_points_make_their_own(tmp_path):
    grid = {"train_model.network": ["membrain", "wide"], "sample_points.thinning_voxel": [1.5, 2.0]}
    done = dry_run(tmp_path, "search", search={"grid": grid})
    found = jobs(done)
    assert (found["sample_points"], found["sample_trial"]) == (1, 1)
    assert (found["extract_subvolumes"], found["extract_trial"]) == (1, 3)
    assert (found["label_points"], found["label_trial"]) == (1, 3)
    assert found["try_training"] == 4
    text = "\n".join(commands(done, "extract_subvolumes"))
    assert text.count("--box-shape 14 30 30 ") == text.count("--box-shape 12 18 18 ") == 2


@pytest.mark.parametrize(
    ("target", "changes", "message"),
    [
        ("search", {}, "config key 'search.grid': nothing to search; expected lists of values"),
        (
            "ablation",
            {"ablation": {"rows": {"raw": {"tomograms": "gone.tsv"}}}},
            "config key 'tomograms': gone.tsv not found",
        ),
        ("search", {"model": "pretrained"}, "search: config key 'model'; found pretrained; expect"),
        (
            "search",
            {"search": {"grid": {"train_model.epochs": 3}}},
            "key 'search.grid.train_model.epochs'; found 3; expected a list",
        ),
    ],
)
def test_mistakes_end_with_one_message_and_code_2(tmp_path, target, changes, message):
    done = dry_run(tmp_path, target, **changes)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_folds_are_chains_of_jobs_on_shared_points(tmp_path):
    done = dry_run(tmp_path, "crossval", train_model={"ensemble": 2})
    found = jobs(done)
    # T1/M1 trains in the sheet and T1/M2 does not: each is also needed in the other role
    assert found["sample_points"] == found["extract_subvolumes"] == found["extract_trial"] == 2
    assert (found["label_points"], found["label_trial"]) == (1, 1)
    assert (found["train_trial"], found["join_trial"]) == (4, 2)
    for rule in ("score_trial", "cluster_trial", "orient_trial", "evaluate_trial"):
        assert found[rule] == 2, rule
    assert found["summarise_trials"] == 1
    judged = [line.partition("--only ")[2][:5] for line in commands(done, "evaluate_particles")]
    assert sorted(judged) == ["T1/M1", "T1/M2"]
    trained = [line.partition("--membranes ")[2][:5] for line in commands(done, "train_model")]
    assert sorted(trained) == ["T1/M1", "T1/M1", "T1/M2", "T1/M2"]


def test_pixel_size_of_the_tilt_series_reaches_the_export(tmp_path):
    given = {"coordinates": "pixel", "tilt_series_pixel_size_angstrom": 3.42}
    (line,) = [
        line
        for line in commands(dry_run(tmp_path, "all", export_particles=given), "export_particles")
        if "--star " in line
    ]
    assert "--coordinates pixel " in line
    assert "--tilt-series-pixel-size-angstrom 3.42 " in line


def test_ordinary_run_plans_no_trial(tmp_path):
    found = jobs(dry_run(tmp_path, "all"))
    assert not {name for name in found if "trial" in name}
    assert found["train_model"] == 1


def test_ablation_trains_each_cell_on_boxes_of_its_own(tmp_path):
    (tmp_path / "raw.mrc").write_bytes((DATA / "volume.mrc").read_bytes())
    (tmp_path / "raw.tsv").write_text(
        (DATA / "tomograms.tsv").read_text().replace("volume.mrc", "raw.mrc")
    )
    rows = yaml.safe_load((ROOT / "config/config.yaml").read_text())["ablation"]["rows"]
    rows["raw"] = {"tomograms": "raw.tsv"}
    done = dry_run(tmp_path, "ablation", ablation={"rows": rows})
    found = jobs(done)
    assert found["train_trial"] == found["score_trial"] == found["evaluate_trial"] == 5
    assert found["sample_points"] == 2  # of all rows
    assert found["inspect_trial"] == 1
    # aligned boxes are the run's own; others and those of the other tomogram in both sizes
    assert (found["extract_subvolumes"], found["extract_trial"]) == (2, 4)
    assert found["summarise_ablation"] == 1
    cut = commands(done, "extract_subvolumes")
    assert sum("--path raw.mrc " in line for line in cut) == 2  # boxes to train on and to score
    inspected = commands(done, "inspect_tomogram")
    assert sorted("--path raw.mrc " in line for line in inspected) == [False, True]
    unaligned = [line for line in cut if "--unaligned" in line]
    assert [line.count("--box-shape 18 18 18 ") for line in unaligned] in ([0, 1], [1, 0])
    trained = commands(done, "train_model")
    assert sum("--rotation space " in line for line in trained) == 1
    membership = [line for line in commands(done, "label_points") if "--target membership" in line]
    assert len(membership) == 1


@pytest.mark.parametrize(("classes", "n_files"), [(None, 2), ([["PSII"]], 1)])
def test_labels_wait_for_all_annotations_that_give_the_classes(tmp_path, classes, n_files):
    sheet = "tomogram\tmembrane\tmask\tside\tsplit\tannotations\n"
    for name in ("M1", "M2"):
        (tmp_path / f"{name}.csv").write_text((DATA / "annotations.csv").read_text())
        sheet += f"T1\t{name}\t{DATA / 'volume.mrc'}\tboth\ttrain\t{name}.csv\n"
    (tmp_path / "membranes.tsv").write_text(sheet)
    changes = {"membranes": "membranes.tsv", "membranes_per_job": 1}
    done = dry_run(tmp_path, "train", label_points={"classes": classes}, **changes)
    assert jobs(done)["label_points"] == 2, done.stdout
    inputs = re.findall(r"rule label_points:\n +input: (.*)", done.stdout + done.stderr)
    counts = [sum(f"M{i}.csv" in line for i in (1, 2)) for line in inputs]
    assert counts == [n_files] * 2


def test_another_sheet_of_tomograms_must_hold_them_all(tmp_path):
    text = (DATA / "tomograms.tsv").read_text().replace("volume.mrc", str(DATA / "volume.mrc"))
    (tmp_path / "raw.tsv").write_text(text.replace("T1", "T2"))
    done = dry_run(tmp_path, "ablation", ablation={"rows": {"raw": {"tomograms": "raw.tsv"}}})
    assert done.returncode == 2
    assert "raw.tsv: no row of tomogram T1; expected every tomogram of" in done.stderr
