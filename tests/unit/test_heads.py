"""Columns of the last layer: which number means what."""

import pytest
import torch

from membrain.heads import n_columns, others_of, split_columns, to_predictions


def test_columns_are_distances_then_the_angles_of_each_output():
    columns = torch.arange(12.0).reshape(2, 6)
    distances, angles = split_columns(columns, 2)
    assert distances.tolist() == [[0, 1], [6, 7]]
    assert angles.tolist() == [[[2, 3], [4, 5]], [[8, 9], [10, 11]]]
    assert n_columns(2, ("angle",)) == 6


def test_without_head_there_are_no_angles():
    distances, angles = split_columns(torch.zeros(3, 2), 2)
    assert (distances.shape, angles) == ((3, 2), None)
    assert n_columns(2, ()) == 2


@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("heads", [(), ("angle",), ("others",), ("angle", "others")])
def test_distance_to_others_is_the_last_column_where_there_is_that_head(n_outputs, heads):
    n = n_columns(n_outputs, heads)
    columns = torch.arange(float(n))[None]
    distances, angles = split_columns(columns, n_outputs)
    assert distances.tolist() == [list(range(n_outputs))]
    assert (angles is not None) == ("angle" in heads)
    others = others_of(columns, n_outputs)
    assert (None if others is None else others.tolist()) == (
        [[n - 1]] if "others" in heads else None
    )
    assert to_predictions(columns, n_outputs, "distance", 7.0).distances.shape == (1, n_outputs)


def test_membership_becomes_a_distance():
    columns = torch.tensor([[-20.0], [0.0], [20.0]])
    found = to_predictions(columns, 1, "membership", 7.0).distances
    assert found[:, 0].tolist() == pytest.approx([7, 3.5, 0], abs=1e-5)


def test_distance_stays_what_it_is():
    columns = torch.tensor([[-1.0, 9.0]])
    assert to_predictions(columns, 2, "distance", 7.0).distances.tolist() == [[-1, 9]]
