"""Import of the published checkpoint, held against an independent build of its network."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from membrain.errors import InputError
from membrain.published import import_network, read_checkpoint, settings_of

CHECKPOINT = Path(__file__).parents[2] / "../shared/data/thylakoid/Spinach_28mb_PSII.ckpt"
LAYERS = (("conv1", 1, 0), ("conv1b", 32, 1), ("conv2", 32, 0), ("conv2b", 32, 1))


def plain_network(state, n_outputs=1):
    """Return the published network as plain layers for boxes in xyz order, evaluation mode."""
    layers, values = [], {}
    for i, (name, n_inputs, padding) in enumerate(LAYERS):
        layers += [nn.Conv3d(n_inputs, 32, 3, padding=padding), nn.BatchNorm3d(32), nn.ReLU()]
        for theirs, place in ((name, 3 * i), (f"batchnorm{i + 1}", 3 * i + 1)):
            for key in state:
                if key.startswith(theirs + "."):
                    values[f"{place}.{key.split('.')[1]}"] = state[key]
    layers += [nn.Flatten(), nn.Linear(16_384, n_outputs)]
    values.update({"13.weight": state["mlp1.weight"], "13.bias": state["mlp1.bias"]})
    network = nn.Sequential(*layers)
    network.load_state_dict(values)
    return network.eval()


def made_up_state(n_outputs=1):
    """Return weights with the published names, from a seed."""
    torch.manual_seed(3)
    state = {}
    for i, (name, n_inputs, _) in enumerate(LAYERS):
        state[f"{name}.weight"] = 0.1 * torch.randn(32, n_inputs, 3, 3, 3)
        state[f"{name}.bias"] = 0.1 * torch.randn(32)
        state[f"batchnorm{i + 1}.weight"] = 0.5 + torch.rand(32)
        state[f"batchnorm{i + 1}.bias"] = 0.1 * torch.randn(32)
        state[f"batchnorm{i + 1}.running_mean"] = 0.1 * torch.randn(32)
        state[f"batchnorm{i + 1}.running_var"] = 0.5 + torch.rand(32)
        state[f"batchnorm{i + 1}.num_batches_tracked"] = torch.tensor(7)
    state["mlp1.weight"] = 0.01 * torch.randn(n_outputs, 16_384)
    state["mlp1.bias"] = torch.randn(n_outputs)
    return state


def largest_difference(content, n_boxes=96):
    """Compare on random boxes [k, i, j]; the published network sees them as [j, i, k]."""
    torch.manual_seed(0)
    boxes = torch.rand(n_boxes, 1, 12, 12, 12)
    state = content["state_dict"]
    reference = plain_network(state, len(state["mlp1.bias"]))
    with torch.inference_mode():
        expected = reference(boxes.permute(0, 1, 4, 3, 2))
        found = import_network(content, "a.ckpt")(boxes)
    assert float(expected.std()) > 0.01
    return float((found - expected).abs().max())


@pytest.mark.skipif(not CHECKPOINT.is_file(), reason="the published checkpoint is not here")
def test_published_checkpoint_scores_as_its_own_network():
    assert largest_difference(read_checkpoint(CHECKPOINT), 512) <= 1e-5


@pytest.mark.skipif(not CHECKPOINT.is_file(), reason="the published checkpoint is not here")
def test_published_checkpoint_tells_its_classes():
    found = settings_of(read_checkpoint(CHECKPOINT))
    assert found["classes"] == [["PSII", "UK"]]
    assert found["cap"] == 7.0
    assert found["training"]["epoch"] == 362


@pytest.mark.parametrize("n_outputs", [1, 2])
def test_imported_network_scores_as_the_plain_one(n_outputs):
    assert largest_difference({"state_dict": made_up_state(n_outputs)}) <= 1e-5


def test_low_z_of_the_published_box_is_low_k():
    content = {"state_dict": made_up_state()}
    boxes = torch.zeros(2, 1, 12, 12, 12)
    boxes[0, :, :3] = 1  # [k, i, j]: the normal's side
    boxes[1, :, :, :, :3] = 1
    published = torch.zeros(1, 1, 12, 12, 12)
    published[..., :3] = 1  # [x, y, z]
    with torch.inference_mode():
        found = import_network(content, "a.ckpt")(boxes)[:, 0]
        expected = plain_network(content["state_dict"])(published)[0, 0]
    assert found[0] == pytest.approx(float(expected), abs=1e-5)
    assert found[1] != pytest.approx(float(expected), abs=1e-3)


def test_settings_without_hyper_parameters():
    assert settings_of({"state_dict": {}}) == {"classes": None, "cap": None, "training": {}}


def test_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="none.ckpt: no such file"):
        read_checkpoint(tmp_path / "none.ckpt")


class Malicious:
    """Its pickle asks the reader to run a command."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os

        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("write", [torch.save, lambda c, p: p.write_bytes(pickle.dumps(c))])
def test_pickle_with_code_is_refused_and_not_run(tmp_path, write):
    path, target = tmp_path / "bad.ckpt", tmp_path / "was_run"
    write({"state_dict": Malicious(target)}, path)
    with pytest.raises(InputError, match=r"bad.ckpt: (refused, nothing of it was run|unreadable)"):
        read_checkpoint(path)
    assert not target.exists()


def test_refusal_names_what_the_pickle_asks_for(tmp_path):
    torch.save({"state_dict": Malicious(tmp_path / "x")}, tmp_path / "bad.ckpt")
    with pytest.raises(InputError, match=r"a pickle that asks for \w+\.system"):
        read_checkpoint(tmp_path / "bad.ckpt")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 half a zip"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "odd.ckpt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"odd.ckpt: .*expected a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], {"state_dict": 5}])
def test_checkpoint_without_weights_is_told(tmp_path, content):
    torch.save(content, tmp_path / "empty.ckpt")
    with pytest.raises(InputError, match="no weights.*expected an entry 'state_dict'"):
        read_checkpoint(tmp_path / "empty.ckpt")


def test_checkpoint_of_another_network_is_told_in_one_line():
    content = {"state_dict": {"conv1.weight": torch.zeros(8, 1, 3, 3, 3), "fc.bias": torch.ones(1)}}
    with pytest.raises(InputError, match="tensors do not fit the network") as caught:
        import_network(content, "other.ckpt")
    assert "\n" not in str(caught.value)
