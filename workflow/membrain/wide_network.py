"""A network with a wide view: the layers of a box along the normal are channels of a flat picture.

::

    box K x 20 x 20       stem          block         block         block        flatten, linear
    K channels      ->  W x 20 x 20 -> W x 20 x 20 -> 2W x 10^2 -> 2W x 10^2  ->  outputs
                         3^2            stride 1       stride 2      stride 1

    block:   x -- conv 3^2, norm, ReLU, conv 3^2, norm --(+)-- ReLU
             |________________________________________|    a 1^2 convolution where the size changes

Membrane proteins stand upright, so that turns about the normal are all that a network has to learn:
convolutions along the normal are not needed, and the field in the plane may be three times as large
for a fraction of the work. Residual blocks as in He et al. (2016), Deep residual learning.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """Two convolutions whose result is added to what came in.

    Parameters
    ----------
    n_inputs, n_features : int
    stride : int, of the first convolution
    """

    def __init__(self, n_inputs: int, n_features: int, stride: int = 1) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(n_inputs, n_features, kernel_size=3, stride=stride, padding=1),
            nn.BatchNorm2d(n_features),
            nn.ReLU(),
            nn.Conv2d(n_features, n_features, kernel_size=3, padding=1),
            nn.BatchNorm2d(n_features),
        )
        is_same = stride == 1 and n_inputs == n_features
        self.skip = nn.Identity() if is_same else nn.Conv2d(n_inputs, n_features, 1, stride)

    def forward(self, values: Tensor) -> Tensor:
        """Return (n, n_features, ceil(I / stride), ceil(J / stride)) of (n, n_inputs, I, J)."""
        return torch.relu(self.main(values) + self.skip(values))


class WideNetwork(nn.Module):
    """A residual network over the plane of the membrane.

    Parameters
    ----------
    n_outputs : int, numbers that the last layer gives
    box_shape : (3,) int, voxels along k, i, j
    width : int, features of the first half; the second has twice as many
    """

    def __init__(
        self, n_outputs: int = 1, box_shape: Sequence[int] = (14, 20, 20), width: int = 32
    ) -> None:
        super().__init__()
        n_layers, height, breadth = (int(n) for n in box_shape)
        self.box_shape = (n_layers, height, breadth)
        self.features = nn.Sequential(
            nn.Conv2d(n_layers, width, kernel_size=3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            ResidualBlock(width, width),
            ResidualBlock(width, 2 * width, stride=2),
            ResidualBlock(2 * width, 2 * width),
        )
        n_places = -(-height // 2) * -(-breadth // 2)  # one stride of 2, rounded up
        self.head = nn.Linear(2 * width * n_places, n_outputs)

    def forward(self, boxes: Tensor) -> Tensor:
        """Return the outputs (n, n_outputs) of boxes (n, 1, K, I, J)."""
        # channels last is the order in which convolutions of pictures run fastest
        layers = boxes[:, 0].contiguous(memory_format=torch.channels_last)
        return self.head(self.features(layers).flatten(1))
