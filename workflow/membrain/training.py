"""Training of a network, on data that lies on the device from beginning to end."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .augmentation import augment, crop_boxes
from .checkpoints import Progress, fingerprint, resume, save
from .devices import has_fast_bf16
from .errors import InputError
from .learning_rate import one_cycle
from .network import normalise_boxes
from .recipes import LOSSES, Recipe

log = logging.getLogger(__name__)

# On processors the gradient of a bfloat16 convolution is wrong (it reads memory that was never set)
# where a map is two voxels wide, as of boxes of 6; seen with oneDNN 3.12 in torch 2.13.
MIN_BOX_BF16 = 8


@dataclass
class Samples:
    """Boxes (n, K, H, W) and their labels (n, n_outputs), on one device."""

    boxes: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.boxes)


def train_network(
    network: nn.Module,
    training: Samples,
    validation: Samples | None,
    recipe: Recipe,
    checkpoint: str | Path | None = None,
    is_quiet: bool = True,
) -> Progress:
    """Train a network and return how it went, with the weights of the epoch that is kept.

    Parameters
    ----------
    network : nn.Module
        On the device of the samples; changed in place.
    training, validation : Samples
        Without validation the last epoch is kept whatever the recipe says.
    recipe : Recipe
    checkpoint : path, optional
        Written after each epoch. A run that finds one of the same data and recipe goes on from it
        and ends with the same weights as one that was never stopped.
    is_quiet : bool, whether to show no progress bar

    Raises
    ------
    InputError
        When there are fewer than two boxes, or the loss is no longer a number.
    """
    if len(training) < 2:
        raise InputError("training", found=f"{len(training)} boxes", expected="at least 2")
    decayed = [p for p in network.parameters() if p.dim() > 1 and p.requires_grad]
    others = [p for p in network.parameters() if p.dim() <= 1 and p.requires_grad]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, recipe.learning_rate, weight_decay=recipe.weight_decay)
    identity, progress = "", Progress()
    if checkpoint:
        parts = [p for s in (training, validation) if s for p in (s.boxes, s.labels)]
        identity = fingerprint(asdict(recipe), [*network.state_dict().values(), *parts])
        progress = resume(checkpoint, identity, network, optimiser)
    for epoch in range(progress.epoch + 1, recipe.epochs + 1):
        if recipe.patience and progress.epoch - progress.best_epoch >= recipe.patience:
            log.info("no better validation loss in %d epochs: stopped", recipe.patience)
            break
        loss = _train_epoch(network, optimiser, training, recipe, epoch, is_quiet)
        rate = optimiser.param_groups[0]["lr"]
        row = {"epoch": epoch, "learning_rate": rate, "training_loss": loss}
        row["validation_loss"] = evaluate(network, validation, recipe) if validation else None
        _note(progress, row, network, is_last_kept=recipe.keep == "last" and not recipe.patience)
        log.info(
            "epoch %d of %d: training loss %.4f, validation loss %s",
            *(epoch, recipe.epochs, loss, _text(row["validation_loss"])),
        )
        if checkpoint:
            save(checkpoint, identity, network, optimiser, progress)
    return progress


def _text(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"


def _note(progress: Progress, row: dict, network: nn.Module, is_last_kept: bool) -> None:
    """Add an epoch to the progress; keep the network's state if it is the one to be kept so far."""
    progress.history.append(row)
    progress.epoch = row["epoch"]
    loss = row["validation_loss"]
    is_best = is_last_kept or loss is None or loss < progress.best_loss
    if is_best or not progress.best:
        progress.best_epoch = row["epoch"]
        progress.best = copy.deepcopy(network.state_dict())


def uses_bf16(device: torch.device, recipe: Recipe) -> bool:
    """Return whether a recipe's convolutions run with 16-bit brain floats on a device."""
    if device.type == "cpu" and min(recipe.box_shape) < MIN_BOX_BF16:
        return False
    return recipe.precision == "bf16" or (recipe.precision == "auto" and has_fast_bf16(device))


def _autocast(device: torch.device, recipe: Recipe) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=uses_bf16(device, recipe))


def spread_of(boxes: Tensor) -> float:
    """Return the standard deviation of the grey values of boxes, from at most 4096 of them."""
    return float(boxes[:: max(1, len(boxes) // 4096)].float().std())


def _train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    samples: Samples,
    recipe: Recipe,
    epoch: int,
    is_quiet: bool,
) -> float:
    """Go once through the samples; return the mean loss."""
    device = samples.boxes.device
    # the epoch's own generator: a resumed run draws what an unbroken one would have drawn
    generator = torch.Generator(device).manual_seed(recipe.seed * 1_000_003 + epoch)
    order = torch.randperm(len(samples), generator=generator, device=device)
    n_batches = max(1, len(samples) // recipe.batch_size)
    spread = spread_of(samples.boxes)
    total = torch.zeros((), device=device)
    network.train()
    bar = tqdm(range(n_batches), f"epoch {epoch}", leave=False, disable=is_quiet)
    for batch in bar:
        rows = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
        geometry = (recipe.box_shape, recipe.box_centre)
        boxes = augment(samples.boxes[rows], recipe.augmentation, generator, *geometry, spread)
        part = ((epoch - 1) * n_batches + batch) / (recipe.epochs * n_batches)
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(part, recipe.learning_rate)
        with _autocast(device, recipe):
            found = network(normalise_boxes(boxes[:, None], recipe.normalisation))
        loss = LOSSES[recipe.loss](found.float(), samples.labels[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += loss.detach()
    mean = float(total) / n_batches
    if not math.isfinite(mean):
        raise InputError(
            f"training: the loss of epoch {epoch} is not a number",
            remedy="use a lower learning rate (config: train_model.learning_rate)",
        )
    return mean


@torch.inference_mode()
def predict(network: nn.Module, boxes: Tensor, recipe: Recipe, batch_size: int = 256) -> Tensor:
    """Return the predicted distances (n, n_outputs) of boxes, without augmentation."""
    network.eval()
    found = []
    with _autocast(boxes.device, recipe):
        for block in crop_boxes(boxes, recipe.box_shape).split(batch_size):
            found.append(network(normalise_boxes(block.float()[:, None], recipe.normalisation)))
    return torch.cat(found).float()


def evaluate(network: nn.Module, samples: Samples, recipe: Recipe) -> float:
    """Return the loss of samples, without augmentation."""
    return float(LOSSES[recipe.loss](predict(network, samples.boxes, recipe), samples.labels))
