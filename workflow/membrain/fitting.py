"""From labelled boxes to trained weights: a trial with a part held out, then the final run.

::

    training part  ----> trial run ----> losses and thresholds on the part that was held out
    all points     ----> final run ----> weights

The trial says how well such a network does on what it has not seen, and below which predicted
distance a point counts as near. A second run with the same recipe then learns from every annotated
particle: with one membrane there are none to spare. Where whole membranes validate, or nothing
does, the first run is the final one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .checkpoints import Progress
from .network import build_network
from .training import Recipe, Samples, matching_threshold, predict, train_network
from .training_data import Joined, to_samples

log = logging.getLogger(__name__)


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
        Whether a held-out part of the training membranes is learned from in a second run.
    checkpoint : str or None, the second run adds ``.final`` to it
    is_quiet : bool, whether to show no progress bar
    """

    device: torch.device
    near_voxel: float = 3.5
    threshold_voxel: float = 0.0
    refit: bool = True
    checkpoint: str | None = None
    is_quiet: bool = True

    @property
    def checkpoints(self) -> tuple[Path, ...]:
        """Files in which unfinished runs keep their state."""
        return (Path(self.checkpoint), Path(f"{self.checkpoint}.final")) if self.checkpoint else ()


@dataclass(frozen=True)
class Fit:
    """What training gave.

    Attributes
    ----------
    progress : Progress of the final run, with its weights
    trial : Progress or None, of the run before it that left a part out
    is_training, is_validation : (n,) bool
        Points that the final run learned from, and those that validated.
    thresholds : tuple of float, working voxel, one per output
    """

    progress: Progress
    trial: Progress | None
    is_training: np.ndarray
    is_validation: np.ndarray
    thresholds: tuple[float, ...]

    @property
    def history(self) -> list[dict]:
        """One row per epoch of all runs; ``run`` says which."""
        runs = [("trial", self.trial)] if self.trial else []
        runs.append(("final", self.progress))
        return [{"run": name, **row} for name, progress in runs for row in progress.history]

    @property
    def validation_loss(self) -> float | None:
        """Loss on what was held out, of the epoch that was kept."""
        progress = self.trial or self.progress
        return progress.history[progress.best_epoch - 1]["validation_loss"]


def _fresh_network(joined: Joined, is_training: np.ndarray, recipe: Recipe) -> nn.Module:
    """Return a network with first weights by the seed that begins at the mean label, not at 0."""
    torch.manual_seed(recipe.seed)
    network = build_network("membrain", joined.labels.shape[1], recipe.box_shape)
    with torch.no_grad():
        network.head.bias.copy_(torch.from_numpy(joined.labels[is_training].mean(axis=0)))
    return network


def _run(
    joined: Joined,
    parts: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    options: FitOptions,
    checkpoint: Path | None,
) -> tuple[Progress, tuple[float, ...]]:
    """Train once; return progress and the matched threshold of each output."""
    training = to_samples(joined, parts[0], options.device)
    validation = to_samples(joined, parts[1], options.device) if parts[1].any() else None
    log.info(
        "%d boxes train, %d validate, on %s with %d threads",
        *(len(training), len(validation or ()), options.device.type, torch.get_num_threads()),
    )
    network = _fresh_network(joined, parts[0], recipe).to(options.device)
    progress = train_network(network, training, validation, recipe, checkpoint, options.is_quiet)
    network.load_state_dict(progress.best)
    return progress, _thresholds(network, training, validation, recipe, options.near_voxel)


def _thresholds(
    network: nn.Module,
    training: Samples,
    validation: Samples | None,
    recipe: Recipe,
    near: float,
) -> tuple[float, ...]:
    """Return the matched threshold of each output, on what validates where it holds its particles.

    The rarer a class, the nearer to the cap its predictions stay: outputs differ by voxels.
    """
    judged = [samples for samples in (validation, training) if samples]
    found = [predict(network, samples.boxes, recipe) for samples in judged]
    out = []
    for output in range(judged[0].labels.shape[1]):
        columns = [(f[:, output], s.labels[:, output]) for f, s in zip(found, judged, strict=True)]
        holding = [(f, labels) for f, labels in columns if (labels < near).any()]
        out.append(round(matching_threshold(*(holding or columns)[0], near), 3))
    return tuple(out)


def fit(
    joined: Joined,
    parts: tuple[np.ndarray, np.ndarray],
    recipe: Recipe,
    options: FitOptions,
    is_cut_off: bool,
) -> Fit:
    """Train on labelled boxes.

    Parameters
    ----------
    joined : Joined
    parts : two (n,) bool arrays
        Points that train and points that validate, from `training_data.split`.
    recipe : Recipe
    options : FitOptions
    is_cut_off : bool
        Whether the points that validate are a part of the training membranes.
    """
    paths = options.checkpoints or (None, None)
    progress, thresholds = _run(joined, parts, recipe, options, paths[0])
    if options.threshold_voxel:
        thresholds = (options.threshold_voxel,) * len(thresholds)
    if not (is_cut_off and options.refit and parts[1].any()):
        return Fit(progress, None, *parts, thresholds)
    everything, nothing = np.ones_like(parts[0]), np.zeros_like(parts[1])
    log.info("the final run learns from all points, the thresholds are those of the part held out")
    final, _ = _run(joined, (everything, nothing), recipe, options, paths[1])
    return Fit(final, progress, everything, parts[1], thresholds)
