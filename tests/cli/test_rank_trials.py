"""rank_trials from the command line."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from membrain.command import main
from membrain.files import read_table
from membrain.held_out import HeldOut

CENTRES = np.array([[0, 15, 15], [0, 45, 45]])


def held(offset):
    """Two particles; the second is seen `offset` voxels too far off."""
    y, x = np.mgrid[0:60:1.5, 0:60:1.5]
    points = np.stack([np.zeros(y.size), y.ravel(), x.ravel()], axis=1)
    near = np.linalg.norm(points[:, None] - CENTRES, axis=2).clip(max=7)
    labels = near.min(axis=1)[:, None].astype(np.float32)
    predicted = np.minimum(near[:, 0], near[:, 1] + offset).clip(max=7)[:, None]
    n = np.zeros(len(points), int)
    meta = {"classes": [["A"]], "near_voxel": 3.5, "validated": "parts"}
    predicted = predicted.astype(np.float32)
    return HeldOut(points, n, n, labels, labels, predicted, ("T1/M1",), meta)


def trial(folder, files, **changes):
    changes = {key.replace("__", "."): value for key, value in changes.items()}
    clustering = {k.split(".")[1]: v for k, v in changes.items() if k.startswith("cluster")}
    return {
        "labels": {key: str(value) for key, value in changes.items()},
        "changes": changes,
        "held_out": [str(folder / file) for file in files],
        "cluster_points": clustering,
    }


@pytest.fixture
def data(tmp_path):
    held(0).write(tmp_path / "good.npz")
    held(7).write(tmp_path / "poor.npz")
    return tmp_path


def call(folder, plan):
    (folder / "plan.json").write_text(json.dumps(plan))
    flags = ("--plan", "plan.json", "--table", "t.tsv", "--picture", "t.png", "--best", "b.yaml")
    return main(["rank_trials", *(str(folder / f) if "." in f else f for f in flags)])


def test_trials_stand_from_best_to_worst_and_the_best_as_a_configuration(data):
    plan = [
        trial(data, ["poor.npz"], train_model__epochs=2, cluster_points__bandwidth_voxel=4.5),
        trial(data, ["good.npz"], train_model__epochs=4, cluster_points__bandwidth_voxel=4.5),
    ]
    assert call(data, plan) == 0
    columns, rows = read_table(data / "t.tsv")
    assert columns[-2:] == ["train_model.epochs", "cluster_points.bandwidth_voxel"]
    assert [(r["rank"], r["f1"], r["train_model.epochs"]) for r in rows] == [
        *(("1", "1", "4"), ("2", "0.6667", "2")),
    ]
    assert (rows[0]["n_annotated"], rows[0]["n_hits"], rows[0]["f1_low"]) == ("2", "2", "")
    best = yaml.safe_load((data / "b.yaml").read_text())
    assert best["train_model"] == {"epochs": 4}
    assert best["cluster_points"] == {
        "bandwidth_voxel": 4.5,
        "threshold": float(rows[0]["threshold"]),
    }
    assert (data / "b.yaml").read_text().startswith("# best of the search: F1 1.000 on what was")
    assert (data / "t.png").read_bytes()[:4] == b"\x89PNG"


def test_networks_of_a_trial_are_averaged(data):
    held(-3).write(data / "early.npz")
    plan = [trial(data, ["good.npz", "early.npz"], train_model__ensemble=2)]
    assert call(data, plan) == 0
    assert read_table(data / "t.tsv")[1][0]["f1"] == "1"
    assert yaml.safe_load((data / "b.yaml").read_text()) == {"train_model": {"ensemble": 2}}


def test_first_of_equal_trials_wins(data):
    plan = [trial(data, ["good.npz"], seed=i) for i in (5, 6)]
    assert call(data, plan) == 0
    assert yaml.safe_load((data / "b.yaml").read_text()) == {"seed": 5}


def test_search_without_any_particle_is_told(data, capsys):
    nothing = held(0)
    labels = np.full_like(nothing.labels, 7.0)
    replace(nothing, labels=labels, clear_labels=labels).write(data / "good.npz")
    assert call(data, [trial(data, ["good.npz"], seed=1)]) == 2
    message = "plan.json: no annotated particle among the points held out, in any trial; expected"
    assert message in capsys.readouterr().err
    assert not (data / "b.yaml").exists()
