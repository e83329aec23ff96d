import numpy as np
import torch
from torch import nn

from membrain.fitting import _thresholds
from membrain.training import Recipe, Samples

PLAIN = Recipe(box_shape=(8, 8, 8), normalisation="tomogram", precision="fp32")


class FirstValues(nn.Module):
    """Takes the first two grey values of a box for the two predicted distances."""

    def forward(self, boxes):
        return boxes[:, 0, 0, 0, :2]


def samples(predicted, labels):
    boxes = torch.zeros((len(predicted), 8, 8, 8))
    boxes[:, 0, 0, :2] = torch.tensor(predicted)
    return Samples(boxes, torch.tensor(labels))


def with_near(near, n=10):
    """Predictions 1, 2, ... of both outputs and the labels whose first `near[o]` are near."""
    predicted = np.tile(np.arange(1.0, n + 1, dtype=np.float32)[:, None], (1, 2))
    rank = np.arange(n)[:, None]
    return samples(predicted, np.where(rank < near, 1.0, 7.0).astype(np.float32))


def test_every_output_has_the_threshold_that_matches_its_own_near_points():
    part = with_near((5, 2))
    found = _thresholds(FirstValues(), part, None, PLAIN, 3.5)
    assert [int((part.boxes[:, 0, 0, o] < t).sum()) for o, t in enumerate(found)] == [5, 2]


def test_thresholds_are_those_of_what_validates():
    training, validation = with_near((5, 2)), with_near((3, 4))
    both = _thresholds(FirstValues(), training, validation, PLAIN, 3.5)
    assert both == _thresholds(FirstValues(), validation, None, PLAIN, 3.5)


def test_output_without_particle_in_what_validates_takes_the_training_points():
    training, validation = with_near((5, 2)), with_near((3, 0))
    found = _thresholds(FirstValues(), training, validation, PLAIN, 3.5)
    assert found[1] == _thresholds(FirstValues(), training, None, PLAIN, 3.5)[1]
    assert found[0] == _thresholds(FirstValues(), validation, None, PLAIN, 3.5)[0]
