"""Several lists of picks against the same annotations, side by side (table 1 of the paper).

Every list is treated alike: each pick goes to the nearest mask of its tomogram, and those within a
given distance of an annotated membrane are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .errors import InputError, suggest
from .evaluation import Case, ClassGroup, Settings, class_groups, evaluate_membrane
from .ground_truth import GroundTruth, MaskSet
from .metrics import judged_rows, summarise
from .particles import ParticleTable
from .picks import NO_MEMBRANE

COLUMNS = (
    *("list", "class", "n_picks", "n_predicted", "n_annotated", "n_hits", "n_ignored"),
    *("paper_precision", "paper_recall", "paper_f1", "paper_f1_low", "paper_f1_high"),
    *("strict_precision", "strict_recall", "strict_f1", "strict_f1_low", "strict_f1_high"),
    *("average_precision", "in_plane_error_mean_degree", "in_plane_error_median_degree"),
    *("normal_error_mean_degree", "normal_error_median_degree"),
    *("position_error_mean_voxel", "position_error_median_voxel"),
)
ERRORS = ("in_plane_error_degree", "normal_error_degree", "position_error_voxel")


@dataclass(frozen=True)
class Compared:
    """One list, judged for one group of annotated classes.

    Attributes
    ----------
    name, target : str, of the list and of the annotated classes
    n_picks : int, all picks of the list in the tomograms with annotations
    cases : list of Case, the membranes that count
    group : ClassGroup
    figures : dict, see `metrics.summarise`
    """

    name: str
    target: str
    n_picks: int
    cases: list[Case]
    group: ClassGroup
    figures: dict


def place_picks(picks: ParticleTable, masks: MaskSet, near_voxel: float) -> ParticleTable:
    """Return the table with the nearest membrane of each pick, whatever membrane it had before.

    Parameters
    ----------
    picks : ParticleTable
    masks : MaskSet
    near_voxel : float, working voxels; picks farther from every mask get no membrane
    """
    nowhere = np.full(len(picks), NO_MEMBRANE, dtype=object)
    return masks.assign(replace(picks, membrane=nowhere), near_voxel)


def target_classes(
    wanted: Sequence[str],
    first: ParticleTable,
    annotated: Sequence[str],
    ambiguous: frozenset[str],
    outputs: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, frozenset[str]]:
    """Return the annotated classes (lower case) that lists are judged by, by their name.

    Parameters
    ----------
    wanted : sequence of str
        Annotated classes, each judged by itself; names joined by ``+`` are judged together. None:
        what the classes of the first list are compared with, see `evaluation.class_groups`.
    first : ParticleTable
    annotated : sequence of str, classes of the annotations
    ambiguous : frozenset of str, lower case
    outputs : mapping of class of the first list to annotated classes, optional
        Those that a model was trained on; see `evaluation.class_groups`.

    Raises
    ------
    InputError
        When a wanted class is not annotated, or ambiguous.
    """
    spelling = {name.lower(): name for name in sorted(set(annotated))}
    clear = [name for name in spelling if name not in ambiguous]
    if not wanted:
        groups = class_groups(first.classes, annotated, ambiguous, outputs)
        sets = dict.fromkeys(group.annotated for group in groups)
        return {"+".join(sorted(spelling[n] for n in names)): names for names in sets if names}
    out = {}
    for text in wanted:
        names = frozenset(name.lower() for name in text.split("+"))
        for name in sorted(names & ambiguous & set(spelling)):
            raise InputError(
                f"class '{text}' of the comparison: '{spelling[name]}' may be hit but need not be",
                expected="a class of certain particles",
                remedy="take it out of evaluate_particles.ambiguous_classes to judge by it",
            )
        for name in sorted(names - set(clear)):
            raise InputError(
                f"class '{text}' of the comparison: '{name}' is not annotated",
                remedy=suggest(name, [spelling[n] for n in clear]),
            )
        out[text] = names
    return out


def group_of_list(
    classes: Sequence[str],
    target: str,
    names: frozenset[str],
    annotated: Sequence[str],
    outputs: Mapping[str, Sequence[str]] | None = None,
) -> ClassGroup:
    """Return which picks of a list are judged by a target: those of its classes, or all.

    Parameters
    ----------
    classes : sequence of str, of the list's picks
    target : str
    names : frozenset of str, lower case, annotated classes of the target
    annotated : sequence of str
        Every annotated class: a list that names one of them counts with the target's alone.
    outputs : mapping of the list's classes to annotated classes, optional
        Then its classes count whose annotated ones are among the target's, see
        `evaluation.class_groups`.
    """
    if outputs:
        groups = class_groups(classes, annotated, frozenset(), outputs)
        predicted = [group.predicted for group in groups if group.annotated & names]
        return ClassGroup(target, frozenset().union(*predicted), names)
    own = {name.lower() for name in classes}
    is_named = bool(own & {name.lower() for name in annotated})
    return ClassGroup(target, frozenset(own & names if is_named else own), names)


def compare_lists(
    lists: Mapping[str, ParticleTable],
    truth: GroundTruth,
    targets: Mapping[str, frozenset[str]],
    settings: Settings,
    n_draws: int = 1000,
    seed: int = 0,
    outputs: Mapping[str, Sequence[str]] | None = None,
) -> tuple[str, list[Compared]]:
    """Return which membranes count, in words, and each list judged for each target.

    Parameters
    ----------
    lists : mapping of name to ParticleTable, placed by `place_picks`
    truth : GroundTruth
    targets : mapping of name to annotated classes, from `target_classes`
    settings : Settings
    n_draws, seed : int, of the bootstrap; every list draws the same membranes
    outputs : mapping, optional, of the first list, see `target_classes`
    """
    annotated = [name for known in truth.annotations.values() for name in known.classes]
    words, out = "none: no membrane has annotations", []
    for target, names in targets.items():
        for number, (name, picks) in enumerate(lists.items()):
            cases = truth.cases(picks)
            words, rows = judged_rows(cases)
            chosen = [cases[i] for i in rows]
            group = group_of_list(
                picks.classes, target, names, annotated, None if number else outputs
            )
            outcomes = [
                ((c.tomogram, c.membrane), evaluate_membrane(c, group, settings)) for c in chosen
            ]
            n_picks = int(np.isin(picks.tomogram, [c.tomogram for c in chosen]).sum())
            figures = summarise(outcomes, n_draws, seed)
            out.append(Compared(name, target, n_picks, chosen, group, figures))
    return words, out


def comparison_row(compared: Compared) -> dict:
    """Return a list's figures by the names `COLUMNS`; None where a figure is not defined."""
    figures = compared.figures
    row = {"list": compared.name, "class": compared.target, "n_picks": compared.n_picks}
    row |= {key: figures[key] for key in ("n_predicted", "n_annotated", "n_hits", "n_ignored")}
    for way in ("paper", "strict"):
        row |= {f"{way}_{key}": value for key, value in figures[way].items()}
        low, high = figures[f"interval_{way}_f1"] or (None, None)
        row |= {f"{way}_f1_low": low, f"{way}_f1_high": high}
    row["average_precision"] = figures["average_precision"]
    for error in ERRORS:
        quantity, unit = error.rsplit("_", 1)
        row |= {f"{quantity}_{kind}_{unit}": value for kind, value in figures[error].items()}
    return {column: row[column] for column in COLUMNS}
