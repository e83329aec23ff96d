"""The trials of a search, a cross-validation and an ablation, from sheet and configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from .errors import InputError, Problems
from .schemas import check, validator_of
from .sheets import MembraneRow
from .trials import JUDGED, Trial, expand, set_keys

# keys that no trial can change: where things lie, and how the run is cut into jobs
FIXED = ("membranes", "results", "model", "device", "membranes_per_job", "allow_failed", "tries")
LATER = ("orient_particles", "evaluate_particles", "export_particles", "average_subvolumes")
LATER += ("compare_picks", "score_points", "refine_angles")  # what a search does not look at
LATER += ("replicate_membranes",)
LATER_OPTIONS = ("threshold_voxel", "no_refit", "tensorboard")  # of train_model


def name_of(row: MembraneRow) -> str:
    """Return ``TOMOGRAM/MEMBRANE`` of a row."""
    return f"{row.tomogram}/{row.membrane}"


def names_of_split(rows: Sequence[MembraneRow], split: str) -> tuple[str, ...]:
    """Return the membranes of a split, in the order of the sheet."""
    return tuple(name_of(row) for row in rows if row.split == split)


def _is_option(options: Mapping, key: str) -> bool:
    """Return whether a dotted key leads through sections to what is no section itself."""
    *sections, name = key.split(".")
    place: object = options
    for section in sections:
        place = place.get(section, {})
        if not isinstance(place, Mapping):
            return False
    return bool(sections) or not isinstance(place.get(name), Mapping)


def _check_keys(options: Mapping, changes: Mapping, where: str) -> None:
    """Check that a trial can change these keys.

    Raises
    ------
    InputError
        Lists those that it cannot.
    """
    problems = Problems()
    for key in changes:
        if key in FIXED or key.split(".")[0] in ("search", "crossval", "ablation"):
            problems.add(f"{where}: key '{key}'", expected="one that a trial can change")
        elif not _is_option(options, key):
            problems.add(
                f"{where}: key '{key}'",
                expected="an option that has a value, such as train_model.epochs",
                remedy="join section and option with a dot; give what stands below an option whole",
            )
    problems.raise_if_any(f"{where}: {len(problems.errors)} mistakes")


def _changed(options: Mapping, changes: Mapping, schema: Mapping, where: str) -> dict:
    """Return the configuration of a trial, checked."""
    _check_keys(options, changes, where)
    content, problems = set_keys(options, changes), Problems()
    check(validator_of(schema), content, where, problems)
    train = content.get("train_model", {})
    if train.get("rotation") == "space" and train.get("network") != "membrain":
        problems.add(
            f"{where}: 'train_model.rotation' space",
            found=f"network {train.get('network')}",
            expected="network membrain, whose boxes are cubes",
            remedy="set train_model.network there, or leave that row out",
        )
    problems.raise_if_any(f"{where}: {len(problems.errors)} mistakes")
    return content


def _label(value: object) -> str:
    """Return a value as a table tells it."""
    return value if isinstance(value, str) else json.dumps(value)


def plan_search(options: Mapping, rows: Sequence[MembraneRow], schema: Mapping) -> list[Trial]:
    """Return a trial for each point of the grid; a value that stands twice counts once.

    Raises
    ------
    InputError
        When there is no grid, a key is unknown or not looked at, a value is out of range, or
        nothing is held out to judge by.
    """
    grid = options["search"]["grid"]
    where = "config key 'search.grid'"
    if not grid:
        raise InputError(
            f"{where}: nothing to search",
            expected="lists of values, as {train_model.learning_rate: [3.0e-4, 1.0e-3]}",
        )
    for key in grid:
        section, _, option = key.partition(".")
        is_later = section == "train_model" and option in LATER_OPTIONS
        is_later |= section == "cluster_points" and option not in JUDGED
        if section in LATER or is_later:
            raise InputError(
                f"{where}: '{key}' does not change what a search judges by",
                expected=f"keys of training, or cluster_points.{'|'.join(JUDGED)}",
            )
    training, validation = names_of_split(rows, "train"), names_of_split(rows, "validation")
    grid = {
        key: list({_label(value): value for value in values}.values())
        for key, values in grid.items()
    }
    out = []
    for i, changes in enumerate(expand(grid)):
        content = _changed(options, changes, schema, where)
        if not validation and not content["train_model"]["validation_fraction"]:
            raise InputError(
                f"{where}: nothing is held out to judge by",
                expected="rows with split 'validation', or train_model.validation_fraction above 0",
            )
        labels = {key: _label(value) for key, value in changes.items()}
        out.append(Trial(f"{i + 1}", content, changes, training, validation, (), labels))
    return out


def _groups(names: Sequence[str], by: str) -> list[list[str]]:
    """Return membranes, each by itself or those of a tomogram together."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name if by == "membrane" else name.split("/")[0], []).append(name)
    return list(groups.values())


