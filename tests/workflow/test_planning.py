"""What the workflow plans from its sheets, and how it refuses a wrong configuration."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from membrain.volumes import write_volume

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
    command += ["--configfile", str(config), "--cores", "2", *flags]
    command += [] if "--no-dry-run" in flags else ["--dry-run"]
    command = [word for word in command if word != "--no-dry-run"]
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
        ({"model": "pretraned"}, "beside it; did you mean 'pretrained'?"),
        ({"membranes_per_job": 2.0}, "found 2.0; expected a whole number"),
        ({"cluster_points": {"bandwidth_voxel": math.inf}}, "found inf; expected a number"),
        ({"results": "a{b}"}, "key 'results'; found 'a{b}'; expected a folder's name without {"),
        ({"results": "my config.yaml/x"}, "config key 'results': "),
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
    assert "config key 'membranes': nowhere.tsv not found; expected a file; paths in" in done.stderr
    assert f"are relative to {tmp_path}, the folder that Snakemake is started in" in done.stderr


def test_missing_key_is_named(tmp_path):
    options = _options()
    del options["tomograms"]
    done = _dry_run(tmp_path, options)
    assert done.returncode == 2
    assert "'tomograms' is missing" in done.stderr


def _sheets(folder, tomogram="T1\tvolume.mrc\t10", membrane="T1\tM1\tvolume.mrc"):
    """Return options for sheets with a row each, beside the volume that linting uses."""
    shutil.copy(DATA / "volume.mrc", folder)
    (folder / "t.tsv").write_text(f"tomogram\tpath\tpixel_size_angstrom\n{tomogram}\n")
    (folder / "m.tsv").write_text(f"tomogram\tmembrane\tmask\n{membrane}\n")
    return {"tomograms": "t.tsv", "membranes": "m.tsv", "device": "cpu"}


def test_empty_sections_and_quotes_and_spaces_in_names_of_files_are_no_fault(tmp_path):
    name = """a it's "c" é.mrc"""
    options = _sheets(tmp_path, f"T1\t{name}\t10", f"T1\tM1\t{name}")
    (tmp_path / "volume.mrc").rename(tmp_path / name)
    (tmp_path / name.replace("mrc", "csv")).touch()
    text = (tmp_path / "m.tsv").read_text().replace("mask\n", "mask\tannotations\n")
    (tmp_path / "m.tsv").write_text(text.replace(".mrc\n", '.mrc\ta it\'s "c" é.csv\n'))
    done = _dry_run(tmp_path, {**options, "results": "it's $HOME", "cluster_points": None})
    assert done.returncode == 0, done.stderr


def test_sheet_without_membranes_is_told(tmp_path):
    done = _dry_run(tmp_path, _sheets(tmp_path, membrane=""))
    assert done.returncode == 2
    assert "m.tsv: no membrane; expected at least one row below the header" in done.stderr


def test_training_without_training_membranes_is_told(tmp_path):
    done = _dry_run(tmp_path, {**_sheets(tmp_path), "model": "train"})
    assert done.returncode == 2
    assert "m.tsv: no row with split 'train'; expected at least one annotated" in done.stderr


def test_unusable_tomogram_is_told_before_anything_runs(tmp_path):
    options = _sheets(tmp_path)
    (tmp_path / "volume.mrc").write_bytes((DATA / "volume.mrc").read_bytes()[:-1])
    done = _dry_run(tmp_path, options)
    assert done.returncode == 2
    assert "tomogram 'T1': " in done.stderr
    assert "volume.mrc: cut short; found 1031 bytes" in done.stderr


def test_reason_of_a_failure_is_the_last_thing_that_a_run_tells(tmp_path):
    options = _sheets(tmp_path)
    volume = np.random.default_rng(0).normal(size=(6, 7, 8)).astype(np.float32)
    write_volume(tmp_path / "volume.mrc", volume, 10.0)
    (tmp_path / "bad.csv").write_text("nonsense\n")
    options |= {"results": "results", "average_subvolumes": {"particles": "bad.csv"}}
    done = _dry_run(tmp_path, options, "--no-dry-run", "average")
    assert done.returncode == 1
    last = done.stderr.partition("What failed, and why:\n")[2]
    assert last.startswith("average_subvolumes: error: ")
    assert "bad.csv" in last
    assert not (tmp_path / "results/average_subvolumes").exists()


