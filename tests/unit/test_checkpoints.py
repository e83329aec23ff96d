"""Checkpoints: what comes back, and what is not taken for one."""

import logging
import math
import pickle

import pytest
import torch
from torch import nn

from membrain.checkpoints import Progress, fingerprint, resume, save
from membrain.errors import InputError


def parts(seed=0):
    torch.manual_seed(seed)
    network = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.full((1, 3), 1.0 + seed)).sum().backward()
    optimiser.step()
    return network, optimiser


PROGRESS = Progress(2, 1, {"weight": torch.ones(2)}, [{"validation_loss": 0.5}] * 2)


def test_state_and_progress_come_back(tmp_path):
    network, optimiser = parts()
    save(tmp_path / "c.pt", "this", network, optimiser, PROGRESS)
    other, its_optimiser = parts(1)
    found = resume(tmp_path / "c.pt", "this", other, its_optimiser)
    assert (found.epoch, found.best_epoch, found.history) == (2, 1, PROGRESS.history)
    assert torch.equal(found.best["weight"], torch.ones(2))
    assert torch.equal(other.weight, network.weight)
    state, expected = its_optimiser.state_dict()["state"], optimiser.state_dict()["state"]
    assert torch.equal(state[0]["exp_avg"], expected[0]["exp_avg"])


def test_no_file_begins_anew(tmp_path):
    assert resume(tmp_path / "none.pt", "this", *parts()).epoch == 0


def test_checkpoint_of_another_run_is_passed_over_with_a_warning(tmp_path, caplog):
    path = tmp_path / "c.pt"
    save(path, "other", *parts(), PROGRESS)
    network, optimiser = parts(1)
    before = network.weight.clone()
    with caplog.at_level(logging.WARNING):
        assert resume(path, "this", network, optimiser).epoch == 0
    assert "checkpoint of another run" in caplog.text
    assert torch.equal(network.weight, before)


@pytest.mark.parametrize(
    "content",
    [
        b"nothing",
        b"",
        b"a\tb\n1\t2\n",
        pickle.dumps({"identity": "this"}, protocol=2),
        pickle.dumps([1]),
        None,
    ],
)
def test_other_files_are_refused_so_that_none_is_replaced(tmp_path, content):
    path = tmp_path / "c.pt"
    save(path, "this", *parts(), PROGRESS)
    path.write_bytes(path.read_bytes()[:500] if content is None else content)
    with pytest.raises(InputError, match="c.pt: not a checkpoint .* or delete this one"):
        resume(path, "this", *parts(1))


def test_fingerprint_depends_on_recipe_and_data():
    data = torch.arange(6.0)
    first = fingerprint({"a": 1, "b": 2}, [data])
    assert first == fingerprint({"b": 2, "a": 1}, [data.clone()])
    assert first != fingerprint({"a": 1, "b": 3}, [data])
    assert first != fingerprint({"a": 1, "b": 2}, [data + 1])
    assert first != fingerprint({"a": 1, "b": 2}, [data.reshape(2, 3)])


def test_best_loss_before_the_first_epoch_is_infinite():
    assert Progress().best_loss == math.inf
    assert PROGRESS.best_loss == 0.5
