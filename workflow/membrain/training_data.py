"""Labelled boxes of several batches, checked, joined and split for training."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from .errors import InputError, suggest
from .holdout import box_diagonal, hold_out, n_parts
from .tables import PointTable
from .training import Samples

log = logging.getLogger(__name__)

HALF_PRECISION_BYTES = 4 << 30  # larger sets are stored as float16, rounded by at most 2.5e-4
SHARED = ("classes", "cap", "target", "folds")
OLDER = {"target": "distance", "folds": []}  # what labels say that do not tell
LABELS = ("labels", "clear_labels", "angles", "others")
SHARED_BOX = ("box_shape", "box_centre", "pixel_size_angstrom")


@dataclass(frozen=True)
class Source:
    """Labelled points of one batch and its boxes, row by row; `where` names the file."""

    table: PointTable
    boxes: np.ndarray
    where: str


@dataclass(frozen=True)
class Joined:
    """Labelled points of all batches.

    Attributes
    ----------
    rows : list of (n_i,) int arrays, the labelled rows of each source
    labels : (n, n_outputs) float32, working voxel
    clear_labels : (n, n_outputs) float32, working voxel: to particles of clear class alone
    angles : (n, n_outputs, 2) float32, zeros where not known, see `angle_labels`
    others : (n, 1) float32, working voxel: to particles of classes in no output; the cap where none
    points : (n, 3) float64, zyx, working voxel of their own tomogram
    membrane : (n,) int, row of `names`
    side : (n,) int
    names : list of ``TOMOGRAM/MEMBRANE``
    """

    sources: Sequence[Source]
    rows: list[np.ndarray]
    labels: np.ndarray
    clear_labels: np.ndarray
    angles: np.ndarray
    others: np.ndarray
    points: np.ndarray
    membrane: np.ndarray
    side: np.ndarray
    names: list[str]

    @property
    def described(self) -> dict:
        """What the extraction says of the boxes; the same for all sources."""
        return self.sources[0].table.meta["subvolumes"]

    @property
    def meta(self) -> dict:
        """Meta entry of the first source."""
        return self.sources[0].table.meta

    @property
    def known_heads(self) -> list[str]:
        """Heads that there is something to learn for, see `heads`."""
        has_others = bool((self.others < float(self.meta["cap"])).any())
        return ["angle"] * bool(self.angles.any()) + ["others"] * has_others

    @property
    def is_replica(self) -> np.ndarray:
        """Points of simulated membranes, (n,) bool: they train, and never validate."""
        flags = ["replicas" in source.table.meta for source in self.sources]
        return np.repeat(flags, [len(rows) for rows in self.rows])


def _shared(table: PointTable) -> dict:
    """Return what all batches must agree on."""
    described = table.meta.get("subvolumes", {})
    values = {name: table.meta.get(name, OLDER.get(name)) for name in SHARED}
    values.update({name: described.get(name) for name in SHARED_BOX})
    values["aligned"] = described.get("aligned", True)
    values["contrast"] = (described.get("contrast") or {}).get("model")
    return values


def _agreed(sources: Sequence[Source]) -> dict:
    """Return what all batches share, see `_shared`; `InputError` where they differ."""
    expected = _shared(sources[0].table)
    for source in sources:
        for name, value in _shared(source.table).items():
            if value is None or value != expected[name]:
                raise InputError(
                    f"{source.where}: {name}",
                    found="nothing" if value is None else value,
                    expected=f"{expected[name]}, as {sources[0].where} has",
                    remedy="label and cut all training batches with the same options",
                )
    return expected


def join(sources: Sequence[Source], only: Sequence[str] = ()) -> Joined:
    """Return the labelled points of all batches; points without label are left out.

    Parameters
    ----------
    sources : sequence of Source
    only : sequence of ``TOMOGRAM/MEMBRANE``
        Membranes that take part; default all.

    Raises
    ------
    InputError
        When batches differ in classes, cap or boxes, a name of `only` is in none of them, or no
        point has a label.
    """
    expected = _agreed(sources)
    names = list(dict.fromkeys(name for source in sources for name in _names(source)))
    for name in only:
        if name not in names:
            raise InputError(f"--membranes: no membrane '{name}'", remedy=suggest(name, names))
    rows = [_labelled(source, only) for source in sources]
    if not sum(map(len, rows)):
        remedy = "see the status of label_points for what is wrong with the annotations"
        raise InputError("training: no labelled point", remedy=remedy)
    cap, pixel_size = float(expected["cap"]), expected["pixel_size_angstrom"]
    tables = [source.table.select(kept) for source, kept in zip(sources, rows, strict=True)]
    numbers = [np.array([names.index(n) for n in _names(s)], dtype=np.int64) for s in sources]
    extras = [_completed(table.extra, cap) for table in tables]
    parts = (
        *([extra[name] for extra in extras] for name in LABELS),
        [t.points.astype(np.float64) / (pixel_size / t.pixel_size) for t in tables],
        [of[t.membrane] for of, t in zip(numbers, tables, strict=True)],
        [t.side.astype(np.int64) for t in tables],
    )
    return Joined(sources, rows, *map(np.concatenate, parts), names)


def _names(source: Source) -> list[str]:
    return [f"{source.table.tomogram}/{name}" for name in source.table.membranes]


def _labelled(source: Source, only: Sequence[str]) -> np.ndarray:
    """Return the rows of the points with labels, of the membranes that take part."""
    table, known = source.table, _names(source)
    is_kept = np.isfinite(table.extra["labels"]).all(axis=1)
    wanted = np.array([not only or name in only for name in known], dtype=bool)
    for i in np.setdiff1d(np.flatnonzero(wanted), table.membrane[is_kept]):
        log.warning("without labels, left out: %s", known[i])
    is_kept &= wanted[table.membrane]
    return np.flatnonzero(is_kept)


def _completed(extra: Mapping[str, np.ndarray], cap: float) -> dict[str, np.ndarray]:
    """Return labels with those that older files lack."""
    n, n_outputs = extra["labels"].shape
    angles = np.zeros((n, n_outputs, 2), dtype=np.float32)
    others = np.full((n, 1), cap, dtype=np.float32)
    return {"clear_labels": extra["labels"], "angles": angles, "others": others, **extra}


def split(
    joined: Joined, validation: Sequence[str], fraction: float, box_shape: Sequence[int]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return which points train and which validate, (n,) bool each, for each trial.

    Parameters
    ----------
    joined : Joined
    validation : sequence of ``TOMOGRAM/MEMBRANE``
        These validate as a whole and no other is cut. Their replicas take no part.
    fraction : float
        Without such membranes, parts of this size of each one validate in turn (`hold_out`).
    box_shape : (3,) int, of the model: boxes that train and boxes that validate share no voxel

    Raises
    ------
    InputError
        When a membrane is unknown or nothing is left to train on.
    """
    if not validation:
        gap = box_diagonal(tuple(box_shape))
        turns = range(max(1, n_parts(fraction)))
        return [_hold_out(joined, fraction, gap, turn) for turn in turns]
    copies = set(joined.membrane[joined.is_replica].tolist())
    names = [name for i, name in enumerate(joined.names) if i not in copies]
    for name in validation:
        if name not in names:
            raise InputError(f"--validation: no membrane '{name}'", remedy=suggest(name, names))
    numbers = [joined.names.index(name) for name in validation]
    is_validation = np.isin(joined.membrane, numbers)
    seen = [i for i in copies if joined.names[i].rpartition("~")[0] in validation]
    is_training = ~is_validation & ~np.isin(joined.membrane, seen)
    if not is_training.any():
        raise InputError(
            "training: every labelled membrane is for validation",
            remedy="set split 'train' for at least one membrane",
        )
    if not is_validation.any():
        raise InputError(
            "training: no validation membrane has a labelled point",
            found=", ".join(validation),
            remedy="see the status of label_points, or take split 'validation' from them",
        )
    return [(is_training, is_validation)]


