"""Predicted distances of many boxes, by a network whose weights are fixed.

Batch normalisation is folded into the convolutions. On the processor the paper's network runs in
oneDNN's blocked memory layout, the wide one with its channels last: either way the layers hand
their results on without reordering them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from .errors import InputError, Problems
from .network import MembrainNetwork, fold_batch_norm, normalise_boxes
from .weights import Card
from .wide_network import WideNetwork

log = logging.getLogger(__name__)

PIXEL_SIZE_TOLERANCE = 0.01  # relative
BATCH_SIZE = {"cpu": 64, "cuda": 2048}
CENTRE = 0.5  # grey values are 0 to 1; bfloat16 has more digits around 0

Predict = Callable[[Tensor], Tensor]


def compile_network(network: nn.Module, device: torch.device, precision: str = "fp32") -> Predict:
    """Return a function from boxes (n, 1, K, I, J) to what the network gives (n, n_columns).

    Parameters
    ----------
    network : nn.Module
    device : torch.device
    precision : {"fp32", "bf16"}
        ``bf16``: the convolutions run with 16-bit brain floats, the last layer with float32.

    Notes
    -----
    The network runs in evaluation mode: a box's score depends on no other box.
    """
    network = network.to(device).eval()
    if isinstance(network, WideNetwork):
        return _channels_last(fold_batch_norm(network), precision)
    if not isinstance(network, MembrainNetwork):
        return _autocast(network, device, precision)
    folded = fold_batch_norm(network)
    kind = torch.float32
    if precision == "bf16":
        kind = torch.bfloat16
        _centre_input(folded)
    centre = CENTRE if precision == "bf16" else 0.0
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        return _in_blocked_layout(folded, kind, centre)
    features = folded.features.to(kind)

    def predict(boxes: Tensor) -> Tensor:
        return folded.head(features((boxes - centre).to(kind)).flatten(1).float())

    return predict


def _autocast(network: nn.Module, device: torch.device, precision: str) -> Predict:
    def predict(boxes: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            return network(boxes).float()

    return predict


def _channels_last(network: WideNetwork, precision: str) -> Predict:
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    features = network.features.to(kind, memory_format=torch.channels_last)

    def predict(boxes: Tensor) -> Tensor:
        layers = boxes[:, 0].to(kind).contiguous(memory_format=torch.channels_last)
        return network.head(features(layers).flatten(1).float())

    return predict


def _centre_input(network: MembrainNetwork) -> None:
    """Change the first bias so that the network takes boxes from which `CENTRE` was subtracted.

    The result stays as it is, because the first convolution has no padding.
    """
    first = network.features[0]
    first.bias += CENTRE * first.weight.sum(dim=(1, 2, 3, 4))


def _in_blocked_layout(network: MembrainNetwork, kind: torch.dtype, centre: float) -> Predict:
    """Return the folded network as oneDNN convolutions on its own layout, the head in float32.

    Weights are put into that layout once, not for every batch: scores are the same, 3 % sooner.
    """
    layers, shape = [], [BATCH_SIZE["cpu"], 1, *network.box_shape]
    for layer in network.features:
        if isinstance(layer, nn.Conv3d):
            how = (layer.padding, layer.stride, layer.dilation, layer.groups)
            weight = torch._C._nn.mkldnn_reorder_conv3d_weight(
                layer.weight.to_mkldnn(kind), *how, shape
            )
            layers.append((weight, layer.bias.to_mkldnn(kind), layer.padding))
            sizes = (n + 2 * p - 2 for n, p in zip(shape[2:], layer.padding, strict=True))
            shape = [shape[0], layer.out_channels, *sizes]

    def predict(boxes: Tensor) -> Tensor:
        values = (boxes - centre).to_mkldnn(kind)
        for weight, bias, padding in layers:
            values = functional.conv3d(values, weight, bias, padding=padding).relu_()
        return network.head(values.to_dense(torch.float32).flatten(1))

    return predict


def score_boxes(
    predict: Predict,
    boxes: np.ndarray,
    normalisation: str,
    device: torch.device,
    batch_size: int = 0,
    where: str = "boxes",
) -> np.ndarray:
    """Return what the network gives for boxes, see `heads`.

    Parameters
    ----------
    predict : function, from `compile_network`
    boxes : (n, K, I, J) float32
        May be a memory map: a batch is read at a time.
    normalisation : str, see `network.normalise_boxes`
    device : torch.device
    batch_size : int
        Boxes at a time; 0: 64 on the processor, 2048 on a GPU. The result does not depend on it.
    where : str, names the boxes in messages

    Returns
    -------
    (n, n_columns) float32

    Raises
    ------
    InputError
        When a box holds a value that is not a finite number.
    """
    batch_size = batch_size or BATCH_SIZE[device.type]
    scores = []
    with torch.inference_mode():
        for start in range(0, len(boxes), batch_size):
            block = np.array(boxes[start : start + batch_size], dtype=np.float32)
            bad = np.flatnonzero(~np.isfinite(block.sum(axis=(1, 2, 3), dtype=np.float64)))
            if len(bad):
                raise InputError(
                    f"{where}: box {start + bad[0]} holds a value that is not a number",
                    expected="finite grey values",
                    remedy="is the tomogram damaged, or masked with NaN?",
                )
            batch = torch.from_numpy(block).to(device)[:, None]
            scores.append(predict(normalise_boxes(batch, normalisation)).float().cpu().numpy())
    return np.concatenate(scores)


def check_boxes(card: Card, described: Mapping, where: str, row_shape: Sequence[int]) -> None:
    """Check that boxes were cut as the network of a card needs them.

    Parameters
    ----------
    card : Card
    described : mapping
        Entry ``subvolumes`` of the table of their points, from `extract_subvolumes`.
    where : str, names the boxes in messages
    row_shape : (3,) int, shape of one box in the file

    Raises
    ------
    InputError
        Lists every mismatch: box, its centre, pixel size beyond 1 %, contrast.
    """
    problems = Problems()

    def compare(what: str, found: object, expected: object, key: str) -> None:
        if found != expected:
            remedy = f"cut the boxes again with {key} of the model"
            problems.add(f"{where}: {what}", found=found, expected=expected, remedy=remedy)

    is_aligned = described.get("aligned", True)
    key = "extract_subvolumes.unaligned"
    compare("whether boxes stand along normals", is_aligned, card.aligned, key)
    excess = [have - want for have, want in zip(row_shape, card.box_shape, strict=True)]
    # larger in the plane is well, or anyhow where not aligned: the middle is scored
    if (excess[0] and is_aligned) or min(excess) < 0:
        compare("shape of the boxes", list(row_shape), list(card.box_shape), "--box-shape")
        excess = [0, 0, 0]
    if described.get("box_centre") is not None:
        centre = [float(c) - n // 2 for c, n in zip(described["box_centre"], excess, strict=True)]
        compare("centre of the boxes", centre, [float(c) for c in card.box_centre], "--box-centre")
    pixel_size = described.get("pixel_size_angstrom")
    if pixel_size and abs(pixel_size / card.pixel_size_angstrom - 1) > PIXEL_SIZE_TOLERANCE:
        problems.add(
            f"{where}: pixel size of the boxes",
            found=f"{pixel_size:g} angstrom",
            expected=f"{card.pixel_size_angstrom:g} angstrom within 1 %, as the model has",
            remedy="cut the boxes again with --pixel-size-angstrom of the model",
        )
    contrast = (described.get("contrast") or {}).get("model")
    if contrast is not None:
        compare("contrast of the boxes", contrast, card.contrast, "--model-contrast")
    problems.raise_if_any(f"{where}: {len(problems.errors)} mismatches with the model")
