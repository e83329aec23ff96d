"""Training of a network, on data that lies on the device from beginning to end."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .augmentation import augment, crop_boxes, random_turns, turn_angles
from .checkpoints import Progress, fingerprint, resume, save
from .devices import has_fast_bf16
from .errors import InputError
from .finetuning import optimiser_of, set_training
from .heads import Predictions, split_columns, to_predictions
from .learning_rate import one_cycle
from .losses import angle_error, distance_loss, losses_of
from .network import normalise_boxes
from .recipes import Recipe

log = logging.getLogger(__name__)

# On processors the gradient of a bfloat16 convolution is wrong (it reads memory that was never set)
# where a map is two voxels wide, as of boxes of 6; seen with oneDNN 3.12 in torch 2.13.
MIN_BOX_BF16 = 8
PREDICTED_AT_ONCE = 256
NOT_VALIDATED = {"validation_loss": None, "validation_angle_degree": None}


@dataclass
class Samples:
    """Boxes (n, K, H, W), their labels (n, n_outputs) and angles (n, n_outputs, 2), on one device.

    Angles are zeros where they are not known; None without angle head. Others (n, 1) are distances
    to particles of no output; None without that head.
    """

    boxes: Tensor
    labels: Tensor
    angles: Tensor | None = None
    others: Tensor | None = None

    @property
    def tensors(self) -> list[Tensor]:
        """All that there is."""
        return [t for t in (self.boxes, self.labels, self.angles, self.others) if t is not None]

    @property
    def n_outputs(self) -> int:
        """Number of groups of classes."""
        return self.labels.shape[1]

    def __len__(self) -> int:
        return len(self.boxes)


def train_network(
    network: nn.Module,
    training: Samples,
    validation: Samples | None,
    recipe: Recipe,
    checkpoint: str | Path | None = None,
    is_quiet: bool = True,
    note: Callable[[dict], None] = lambda row: None,
    last_epoch: int | None = None,
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
    note : function that takes the row of each epoch, see `checkpoints.Progress.history`
    last_epoch : int, optional
        Stop after this one, in the middle of the recipe's course of the learning rate.

    Raises
    ------
    InputError
        When there are fewer than two boxes, or the loss is no longer a number.
    """
    if len(training) < 2:
        raise InputError("training", found=f"{len(training)} boxes", expected="at least 2")
    optimiser = optimiser_of(network, recipe)
    identity, progress = "", Progress()
    if checkpoint:
        parts = [p for s in (training, validation) if s for p in s.tensors]
        identity = fingerprint(asdict(recipe), [*network.state_dict().values(), *parts])
        progress = resume(checkpoint, identity, network, optimiser)
    for epoch in range(progress.epoch + 1, (last_epoch or recipe.epochs) + 1):
        if recipe.patience and progress.epoch - progress.best_epoch >= recipe.patience:
            log.info("no better validation loss in %d epochs: stopped", recipe.patience)
            break
        loss = _train_epoch(network, optimiser, training, recipe, epoch, is_quiet)
        rate = optimiser.param_groups[0]["lr"]
        row = {"epoch": epoch, "learning_rate": rate, "training_loss": loss}
        row |= evaluate(network, validation, recipe) if validation else NOT_VALIDATED
        _keep(progress, row, network, is_last_kept=recipe.keep == "last" and not recipe.patience)
        log.info(
            "epoch %d of %d: training loss %.4f, validation loss %s%s",
            *(epoch, recipe.epochs, loss, _text(row["validation_loss"])),
            _text(row["validation_angle_degree"], ", angle error {:.1f} degrees", ""),
        )
        note(row)
        if checkpoint:
            save(checkpoint, identity, network, optimiser, progress)
    return progress


def _text(value: float | None, form: str = "{:.4f}", none: str = "-") -> str:
    return none if value is None else form.format(value)


def _keep(progress: Progress, row: dict, network: nn.Module, is_last_kept: bool) -> None:
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


def _folds(samples: Samples, recipe: Recipe) -> Tensor | None:
    """Return the folds of the angle head on the samples' device; None without head or labels."""
    if "angle" not in recipe.heads or samples.angles is None:
        return None
    return torch.tensor(recipe.folds, device=samples.boxes.device)


def _train_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    samples: Samples,
    recipe: Recipe,
    epoch: int,
    is_quiet: bool,
) -> float:
    """Go once through the samples; return the mean loss of the distances."""
    device = samples.boxes.device
    # the epoch's own generator: a resumed run draws what an unbroken one would have drawn
    generator = torch.Generator(device).manual_seed(recipe.seed * 1_000_003 + epoch)
    order = torch.randperm(len(samples), generator=generator, device=device)
    n_batches = max(1, len(samples) // recipe.batch_size)
    spread = spread_of(samples.boxes)
    folds = _folds(samples, recipe)
    total = torch.zeros((), device=device)
    set_training(network)
    bar = tqdm(range(n_batches), f"epoch {epoch}", leave=False, disable=is_quiet)
    for batch in bar:
        rows = order[batch * recipe.batch_size : (batch + 1) * recipe.batch_size]
        turns = random_turns(len(rows), recipe.augmentation, generator, device)
        how = (turns, recipe.augmentation, generator, recipe.box_shape, recipe.box_centre, spread)
        boxes = augment(samples.boxes[rows], *how)
        angles = None if folds is None else turn_angles(samples.angles[rows], turns, folds)
        part = ((epoch - 1) * n_batches + batch) / (recipe.epochs * n_batches)
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(part, recipe.learning_rate)
        with _autocast(device, recipe):
            found = network(normalise_boxes(boxes[:, None], recipe.normalisation))
        others = None if samples.others is None else samples.others[rows]
        shown, loss = losses_of(found.float(), samples.labels[rows], angles, recipe, others)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        total += shown.detach()
    mean = float(total) / n_batches
    if not math.isfinite(mean):
        raise InputError(
            f"training: the loss of epoch {epoch} is not a number",
            remedy="use a lower learning rate (config: train_model.learning_rate)",
        )
    return mean


@torch.inference_mode()
def _columns(network: nn.Module, boxes: Tensor, recipe: Recipe) -> Tensor:
    """Return what the network gives for boxes, without augmentation, (n, n_columns)."""
    network.eval()
    found = []
    with _autocast(boxes.device, recipe):
        for block in crop_boxes(boxes, recipe.box_shape).split(PREDICTED_AT_ONCE):
            found.append(network(normalise_boxes(block.float()[:, None], recipe.normalisation)))
    return torch.cat(found).float()


def predict(network: nn.Module, boxes: Tensor, n_outputs: int, recipe: Recipe) -> Predictions:
    """Return the predicted distances and angles of boxes, without augmentation."""
    columns = _columns(network, boxes, recipe)
    return to_predictions(columns, n_outputs, recipe.target, recipe.cap)


def evaluate(network: nn.Module, samples: Samples, recipe: Recipe) -> dict[str, float | None]:
    """Return loss (of the distances) and angle error of samples, without augmentation."""
    distances, vectors = split_columns(_columns(network, samples.boxes, recipe), samples.n_outputs)
    loss = float(distance_loss(distances, samples.labels, recipe))
    folds = _folds(samples, recipe)
    error = math.nan if folds is None else angle_error(vectors, samples.angles, folds)
    error = None if math.isnan(error) else error
    return {"validation_loss": loss, "validation_angle_degree": error}
