"""Predictions of labelled points that were not trained on, kept for choices made after training.

Thresholds of averaged networks and the ranking of options are chosen on them: no test membrane is
looked at, and no network is asked about what it learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from .errors import InputError
from .files import provenance, read_arrays, write_arrays
from .training_data import Joined

SUFFIX = ".held_out.npz"
ARRAYS = ("points", "membrane", "side", "labels", "clear_labels", "predicted")
VALIDATED = ("membranes", "parts", "nothing")


@dataclass(frozen=True)
class HeldOut:
    """Labelled points and what was predicted for them.

    Attributes
    ----------
    points : (n, 3) float64, zyx, working voxel
    membrane : (n,) int, row of `names`
    side : (n,) int
    labels, clear_labels : (n, n_outputs) float32, working voxel, see `training_data.Joined`
    predicted : (n, n_outputs) float32, working voxel; NaN where a point took no part
    names : tuple of ``TOMOGRAM/MEMBRANE``
    meta : dict
        ``classes``; ``near_voxel``, see `thresholds.f1_curve`; ``validated``: whole ``membranes``,
        ``parts`` of the training membranes, or ``nothing`` (then the points were trained on).
    """

    points: np.ndarray
    membrane: np.ndarray
    side: np.ndarray
    labels: np.ndarray
    clear_labels: np.ndarray
    predicted: np.ndarray
    names: tuple[str, ...]
    meta: dict = field(default_factory=dict)

    def write(self, path: str | Path) -> None:
        """Write the points to an ``.npz`` file."""
        meta = {**self.meta, "names": list(self.names)}
        meta["provenance"] = provenance("train_model", {})
        write_arrays(path, meta, **{name: getattr(self, name) for name in ARRAYS})


def held_out_path(weights: str | Path) -> Path:
    """Return where the held-out predictions of a weights file lie, if it has any."""
    return Path(weights).with_suffix(SUFFIX)


def hold(joined: Joined, predicted: np.ndarray, near_voxel: float, validated: str) -> HeldOut:
    """Return the points of a training that took part in its validation.

    Parameters
    ----------
    joined : Joined
    predicted : (n, n_outputs) float, working voxel; NaN where a point took no part
    near_voxel : float, working voxel
    validated : one of `VALIDATED`
    """
    rows = np.isfinite(predicted[:, 0])
    columns = {name: getattr(joined, name)[rows] for name in ARRAYS[:-1]}
    meta = {"classes": joined.meta["classes"], "near_voxel": near_voxel, "validated": validated}
    return HeldOut(**columns, predicted=predicted[rows], names=tuple(joined.names), meta=meta)


def read_held_out(path: str | Path) -> HeldOut:
    """Return the held-out points of a file.

    Raises
    ------
    InputError
        When the file holds something else.
    """
    meta, arrays = read_arrays(path)
    missing = [n for n in ARRAYS if n not in arrays] + [
        n for n in ("classes", "near_voxel", "validated", "names") if n not in meta
    ]
    if missing:
        raise InputError(
            f"{path}: not the predictions of held-out points",
            found=f"no {', '.join(missing)}",
            remedy="run train_model with --held-out",
        )
    names = tuple(meta.pop("names"))
    return HeldOut(**{n: arrays[n] for n in ARRAYS}, names=names, meta=meta)


def is_same(first: HeldOut, second: HeldOut) -> bool:
    """Say whether the same points with the same labels were held out."""
    same = [
        np.array_equal(getattr(first, name), getattr(second, name))
        for name in ("points", "membrane", "side", "labels")
    ]
    return all(same) and first.names == second.names


def average(parts: Sequence[HeldOut], where: Sequence[str | Path]) -> HeldOut:
    """Return the points with the mean of several networks' predictions.

    Parameters
    ----------
    parts : sequence of HeldOut, of the same points
    where : sequence of str, names each for messages

    Raises
    ------
    InputError
        When they are not of the same points.
    """
    for part, name in zip(parts, where, strict=True):
        if not is_same(part, parts[0]):
            raise InputError(
                f"{name}: held-out points",
                found="others",
                expected=f"those of {where[0]}, as the predictions are averaged point by point",
            )
    mean = np.mean([part.predicted for part in parts], axis=0, dtype=np.float64)
    return replace(parts[0], predicted=mean.astype(np.float32))
