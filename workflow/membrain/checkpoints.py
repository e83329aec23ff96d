"""Checkpoints of a training run: a killed run goes on and ends as if it had never been stopped."""

from __future__ import annotations

import hashlib
import io
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from .errors import InputError
from .files import atomic_path

log = logging.getLogger(__name__)


@dataclass
class Progress:
    """Where a run stands after an epoch; all that is needed to go on.

    `best` is the network's state of the epoch with the lowest validation loss, or the latest.
    """

    epoch: int = 0
    best_epoch: int = 0
    best: dict = field(default_factory=dict)
    history: list[dict] = field(default_factory=list)

    @property
    def best_loss(self) -> float:
        """Validation loss of the best epoch; infinite before the first."""
        return self.history[self.best_epoch - 1]["validation_loss"] if self.best_epoch else math.inf


def fingerprint(recipe: Mapping[str, object], tensors: Sequence[Tensor]) -> str:
    """Return a hash of all that decides a run: its recipe, its first weights and its data."""
    digest = hashlib.sha256(repr(sorted(recipe.items())).encode())
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def save(
    path: str | Path,
    identity: str,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
) -> None:
    """Write a checkpoint, whole or not at all."""
    content = {"identity": identity, "network": network.state_dict(), **vars(progress)}
    buffer = io.BytesIO()  # torch's own writing hides a full disk's error
    torch.save({**content, "optimiser": optimiser.state_dict()}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def resume(
    path: str | Path, identity: str, network: nn.Module, optimiser: torch.optim.Optimizer
) -> Progress:
    """Return the progress of a checkpoint of this very run, else that of a run not begun.

    Parameters
    ----------
    path : path, need not exist
    identity : str, from `fingerprint`; a checkpoint with another one is left alone, with a warning
    network, optimiser
        Take the checkpoint's state.

    Raises
    ------
    InputError
        When the file is anything else, which the next checkpoint would replace.
    """
    if not Path(path).is_file():
        return Progress()
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        is_same = content["identity"] == identity
    except Exception:  # the reader raises whatever it stumbles over
        raise InputError(
            f"{path}: not a checkpoint of a training run, or damaged",
            remedy="name another file, or delete this one to begin anew",
        ) from None
    if not is_same:
        log.warning("%s: checkpoint of another run (data, recipe or seed differ): begun anew", path)
        return Progress()
    network.load_state_dict(content["network"])
    optimiser.load_state_dict(content["optimiser"])
    names = ("epoch", "best_epoch", "best", "history")
    progress = Progress(**{name: content[name] for name in names})
    log.info("%s: goes on after epoch %d", path, progress.epoch)
    return progress
