"""How trials are judged by held-out points, and ranked."""

import numpy as np
import pytest

from membrain.held_out import HeldOut
from membrain.ranking import Score, judge, ranks

CENTRES = np.array([[0, 15, 15], [0, 15, 45], [0, 45, 15]])


def held(names=("T1/M1",), missed=0, classes=(("A",),)):
    """A plane with three particles on each membrane; `missed` are not predicted on the first."""
    y, x = np.mgrid[0:60:1.5, 0:60:1.5]
    points = np.stack([np.zeros(y.size), y.ravel(), x.ravel()], axis=1)

    def distances(centres):
        return np.linalg.norm(points[:, None] - centres, axis=2).min(axis=1).clip(max=7)

    labels = np.tile(distances(CENTRES), len(names))[:, None].astype(np.float32)
    parts = [distances(CENTRES[missed if i == 0 else 0 :]) for i in range(len(names))]
    predicted = np.concatenate(parts)[:, None].astype(np.float32)
    membrane = np.repeat(np.arange(len(names)), len(points))
    meta = {"classes": classes, "near_voxel": 3.5, "validated": "parts"}
    points = np.tile(points, (len(names), 1))
    side = np.zeros(len(points), int)
    return HeldOut(points, membrane, side, labels, labels, predicted, names, meta)


def test_predictions_that_are_right_reach_one():
    score = judge(held(), {})
    assert (score.n_annotated, score.n_found, score.n_hits, score.f1) == (3, 3, 3, 1.0)
    assert score.interval is None  # a single membrane


def test_misses_lower_it_and_membranes_give_an_interval():
    score = judge(held(("T1/M1", "T1/M2"), missed=1), {})
    assert (score.n_annotated, score.n_found, score.n_hits) == (6, 5, 5)
    assert score.f1 == pytest.approx(10 / 11)
    assert score.interval == (0.8, 1.0)


def test_clustering_is_that_of_the_trial():
    score = judge(held(), {"bandwidth_voxel": 4.5, "min_points": 10_000, "opposite_voxel": 3})
    assert (score.n_found, score.f1) == (0, 0.0)
    far = judge(held(), {"bandwidth_voxel": 4.5, "fuse_voxel": 100.0})
    assert far.n_found == 1


def test_given_threshold_holds():
    score = judge(held(), {}, given=0.5)
    assert score.thresholds == (0.5,)
    assert score.n_found == 0  # fewer than four points lie that near


def test_no_particle_has_no_figure():
    none = held()
    labels = np.full_like(none.labels, 7.0)
    empty = HeldOut(none.points, none.membrane, none.side, labels, labels, labels, ("T1/M1",))
    empty.meta.update(near_voxel=3.5, classes=[["A"]])
    assert np.isnan(judge(empty, {}).f1)


def test_best_comes_first_and_what_has_no_figure_last():
    def score(f1):
        return Score((3.0,), 1, 1, 1, f1, None)

    assert ranks([score(0.5), score(np.nan), score(0.9), score(0.5)]) == [2, 0, 3, 1]
