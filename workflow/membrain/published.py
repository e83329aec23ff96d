"""Import of the checkpoint that was published with the paper.

The file is a pickle. It is read by torch's restricted reader, which builds tensors and plain
containers and runs nothing; two classes of the training library that it mentions are replaced by
an empty one.

Axes: the published program keeps arrays in xyz order, so its boxes are [x, y, z] with the normal's
side at low z. Ours are [k, i, j] with the normal's side at low k. Its x and y turn with each other
(it is trained on quarter turns and flips in the plane), z is k; reversing the axes of every
kernel maps [x, y, z] to [k, i, j] and keeps the hand of the frame.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .errors import InputError
from .network import N_FEATURES, MembrainNetwork
from .weights import load_into

CONVOLUTIONS = ("conv1", "conv1b", "conv2", "conv2b")
NORMS = ("batchnorm1", "batchnorm2", "batchnorm3", "batchnorm4")
HEAD = "mlp1"
REVERSED = (0, 1, 4, 3, 2)  # n_out, n_in, then xyz -> zyx


class _Ignored:
    """Stands in for a class of the training library; takes anything, does nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass


# Named in checkpoints as keys of the callbacks' state; what they hold is not used.
IGNORED = (
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
)


def read_checkpoint(path: str | Path) -> dict:
    """Return the content of a checkpoint without running any code of it.

    Raises
    ------
    InputError
        When the file is absent, not a checkpoint, or asks for anything but tensors and containers.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file", expected="a checkpoint, .ckpt")
    try:
        stand_ins = [(_Ignored, name) for name in IGNORED]
        with torch.serialization.safe_globals(stand_ins), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old pickles are read or refused, either is told
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        raise InputError(
            f"{path}: refused, nothing of it was run",
            found=f"a pickle that asks for {wanted[1]}" if wanted else "not a checkpoint",
            expected="a checkpoint that holds tensors only",
        ) from None
    except Exception as error:  # the reader raises whatever it stumbles over
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: unreadable", found=reason, expected="a checkpoint") from None
    if not isinstance(content, dict) or not isinstance(content.get("state_dict"), dict):
        keys = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise InputError(f"{path}: no weights", found=keys, expected="an entry 'state_dict'")
    return content


def import_network(content: Mapping, path: str | Path) -> MembrainNetwork:
    """Return the published network, in evaluation mode, for boxes [k, i, j].

    Parameters
    ----------
    content : mapping, from `read_checkpoint`
    path : path, for messages

    Raises
    ------
    InputError
        When the weights are not those of this network.
    """
    found: dict[str, Tensor] = content["state_dict"]
    weight = found.get(f"{HEAD}.weight")
    n_outputs = weight.shape[0] if isinstance(weight, Tensor) and weight.dim() == 2 else 1
    n_inputs = weight.shape[1] if isinstance(weight, Tensor) and weight.dim() == 2 else 0
    size = round((n_inputs / N_FEATURES) ** (1 / 3))
    if size < 1 or N_FEATURES * size**3 != n_inputs:
        size = 8
    network = MembrainNetwork(n_outputs, (size + 4,) * 3)
    names = {}
    for i, (convolution, norm) in enumerate(zip(CONVOLUTIONS, NORMS, strict=True)):
        for theirs, ours in ((convolution, f"features.{3 * i}"), (norm, f"features.{3 * i + 1}")):
            names[theirs] = ours
    names[HEAD] = "head"
    renamed = {}
    for name, tensor in found.items():
        layer, _, kind = name.partition(".")
        renamed[f"{names[layer]}.{kind}" if layer in names else name] = tensor
    return load_into(network, _reverse_axes(renamed, size), path).eval()


def _reverse_axes(tensors: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Return the tensors with xyz axes turned to zyx: kernels, and the rows of the linear layer."""
    out = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dim() == 5:
            out[name] = tensor.permute(REVERSED).contiguous()
    head = out.get("head.weight")
    if head is not None and head.dim() == 2 and head.shape[1] == N_FEATURES * size**3:
        as_boxes = head.reshape(-1, N_FEATURES, size, size, size)
        out["head.weight"] = as_boxes.permute(REVERSED).reshape(len(head), -1).contiguous()
    return out


def settings_of(content: Mapping) -> dict:
    """Return what the checkpoint says of its training: classes, cap, epoch, learning rate, loss."""
    given = content.get("hyper_parameters")
    given = dict(given) if isinstance(given, Mapping) else {}
    groups = given.get("part_dists")
    groups = [g if isinstance(g, list) else [g] for g in groups] if groups else None
    is_usable = groups and all(isinstance(c, str) for group in groups for c in group)
    kept = ("lr", "weight_decay", "loss_fn", "batch_size", "max_particle_distance")
    training = {k: given[k] for k in kept if isinstance(given.get(k), int | float | str)}
    if isinstance(content.get("epoch"), int):
        training["epoch"] = content["epoch"]
    return {
        "classes": groups if is_usable else None,
        "cap": training.get("max_particle_distance"),
        "training": training,
    }