def _hold_out(joined: Joined, fraction: float, gap: float, turn: int) -> tuple:
    """Return which points train and which validate; replicas are not cut and train as a whole."""
    real = np.flatnonzero(~joined.is_replica)
    parts = joined.is_replica.copy(), np.zeros(len(joined.labels), dtype=bool)
    found = hold_out(joined.points[real], joined.membrane[real], fraction, gap, turn)
    for part, values in zip(parts, found, strict=True):
        part[real] = values
    tomograms = np.array([name.partition("/")[0] for name in joined.names])[joined.membrane]
    for tomogram in np.unique(tomograms[parts[1]]):
        # membranes are cut by planes of their own, and one may pass the other's held-out part
        rows = real[parts[0][real] & (tomograms[real] == tomogram)]
        held_out = cKDTree(joined.points[parts[1] & (tomograms == tomogram)])
        distances = held_out.query(joined.points[rows], distance_upper_bound=gap)[0]
        parts[0][rows[distances < gap - 1e-6]] = False
    return parts


def check_particles(joined: Joined, is_training: np.ndarray) -> None:
    """Check that the training part holds particles of every output.

    Raises
    ------
    InputError
        When an output has no point nearer to a particle than the cap.
    """
    near = (joined.labels[is_training] < joined.meta["cap"]).sum(axis=0)
    for group, n_near in zip(joined.meta["classes"], near, strict=True):
        if n_near == 0:
            raise InputError(
                f"training: no point near a particle of class {' or '.join(group)}",
                remedy="annotate such particles on a training membrane, or name other classes "
                "(config: label_points.classes)",
            )


def to_samples(joined: Joined, is_chosen: np.ndarray, device: torch.device) -> Samples:
    """Return the chosen points' boxes and labels on a device.

    Raises
    ------
    InputError
        When a box holds a value that is not a number; names the membrane.
    """
    n = int(is_chosen.sum())
    shape = joined.sources[0].boxes.shape[1:]
    is_large = 4 * n * int(np.prod(shape)) > HALF_PRECISION_BYTES
    boxes = torch.empty((n, *shape), dtype=torch.float16 if is_large else torch.float32)
    done, first = 0, 0
    for source, rows in zip(joined.sources, joined.rows, strict=True):
        chosen = is_chosen[first : first + len(rows)]
        membrane = joined.membrane[first : first + len(rows)][chosen]
        first += len(rows)
        picked = rows[chosen]
        for start in range(0, len(picked), 4096):
            block = np.array(source.boxes[picked[start : start + 4096]])
            bad = np.flatnonzero(~np.isfinite(block).all(axis=(1, 2, 3)))
            if len(bad):
                name = joined.names[membrane[start + bad[0]]]
                raise InputError(
                    f"{source.where}, membrane {name}: a box holds a value that is not a number",
                    remedy="is the tomogram damaged, or masked with NaN?",
                )
            boxes[done : done + len(block)] = torch.from_numpy(block)
            done += len(block)
    told = (joined.labels, joined.angles, joined.others)
    return Samples(boxes.to(device), *(torch.from_numpy(a[is_chosen]).to(device) for a in told))
