"""What the numbers of a network's last layer mean.

::

    distances, one per output | cos, sin of output 1 | cos, sin of output 2 | ... | distance
                              |<--------------- head "angle" --------------->     | "others" |

The head "others" learns the distance to annotated particles of the classes that are in no output.
It is there for what the network learns with it: to tell them from those that are looked for. Nobody
asks for its predictions.

Membership is learnt as a probability p; it is told as the distance ``cap (1 - p)``, so that
clustering takes either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

HEADS = ("angle", "others")
TARGETS = ("distance", "membership")


@dataclass(frozen=True)
class Predictions:
    """Of n boxes.

    Attributes
    ----------
    distances : (n, n_outputs) float32, working voxel
    angles : (n, n_outputs, 2) float32 or None
        ``(cos n a, sin n a)`` times how certain the network is, see `angle_labels`; None where the
        network has no such head.
    """

    distances: Tensor
    angles: Tensor | None


def average_predictions(parts: Sequence[Predictions]) -> tuple[Predictions, Tensor | None]:
    """Return the mean of several networks' predictions and the spread of their distances.

    Returns
    -------
    mean : Predictions
    spread : (n, n_outputs) float32, working voxel, or None
        Standard deviation over the networks (of n - 1); None for a single one.
    """
    if len(parts) == 1:
        return parts[0], None
    distances = torch.stack([part.distances for part in parts])
    angles = [part.angles for part in parts if part.angles is not None]
    mean = Predictions(distances.mean(dim=0), torch.stack(angles).mean(dim=0) if angles else None)
    return mean, distances.std(dim=0)


def n_columns(n_outputs: int, heads: Sequence[str]) -> int:
    """Return how many numbers a network gives for a box."""
    return n_outputs * (3 if "angle" in heads else 1) + ("others" in heads)


def split_columns(columns: Tensor, n_outputs: int) -> tuple[Tensor, Tensor | None]:
    """Return the distances (n, n_outputs) and the angle vectors (n, n_outputs, 2), if any."""
    distances, rest = columns[:, :n_outputs], columns[:, n_outputs : 3 * n_outputs]
    has_angles = rest.shape[1] == 2 * n_outputs
    return distances, rest.reshape(len(columns), n_outputs, 2) if has_angles else None


def others_of(columns: Tensor, n_outputs: int) -> Tensor | None:
    """Return the distance (n, 1) to particles of no output, None without that head."""
    has_others = columns.shape[1] - n_outputs in (1, 2 * n_outputs + 1)
    return columns[:, -1:] if has_others else None


def to_predictions(columns: Tensor, n_outputs: int, target: str, cap: float) -> Predictions:
    """Return what a network's numbers say.

    Parameters
    ----------
    columns : (n, n_columns) float tensor
    n_outputs : int
    target : {"distance", "membership"}
    cap : float, working voxel, distance that stands for no membership
    """
    distances, angles = split_columns(columns.float(), n_outputs)
    if target == "membership":
        distances = cap * torch.sigmoid(-distances)  # 1 - p
    return Predictions(distances, angles)
