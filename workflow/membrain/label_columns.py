"""The columns of labels that a table of points gets, and what its meta entry says of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .agreement import Place
from .angle_labels import folds_of_outputs
from .class_groups import other_classes
from .class_options import by_class
from .files import provenance
from .formats.base import Annotations
from .labels import Labelling, label_with_remarks


def empty_columns(n_points: int, n_outputs: int, cap: float) -> dict[str, np.ndarray]:
    """Return the columns of points without labels: NaN, no angles, no others within the cap."""
    labels = np.full((n_points, n_outputs), np.nan, dtype=np.float32)
    angles = np.zeros((n_points, n_outputs, 2), dtype=np.float32)
    others = np.full((n_points, 1), cap, dtype=np.float32)
    return {"labels": labels, "clear_labels": labels.copy(), "angles": angles, "others": others}


def label_columns(
    place: Place, annotations: Annotations, how: Labelling, optional: Sequence[str]
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the columns of the points of one membrane, and what was left out.

    Parameters
    ----------
    place : Place, its points
    annotations : Annotations
    how : Labelling, with the step of the place
    optional : sequence of str
        Classes whose particles need not be found; `clear_labels` are distances to the clear ones.

    Raises
    ------
    InputError
        As `labels.label_membrane` does.
    """
    left_out = {name.lower() for name in optional}
    groups = [[n for n in group if n.lower() not in left_out] for group in how.classes]
    found = label_with_remarks(place, annotations, how)
    clear = label_with_remarks(place, annotations, replace(how, classes=groups))
    columns = {"labels": found.distances, "clear_labels": clear.distances, "angles": found.angles}
    rest = other_classes(annotations.classes, how.classes, left_out)
    if rest:
        columns["others"] = label_with_remarks(
            place, annotations, replace(how, classes=[rest])
        ).distances
    else:
        columns["others"] = np.full((len(found.distances), 1), how.cap, dtype=np.float32)
    return columns, found.remarks


def describe_labels(args: argparse.Namespace, how: Labelling, step: str) -> dict:
    """Return what the meta entry of a table says of its labels, and what made it.

    Parameters
    ----------
    args : Namespace, with the flags of `label_flags`
    how : Labelling
    step : str, name of the step

    Raises
    ------
    InputError
        When the classes of one output have different symmetries.
    """
    names = "pixel_size_angstrom distance map_threshold map_axis radii_angstrom cap_voxel target"
    names += " covariance_angstrom2 membership_voxel far_share symmetry"
    made = {name: getattr(args, name) for name in names.split()}
    files = by_class("--map", args.map)
    made["map"] = {name: path.replace("\\", "/").rpartition("/")[2] for name, path in files.items()}
    meta = {
        "classes": how.classes,
        "folds": folds_of_outputs(how.classes, how.folds),
        "cap": args.cap_voxel,
        "target": args.target,
        "provenance": provenance(step, {**made, "classes": how.classes}),
    }
    if args.target == "membership":
        meta["membership_voxel"] = args.membership_voxel
    return meta
