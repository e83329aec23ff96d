"""Joining and splitting of labelled batches."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from membrain import training_data
from membrain.errors import InputError
from membrain.tables import PointTable
from membrain.training_data import Source, check_particles, join, split, to_samples

SHAPE = (4, 6, 6)


def source(tomogram="T1", membranes=("M1", "M2"), n=40, seed=0, **meta):
    """A batch whose boxes hold their row number, on membranes of 100 voxels length."""
    rng = np.random.default_rng(seed)
    membrane = np.repeat(np.arange(len(membranes)), n)
    rows = len(membrane)
    described = {
        "box_shape": list(SHAPE),
        "box_centre": [2, 3, 3],
        "pixel_size_angstrom": 20.0,
        "contrast": {"model": "dark"},
    }
    table = PointTable(
        points=(rng.random((rows, 3)) * [5, 20, 100]).astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (rows, 1)),
        membrane=membrane.astype(np.int32),
        side=np.zeros(rows, np.int8),
        membranes=membranes,
        tomogram=tomogram,
        shape=(50, 50, 200),
        pixel_size=10.0,
        extra={"labels": rng.uniform(0, 7, (rows, 2)).astype(np.float32)},
        meta={"classes": [["A"], ["B"]], "cap": 7.0, "subvolumes": described, **meta},
    )
    boxes = np.broadcast_to(np.arange(rows, dtype=np.float32)[:, None, None, None], (rows, *SHAPE))
    return Source(table, boxes, f"{tomogram}.npz")


def test_batches_are_joined_in_order():
    joined = join([source("T1"), source("T2", ("M1",), seed=1)])
    assert joined.names == ["T1/M1", "T1/M2", "T2/M1"]
    assert np.bincount(joined.membrane).tolist() == [40, 40, 40]
    assert np.array_equal(joined.labels[80:], joined.sources[1].table.extra["labels"])
    # the boxes' voxel is two of the tomogram's
    assert np.allclose(joined.points[:80], joined.sources[0].table.points / 2)


def test_others_are_learnt_where_any_are_near():
    first, second = source("T1"), source("T2", seed=1)
    assert join([first, second]).known_heads == []
    second.table.extra["others"] = np.full((80, 1), 7.0, np.float32)
    assert join([first, second]).known_heads == []
    second.table.extra["others"][5] = 2.5
    joined = join([first, second])
    assert joined.known_heads == ["others"]
    assert np.flatnonzero(joined.others[:, 0] < 7).tolist() == [85]
    samples = to_samples(joined, np.arange(160) > 80, torch.device("cpu"))
    assert samples.others[4].tolist() == [2.5]


def test_points_without_label_are_left_out_with_a_warning(caplog):
    first = source()
    first.table.extra["labels"][40:] = np.nan
    with caplog.at_level(logging.WARNING):
        joined = join([first])
    assert len(joined.labels) == 40
    assert "left out: T1/M2" in caplog.text
    boxes = to_samples(joined, np.ones(40, bool), torch.device("cpu")).boxes
    assert boxes[:, 0, 0, 0].tolist() == list(range(40))


def test_no_label_at_all_is_told():
    first = source()
    first.table.extra["labels"][:] = np.nan
    with pytest.raises(InputError, match="training: no labelled point; see the status"):
        join([first])


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"classes": [["A"]]}, r"T2.npz: classes; found \[\['A'\]\]; expected"),
        ({"cap": 5.0}, "T2.npz: cap; found 5.0; expected 7.0, as T1.npz has"),
        ({"subvolumes": {}}, "T2.npz: box_shape; found nothing"),
    ],
)
def test_batches_that_differ_are_refused(meta, message):
    with pytest.raises(InputError, match=message):
        join([source("T1"), source("T2", **meta)])


def test_named_membranes_validate_as_a_whole():
    joined = join([source("T1"), source("T2", ("M1",))])
    [(training, validation)] = split(joined, ["T2/M1"], 0.5, SHAPE)
    assert np.array_equal(validation, joined.membrane == 2)
    assert np.array_equal(training, ~validation)


def test_without_named_membranes_parts_of_each_take_turns():
    joined = join([source(n=400)])
    turns = split(joined, [], 0.25, SHAPE)
    assert len(turns) == 4
    training, validation = turns[0]
    for number in (0, 1):
        mine = joined.membrane == number
        assert 0.1 < validation[mine].mean() < 0.25
        gap = joined.points[mine & validation, 2].min() - joined.points[mine & training, 2].max()
        assert gap >= 9.0  # the boxes' diagonal is 9.4, the axis is nearly x


def test_gap_is_that_of_the_model_s_box_though_those_of_the_file_are_larger():
    joined = join([source(n=400)])
    gaps = []
    for shape in (SHAPE, (2, 3, 3)):
        training, validation = split(joined, [], 0.5, shape)[0]
        mine = joined.membrane == 0
        inner = joined.points[mine & validation, 2].min()
        gaps.append(inner - joined.points[mine & training, 2].max())
    assert gaps[0] - gaps[1] == pytest.approx(9.4 - 4.7, abs=0.7)


def test_held_out_part_is_kept_from_the_other_membranes_of_its_tomogram_too():
    both = source(n=800)
    on = both.table.membrane == 1  # beside the first sheet, longer across it
    both.table.points[on] = both.table.points[on][:, [0, 2, 1]] * [1, 1.2, 5] + [6, 0, 0]
    second = replace(both.table.select(np.flatnonzero(on)), tomogram="T2")
    apart = [Source(both.table.select(np.flatnonzero(~on)), both.boxes[~on], "T1.npz")]
    apart.append(Source(second, both.boxes[on], "T2.npz"))
    nearest = []
    for joined in (join([both]), join(apart)):
        training, validation = split(joined, [], 0.5, SHAPE)[0]
        tree = cKDTree(joined.points[validation])
        nearest.append(tree.query(joined.points[training])[0].min())
    assert nearest[0] >= 9.38  # the boxes' diagonal, working voxels
    assert nearest[1] < 5  # where the sheets are those of two tomograms


def test_validation_membrane_without_labels_is_told():
    first = source()
    first.table.extra["labels"][40:] = np.nan
    with pytest.raises(InputError, match="no validation membrane has a labelled .* found T1/M2"):
        split(join([first]), ["T1/M2"], 0.5, SHAPE)


def test_membrane_without_points_is_told_where_it_is_to_take_part(caplog):
    first = source()
    second = source("T2")
    empty = Source(second.table.select(np.empty(0, int)), second.boxes[:0], "T2.npz")
    with caplog.at_level(logging.WARNING):
        join([first, empty], ["T1/M1", "T2/M2"])
    assert [record.getMessage() for record in caplog.records] == ["without labels, left out: T2/M2"]


def test_unknown_validation_membrane_is_told():
    with pytest.raises(InputError, match="no membrane 'T1/M3'; (did you mean|known are) "):
        split(join([source()]), ["T1/M3"], 0.2, SHAPE)


def test_nothing_left_to_train_on_is_told():
    with pytest.raises(InputError, match="every labelled membrane is for validation"):
        split(join([source()]), ["T1/M1", "T1/M2"], 0.2, SHAPE)


def test_output_without_particle_in_the_training_part_is_told():
    first = source()
    first.table.extra["labels"][:40, 1] = 7.0
    joined = join([first])
    check_particles(joined, joined.membrane == 1)
    with pytest.raises(InputError, match="no point near a particle of class B"):
        check_particles(joined, joined.membrane == 0)


def test_samples_hold_boxes_and_labels_of_the_chosen_points():
    joined = join([source("T1"), source("T2", ("M1",), seed=1)])
    chosen = np.zeros(120, bool)
    chosen[[3, 79, 80, 85]] = True
    found = to_samples(joined, chosen, torch.device("cpu"))
    assert found.boxes[:, 0, 0, 0].tolist() == [3, 79, 0, 5]
    assert np.array_equal(found.labels.numpy(), joined.labels[chosen])
    assert found.boxes.dtype == torch.float32


def test_large_sets_are_stored_in_half_precision(monkeypatch):
    monkeypatch.setattr(training_data, "HALF_PRECISION_BYTES", 1000)
    found = to_samples(join([source()]), np.ones(80, bool), torch.device("cpu"))
    assert found.boxes.dtype == torch.float16


def test_box_that_holds_no_number_is_told_with_its_membrane():
    first = source()
    boxes = first.boxes.copy()
    boxes[55, 1, 2, 3] = np.nan
    joined = join([Source(first.table, boxes, first.where)])
    with pytest.raises(InputError, match="T1.npz, membrane T1/M2: a box holds a value that is not"):
        to_samples(joined, np.ones(80, bool), torch.device("cpu"))


def replicas(**changes):
    """Two replicas of the first membrane of `source`, at the very same points."""
    made = source(membranes=("M1~1", "M1~2"), replicas={"M1~1": {}, "M1~2": {}}, **changes)
    points = np.tile(source().table.points[:40], (2, 1))
    return Source(replace(made.table, points=points), made.boxes, "replicas.npz")


def test_replicas_train_whole_while_real_membranes_are_cut():
    real = join([source()])
    both = join([source(), replicas()])
    assert both.names == ["T1/M1", "T1/M2", "T1/M1~1", "T1/M1~2"]
    assert both.is_replica.tolist() == [False] * 80 + [True] * 80
    alone, together = split(real, (), 0.2, SHAPE), split(both, (), 0.2, SHAPE)
    assert len(alone) == len(together) == 5
    for turn, parts in zip(alone, together, strict=True):
        for part, whole in zip(turn, parts, strict=True):
            assert np.array_equal(whole[:80], part)
        assert parts[0][80:].all()
        assert not parts[1][80:].any()
        assert parts[1].any()


def test_replicas_train_beside_a_membrane_that_validates_and_never_validate():
    both = join([source(), replicas()])
    ((training, validation),) = split(both, ("T1/M2",), 0.2, SHAPE)
    assert np.flatnonzero(validation).tolist() == list(range(40, 80))
    assert np.array_equal(training, ~validation)
    with pytest.raises(
        InputError, match="--validation: no membrane 'T1/M1~1'; did you mean 'T1/M1'"
    ):
        split(both, ("T1/M1~1",), 0.2, SHAPE)


def test_replicas_of_a_membrane_that_validates_do_not_train():
    """They would have seen the particles that it is judged by."""
    ((training, validation),) = split(join([source(), replicas()]), ("T1/M1",), 0.2, SHAPE)
    assert np.flatnonzero(training).tolist() == list(range(40, 80))
    assert np.flatnonzero(validation).tolist() == list(range(40))


def test_batch_without_replicas_adds_nothing():
    none = replicas()
    empty = Source(none.table.select(np.arange(0)), none.boxes[:0], "replicas.npz")
    both = join([source(), empty])
    assert len(both.labels) == 80
    assert not both.is_replica.any()
    assert split(both, (), 0.2, SHAPE)[0][1].any()
