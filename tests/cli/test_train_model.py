"""train_model from the command line: batches in, weights, card and curves out."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from membrain.command import main
from membrain.files import read_table
from membrain.held_out import read_held_out
from membrain.tables import PointTable
from membrain.weights import read_card, read_weights

SHAPE = (6, 6, 6)
N = 120
STEP = Path(__file__).parents[2] / "workflow/step.py"


def write_batch(folder, tomogram, membranes=("M1",), seed=0, size=6):
    """Write labelled boxes whose middle is the darker the nearer the particle."""
    rng = np.random.default_rng(seed)
    n = N * len(membranes)
    labels = rng.uniform(0, 7, (n, 1)).astype(np.float32)
    boxes = rng.random((n, 6, size, size), dtype=np.float32) * 0.3
    low = (size - 2) // 2
    boxes[:, 2:4, low : low + 2, low : low + 2] += labels[:, :, None, None] / 10
    described = {
        "box_shape": [6, size, size],
        "box_centre": [3, size // 2, size // 2],
        "pixel_size_angstrom": 10.0,
        "contrast": {"model": "dark"},
    }
    PointTable(
        points=(rng.random((n, 3)) * [2, 20, 100]).astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (n, 1)),
        membrane=np.repeat(np.arange(len(membranes)), N).astype(np.int32),
        side=np.zeros(n, np.int8),
        membranes=membranes,
        tomogram=tomogram,
        shape=(50, 50, 150),
        pixel_size=10.0,
        extra={"labels": labels},
        meta={
            "classes": [["A", "UK"]],
            "cap": 7.0,
            "subvolumes": described,
            "provenance": {"parameters": {"distance": "euclidean"}},
        },
    ).write(folder / f"{tomogram}.npz")
    np.save(folder / f"{tomogram}.npy", boxes)


def flags_of(folder, tomograms=("T1",), output="model"):
    return [
        *("--labels", *(str(folder / f"{t}.npz") for t in tomograms)),
        *("--subvolumes", *(str(folder / f"{t}.npy") for t in tomograms)),
        *("--output", str(folder / f"{output}.safetensors"), "--device", "cpu"),
        *("--epochs", "2", "--batch-size", "16", "--precision", "fp32"),
    ]


def call(folder, *flags, tomograms=("T1",), output="model"):
    return main(["train_model", *flags_of(folder, tomograms, output), *flags])


@pytest.fixture
def data(tmp_path):
    write_batch(tmp_path, "T1")
    return tmp_path


def test_weights_and_card_can_be_read(data):
    assert call(data, "--normalisation", "zscore", "--threshold-voxel", "2.5") == 0
    _, card = read_weights(data / "model.safetensors")
    assert card.classes == (("A", "UK"),)
    assert (card.normalisation, card.threshold, card.cap, card.contrast) == (
        "zscore",
        2.5,
        7.0,
        "dark",
    )
    assert card.training["membranes"] == ["T1/M1"]
    assert (card.training["n_boxes"], card.training["n_trials"]) == (N, 2)
    assert 0 < card.training["n_validation_boxes"] < N
    assert card.training["validation_loss"] > 0
    assert str(data) not in (data / "model.json").read_text()


def test_curves_are_written(data):
    flags = ("--curves", str(data / "c.csv"), "--curves-png", str(data / "c.png"))
    assert call(data, *flags) == 0
    rows = read_table(data / "c.csv", ",")[1]
    assert [(row["run"], row["epoch"]) for row in rows] == [
        *(("trial 1", "1"), ("trial 1", "2"), ("trial 2", "1"), ("trial 2", "2")),
        *(("final", "1"), ("final", "2")),
    ]
    assert all(float(row["validation_loss"]) > 0 for row in rows[:4])
    assert [row["validation_loss"] for row in rows[4:]] == ["", ""]
    assert (data / "c.png").read_bytes()[:4] == b"\x89PNG"


def test_final_run_is_that_of_all_points(data):
    assert call(data) == 0
    assert call(data, "--no-refit", output="trial") == 0
    assert call(data, "--validation-fraction", "0", output="all") == 0
    names = ("model", "trial", "all")
    final, trial, everything = (read_weights(data / f"{name}.safetensors") for name in names)
    tensors = everything[0].state_dict()
    for name, tensor in final[0].state_dict().items():
        assert torch.equal(tensor, tensors[name]), name
    assert trial[1].training["n_boxes"] < N


def test_two_runs_give_the_same_bytes(data):
    for name in ("a", "b"):
        flags = ("--curves", str(data / f"{name}.csv"), "--checkpoint", str(data / name))
        assert call(data, *flags, output=name) == 0
    for suffix in ("safetensors", "json", "csv"):
        assert (data / f"a.{suffix}").read_bytes() == (data / f"b.{suffix}").read_bytes()


def test_seed_changes_the_weights(data):
    assert call(data, output="a") == 0
    assert call(data, "--seed", "1", output="b") == 0
    assert (data / "a.safetensors").read_bytes() != (data / "b.safetensors").read_bytes()


def test_several_batches_and_a_named_validation_membrane(data):
    write_batch(data, "T2", ("M1", "M7"), seed=1)
    assert call(data, "--validation", "T2/M7", tomograms=("T1", "T2")) == 0
    training = read_card(data / "model.safetensors").training
    assert training["membranes"] == ["T1/M1", "T2/M1"]
    assert training["validation"] == ["T2/M7"]
    assert (training["n_boxes"], training["n_validation_boxes"]) == (2 * N, N)


def test_no_validation_at_all_keeps_the_last_epoch(data):
    assert call(data, "--validation-fraction", "0", "--validation") == 0
    training = read_card(data / "model.safetensors").training
    assert (training["epoch"], training["validation_loss"]) == (2, None)
    assert training["n_boxes"] == N


def test_larger_boxes_in_the_file_than_in_the_model(data):
    write_batch(data, "T3", size=9)
    assert call(data, "--box-shape", "6", "6", "6", tomograms=("T3",)) == 0
    card = read_card(data / "model.safetensors")
    assert card.box_shape == (6, 6, 6)
    assert card.box_centre == (3, 3, 3)


def test_wide_network_is_trained_and_read_back(data):
    write_batch(data, "T3", size=9)
    flags = ("--network", "wide", "--width", "3", "--box-shape", "6", "6", "6")
    assert call(data, *flags, tomograms=("T3",)) == 0
    network, card = read_weights(data / "model.safetensors")
    assert (card.network, card.width, card.box_shape) == ("wide", 3, (6, 6, 6))
    assert network.features[0].out_channels == 3


def add_angles(folder, tomogram, folds):
    """Give the labels of a batch angles of random particles."""
    table = PointTable.read(folder / f"{tomogram}.npz")
    angle = np.random.default_rng(5).uniform(0, 6.3, table.extra["labels"].shape)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)
    table.meta["folds"] = folds
    table.with_extra(angles=vectors).write(folder / f"{tomogram}.npz")


@pytest.mark.parametrize(("name", "heads"), [("wide", ("angle",)), ("membrain", ())])
def test_wide_network_tells_angles_where_labels_do(data, name, heads):
    add_angles(data, "T1", [2])
    flags = ("--network", name, "--validation-fraction", "0.2", "--curves", str(data / "c.csv"))
    assert call(data, *flags) == 0
    network, card = read_weights(data / "model.safetensors")
    assert (card.heads, card.folds) == (heads, (2,))
    assert network.head.out_features == (3 if heads else 1)
    errors = [row["validation_angle_degree"] for row in read_table(data / "c.csv", ",")[1][:2]]
    assert all(0 < float(e) < 90 for e in errors) if heads else errors == ["", ""]


def test_batches_whose_symmetries_differ_are_refused(data, capsys):
    write_batch(data, "T2", seed=1)
    add_angles(data, "T1", [2])
    add_angles(data, "T2", [3])
    assert call(data, tomograms=("T1", "T2")) == 2
    assert "T2.npz: folds; found [3]; expected [2], as" in capsys.readouterr().err


def test_training_goes_on_from_given_weights(data):
    assert call(data, output="first") == 0
    flags = ("--start-from", str(data / "first.safetensors"), "--freeze", "2")
    assert call(data, *flags) == 0
    first, found = (read_weights(data / f"{name}.safetensors") for name in ("first", "model"))
    theirs, mine = (network.state_dict() for network, _ in (first, found))
    frozen = [name for name in mine if name.startswith(tuple(f"features.{i}." for i in range(6)))]
    assert all(torch.equal(mine[name], theirs[name]) for name in frozen)
    assert not torch.equal(mine["features.6.weight"], theirs["features.6.weight"])
    recipe = found[1].training["recipe"]
    assert (recipe["start"], recipe["freeze"]) == (first[1].sha256, 2)


def test_weights_to_begin_with_that_do_not_fit_are_refused(data, capsys):
    assert call(data, output="first") == 0
    flags = ("--start-from", str(data / "first.safetensors"), "--normalisation", "minmax")
    assert call(data, *flags) == 2
    error = capsys.readouterr().err
    assert "normalisation of the weights; found zscore; expected minmax" in error
    assert str(data / "first.safetensors") in error


def test_event_files_are_written(data):
    pytest.importorskip("tensorboard", reason="the package tensorboard is not installed")
    assert call(data, "--tensorboard", str(data / "events")) == 0
    runs = sorted(path.name for path in (data / "events").iterdir())
    assert runs == ["final", "trial_1", "trial_2"]


def test_single_particle_trains(data):
    """The half without it learns that nothing is near; the final run learns the particle."""
    table = PointTable.read(data / "T1.npz")
    along = table.points[:, 2]
    distance = np.abs(along - along.max())
    table.extra["labels"] = np.minimum(distance, 7).astype(np.float32)[:, None]
    table.write(data / "T1.npz")
    assert call(data) == 0
    card = read_card(data / "model.safetensors")
    assert 0 < card.threshold < 7


def test_membership_is_told_by_the_card(data):
    table = PointTable.read(data / "T1.npz")
    table.extra["labels"] = np.where(table.extra["labels"] < 3, 0, 7).astype(np.float32)
    table.meta["target"] = "membership"
    table.write(data / "T1.npz")
    assert call(data) == 0
    card = read_card(data / "model.safetensors")
    assert (card.target, card.cap) == ("membership", 7.0)
    assert 0 < card.threshold < 7


def test_checkpoint_is_removed_at_the_end(data):
    assert call(data, "--checkpoint", str(data / "c.pt")) == 0
    assert [p.name for p in data.glob("c.pt*")] == []


def test_run_that_was_killed_goes_on_to_the_same_weights(data):
    """Killed by SIGKILL after its first checkpoint, the next call takes up from there."""
    more = ["--epochs", "40", "--checkpoint", str(data / "c.pt")]
    assert call(data, "--epochs", "40", output="unbroken") == 0
    command = [sys.executable, str(STEP), "train_model", *flags_of(data), *more]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1200):
            if (data / "c.pt0").exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    assert (data / "c.pt0").exists()
    assert not (data / "model.safetensors").exists()
    assert call(data, *more) == 0
    for suffix in ("safetensors", "json"):
        unbroken, resumed = data / f"unbroken.{suffix}", data / f"model.{suffix}"
        assert unbroken.read_bytes() == resumed.read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--epochs", "0"), "--epochs; found 0; expected at least 1"),
        (("--freeze", "1"), "--freeze; found 1; expected 0; give --start-from"),
        (("--start-from", "none.safetensors"), "none.safetensors: no such file"),
        (("--width", "64"), "width of network 'membrain'; found 64; expected 32"),
        (("--learning-rate", "0"), "--learning-rate; found 0.0; expected above 0"),
        (("--validation-fraction", "1"), "--validation-fraction; found 1.0; expected 0 to below 1"),
        (("--box-shape", "6", "8", "8"), "--box-shape; found [6, 8, 8]; expected 6 along"),
        (("--validation", "T1/M2"), "no membrane 'T1/M2'"),
        (("--validation", "T1/M1"), "every labelled membrane is for validation"),
        (("--validation-fraction", "0.001"), "no membrane is long enough"),
        (("--subvolumes", "a", "b"), "found 1 and 2 files"),
        (("--labels", "none.npz"), "none.npz: no such file"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(data, capsys, flags, message):
    assert call(data, *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (data / "model.safetensors").exists()


def test_several_mistakes_are_told_together(data, capsys):
    assert call(data, "--epochs", "0", "--noise", "-1") == 2
    error = capsys.readouterr().err
    assert "--epochs" in error
    assert "--noise" in error


def test_table_without_labels_is_refused(data, capsys):
    table = PointTable.read(data / "T1.npz")
    table.extra.clear()
    table.write(data / "T1.npz")
    assert call(data) == 2
    assert "expected also labels" in capsys.readouterr().err


def test_nan_in_a_box_is_told_with_its_membrane(data, capsys):
    boxes = np.load(data / "T1.npy")
    boxes[5] = np.nan
    np.save(data / "T1.npy", boxes)
    assert call(data, "--validation-fraction", "0") == 2
    assert "membrane T1/M1: a box holds a value that is not a number" in capsys.readouterr().err


def test_data_set_without_any_particle_is_told(data, capsys):
    table = PointTable.read(data / "T1.npz")
    table.extra["labels"][:] = 7.0
    table.write(data / "T1.npz")
    assert call(data) == 2
    assert "no point near a particle of class A or UK" in capsys.readouterr().err


def test_particles_as_far_as_the_labels_go_are_told(data, capsys):
    assert call(data, "--near-voxel", "7") == 2
    assert (
        "--near-voxel; found 7.0; expected less than the labels' cap of 7"
        in capsys.readouterr().err
    )


def test_card_is_json_without_surprises(data):
    assert call(data) == 0
    card = json.loads((data / "model.json").read_text())
    assert card["format"] == "membrain-flow weights 1"
    assert card["training"]["labels"] == {"distance": "euclidean"}
    assert card["training"]["recipe"]["augmentation"]["rotation"] == "any"


def test_predictions_of_held_out_points_are_written(data):
    assert call(data, "--held-out", str(data / "h.npz")) == 0
    held = read_held_out(data / "h.npz")
    assert held.meta["validated"] == "parts"
    assert 0 < len(held.predicted) < N
    assert np.isfinite(held.predicted).all()
    write_batch(data, "T2", ("M1", "M7"), seed=1)
    flags = ("--held-out", str(data / "h.npz"), "--validation", "T2/M7")
    assert call(data, *flags, tomograms=("T1", "T2")) == 0
    held = read_held_out(data / "h.npz")
    assert (held.meta["validated"], len(held.predicted)) == ("membranes", N)
    assert {held.names[i] for i in held.membrane} == {"T2/M7"}
    assert call(data, "--held-out", str(data / "h.npz"), "--validation-fraction", "0") == 0
    assert read_held_out(data / "h.npz").meta["validated"] == "nothing"


def test_without_output_only_the_trials_are_made(data):
    assert call(data, "--held-out", str(data / "a.npz")) == 0
    flags = flags_of(data)
    i = flags.index("--output")
    del flags[i : i + 2]
    (data / "model.safetensors").unlink()
    files = ("--held-out", str(data / "b.npz"), "--curves", str(data / "c.csv"))
    assert main(["train_model", *flags, *files]) == 0
    assert (data / "a.npz").read_bytes() == (data / "b.npz").read_bytes()
    assert {row["run"] for row in read_table(data / "c.csv", ",")[1]} == {"trial 1", "trial 2"}
    assert not (data / "model.safetensors").exists()


def test_nothing_to_write_is_refused(data, capsys):
    flags = flags_of(data)
    i = flags.index("--output")
    del flags[i : i + 2]
    assert main(["train_model", *flags]) == 2
    assert "--output or --held-out; found neither; expected at least one" in capsys.readouterr().err


def test_named_membranes_alone_take_part(data):
    write_batch(data, "T2", ("M1", "M7"), seed=1)
    flags = ("--membranes", "T1/M1", "T2/M7")
    assert call(data, *flags, tomograms=("T1", "T2")) == 0
    training = read_card(data / "model.safetensors").training
    assert (training["membranes"], training["n_boxes"]) == (["T1/M1", "T2/M7"], 2 * N)


def test_unknown_membrane_is_refused(data, capsys):
    assert call(data, "--membranes", "T1/M2") == 2
    assert "--membranes: no membrane 'T1/M2'; did you mean 'T1/M1'?" in capsys.readouterr().err


def unalign(folder, tomogram):
    """Let boxes be along the tomogram's axes, larger than the model's in all directions."""
    table = PointTable.read(folder / f"{tomogram}.npz")
    described = {"box_shape": [9, 9, 9], "box_centre": [4, 4, 4], "aligned": False}
    table.meta["subvolumes"].update(described)
    table.write(folder / f"{tomogram}.npz")
    boxes = np.load(folder / f"{tomogram}.npy")
    np.save(folder / f"{tomogram}.npy", np.pad(boxes, ((0, 0), (1, 2), (0, 0), (0, 0))))


def test_boxes_that_are_not_aligned_are_turned_in_space(data):
    write_batch(data, "T3", size=9)
    unalign(data, "T3")
    flags = ("--rotation", "space", "--box-shape", "6", "6", "6")
    assert call(data, *flags, tomograms=("T3",)) == 0
    card = read_card(data / "model.safetensors")
    assert (card.aligned, card.box_shape, card.box_centre) == (False, (6, 6, 6), (3, 3, 3))
    assert card.training["recipe"]["augmentation"]["rotation"] == "space"


def test_turns_in_space_of_boxes_that_stand_on_the_membrane_are_refused(data, capsys):
    assert call(data, "--rotation", "space") == 2
    message = "'space' is for boxes not aligned to normals, and for network membrain; found aligned"
    assert message in capsys.readouterr().err
    write_batch(data, "T3", size=9)
    unalign(data, "T3")
    flags = ("--rotation", "space", "--network", "wide", "--box-shape", "6", "6", "6")
    assert call(data, *flags, tomograms=("T3",)) == 2
    assert "found other boxes, network wide" in capsys.readouterr().err
