"""Search, cross-validation and ablation from end to end on a small simulated data set."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from membrain.files import read_table

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.workflow]


def membrane(name, x, split):
    surface = {"shape": "sheet", "centre_angstrom": [x, 560, 560], "axis": [1, 0, 0]}
    return {
        "membrane": name,
        "side": "point",
        "split": split,
        "surface": {**surface, "size_angstrom": [760, 760]},
        "proteins": [{"kind": "dimer", "side": 1, "number": 5}],
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Three membranes of one tomogram, two to train on and one to be judged by."""
    folder = tmp_path_factory.mktemp("trials")
    splits = {"m1": (300, "train"), "m2": (750, "train"), "m3": (1200, "test")}
    recipe = {
        "seed": 1,
        "pixel_size_angstrom": 14.0,
        "masks": "label_map",
        "imaging": {"snr": 8},
        "tomograms": [
            {
                "tomogram": "t1",
                "size_angstrom": [1600, 1120, 1120],
                "membranes": [membrane(name, *where) for name, where in splits.items()],
            }
        ],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    call = [sys.executable, ROOT / "workflow/step.py", "simulate"]
    call += ["--recipe", folder / "recipe.yaml", "--output-dir", folder / "data"]
    subprocess.run(call, check=True, capture_output=True)
    options = {
        "tomograms": "data/tomograms.tsv",
        "membranes": "data/membranes.tsv",
        "model": "train",
        "device": "cpu",
        "sample_points": {"thinning_voxel": 2.0},
        "label_points": {"radii_angstrom": {"dimer": [100, 55, 60]}},
        "train_model": {"epochs": 1, "batch_size": 16},
        "search": {
            "grid": {
                "train_model.learning_rate": [0.001, 0.003],
                "cluster_points.bandwidth_voxel": [4.5, 6.0],
            }
        },
        "ablation": {
            "rows": {
                "full": {},
                "not_aligned": {
                    "extract_subvolumes.unaligned": True,
                    "train_model.rotation": "space",
                },
            }
        },
    }
    (folder / "my.yaml").write_text(yaml.safe_dump(options))
    return folder


def run(folder, target, *configs):
    command = [sys.executable, "-m", "snakemake", target, "--snakefile", ROOT / "Snakefile"]
    command += ["--configfile", "my.yaml", *configs, "--cores", "2"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def table(folder, target):
    assert (folder / f"results/{target}/table.png").read_bytes()[:4] == b"\x89PNG"
    return read_table(folder / f"results/{target}/table.tsv")[1]


def test_search_ranks_every_trial_and_its_best_is_a_configuration(data):
    done = run(data, "search")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = table(data, "search")
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4"]
    f1 = [float(row["f1"]) for row in rows]
    assert f1 == sorted(f1, reverse=True)
    assert {row["n_annotated"] for row in rows} == {rows[0]["n_annotated"]}
    best = yaml.safe_load((data / "results/search/best.yaml").read_text())
    assert str(best["train_model"]["learning_rate"]) == rows[0]["train_model.learning_rate"]
    planned = run(data, "train", "results/search/best.yaml", "--dry-run", "--printshellcmds")
    assert planned.returncode == 0, planned.stderr
    rate = f"--learning-rate {best['train_model']['learning_rate']} "
    assert rate in planned.stdout + planned.stderr
    again = run(data, "search")
    assert "Nothing to be done" in again.stdout + again.stderr


def test_crossval_judges_every_membrane_once(data):
    done = run(data, "crossval")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = table(data, "crossval")
    assert [row["membranes"] for row in rows] == ["t1/m1", "t1/m2", "t1/m3", ""]
    counts = [int(row["n_annotated"]) for row in rows]
    assert counts[:3] == [5, 5, 5]
    assert (counts[3], rows[3]["fold"], rows[3]["n_membranes"]) == (15, "overall", "3")


def test_ablation_gives_every_cell(data):
    done = run(data, "ablation")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = table(data, "ablation")
    cells = [(row["row"], row["n_training"], row["n_annotated"]) for row in rows]
    assert cells == [(r, n, "5") for r in ("full", "not_aligned") for n in ("1", "2")]
    # what becomes of the run's own job is no matter of the trials
    own = data / "results/logs/score_points/t1/batch001.tries.json"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text('{"n_given_up": 1, "last": "killed"}')
    planned = run(data, "ablation", "--dry-run")
    assert "Nothing to be done" in planned.stdout + planned.stderr
