"""Weights and their card: round trip, and everything that can be wrong with them."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from membrain.errors import InputError
from membrain.network import MembrainNetwork
from membrain.weights import FORMAT, Card, card_path, read_card, read_weights, write_weights
from membrain.wide_network import WideNetwork


@pytest.fixture
def card():
    return Card(
        pixel_size_angstrom=13.68,
        classes=(("PSII", "UK"), ("b6f",)),
        normalisation="zscore",
        training={"n_boxes": 7},
    )


@pytest.fixture
def weights(tmp_path, card):
    torch.manual_seed(1)
    path = tmp_path / "model.safetensors"
    write_weights(path, MembrainNetwork(2).state_dict(), card)
    return path


def edit_card(weights, **changes):
    content = json.loads(card_path(weights).read_text())
    content.update(changes)
    for name in [n for n, value in changes.items() if value is None]:
        del content[name]
    card_path(weights).write_text(json.dumps(content))


def test_read_back_as_written(weights, card):
    network, found = read_weights(weights)
    torch.manual_seed(1)
    expected = MembrainNetwork(2).state_dict()
    assert all(torch.equal(expected[name], t) for name, t in network.state_dict().items())
    assert not network.training
    assert (found.classes, found.normalisation, found.training) == (
        (("PSII", "UK"), ("b6f",)),
        "zscore",
        {"n_boxes": 7},
    )
    assert found.pixel_size_angstrom == 13.68


def test_wide_network_is_read_back_with_its_width(tmp_path, card):
    network = WideNetwork(2, (5, 6, 6), 3)
    card = replace(card, network="wide", width=3, box_shape=(5, 6, 6), box_centre=(2, 2.5, 2.5))
    write_weights(tmp_path / "wide.safetensors", network.state_dict(), card)
    found, read = read_weights(tmp_path / "wide.safetensors")
    assert (read.network, read.width, read.box_centre) == ("wide", 3, (2, 2.5, 2.5))
    boxes = torch.rand(3, 1, 5, 6, 6)
    with torch.inference_mode():
        assert torch.equal(found(boxes), network.eval()(boxes))


def test_angle_head_and_target_are_read_back(tmp_path, card):
    network = WideNetwork(6, (5, 6, 6), 3)
    more = {"heads": ("angle",), "folds": (2, 0), "target": "membership"}
    card = replace(card, network="wide", width=3, box_shape=(5, 6, 6), **more)
    write_weights(tmp_path / "wide.safetensors", network.state_dict(), card)
    found, read = read_weights(tmp_path / "wide.safetensors")
    assert (read.heads, read.folds, read.target) == (("angle",), (2, 0), "membership")
    assert found.head.out_features == 6


def test_card_from_before_the_wide_network_is_read(weights, card):
    edit_card(weights, width=None, heads=None, folds=None, target=None)
    found = read_weights(weights)[1]
    assert (found.width, found.heads, found.folds, found.target) == (32, (), (), "distance")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, "entry 'width'; found 0; expected a whole number"),
        ({"heads": ["angel"]}, r"entry 'heads'; found \['angel'\]; expected a list of angle"),
        ({"folds": [2, -1]}, r"entry 'folds'; found \[2, -1\]; expected a list of whole"),
        ({"target": "class"}, "entry 'target'; found 'class'; expected one of distance, member"),
        ({"heads": ["angle"], "folds": [2]}, "entry 'folds'; found 1 numbers; expected 2, one for"),
    ],
)
def test_entry_that_older_cards_lack_is_checked_where_it_is(weights, changes, message):
    edit_card(weights, **changes)
    with pytest.raises(InputError, match=message):
        read_card(weights)


def test_same_weights_give_the_same_bytes(weights, card, tmp_path):
    torch.manual_seed(1)
    again = tmp_path / "again" / "model.safetensors"
    write_weights(again, MembrainNetwork(2).state_dict(), card)
    assert again.read_bytes() == weights.read_bytes()
    assert card_path(again).read_bytes() == card_path(weights).read_bytes()


def test_card_holds_no_folder(weights, tmp_path):
    assert str(tmp_path) not in card_path(weights).read_text()


@pytest.mark.parametrize("name", ["write_bytes", "write_text"])  # of the weights, of the card
def test_full_disk_leaves_neither_weights_nor_card(tmp_path, card, monkeypatch, name):
    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, name, full)
    with pytest.raises(InputError, match="cannot be written; found No space left .*; make room"):
        write_weights(tmp_path / "model.safetensors", MembrainNetwork(2).state_dict(), card)
    assert list(tmp_path.iterdir()) == []


def test_other_ending_is_refused(tmp_path, card):
    with pytest.raises(InputError, match=r"model.pt: name of a weights file.*\.safetensors"):
        write_weights(tmp_path / "model.pt", {}, card)


def test_missing_weights_are_told(tmp_path):
    with pytest.raises(InputError, match="none.safetensors: no such file"):
        read_weights(tmp_path / "none.safetensors")


def test_missing_card_is_told(weights):
    card_path(weights).unlink()
    with pytest.raises(InputError, match=r"no card beside it; expected model.json"):
        read_weights(weights)


def test_other_format_is_refused(weights):
    edit_card(weights, format="membrain-flow weights 2")
    with pytest.raises(InputError, match=f"found 'membrain-flow weights 2'; expected '{FORMAT}'"):
        read_card(weights)


def test_all_faults_of_a_card_are_listed(weights):
    edit_card(weights, threshold=None, classes=["PSII"], contrast="grey", pixel_size_angstrom=0)
    with pytest.raises(InputError) as caught:
        read_card(weights)
    for part in ("4 mistakes", "'threshold' is missing", "'classes'", "'contrast'", "'pixel_size"):
        assert part in str(caught.value)


def test_changed_file_is_refused(weights):
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(InputError, match="not the file that its card describes; found sha256"):
        read_weights(weights)


def test_damaged_file_is_refused(weights):
    import hashlib

    weights.write_bytes(b"no tensors")
    edit_card(weights, sha256=hashlib.sha256(b"no tensors").hexdigest())
    with pytest.raises(InputError, match="unreadable.*expected safetensors"):
        read_weights(weights)


def test_number_of_outputs_must_fit_the_classes(weights):
    edit_card(weights, classes=[["PSII"]])
    with pytest.raises(InputError, match=r"2 tensors do not fit.*'head.bias'.*\(2,\).*\(1,\)"):
        read_weights(weights)


def test_missing_tensor_is_named(weights, card):
    tensors = MembrainNetwork(2).state_dict()
    del tensors["head.bias"]
    write_weights(weights, tensors, card)
    with pytest.raises(InputError, match="'head.bias'; found nothing; expected shape"):
        read_weights(weights)


def test_superfluous_tensor_is_named(weights, card):
    tensors = {**MembrainNetwork(2).state_dict(), "extra": torch.zeros(3)}
    write_weights(weights, tensors, card)
    with pytest.raises(InputError, match=r"'extra'; found shape \(3,\); expected no such tensor"):
        read_weights(weights)


def test_weights_of_other_programs_are_refused_for_lack_of_a_card(tmp_path):
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="no card beside it"):
        read_weights(tmp_path / "other.safetensors")


def test_thresholds_are_one_for_all_outputs_or_one_each(card):
    one = replace(card, classes=(("A",), ("B",)), threshold=3.0)
    assert one.thresholds == (3.0, 3.0)
    assert replace(one, threshold=(3.0, 5.5)).thresholds == (3.0, 5.5)


def test_thresholds_of_a_card_are_read_back(weights):
    edit_card(weights, threshold=[2.5, 4.5])
    assert read_card(weights).threshold == (2.5, 4.5)


def test_wrong_number_of_thresholds_is_told(weights):
    edit_card(weights, threshold=[2.5, 3.0, 4.0])
    with pytest.raises(InputError, match=r"'threshold'; found 3 numbers; expected 2, one for each"):
        read_card(weights)


@pytest.mark.parametrize("value", [[], 0, [3.0, 0], "3", True])
def test_threshold_that_is_no_number_above_0_is_told(weights, value):
    edit_card(weights, threshold=value)
    with pytest.raises(InputError, match="'threshold'.*expected a number above 0, or a list"):
        read_card(weights)