def plan_crossval(options: Mapping, rows: Sequence[MembraneRow], schema: Mapping) -> list[Trial]:
    """Return a trial for each fold: all annotated membranes but the fold's train.

    Every annotated membrane is judged once, whatever its split.

    Raises
    ------
    InputError
        When there are fewer than two groups of membranes, or fewer groups than folds.
    """
    how = options["crossval"]
    names = [name_of(row) for row in rows if row.annotations]
    groups = _groups(names, how["by"])
    n = how["folds"] or len(groups)
    if len(groups) < 2 or n > len(groups):
        raise InputError(
            f"crossval: {len(groups)} annotated {how['by']}s for {max(n, 2)} folds",
            expected="at least as many annotated ones as folds, and two",
            remedy="annotate more (column 'annotations'), or change crossval.by or crossval.folds",
        )
    out = []
    for fold in range(n):
        judged = tuple(name for group in groups[fold::n] for name in group)
        training = tuple(name for name in names if name not in judged)
        labels = {"fold": str(fold + 1), "membranes": " ".join(judged)}
        out.append(Trial(f"fold{fold + 1}", dict(options), {}, training, (), judged, labels))
    return out


def numbers_of_membranes(n: int) -> list[int]:
    """Return 1, 2, 4 ... and n."""
    return [*(2**i for i in range(n.bit_length()) if 2**i < n), n]


def plan_ablation(options: Mapping, rows: Sequence[MembraneRow], schema: Mapping) -> list[Trial]:
    """Return a trial for each row of the table, number of training membranes and repeat.

    Repeat r learns from the r-th training membrane of the sheet and those that follow it; there are
    no more repeats than training membranes, for they would be the first ones again.

    Raises
    ------
    InputError
        When no annotated membrane is left to judge by, more training membranes are asked for than
        there are, or a row's keys are wrong.
    """
    how = options["ablation"]
    pool = [name_of(row) for row in rows if row.split == "train" and row.annotations]
    judged = [name_of(row) for row in rows if row.annotations and row.split == "test"]
    judged = judged or [name_of(row) for row in rows if row.annotations and not row.split]
    if not pool or not judged:
        raise InputError(
            "ablation: it needs annotated membranes to learn from and others to judge by",
            found=f"{len(pool)} with split 'train', {len(judged)} with split 'test' or none",
        )
    numbers = list(dict.fromkeys(how["membranes"] or numbers_of_membranes(len(pool))))
    if max(numbers) > len(pool):
        raise InputError(
            "config key 'ablation.membranes'",
            found=max(numbers),
            expected=f"at most {len(pool)}, the annotated rows with split 'train'",
        )
    out, validation = [], names_of_split(rows, "validation")
    for row, changes in how["rows"].items():
        content = _changed(options, changes, schema, f"config key 'ablation.rows.{row}'")
        for n in numbers:
            for first in range(min(how["repeats"], len(pool)) if n < len(pool) else 1):
                training = tuple(pool[(first + i) % len(pool)] for i in range(n))
                labels = {"row": row, "n_training": str(n)}
                name = f"{row}_{n}_{first + 1}"
                parts = (training, validation, tuple(judged), labels)
                out.append(Trial(name, content, dict(changes), *parts))
    return out