def test_unusable_tomogram_that_is_found_while_it_runs_ends_no_job(tmp_path):
    options = _sheets(tmp_path)
    (tmp_path / "volume.mrc").write_bytes((DATA / "volume.mrc").read_bytes()[:-8] + bytes(8))
    target = "results/inspect_tomogram/T1.json"
    done = _dry_run(tmp_path, {**options, "results": "results"}, "--no-dry-run", target)
    assert done.returncode == 0, done.stderr
    failure = json.loads((tmp_path / target).read_text())["failure"]
    assert "volume.mrc: every voxel has the same value; found 0" in failure


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
    assert done.returncode == 2
    assert "config key 'label_points.map.b6f': b.mrc not found" in done.stderr


@pytest.mark.parametrize(
    ("network", "training", "model"),
    [
        ("membrain", "12 18 18 --box-centre 6 9 9", "12 12 12"),
        ("wide", "14 30 30 --box-centre 7 14.5 14.5", "14 20 20"),
    ],
)
def test_boxes_are_those_of_the_network(tmp_path, network, training, model):
    options = _options(model="train", train_model={"network": network})
    done = _dry_run(tmp_path, options, "--printshellcmds")
    text = done.stdout + done.stderr
    assert f"--box-shape {training} " in text
    assert f"--box-shape {model} --network {network} " in text
    assert f"--box-shape {model} --box-centre" in text  # the boxes that are only scored


def test_training_that_begins_with_weights_takes_their_boxes(tmp_path):
    weights = tmp_path / "given.safetensors"
    weights.write_bytes(b"weights")
    card = {
        "pixel_size_angstrom": 12.5,
        "box_shape": [10, 14, 14],
        "box_centre": [5, 6.5, 6.5],
        "contrast": "bright",
        "network": "membrain",
        "sha256": hashlib.sha256(b"weights").hexdigest(),
    }
    weights.with_suffix(".json").write_text(json.dumps(card))
    training = {"start_from": str(weights), "freeze": 2, "tensorboard": True}
    done = _dry_run(tmp_path, _options(model="train", train_model=training), "--printshellcmds")
    text = done.stdout + done.stderr
    for flag in (
        "--box-shape 10 21 21 --box-centre 5 9.5 9.5 ",
        "--model-contrast bright ",
        "--pixel-size-angstrom 12.5 ",
        "--box-shape 10 14 14 ",
        f"--start-from {weights} ",
        "--freeze 2 ",
        "--tensorboard results/train_model/tensorboard ",
    ):
        assert flag in text, flag
    training["network"] = "wide"
    done = _dry_run(tmp_path, _options(model="train", train_model=training))
    assert done.returncode == 2
    assert "train_model.network'; found wide; expected membrain, as given.saf" in done.stderr
    weights.write_bytes(b"others")
    done = _dry_run(tmp_path, _options(model="train", train_model=training))
    assert done.returncode == 2
    assert "config key 'train_model.start_from'" in done.stderr


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
        ({"map": {"A": 3}}, "key 'label_points.map.A'; found 3; expected text"),
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
    lines = [line for line in text.splitlines() if "step average_subvolumes" in line]
    (line,) = [line for line in lines if "--output-dir results/average_subvolumes" in line]
    for flag in ("--lists both=both.csv ", "--box-voxel 20 ", "--symmetry PSII=2 "):
        assert flag in line
    assert "--particles results/particles.csv " in line
    assert "--pixel-size-angstrom" not in line
    assert "average_subvolumes" not in _dry_run(tmp_path, options).stdout


def test_members_of_an_ensemble_are_jobs_of_their_own_and_scored_as_one(tmp_path):
    options = _options(model="train", seed=5, train_model={"ensemble": 3, "tensorboard": True})
    done = _dry_run(tmp_path, options, "--printshellcmds")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    lines = [line for line in text.splitlines() if "step train_model" in line]
    assert len(lines) == 3
    for i in (1, 2, 3):
        (line,) = [line for line in lines if f"--output results/train_model/member{i}/" in line]
        assert f"--seed {i + 4} " in line
        assert f"--checkpoint results/train_model/member{i}/checkpoint.pt " in line
        assert f"--tensorboard results/train_model/member{i}/tensorboard " in line
        assert "--ensemble" not in line
    (line,) = [line for line in text.splitlines() if "step join_models" in line]
    held_out = " ".join(f"results/train_model/member{i}/model.held_out.npz" for i in (1, 2, 3))
    assert f"--held-out {held_out} " in line
    scoring = [line for line in text.splitlines() if "step score_points" in line]
    assert all("--weights results/join_models/model.safetensors " in line for line in scoring)
    assert scoring


