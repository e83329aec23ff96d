"""Losses with known values."""

import math

import pytest
import torch

from membrain.losses import angle_error, losses_of
from membrain.recipes import Recipe

HEAD = Recipe(heads=("angle",), folds=(2,))


def vector(*degrees):
    radian = torch.deg2rad(torch.tensor(degrees))
    return torch.stack([radian.cos(), radian.sin()], dim=-1)


@pytest.mark.parametrize(("loss", "expected"), [("smooth_l1", 1.5), ("mse", 4.0), ("huber", 2.0)])
def test_loss_of_an_error_of_two(loss, expected):
    found = losses_of(torch.tensor([[5.0]]), torch.tensor([[3.0]]), None, Recipe(loss=loss))
    assert [float(f) for f in found] == pytest.approx([expected, expected])


def test_angles_add_half_of_their_squared_error_where_they_are_known():
    labels = torch.tensor([[1.0], [7.0], [1.0]])
    angles = torch.cat([vector(0.0), torch.zeros(1, 2), vector(90.0)])[:, None]
    columns = torch.cat([labels, torch.cat([vector(90.0), vector(10.0, 90.0)])], dim=1)
    shown, total = losses_of(columns, labels, angles, HEAD)
    assert float(shown) == 0
    assert float(total) == pytest.approx(0.5 * (2 + 0) / 2)  # the unknown one does not count


def test_no_known_angle_adds_nothing():
    columns = torch.rand(4, 3)
    shown, total = losses_of(columns, columns[:, :1], torch.zeros(4, 1, 2), HEAD)
    assert float(shown) == float(total) == 0


@pytest.mark.parametrize("has_angles", [False, True])
def test_distance_to_others_adds_its_own_loss(has_angles):
    columns = torch.tensor([[1.0, *[0.0, 1.0] * has_angles, 5.0]])
    angles = vector(90.0)[None] if has_angles else None
    shown, total = losses_of(columns, torch.tensor([[1.0]]), angles, HEAD, torch.tensor([[3.0]]))
    assert float(shown) == 0
    assert float(total) == pytest.approx(1.5, abs=1e-6)  # smooth L1 of an error of two


def test_membership_is_the_cross_entropy():
    recipe = Recipe(target="membership", cap=7.0)
    labels = torch.tensor([[0.0], [7.0]])  # a member and none
    logit = math.log(0.8 / 0.2)
    shown, _ = losses_of(torch.tensor([[logit], [logit]]), labels, None, recipe)
    assert float(shown) == pytest.approx(-(math.log(0.8) + math.log(0.2)) / 2, rel=1e-5)


def test_angle_error_is_that_of_the_axis():
    angles = torch.stack([vector(10.0, 350.0), vector(0.0, 90.0)], dim=1)
    vectors = torch.stack([0.3 * vector(30.0, 10.0), 5 * vector(30.0, 120.0)], dim=1)
    found = angle_error(vectors, angles, torch.tensor([2, 3]))
    assert found == pytest.approx((10 + 10 + 10 + 10) / 4, abs=1e-3)


def test_angle_error_of_nothing_known_is_no_number():
    assert math.isnan(angle_error(torch.rand(2, 1, 2), torch.zeros(2, 1, 2), torch.tensor([2])))
