"""Scoring: what is fast must compute the same, and boxes must fit the model."""

import numpy as np
import pytest
import torch
from torch import nn

from membrain.errors import InputError
from membrain.network import MembrainNetwork, normalise_boxes
from membrain.scoring import check_boxes, compile_network, score_boxes
from membrain.weights import Card
from membrain.wide_network import WideNetwork

CPU = torch.device("cpu")


NETWORKS = {
    "membrain": lambda: MembrainNetwork(2),
    "wide": lambda: WideNetwork(2, (12, 12, 12), 8),
}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """A network with norms that have seen data and scores that differ."""
    torch.manual_seed(0)
    network = NETWORKS[request.param]()
    with torch.no_grad():
        network.head.weight *= 20
        for _ in range(3):
            network.train()(torch.rand(64, 1, 12, 12, 12))
    return network.eval()


@pytest.fixture(scope="module")
def boxes():
    return np.random.default_rng(0).random((150, 12, 12, 12), dtype=np.float32)


def scores_of(network, boxes, batch_size=64, precision="fp32", normalisation="tomogram"):
    predict = compile_network(network, CPU, precision)
    return score_boxes(predict, boxes, normalisation, CPU, batch_size)


@pytest.mark.parametrize("normalisation", ["tomogram", "minmax", "zscore"])
def test_scores_are_those_of_the_network_in_evaluation_mode(network, boxes, normalisation):
    with torch.inference_mode():
        expected = network(normalise_boxes(torch.from_numpy(boxes)[:, None], normalisation)).numpy()
    found = scores_of(network, boxes, normalisation=normalisation)
    assert np.abs(found - expected).max() <= 1e-5
    assert expected.std() > 0.05


@pytest.mark.parametrize("batch_size", [1, 7, 16, 150, 1000])
def test_scores_do_not_depend_on_the_batch_size(network, boxes, batch_size):
    expected = scores_of(network, boxes, 64)
    assert np.abs(scores_of(network, boxes, batch_size) - expected).max() <= 1e-5


def test_scores_do_not_depend_on_the_other_boxes(network, boxes):
    alone = scores_of(network, boxes[40:41])
    brighter = boxes * 3
    brighter[40] = boxes[40]
    assert np.abs(scores_of(network, brighter)[40] - alone[0]).max() <= 1e-5


def test_network_in_training_mode_is_scored_in_evaluation_mode(network, boxes):
    expected = scores_of(network, boxes)
    found = scores_of(network.train(), boxes)
    network.eval()
    assert np.array_equal(found, expected)


def test_bfloat16_is_near(network, boxes):
    expected = scores_of(network, boxes)
    found = scores_of(network, boxes, precision="bf16")
    assert np.abs(found - expected).max() < 0.05 * expected.std() + 0.02
    assert not np.array_equal(found, expected)


def test_compiling_leaves_the_network_as_it_was(network, boxes):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    compile_network(network, CPU, "bf16")
    compile_network(network, CPU)
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_any_other_network_is_scored_too(boxes, precision):
    torch.manual_seed(0)
    other = nn.Sequential(nn.Flatten(), nn.Linear(1728, 3), nn.BatchNorm1d(3))
    found = scores_of(other.train(), boxes, precision=precision)
    with torch.inference_mode():
        expected = other.eval()(torch.from_numpy(boxes)[:, None]).numpy()
    assert np.abs(found - expected).max() < (1e-5 if precision == "fp32" else 0.02)


def test_boxes_are_read_from_a_memory_map(network, boxes, tmp_path):
    np.save(tmp_path / "boxes.npy", boxes)
    mapped = np.load(tmp_path / "boxes.npy", mmap_mode="r")
    assert np.array_equal(scores_of(network, mapped), scores_of(network, boxes))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_value_that_is_no_number_is_told_with_its_box(network, boxes, value):
    damaged = boxes.copy()
    damaged[101, 3, 2, 1] = value
    with pytest.raises(InputError, match="T1/M2: box 101 holds a value that is not a number"):
        score_boxes(compile_network(network, CPU), damaged, "tomogram", CPU, 64, "T1/M2")


CARD = Card(pixel_size_angstrom=13.68, classes=(("PSII",),))
DESCRIBED = {
    "box_shape": [12, 12, 12],
    "box_centre": [6, 6, 6],
    "pixel_size_angstrom": 13.68,
    "contrast": {"tomogram": "bright", "model": "dark", "inverted": True},
}


def test_fitting_boxes_pass():
    check_boxes(CARD, DESCRIBED, "boxes.npy", (12, 12, 12))
    check_boxes(CARD, {**DESCRIBED, "pixel_size_angstrom": 13.8}, "boxes.npy", (12, 12, 12))


@pytest.mark.parametrize(
    ("changes", "shape", "message"),
    [
        ({}, (10, 12, 12), r"shape of the boxes; found \[10, 12, 12\]; expected \[12, 12, 12\]"),
        ({"box_centre": [5, 6, 6]}, (12,) * 3, r"centre of the boxes; found \[5.0, 6.0, 6.0\]"),
        ({"pixel_size_angstrom": 13.9}, (12,) * 3, "found 13.9 angstrom; expected 13.68 angstrom"),
        ({"contrast": {"model": "bright"}}, (12,) * 3, "contrast of the boxes; found bright"),
    ],
)
def test_each_mismatch_is_one_clear_line(changes, shape, message):
    with pytest.raises(InputError, match=message) as caught:
        check_boxes(CARD, {**DESCRIBED, **changes}, "boxes.npy", shape)
    assert "\n" not in str(caught.value)


def test_several_mismatches_are_told_together():
    with pytest.raises(InputError, match="boxes.npy: 2 mismatches with the model"):
        check_boxes(CARD, {**DESCRIBED, "pixel_size_angstrom": 10}, "boxes.npy", (10, 10, 10))