def test_a_list_of_weights_is_scored_as_one_model(tmp_path):
    given = ["pretrained", str(ROOT / "resources/weights/simulated.safetensors")]
    done = _dry_run(tmp_path, _options(model=given), "--printshellcmds")
    assert done.returncode == 0, done.stderr
    text = done.stdout + done.stderr
    assert text.count("--weights results/join_models/model.safetensors ") >= 1
    (line,) = [line for line in text.splitlines() if "step join_models" in line]
    assert line.count("simulated.safetensors") == 2
    assert "--held-out  " in line
    done = _dry_run(tmp_path, _options(model=["pretrained", "none.safetensors"]))
    assert done.returncode == 2
    assert "config key 'model': none.safetensors not found" in done.stderr
    done = _dry_run(tmp_path, _options(model=[]))
    assert "key 'model'; found []; expected at least 1 entries" in done.stderr


AVERAGING = {"gather_annotations", "average_annotations"}


def _without_split(folder):
    """Return the path of the lint sheet with its column split emptied."""
    columns, *rows = [r.split("\t") for r in (DATA / "membranes.tsv").read_text().splitlines()]
    for row in rows:
        row[columns.index("split")] = ""
        for name in ("mask", "annotations"):
            row[columns.index(name)] = str(DATA / row[columns.index(name)])
    sheet = folder / "membranes.tsv"
    sheet.write_text("\n".join("\t".join(row) for row in [columns, *rows]) + "\n")
    return str(sheet)


def _refining(done):
    """Return the planned steps that in-plane angles are refined by, and the flags of the last."""
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    steps = {step for step in (*AVERAGING, "refine_angles") if f"rule {step}:" in text}
    lines = [line for line in text.splitlines() if "step refine_angles --particles" in line]
    return steps, lines[0] if lines else ""


def test_template_is_the_map_or_else_the_average_of_annotated_particles(tmp_path):
    steps, line = _refining(_dry_run(tmp_path, _options(), "-p"))
    assert steps == {"refine_angles", *AVERAGING}
    assert "--averages results/average_annotations" in line
    assert "--optional" in line
    shape = {"map": str(DATA / "volume.mrc")}
    steps, line = _refining(_dry_run(tmp_path, _options(label_points=shape), "-p"))
    assert steps == {"refine_angles"}
    assert f"--map {shape['map']}" in line
    assert "--optional" not in line
    given = {"model": "pretrained", "membranes": _without_split(tmp_path)}
    assert _refining(_dry_run(tmp_path, _options(**given)))[0] == set()
    done = _dry_run(tmp_path, _options(**given, label_points=shape))
    assert _refining(done)[0] == {"refine_angles"}


def test_template_that_is_named_is_taken(tmp_path):
    options = {"label_points": {"map": str(DATA / "volume.mrc")}}
    average = _options(refine_angles={"template": "average"}, **options)
    steps, line = _refining(_dry_run(tmp_path, average, "-p"))
    assert steps == {"refine_angles", *AVERAGING}
    assert "--optional" not in line
    none = _options(refine_angles={"template": "none"}, **options)
    assert _refining(_dry_run(tmp_path, none))[0] == set()


def test_template_map_without_a_map_is_refused(tmp_path):
    done = _dry_run(tmp_path, _options(refine_angles={"template": "map"}))
    assert done.returncode == 2
    assert "'refine_angles.template': 'map' without a map" in done.stdout + done.stderr


def test_template_average_without_annotations_is_refused(tmp_path):
    given = {"model": "pretrained", "membranes": _without_split(tmp_path)}
    done = _dry_run(tmp_path, _options(refine_angles={"template": "average"}, **given))
    assert done.returncode == 2
    assert "'average' without annotated particles" in done.stdout + done.stderr
