"""Turns about any axis: rotations, uniform, and read where they should be."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from membrain.augmentation import Augmentation, augment, random_turns
from membrain.space_turns import random_turns_in_space, space_grid

CPU = torch.device("cpu")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("is_flipped", [False, True])
def test_turns_keep_lengths_and_half_of_them_mirror_where_asked(is_flipped):
    turns = random_turns_in_space(400, is_flipped, generator(), CPU)
    unit = turns @ turns.transpose(1, 2)
    assert torch.allclose(unit, torch.eye(3).expand(400, 3, 3), atol=1e-5)
    share = float((torch.linalg.det(turns) < 0).float().mean())
    assert share == pytest.approx(0.5, abs=0.1) if is_flipped else share == 0


def test_every_direction_comes_up_alike():
    turns = random_turns_in_space(4000, False, generator(), CPU)
    assert float(turns.mean(dim=0).abs().max()) < 0.04
    assert torch.allclose((turns**2).mean(dim=0), torch.full((3, 3), 1 / 3), atol=0.03)


def test_quarter_turn_about_one_axis_is_exact():
    noise = np.random.default_rng(0).random((1, 9, 9, 9)).astype(np.float32)
    boxes = torch.from_numpy(noise)
    turn = torch.tensor([[[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]])  # about k
    how = Augmentation("space", flip=False, noise=0.0)
    found = augment(boxes, turn, how, generator(), (9, 9, 9), (4, 4, 4))
    expected = [torch.rot90(boxes[0], k, (1, 2)) for k in (1, 3)]
    assert any(torch.allclose(found[0], e, atol=1e-5) for e in expected)


def test_result_at_an_offset_shows_the_source_at_the_turned_offset():
    turns = random_turns_in_space(1, True, generator(3), CPU)
    volume = ndimage.gaussian_filter(np.random.default_rng(1).random((18, 20, 22)), 2)
    boxes = torch.from_numpy(volume.astype(np.float32))[None]
    how = Augmentation("space", noise=0.0)
    found = augment(boxes, turns, how, generator(), (6, 6, 8), (3, 3, 4))[0].numpy()
    offsets = np.stack(np.meshgrid(*(np.arange(n) for n in (6, 6, 8)), indexing="ij"), -1)
    place = (offsets - [3, 3, 4]) @ turns[0].numpy().T + [3 + 6, 3 + 7, 4 + 7]
    expected = ndimage.map_coordinates(volume, place.reshape(-1, 3).T, order=1, mode="nearest")
    assert np.abs(found.ravel() - expected).max() < 1e-4


def test_nothing_turned_is_the_middle():
    grid = space_grid((8, 8, 8), torch.eye(3)[None], (4, 4, 4), (2, 2, 2))
    index = (grid.flip(-1) + 1) * 7 / 2
    assert torch.allclose(index[0, 0, 0, 0], torch.tensor([2.0, 2, 2]), atol=1e-5)
    assert torch.allclose(index[0, 3, 2, 1], torch.tensor([5.0, 4, 3]), atol=1e-5)


def test_training_draws_them_by_its_seed():
    how = Augmentation("space")
    first, second, other = (random_turns(5, how, generator(s), CPU) for s in (1, 1, 2))
    assert first.shape == (5, 3, 3)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
