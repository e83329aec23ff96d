"""The networks: a box goes in, the distance to the nearest particle comes out.

That of Lamm et al. (2022), and beside it the one of `wide_network`::

    box k i j   conv 3^3  conv 3^3   conv 3^3   conv 3^3   flatten     linear
     12^3    ->  10^3  ->  10^3   ->   8^3   ->   8^3   ->  16384   ->  distance per output
                valid      same       valid      same

Each convolution has 32 features and is followed by batch normalisation and ReLU.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .errors import InputError, suggest
from .wide_network import WideNetwork

N_FEATURES = 32
NORMALISATIONS = ("tomogram", "minmax", "zscore")


class MembrainNetwork(nn.Module):
    """The network of the paper, 100 577 parameters with one output and a box of 12^3.

    Parameters
    ----------
    n_outputs : int
        One predicted distance for each group of classes.
    box_shape : (3,) int, voxels along k, i, j; at least 5 each
    """

    def __init__(self, n_outputs: int = 1, box_shape: Sequence[int] = (12, 12, 12)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        n_inputs = 1
        for padding in (0, 1, 0, 1):
            layers += [
                nn.Conv3d(n_inputs, N_FEATURES, kernel_size=3, padding=padding),
                nn.BatchNorm3d(N_FEATURES),
                nn.ReLU(),
            ]
            n_inputs = N_FEATURES
        self.box_shape = tuple(int(n) for n in box_shape)
        self.features = nn.Sequential(*layers)
        n_places = math.prod(n - 4 for n in box_shape)  # two valid convolutions
        self.head = nn.Linear(N_FEATURES * n_places, n_outputs)

    def forward(self, boxes: Tensor) -> Tensor:
        """Return predicted distances (n, n_outputs) of boxes (n, 1, K, I, J)."""
        return self.head(self.features(boxes).flatten(1))


NETWORKS = ("membrain", "wide")


def build_network(
    name: str, n_outputs: int, box_shape: Sequence[int], width: int = N_FEATURES
) -> nn.Module:
    """Return a network by its name, with fresh weights.

    Parameters
    ----------
    name : str, one of `NETWORKS`
    n_outputs : int
    box_shape : (3,) int, voxels along k, i, j
    width : int
        Features of the first layers; the network of the paper has 32.

    Raises
    ------
    InputError
        When no network has this name, the box is too small for it, or it has not this width.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network '{name}'", remedy=suggest(name, NETWORKS))
    if len(box_shape) != 3 or min(box_shape) < 5:
        raise InputError(
            f"box of network '{name}'", found=list(box_shape), expected="three sizes of 5 or more"
        )
    if width < 1 or (name == "membrain" and width != N_FEATURES):
        raise InputError(
            f"width of network '{name}'",
            found=width,
            expected=f"{N_FEATURES}, as in the paper" if name == "membrain" else "1 or more",
            remedy="use network 'wide' for another width (config: train_model.network)",
        )
    if name == "membrain":
        return MembrainNetwork(n_outputs, box_shape)
    return WideNetwork(n_outputs, box_shape, width)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable numbers of a network."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


def normalise_boxes(boxes: Tensor, how: str) -> Tensor:
    """Return boxes as the network sees them; training and scoring share this function.

    Parameters
    ----------
    boxes : (n, 1, K, I, J) float tensor
        Grey values that are normalised for the whole tomogram.
    how : str
        ``tomogram``: as they are; ``minmax``: each box stretched to 0..1; ``zscore``: each box to
        mean 0 and standard deviation 1. A constant box becomes zeros.
    """
    axes = (1, 2, 3, 4)
    if how == "tomogram":
        return boxes
    if how == "minmax":
        low = boxes.amin(axes, keepdim=True)
        return (boxes - low) / (boxes.amax(axes, keepdim=True) - low).clamp(min=1e-6)
    if how == "zscore":
        centred = boxes - boxes.mean(axes, keepdim=True)
        return centred / centred.square().mean(axes, keepdim=True).sqrt().clamp(min=1e-6)
    raise ValueError(f"unknown normalisation '{how}', known are {', '.join(NORMALISATIONS)}")


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy in evaluation mode whose batch normalisations are part of the convolutions.

    The result computes the same as ``network.eval()`` with fewer passes over memory.
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in list(folded.modules()):
        if not isinstance(parent, nn.Sequential):
            continue
        layers: list[nn.Module] = []
        for layer in parent:
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
                layers[-1] = torch.nn.utils.fuse_conv_bn_eval(layers[-1], layer)
            else:
                layers.append(layer)
        del parent[:]
        parent.extend(layers)
    return folded
