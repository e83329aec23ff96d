"""Fine-tuning: what is taken over, what is frozen, and weights that do not fit."""

from dataclasses import replace

import pytest
import torch

from membrain.cards import Card
from membrain.errors import InputError
from membrain.finetuning import (
    Start,
    begin_with,
    blocks_of,
    check_start,
    freeze,
    read_start,
    tell_seen,
)
from membrain.network import build_network
from membrain.recipes import Recipe
from membrain.training import Samples, train_network
from membrain.weights import write_weights

SHAPES = {"membrain": (6, 6, 6), "wide": (5, 8, 8)}


def recipe_of(name, **changes):
    width = 32 if name == "membrain" else 4
    recipe = Recipe(name, width, SHAPES[name], tuple(n / 2 for n in SHAPES[name]))
    return replace(recipe, epochs=2, batch_size=8, precision="fp32", **changes)


def start_of(recipe, n_outputs=1, seed=3, **changes):
    """Return weights of a recipe's network whose norms have seen data."""
    torch.manual_seed(seed)
    network = build_network(recipe.network, n_outputs, recipe.box_shape, recipe.width)
    with torch.no_grad():
        network.train()(torch.rand(16, 1, *recipe.box_shape))
    fields = ("normalisation", "box_shape", "box_centre", "network", "width")
    card = Card(10.0, (("A",),) * n_outputs, **{name: getattr(recipe, name) for name in fields})
    return Start(network.eval(), replace(card, **changes), "given.safetensors")


def samples(recipe, n=32):
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand((n, *recipe.box_shape), generator=generator)
    return Samples(boxes, 7 * torch.rand((n, 1), generator=generator))


@pytest.mark.parametrize("name", SHAPES)
def test_training_begins_with_all_layers_of_the_given_weights(name):
    recipe = recipe_of(name)
    start = start_of(recipe)
    network = build_network(name, 1, recipe.box_shape, recipe.width)
    begin_with(network, start, recipe, [["A"]])
    given = start.network.state_dict()
    assert all(torch.equal(given[key], t) for key, t in network.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "classes"),
    [({}, [["A"], ["B"]]), ({"target": "membership"}, [["A"]])],
)
def test_last_layer_of_another_meaning_stays_new(changes, classes):
    recipe = recipe_of("wide", **changes)
    start = start_of(recipe)
    network = build_network("wide", len(classes), recipe.box_shape, recipe.width)
    before = network.head.weight.clone()
    begin_with(network, start, recipe, classes)
    assert torch.equal(network.head.weight, before)
    given = start.network.features.state_dict()
    assert all(torch.equal(given[key], t) for key, t in network.features.state_dict().items())


@pytest.mark.parametrize("name", SHAPES)
def test_networks_have_four_blocks(name):
    network = build_network(name, 1, SHAPES[name])
    blocks = blocks_of(network)
    assert len(blocks) == 4
    assert sum(blocks, []) == list(network.features)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("n_blocks", [0, 1, 3, 4])
def test_frozen_blocks_keep_weights_and_statistics(name, n_blocks):
    recipe = recipe_of(name)
    network = start_of(recipe).network
    before = {key: t.clone() for key, t in network.state_dict().items()}
    freeze(network, n_blocks)
    train_network(network, samples(recipe), None, recipe)
    index = {id(layer): i for i, block in enumerate(blocks_of(network)) for layer in block}
    for i, layer in enumerate(network.features):
        for key, tensor in layer.state_dict().items():
            is_same = torch.equal(before[f"features.{i}.{key}"], tensor)
            assert is_same == (index[id(layer)] < n_blocks), (i, key)
    assert not torch.equal(before["head.weight"], network.head.weight)


def test_more_blocks_than_there_are_cannot_be_frozen():
    with pytest.raises(InputError, match="train_model.freeze.; found 5; expected at most 4"):
        freeze(build_network("wide", 1, (5, 8, 8), 4), 5)


def test_fitting_weights_pass(tmp_path):
    recipe = recipe_of("wide")
    start = start_of(recipe)
    path = tmp_path / "given.safetensors"
    write_weights(path, start.network.state_dict(), start.card)
    found = read_start(path)
    check_start(found, recipe, 10.05, "dark")
    assert found.where == str(path)


@pytest.mark.parametrize(
    ("changes", "pixel_size", "contrast", "message"),
    [
        (
            {"width": 8},
            10,
            "dark",
            "width of the weights; found 4; expected 8; set train_model",
        ),
        ({"box_shape": (5, 9, 9)}, 10, "dark", r"box_shape of the weights; found \(5, 8, 8\)"),
        ({"normalisation": "minmax"}, 10, "dark", "normalisation of the weights; found zscore; "),
        ({}, 11, "dark", "pixel size of the weights; found 10 angstrom; expected 11 within 1 %"),
        ({}, 10, "bright", "contrast of the weights; found dark; expected bright"),
        ({"network": "membrain"}, 10, "dark", "network of the weights; found wide; expected memb"),
    ],
)
def test_weights_of_other_boxes_or_networks_are_refused(changes, pixel_size, contrast, message):
    start = start_of(recipe_of("wide"))
    with pytest.raises(InputError, match=message):
        check_start(start, replace(recipe_of("wide"), **changes), pixel_size, contrast)


def test_all_mismatches_are_told_together():
    start = start_of(recipe_of("wide"))
    with pytest.raises(InputError, match="given.safetensors: 2 mismatches with the training"):
        check_start(start, recipe_of("wide"), 20, "bright")


@pytest.mark.parametrize(
    ("seen", "is_told"), [(["t/a", "t/b"], True), (["t/a"], False), (None, False)]
)
def test_weights_that_know_a_training_membrane_are_told(caplog, seen, is_told):
    start = start_of(Recipe(), training={"membranes": seen} if seen else {})
    tell_seen(start, ["t/b", "t/c"])
    assert ("learned from t/b before" in caplog.text) == is_told
