"""import_weights from the command line."""

import json

import pytest
import torch

from membrain.command import main
from membrain.weights import read_weights


@pytest.fixture
def checkpoint(tmp_path):
    """A checkpoint with the published names and made-up weights."""
    torch.manual_seed(0)
    state = {}
    for i, (name, n_inputs) in enumerate(
        (("conv1", 1), ("conv1b", 32), ("conv2", 32), ("conv2b", 32)), 1
    ):
        state[f"{name}.weight"] = torch.randn(32, n_inputs, 3, 3, 3)
        state[f"{name}.bias"] = torch.randn(32)
        for kind in ("weight", "bias", "running_mean", "running_var"):
            state[f"batchnorm{i}.{kind}"] = torch.rand(32)
        state[f"batchnorm{i}.num_batches_tracked"] = torch.tensor(3)
    state["mlp1.weight"], state["mlp1.bias"] = torch.randn(1, 16_384), torch.randn(1)
    content = {
        "state_dict": state,
        "epoch": 4,
        "hyper_parameters": {"part_dists": [["PSII", "UK"]], "max_particle_distance": 7.0},
    }
    torch.save(content, tmp_path / "published.ckpt")
    return tmp_path / "published.ckpt"


def call(checkpoint, *flags):
    output = checkpoint.with_name("out.safetensors")
    return main(
        [
            *("import_weights", "--checkpoint", str(checkpoint), "--output", str(output)),
            *("--pixel-size-angstrom", "13.68", *flags),
        ]
    )


def test_checkpoint_becomes_weights_with_a_card(checkpoint):
    assert call(checkpoint) == 0
    network, card = read_weights(checkpoint.with_name("out.safetensors"))
    assert card.classes == (("PSII", "UK"),)
    assert (card.cap, card.threshold, card.normalisation) == (7.0, 3.0, "minmax")
    assert card.box_shape == (12, 12, 12)
    assert card.training["imported_from"] == "published.ckpt"
    assert card.training["epoch"] == 4
    content = torch.load(checkpoint, weights_only=True)["state_dict"]
    kernel = network.state_dict()["features.0.weight"]
    assert torch.equal(kernel[5, 0, 2, 1, 0], content["conv1.weight"][5, 0, 0, 1, 2])
    assert str(checkpoint.parent) not in json.dumps(card.training)


def test_classes_may_be_given(checkpoint):
    assert call(checkpoint, "--classes", '[["ATPase"]]', "--contrast", "bright") == 0
    _, card = read_weights(checkpoint.with_name("out.safetensors"))
    assert (card.classes, card.contrast) == ((("ATPase",),), "bright")


def test_number_of_classes_must_fit(checkpoint, capsys):
    assert call(checkpoint, "--classes", '[["A"],["B"]]') == 2
    assert "expected 1 lists of names; give --classes" in capsys.readouterr().err


def test_classes_are_asked_for_where_the_checkpoint_has_none(checkpoint, capsys):
    content = torch.load(checkpoint, weights_only=True)
    del content["hyper_parameters"]
    torch.save(content, checkpoint)
    assert call(checkpoint) == 2
    assert "found null; expected 1 lists of names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value"), [("--pixel-size-angstrom", "0"), ("--threshold-voxel", "-1")]
)
def test_odd_numbers_are_refused(checkpoint, capsys, flag, value):
    assert call(checkpoint, flag, value) == 2
    assert f"{flag}; found" in capsys.readouterr().err


def test_other_file_ends_with_one_line_and_code_2(checkpoint, capsys):
    checkpoint.write_text("hello")
    assert call(checkpoint) == 2
    error = capsys.readouterr().err
    assert error.startswith("import_weights: error: ")
    assert error.count("\n") == 1
    assert not checkpoint.with_name("out.safetensors").exists()
