"""Choice of the device."""

import pytest
import torch

from membrain.devices import choose_device, has_fast_bf16, set_up
from membrain.errors import InputError


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"


def test_gpu_asked_for_and_absent_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="device 'cuda': torch finds no GPU"):
        choose_device("cuda")


def test_threads_are_set():
    before = torch.get_num_threads()
    set_up(torch.device("cpu"), 1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)


def test_processor_says_whether_it_has_fast_bf16():
    assert isinstance(has_fast_bf16(torch.device("cpu")), bool)
