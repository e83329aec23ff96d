"""Predictions of held-out points: what is kept, and when they may be averaged."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.files import write_arrays
from membrain.held_out import average, held_out_path, hold, is_same, read_held_out

N = 6


@pytest.fixture
def joined():
    labels = np.arange(N, dtype=np.float32)[:, None]
    return SimpleNamespace(
        points=np.arange(3.0 * N).reshape(N, 3),
        membrane=np.array([0, 0, 0, 1, 1, 1]),
        side=np.zeros(N, int),
        labels=labels,
        clear_labels=labels,
        names=["T1/M1", "T1/M2"],
        meta={"classes": [["A"]], "cap": 7.0},
    )


@pytest.fixture
def held(joined):
    predicted = np.array([[1.0], [2], [np.nan], [4], [5], [6]], np.float32)
    return hold(joined, predicted, 3.5, "parts")


def test_points_without_prediction_are_left_out(held):
    assert held.predicted.ravel().tolist() == [1, 2, 4, 5, 6]
    assert held.membrane.tolist() == [0, 0, 1, 1, 1]
    assert held.meta == {"classes": [["A"]], "near_voxel": 3.5, "validated": "parts"}


def test_read_back_as_written(held, tmp_path):
    held.write(tmp_path / "h.npz")
    found = read_held_out(tmp_path / "h.npz")
    assert is_same(found, held)
    assert np.array_equal(found.predicted, held.predicted)
    assert (found.names, found.meta["near_voxel"]) == (held.names, 3.5)


def test_something_else_is_refused(tmp_path):
    write_arrays(tmp_path / "h.npz", {"classes": []}, points=np.zeros((1, 3)))
    message = (
        "h.npz: not the predictions of held-out points; found no membrane, side, labels, "
        "clear_labels, predicted, near_voxel, validated, names; run train_model with --held-out"
    )
    with pytest.raises(InputError, match=message):
        read_held_out(tmp_path / "h.npz")


def test_predictions_are_averaged_point_by_point(held):
    other = replace(held, predicted=held.predicted + 2)
    assert np.allclose(average([held, other], ["a", "b"]).predicted, held.predicted + 1)


@pytest.mark.parametrize("change", [{"names": ("T1/M1", "T2/M2")}, {"points": np.zeros((5, 3))}])
def test_other_points_are_not_averaged(held, change):
    with pytest.raises(InputError, match="b: held-out points; found others; expected those of a"):
        average([held, replace(held, **change)], ["a", "b"])


def test_file_lies_beside_the_weights():
    assert str(held_out_path("a/model.safetensors")) == "a/model.held_out.npz"
