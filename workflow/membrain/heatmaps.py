"""How well the predicted distance of points follows their true one, membrane by membrane."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from .errors import InputError
from .evaluation import Case, ClassGroup
from .labels import Labelling, label_membrane
from .tables import PointTable

log = logging.getLogger(__name__)

Key = tuple[str, str, str]  # tomogram, membrane, class group
DEFAULT_CAP = 7.0  # working voxels, where the scores do not tell their model's
MIN_POINTS = 3


def correlation(predicted: np.ndarray, true: np.ndarray) -> tuple[float, float] | None:
    """Return Pearson's and Spearman's correlation; None where one side does not vary.

    Parameters
    ----------
    predicted, true : (n,) float
    """
    from scipy.stats import rankdata

    values = np.stack([predicted, true]).astype(np.float64)
    values = values[:, np.isfinite(values).all(axis=0)]
    if values.shape[1] < MIN_POINTS or (np.ptp(values, axis=1) == 0).any():
        return None
    pearson = np.corrcoef(values)[0, 1]
    spearman = np.corrcoef(rankdata(values, axis=1))[0, 1]  # equal values share their mean rank
    return round(float(pearson), 6), round(float(spearman), 6)


def outputs_of_group(group: ClassGroup, classes: Sequence[Sequence[str]]) -> list[int]:
    """Return the outputs of a network whose picks belong to a group of classes.

    Parameters
    ----------
    group : ClassGroup
    classes : sequence of sequences of str
        Names of each output; its picks carry the first.

    Notes
    -----
    Where no pick was made its group has another name: the outputs that share a class with the
    group's annotations count then, and without such a one all.
    """
    names = [[name.lower() for name in output] for output in classes]
    by_pick = [i for i, output in enumerate(names) if output and output[0] in group.predicted]
    by_class = [i for i, output in enumerate(names) if group.annotated & set(output)]
    return by_pick or by_class or list(range(len(names)))


def heatmap_correlations(
    table: PointTable,
    cases: Mapping[tuple[str, str], Case],
    groups: Sequence[ClassGroup],
    ambiguous: frozenset[str],
    shapes: Mapping[str, np.ndarray],
    cap: float | None = None,
) -> dict[Key, tuple[float, float]]:
    """Return the correlation of predicted and true distance for each annotated membrane and class.

    Parameters
    ----------
    table : PointTable, scored: column ``scores`` (n_points, n_outputs), entry ``classes``
    cases : mapping of (tomogram, membrane) to Case
    groups : sequence of ClassGroup
    ambiguous : frozenset of str, lower case
        Such an annotation is a particle where the output was trained with its class.
    shapes : mapping of class (lower case) to (3, 3), see `labels.Labelling`
    cap : float, optional, working voxels; default that of the model

    Returns
    -------
    dict of (tomogram, membrane, name of the group) to (Pearson, Spearman)
        Without those where a side does not vary, such as the labels where nothing is annotated.
    """
    outputs = table.meta.get("classes", [])
    members = [outputs_of_group(group, outputs) for group in groups]
    targets = []
    for group, chosen in zip(groups, members, strict=True):
        trained = {name.lower() for i in chosen for name in outputs[i]} if outputs else set()
        targets.append(sorted(group.annotated | (trained & ambiguous)))
    found: dict[Key, tuple[float, float]] = {}
    for index, name in enumerate(table.membranes):
        case = cases.get((table.tomogram, name))
        rows = np.flatnonzero(table.membrane == index)
        if case is None or not len(rows):
            continue
        reach = cap or table.meta.get("cap") or DEFAULT_CAP
        how = Labelling(
            targets, shapes, reach, case.working_voxel, table.pixel_size, far_share=1.0
        )  # annotations are already those of this membrane
        parts = (table.points[rows], table.normals[rows], table.side[rows])
        try:
            labels = label_membrane(*parts, case.annotations, how, f"{table.tomogram}/{name}")
        except InputError as error:  # the figures of particles stay
            log.warning("no heatmap correlation: %s", error)
            continue
        scores = table.extra["scores"][rows]
        for j, (group, chosen) in enumerate(zip(groups, members, strict=True)):
            predicted = scores[:, chosen or slice(None)].min(axis=1)
            figures = correlation(predicted, labels[:, j])
            if figures is not None:
                found[table.tomogram, name, group.name] = figures
    return found
