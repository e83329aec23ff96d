"""The threshold whose clusters match the true particles best."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from membrain.thresholds import (
    Judged,
    best_threshold,
    f1_curve,
    find_thresholds,
    highest_threshold,
)

CENTRES = np.array([[0, 20, 20], [0, 20, 60], [0, 60, 20]])
FALSE = np.array([0, 60, 60])


def plane():
    """A flat membrane with three particles: points and their true distances up to 7."""
    y, x = np.mgrid[0:80:1.5, 0:80:1.5]
    points = np.stack([np.zeros(y.size), y.ravel(), x.ravel()], axis=1)
    return points, distances(points, CENTRES)


def distances(points, centres):
    return np.minimum(np.linalg.norm(points[:, None] - centres[None], axis=2).min(axis=1), 7.0)


def curve(points, predicted, labels, group=None, clear=None):
    group = np.zeros(len(points), int) if group is None else group
    clear = labels if clear is None else clear
    return f1_curve(Judged(points, group, predicted, labels, clear), 3.5)


def joined(points, labels, classes=(("A",),), membrane=None, side=None):
    n = len(points)
    return SimpleNamespace(
        points=points,
        labels=labels.reshape(n, -1),
        clear_labels=labels.reshape(n, -1),
        membrane=np.zeros(n, int) if membrane is None else membrane,
        side=np.zeros(n, int) if side is None else side,
        meta={"classes": classes},
    )


def test_true_distances_match_wherever_particles_are_seen():
    points, labels = plane()
    thresholds, f1 = curve(points, labels, labels)
    assert thresholds[0] == 1.5
    assert np.diff(thresholds) == pytest.approx(0.25)
    assert f1[(thresholds >= 3) & (thresholds <= 6)] == pytest.approx(1.0)


def test_threshold_lies_between_true_and_false_particles():
    points, labels = plane()
    false = distances(points, FALSE[None])
    predicted = np.minimum(3 + labels * 4 / 7, 5 + false * 2 / 7)  # true from 3 on, false from 5
    thresholds, f1 = curve(points, predicted, labels)
    assert f1.max() == 1.0
    assert f1[thresholds > 5.9] == pytest.approx(6 / 7)  # one of four is wrong
    assert 4.0 < best_threshold(thresholds, f1) < 5.5


def test_sides_and_membranes_are_clustered_by_themselves():
    points, labels = plane()
    both = np.concatenate([points, points + [3, 0, 0]])
    values, side = np.concatenate([labels, labels]), np.repeat([0, 1], len(points))
    one_found = np.where(side == 0, values, 7.0)
    assert curve(both, one_found, values, side)[1].max() == pytest.approx(6 / 9)  # three of six
    together = curve(both, one_found, values, np.zeros(len(both), int))
    assert together[1].max() == 1.0  # particles 3 voxels behind others are the same


def test_optional_particles_may_be_found_but_need_not_be():
    points, labels = plane()
    clear = distances(points, CENTRES[:2])  # the third is of an ambiguous class
    hidden = distances(points, CENTRES[:2])
    for predicted in (labels, hidden):  # found or not
        assert curve(points, predicted, labels, clear=clear)[1].max() == 1.0
    assert curve(points, hidden, labels)[1].max() == pytest.approx(0.8)


def test_threshold_lies_above_the_middle_of_equal_ones_but_not_at_their_end():
    thresholds = np.arange(1, 6, 0.25)
    f1 = np.where((thresholds >= 2) & (thresholds <= 5), 0.9, 0.1)
    assert best_threshold(thresholds, f1) == pytest.approx(3.5 + 0.75)


def test_highest_threshold_that_does_as_well_is_taken():
    thresholds = np.arange(2, 6, 0.25)
    slow = 0.9 - 0.05 * np.abs(thresholds - 3.5)  # smoothed: 0.014 less at 4, 0.026 at 4.25
    assert best_threshold(thresholds, slow) == pytest.approx(4.0)
    fast = 0.9 - 0.3 * np.abs(thresholds - 3.5)
    assert best_threshold(thresholds, fast) == pytest.approx(3.5)
    level = np.where(thresholds < 3.5, 0.3, 0.9)  # smoothed: best from 4 on
    falling = level - 0.01 * (thresholds - 3.5)
    assert best_threshold(thresholds, falling) == pytest.approx(4.0 + 0.75)


def test_one_lucky_threshold_does_not_win_over_a_plateau():
    thresholds = np.arange(2, 6, 0.25)
    f1 = np.where(thresholds >= 4, 0.8, 0.3)
    f1[thresholds == 2.5] = 0.9
    assert best_threshold(thresholds, f1) > 4.2


def test_no_threshold_between_two_peaks_is_chosen():
    thresholds = np.arange(1.5, 6.8, 0.25)
    f1 = np.where((thresholds >= 3) & (thresholds <= 3.75), 0.6, 1.0)
    f1[thresholds > 5.25] = 0.0
    assert best_threshold(thresholds, f1, 5.25) == pytest.approx(4.75)  # smoothed: 4.5, 4.75


def test_middle_of_near_and_away_is_that_of_the_labels_of_membership():
    points, labels = plane()
    members = np.where(labels <= 3, 0.0, 7.0)
    judged = Judged(points, np.zeros(len(points), int), labels, members, members)
    assert highest_threshold(judged, 3.5) == 3.5


def test_nothing_above_the_middle_of_near_and_away_is_chosen():
    points, labels = plane()
    judged = Judged(points, np.zeros(len(points), int), labels, labels, labels)
    assert highest_threshold(judged, 3.5) == (3.5 + 7) / 2
    thresholds = np.arange(1.5, 6.8, 0.25)
    rising = thresholds / 10  # as where hardly anything is told of what was held out
    assert best_threshold(thresholds, rising) == pytest.approx(6.75)
    assert best_threshold(thresholds, rising, 5.25) == pytest.approx(5.25)
    peak = 0.9 - 0.3 * np.abs(thresholds - 4)  # below it nothing changes
    assert best_threshold(thresholds, peak, 5.25) == pytest.approx(4.0)
    assert best_threshold(thresholds, rising, 1.0) == 1.5  # below all that were tried


def test_weak_predictions_do_not_draw_the_threshold_up_to_bare_membrane(caplog):
    points, labels = plane()
    weak = (6.2 + 0.4 * labels / 7).astype(np.float32)[:, None]
    assert curve(points, weak[:, 0], labels)[1].argmax() > 15  # particles show above 5.25 alone
    assert find_thresholds(joined(points, labels), weak, 3.5) == (5.25,)


def test_each_output_has_its_own_and_points_without_prediction_take_no_part(caplog):
    points, labels = plane()
    predicted = np.stack([labels, 3 + labels * 4 / 7], axis=1).astype(np.float32)
    predicted[points[:, 1] > 50] = np.nan
    data = joined(points, np.stack([labels, labels], axis=1), (("A", "UK"), ("B",)))
    with caplog.at_level(logging.INFO):
        first, second = find_thresholds(data, predicted, 3.5)
    assert first < second
    assert "A+UK: threshold" in caplog.text
    assert "F1 there 1.00" in caplog.text


def test_output_without_particles_gets_the_true_distance():
    points, labels = plane()
    data = joined(points, np.full_like(labels, 7.0))
    assert find_thresholds(data, labels[:, None], 3.5) == (3.5,)


def test_nothing_predicted_gives_the_true_distance():
    points, labels = plane()
    assert find_thresholds(joined(points, labels), np.full((len(points), 1), np.nan), 3.5) == (3.5,)
