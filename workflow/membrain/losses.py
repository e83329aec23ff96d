"""What training makes small."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from .heads import others_of, split_columns
from .recipes import Recipe

HUBER_DELTA = 3.0  # working voxel: quadratic up to the usual threshold
LOSSES = {
    "smooth_l1": functional.smooth_l1_loss,
    "huber": lambda found, wanted: functional.huber_loss(found, wanted, delta=HUBER_DELTA),
    "mse": functional.mse_loss,
}
ANGLE_WEIGHT = 0.5
OTHERS_WEIGHT = 1.0


def losses_of(
    columns: Tensor,
    labels: Tensor,
    angles: Tensor | None,
    recipe: Recipe,
    others: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the loss of the distances, and that with those of the other heads added.

    Of angles it is half the squared error, of the distance to others the same as of distances.

    Parameters
    ----------
    columns : (n, n_columns) float tensor, what the network gives, see `heads`
    labels : (n, n_outputs) float tensor, working voxel
    angles : (n, n_outputs, 2) float tensor, zeros where not known, or None
    recipe : Recipe
    others : (n, 1) float tensor, working voxel, or None: distance to particles of no output
    """
    distances, vectors = split_columns(columns, labels.shape[1])
    shown = total = distance_loss(distances, labels, recipe)
    if vectors is not None and angles is not None:
        is_known = is_angle_known(angles)
        squares = (vectors - angles).square().sum(dim=2) * is_known
        total = total + ANGLE_WEIGHT * squares.sum() / is_known.sum().clamp(min=1)
    found = others_of(columns, labels.shape[1])
    if found is not None and others is not None:
        total = total + OTHERS_WEIGHT * distance_loss(found, others, recipe)
    return shown, total


def distance_loss(distances: Tensor, labels: Tensor, recipe: Recipe) -> Tensor:
    """Return the loss of the first columns; with membership that is the cross-entropy."""
    if recipe.target == "membership":
        return functional.binary_cross_entropy_with_logits(distances, 1 - labels / recipe.cap)
    return LOSSES[recipe.loss](distances, labels)


def is_angle_known(angles: Tensor) -> Tensor:
    """Return where angle labels (n, n_outputs, 2) are no zeros, (n, n_outputs) bool."""
    return angles.square().sum(dim=2) > 0.5


def angle_error(vectors: Tensor, angles: Tensor, folds: Tensor) -> float:
    """Return the mean error of predicted angles in degrees, NaN where none is known.

    Parameters
    ----------
    vectors, angles : (n, n_outputs, 2) float tensors, predicted and true
    folds : (n_outputs,) int tensor
        An error of n-fold angles is n times that of the axis, which is at most 180 / n degrees.
    """
    turn = torch.atan2(vectors[..., 1], vectors[..., 0]) - torch.atan2(
        angles[..., 1], angles[..., 0]
    )
    error = torch.atan2(turn.sin(), turn.cos()).abs() / folds.clamp(min=1)
    return math.degrees(float(error[is_angle_known(angles)].mean()))
