"""From labelled boxes to trained weights: trials with a part held out, then the final run.

::

    all but part 1  ----> trial 1 ----> predictions of part 1   \\
    all but part 2  ----> trial 2 ----> predictions of part 2    >  losses, thresholds
    all points      ----> final   ----> weights

The trials say how well such a network does on what it has not seen, and below which predicted
distance points make particles. A last run with the same recipe then learns from every annotated
particle: with one membrane there are none to spare. Where trials choose their epoch (patience, or
the best one kept), it stops after the mean of theirs. Where whole membranes validate, or nothing
does, the first run is the final one.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .checkpoints import Progress
from .event_log import EventLog
from .finetuning import Start, begin_with, freeze
from .heads import n_columns
from .network import build_network
from .thresholds import find_thresholds
from .training import Recipe, predict, train_network
from .training_data import Joined, to_samples

log = logging.getLogger(__name__)

# parts of the recipe that the card tells by itself
SHARED_WITH_CARD = ("network", "width", "normalisation", "box_shape", "box_centre", "cap")
SHARED_WITH_CARD += ("heads", "folds", "target")

TRIAL, FINAL = "trial {}", "final"  # names of runs


@dataclass(frozen=True)
class FitOptions:
    """What decides a fit beside the recipe.

    Attributes
    ----------
    device : torch.device
    near_voxel : float, working voxel
        True distance below which a point counts as near a particle.
    threshold_voxel : float, working voxel; 0: found in training
    refit : bool
        Whether the held-out parts of the training membranes are learned from in a last run.
    checkpoint : str or None, a number is added to it for each run
    is_quiet : bool, whether to show no progress bar
    start : Start or None, weights to begin with
    events : EventLog or None
    is_trial : bool, whether only what is held out is of interest: no last run is made
    """

    device: torch.device
    near_voxel: float = 3.5
    threshold_voxel: float = 0.0
    refit: bool = True
    checkpoint: str | None = None
    is_quiet: bool = True
    start: Start | None = None
    events: EventLog | None = None
    is_trial: bool = False

    def remove_checkpoints(self) -> None:
        """Remove the files in which unfinished runs keep their state."""
        if self.checkpoint:
            path = Path(self.checkpoint)
            for file in path.parent.glob(f"{glob.escape(path.name)}[0-9]*"):
                file.unlink()


@dataclass(frozen=True)
class Fit:
    """What training gave.

    Attributes
    ----------
    progress : Progress of the final run, with its weights
    trials : tuple of Progress, of the runs before it that left a part out
    is_training, is_validation : (n,) bool
        Points that the final run learned from, and those that validated in any run.
    thresholds : tuple of float, working voxel, one per output
    predicted : (n, n_outputs) float32, working voxel
        Of the points that validated (of all that trained where none did), NaN for others.
    """

    progress: Progress
    trials: tuple[Progress, ...]
    is_training: np.ndarray
    is_validation: np.ndarray
    thresholds: tuple[float, ...]
    predicted: np.ndarray | None = None

    @property
    def history(self) -> list[dict]:
        """One row per epoch of all runs; ``run`` says which."""
        runs = [(TRIAL.format(i + 1), trial) for i, trial in enumerate(self.trials)]
        if all(trial is not self.progress for trial in self.trials):
            runs.append((FINAL, self.progress))
        return [{"run": name, **row} for name, progress in runs for row in progress.history]

    @property
    def validation_loss(self) -> float | None:
        """Mean loss on what was held out, of the epochs that were kept."""
        runs = self.trials or (self.progress,)
        losses = [run.history[run.best_epoch - 1]["validation_loss"] for run in runs]
        return None if None in losses else float(np.mean(losses))


def _bias_of(labels: np.ndarray, recipe: Recipe) -> torch.Tensor:
    """Return what the last layer adds, (m,), so that labels (n, m) are met on the mean."""
    mean = torch.from_numpy(labels.mean(axis=0))
    return torch.logit(1 - mean / recipe.cap, eps=1e-3) if recipe.target == "membership" else mean


def _first_network(
    joined: Joined, is_training: np.ndarray, recipe: Recipe, start: Start | None
) -> nn.Module:
    """Return a network to begin with: the given one, or one of random weights by the seed.

    A last layer that is new begins at the mean label, not at 0.
    """
    torch.manual_seed(recipe.seed)
    n_outputs = joined.labels.shape[1]
    columns = n_columns(n_outputs, recipe.heads)
    network = build_network(recipe.network, columns, recipe.box_shape, recipe.width)
    with torch.no_grad():
        network.head.bias.zero_()
        network.head.bias[:n_outputs] = _bias_of(joined.labels[is_training], recipe)
        if "others" in recipe.heads:
            network.head.bias[-1] = _bias_of(joined.others[is_training], recipe)[0]
    if start:
        begin_with(network, start, recipe, joined.meta["classes"])
    freeze(network, recipe.freeze)
    return network


def _run(
    joined: Joined,
    parts: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    options: FitOptions,
    checkpoint: Path | None,
    name: str,
    last_epoch: int | None = None,
) -> tuple[Progress, np.ndarray]:
    """Train once; return progress and the predictions of what validated, else of what trained."""
    training = to_samples(joined, parts[0], options.device)
    validation = to_samples(joined, parts[1], options.device) if parts[1].any() else None
    log.info(
        "%s: %d boxes train, %d validate, on %s with %d threads",
        *(name, len(training), len(validation or ()), options.device.type, torch.get_num_threads()),
    )
    network = _first_network(joined, parts[0], recipe, options.start).to(options.device)
    how = (recipe, checkpoint, options.is_quiet)
    note = partial(options.events.add, name) if options.events else lambda row: None
    progress = train_network(network, training, validation, *how, note, last_epoch)
    network.load_state_dict(progress.best)
    judged = validation or training
    found = predict(network, judged.boxes, judged.n_outputs, recipe)
    return progress, found.distances.cpu().numpy()


def fit(
    joined: Joined,
    turns: Sequence[tuple[np.ndarray, np.ndarray]],
    recipe: Recipe,
    options: FitOptions,
    is_cut_off: bool,
) -> Fit:
    """Train on labelled boxes.

    Parameters
    ----------
    joined : Joined
    turns : sequence of two (n,) bool arrays
        Points that train and points that validate, for each trial, from `training_data.split`.
    recipe : Recipe
    options : FitOptions
    is_cut_off : bool
        Whether the points that validate are a part of the training membranes.
    """
    has_final = is_cut_off and options.refit and turns[0][1].any()
    turns = turns if has_final else turns[:1]
    paths = [options.checkpoint and Path(f"{options.checkpoint}{i}") for i in range(len(turns) + 1)]
    predicted = np.full(joined.labels.shape, np.nan, dtype=np.float32)
    runs = []
    for i, (parts, path) in enumerate(zip(turns, paths, strict=False)):
        name = TRIAL.format(i + 1) if has_final else FINAL
        progress, found = _run(joined, parts, recipe, options, path, name)
        predicted[parts[1] if parts[1].any() else parts[0]] = found
        runs.append(progress)
    thresholds = (options.threshold_voxel,) * joined.labels.shape[1]
    if not options.threshold_voxel:
        predicted[joined.is_replica] = np.nan  # thresholds are those of real membranes
        n_threads = torch.get_num_threads()
        thresholds = find_thresholds(joined, predicted, options.near_voxel)
        torch.set_num_threads(n_threads)  # numba shares OpenMP and sets its own number there
    is_validation = np.logical_or.reduce([parts[1] for parts in turns])
    if not has_final or options.is_trial:
        trials = tuple(runs) if has_final else ()
        return Fit(runs[-1], trials, turns[-1][0], is_validation, thresholds, predicted)
    everything = np.ones_like(is_validation)
    log.info("the final run learns from all points, the thresholds are those of the parts held out")
    parts, last = (everything, ~everything), _last_epoch(runs, recipe)
    final, _ = _run(joined, parts, recipe, options, paths[-1], FINAL, last)
    return Fit(final, tuple(runs), everything, is_validation, thresholds, predicted)


def _last_epoch(trials: Sequence[Progress], recipe: Recipe) -> int | None:
    """Return where the final run stops: where its trials did best, if they were to find out."""
    if recipe.keep == "last" and not recipe.patience:
        return None
    last = round(float(np.mean([trial.best_epoch for trial in trials])))
    log.info("the final run stops after epoch %d, the mean of those that its trials kept", last)
    return last


def describe_training(joined: Joined, found: Fit, recipe: Recipe) -> dict:
    """Return what the card of a model says of its training; no paths and no times."""
    names = np.array(joined.names, dtype=object)
    row = found.progress.history[found.progress.best_epoch - 1]
    losses = {
        "training_loss": row["training_loss"],
        "validation_loss": found.validation_loss,
    }
    used = {name: v for name, v in asdict(recipe).items() if name not in SHARED_WITH_CARD}
    return {
        "membranes": sorted(names[np.unique(joined.membrane[found.is_training])]),
        "n_boxes": int(found.is_training.sum()),
        "n_validation_boxes": int(found.is_validation.sum()),
        "n_trials": len(found.trials),
        "epoch": found.progress.best_epoch,
        **{name: None if v is None else round(v, 6) for name, v in losses.items()},
        "recipe": used,
        "labels": joined.meta["provenance"]["parameters"],
    }
