"""The network: its size, folding of batch norm, normalisation of boxes."""

import numpy as np
import pytest
import torch

from membrain.errors import InputError
from membrain.network import (
    MembrainNetwork,
    build_network,
    count_parameters,
    fold_batch_norm,
    normalise_boxes,
)


def trained_network(n_outputs=2, box_shape=(12, 12, 12), seed=0):
    """Return a network whose batch norms have seen data, in evaluation mode."""
    torch.manual_seed(seed)
    network = MembrainNetwork(n_outputs, box_shape)
    with torch.no_grad():
        for layer in network.features:
            if isinstance(layer, torch.nn.BatchNorm3d):
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.uniform_(-0.5, 0.5)
        network.train()(torch.rand(64, 1, *box_shape))
    return network.eval()


def test_has_the_parameters_of_the_paper():
    assert count_parameters(MembrainNetwork()) == 100_577


def test_each_output_adds_a_row_of_the_linear_layer():
    assert count_parameters(MembrainNetwork(3)) == 100_577 + 2 * (16_384 + 1)


def test_gives_one_distance_for_each_output():
    network = build_network("membrain", 3, (12, 14, 16)).eval()
    assert network(torch.zeros(2, 1, 12, 14, 16)).shape == (2, 3)


def test_folded_network_computes_the_same():
    network = trained_network()
    boxes = torch.rand(20, 1, 12, 12, 12)
    with torch.inference_mode():
        expected, found = network(boxes), fold_batch_norm(network)(boxes)
    assert torch.allclose(found, expected, atol=1e-5)
    assert float(expected.std()) > 0.01  # the boxes do differ


def test_folding_leaves_the_network_as_it_was():
    network = trained_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fold_batch_norm(network.train())
    assert network.training
    assert all(torch.equal(before[name], t) for name, t in network.state_dict().items())


def test_unknown_network_is_refused_with_the_nearest_name():
    with pytest.raises(InputError, match="unknown network 'membrian'; did you mean 'membrain'"):
        build_network("membrian", 1, (12, 12, 12))


@pytest.mark.parametrize("shape", [(12, 12), (4, 12, 12)])
def test_box_too_small_is_refused(shape):
    with pytest.raises(InputError, match="expected three sizes of 5 or more"):
        build_network("membrain", 1, shape)


def test_minmax_stretches_each_box_by_itself():
    boxes = torch.rand(4, 1, 5, 6, 7) * torch.tensor([1.0, 2, 3, 4]).reshape(4, 1, 1, 1, 1) - 3
    found = normalise_boxes(boxes, "minmax").flatten(1)
    assert np.allclose(found.amin(1), 0)
    assert np.allclose(found.amax(1), 1)


def test_zscore_gives_mean_zero_and_deviation_one():
    found = normalise_boxes(5 + 3 * torch.rand(4, 1, 5, 6, 7), "zscore").flatten(1)
    assert np.allclose(found.mean(1), 0, atol=1e-5)
    assert np.allclose(found.std(1, correction=0), 1, atol=1e-5)


@pytest.mark.parametrize("how", ["minmax", "zscore"])
def test_constant_box_becomes_zeros(how):
    assert not normalise_boxes(torch.full((1, 1, 5, 5, 5), 0.25), how).any()


def test_tomogram_normalisation_changes_nothing():
    boxes = torch.rand(2, 1, 5, 5, 5)
    assert torch.equal(normalise_boxes(boxes, "tomogram"), boxes)


def test_unknown_normalisation_is_an_error():
    with pytest.raises(ValueError, match="unknown normalisation 'rank'"):
        normalise_boxes(torch.zeros(1, 1, 5, 5, 5), "rank")
