"""Training that begins with given weights instead of random ones, with its first blocks frozen."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from .cards import Card
from .errors import InputError, Problems
from .recipes import Recipe
from .weights import read_weights

log = logging.getLogger(__name__)

PIXEL_SIZE_TOLERANCE = 0.01  # relative


@dataclass(frozen=True)
class Start:
    """Weights that training begins with; `where` names their file."""

    network: nn.Module
    card: Card
    where: str


def read_start(path: str | Path) -> Start:
    """Return the weights of a file to begin with; errors are those of `read_weights`."""
    return Start(*read_weights(path), str(path))


def check_start(start: Start, recipe: Recipe, pixel_size: float, contrast: str) -> None:
    """Check that weights can be trained further on boxes as they are.

    Raises
    ------
    InputError
        Lists each way in which network or boxes differ.
    """
    card, problems = start.card, Problems()
    options = {"network": "network", "width": "width", "normalisation": "normalisation"}
    for name in (*options, "box_shape", "box_centre"):
        found, expected = getattr(recipe, name), getattr(card, name)
        if name == "width" and "wide" not in (recipe.network, card.network):
            continue
        if found != expected:
            key = f"set train_model.{name} to {expected}" if name in options else ""
            problems.add(
                f"{start.where}: {name} of the weights", found=expected, expected=found, remedy=key
            )
    if abs(pixel_size / card.pixel_size_angstrom - 1) > PIXEL_SIZE_TOLERANCE:
        problems.add(
            f"{start.where}: pixel size of the weights",
            found=f"{card.pixel_size_angstrom:g} angstrom",
            expected=f"{pixel_size:g} within 1 %, as the boxes have",
            remedy="leave train_model.pixel_size_angstrom null, which takes that of the weights",
        )
    if contrast != card.contrast:
        problems.add(
            f"{start.where}: contrast of the weights", found=card.contrast, expected=contrast
        )
    problems.raise_if_any(f"{start.where}: {len(problems.errors)} mismatches with the training")


def tell_seen(start: Start, names: Sequence[str]) -> None:
    """Warn where given weights have learned from membranes that are to train them further.

    Parameters
    ----------
    start : Start
    names : sequence of ``TOMOGRAM/MEMBRANE``
    """
    seen = sorted(set(names) & set(start.card.training.get("membranes", ())))
    if seen:
        log.warning(
            "%s: has learned from %s before: what is held out of them is known to it, thresholds "
            "come out too low and F1 too good",
            *(start.where, ", ".join(seen)),
        )


def begin_with(
    network: nn.Module, start: Start, recipe: Recipe, classes: Sequence[Sequence[str]]
) -> None:
    """Give a fresh network the weights to begin with.

    Its last layer is taken too where it means the same: as many outputs, the same heads and target.
    """
    network.features.load_state_dict(start.network.features.state_dict())
    card = start.card
    mine = (len(classes), recipe.heads, recipe.target)
    is_same = mine == (len(card.classes), card.heads, card.target)
    if is_same:
        network.head.load_state_dict(start.network.head.state_dict())
    what = "all layers" if is_same else "all but the last layer, which gives other outputs"
    log.info("%s: training begins with %s", start.where, what)


def blocks_of(network: nn.Module) -> list[list[nn.Module]]:
    """Return the blocks that can be frozen, first to last: what each convolution begins."""
    blocks: list[list[nn.Module]] = []
    for layer in network.features:
        is_part = isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d | nn.ReLU)
        if is_part:
            blocks[-1].append(layer)
        else:
            blocks.append([layer])
    return blocks


def freeze(network: nn.Module, n_blocks: int) -> None:
    """Take the first blocks out of training.

    Raises
    ------
    InputError
        When the network has fewer.
    """
    blocks = blocks_of(network)
    if n_blocks > len(blocks):
        raise InputError(
            "blocks to freeze (config: train_model.freeze)",
            found=n_blocks,
            expected=f"at most {len(blocks)}, what the network has before its last layer",
        )
    for block in blocks[:n_blocks]:
        for layer in block:
            layer.requires_grad_(False)


def set_training(network: nn.Module) -> None:
    """Put a network into training mode, but norms of frozen blocks, which keep their statistics."""
    network.train()
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(p.requires_grad for p in own):
            module.eval()


def optimiser_of(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return AdamW over what is not frozen; biases and norms are not drawn to zero."""
    free = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.dim() > 1]},
        {"params": [p for p in free if p.dim() <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
