"""The wide network: its layers, its size, and that it learns what lies beyond the narrow box."""

import pytest
import torch

from membrain.augmentation import Augmentation
from membrain.errors import InputError
from membrain.network import build_network, count_parameters, fold_batch_norm
from membrain.training import Recipe, Samples, predict, train_network
from membrain.wide_network import ResidualBlock, WideNetwork

SHAPE = (6, 8, 7)


def trained_network(n_outputs=2, box_shape=SHAPE, width=4, seed=0):
    """Return a network whose batch norms have seen data, in evaluation mode."""
    torch.manual_seed(seed)
    network = WideNetwork(n_outputs, box_shape, width)
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.5, 0.5)
        network.train()(torch.rand(64, 1, *box_shape))
    return network.eval()


def test_has_the_parameters_of_its_layers():
    def convolution(n_in, n_out, area):
        return n_out * (n_in * area + 1)

    def block(n_in, n_out):  # two convolutions, two norms, a path beside them if the size changes
        beside = convolution(n_in, n_out, 1) if n_in != n_out else 0
        return convolution(n_in, n_out, 9) + convolution(n_out, n_out, 9) + 4 * n_out + beside

    expected = convolution(14, 32, 9) + 64 + block(32, 32) + block(32, 64) + block(64, 64)
    expected += 3 * (64 * 10 * 10 + 1)
    assert count_parameters(build_network("wide", 3, (14, 20, 20))) == expected


def test_width_sets_the_features():
    network = build_network("wide", 1, SHAPE, 5)
    assert network.features[0].out_channels == 5
    assert network.head.in_features == 10 * 4 * 4


@pytest.mark.parametrize("shape", [(6, 8, 7), (5, 7, 8), (14, 20, 20)])
def test_gives_every_output_of_a_box_of_any_size(shape):
    assert build_network("wide", 5, shape, 4).eval()(torch.zeros(2, 1, *shape)).shape == (2, 5)


def test_block_without_weights_hands_on_what_came_in():
    block = ResidualBlock(3, 3).eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    values = torch.rand(2, 3, 6, 6)
    with torch.inference_mode():
        assert torch.equal(block(values), values)


def test_folded_network_computes_the_same():
    network = trained_network()
    boxes = torch.rand(20, 1, *SHAPE)
    with torch.inference_mode():
        expected, found = network(boxes), fold_batch_norm(network)(boxes)
    assert torch.allclose(found, expected, atol=1e-5)
    assert float(expected.std()) > 0.01  # the boxes do differ
    kinds = [type(layer) for layer in fold_batch_norm(network).modules()]
    assert torch.nn.BatchNorm2d not in kinds


def test_layers_along_the_normal_are_not_mixed_up():
    """A weight on one channel answers to that layer of the box alone."""
    network = WideNetwork(1, SHAPE, 1).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.features[0].weight[0, 2, 1, 1] = 1
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.fill_(1)
        network.features[4].skip.weight.fill_(1)
        network.head.weight.fill_(1)
        answers = []
        for layer in range(SHAPE[0]):
            boxes = torch.zeros(1, 1, *SHAPE)
            boxes[0, 0, layer] = 1
            answers.append(float(network(boxes)))
    assert answers[2] > 1
    assert [a for i, a in enumerate(answers) if i != 2] == [0] * 5


def learn(data, **options):
    """Return a small network of two numbers that was trained on data, and its recipe."""
    recipe = Recipe(
        *("wide", 4, (6, 8, 8), (3, 3.5, 3.5)),
        epochs=14,
        batch_size=16,
        learning_rate=5e-3,
        normalisation="tomogram",
        augmentation=Augmentation(noise=0.1),
        precision="fp32",
        **options,
    )
    torch.manual_seed(0)
    network = build_network(recipe.network, 2, recipe.box_shape, recipe.width)
    network.load_state_dict(train_network(network, data, None, recipe).best)
    return network, recipe


def test_learns_a_strength_that_boxes_show():
    generator = torch.Generator().manual_seed(0)
    strength = torch.rand(192, generator=generator)
    boxes = 0.05 * torch.rand((192, 6, 8, 8), generator=generator)
    boxes[:, 2:4, 3:5, 3:5] += strength[:, None, None, None]
    data = Samples(boxes, torch.stack([3 - 2 * strength, 2 * strength], dim=1))
    network, recipe = learn(data)
    errors = (predict(network, boxes, 2, recipe).distances - data.labels).abs().mean(0)
    assert errors.max() < 0.3  # the labels' mean deviation from their mean is 0.5


def test_learns_the_distance_to_others_beside():
    generator = torch.Generator().manual_seed(0)
    strength = torch.rand((192, 2), generator=generator)
    boxes = 0.05 * torch.rand((192, 6, 8, 8), generator=generator)
    boxes[:, 2:4, 3:5, 3:5] += strength[:, :1, None, None]
    boxes[:, 4:, 3:5, 3:5] += strength[:, 1:, None, None]
    data = Samples(boxes, 3 - 2 * strength[:, :1], None, 3 - 2 * strength[:, 1:])
    network, _ = learn(data, heads=("others",))
    with torch.inference_mode():
        found = network.eval()(boxes[:, None])
    errors = (found - torch.cat([data.labels, data.others], dim=1)).abs().mean(0)
    assert errors.max() < 0.3  # the labels' mean deviation from their mean is 0.5


@pytest.mark.parametrize(("name", "width"), [("membrain", 64), ("wide", 0)])
def test_width_that_a_network_cannot_have_is_refused(name, width):
    with pytest.raises(InputError, match=f"width of network '{name}'; found {width}; expected"):
        build_network(name, 1, (12, 12, 12), width)


def test_gradients_in_half_precision_are_near_those_in_single():
    """They are far off where a map is too small, see MIN_BOX_BF16; rounding alone gives 0.15."""
    boxes = torch.rand(16, 1, 14, 20, 20)

    def gradients(is_half):
        torch.manual_seed(0)
        network = WideNetwork(1, (14, 20, 20), 8)
        with torch.autocast("cpu", torch.bfloat16, enabled=is_half):
            loss = network(boxes).float().square().mean()
        loss.backward()
        return {n: p.grad for n, p in network.named_parameters() if p.dim() > 1}

    exact, near = gradients(False), gradients(True)
    for name, expected in exact.items():
        assert float((near[name] - expected).norm()) < 0.3 * float(expected.norm()), name
