"""The file of boxes, opened and checked."""

import numpy as np
import pytest

from membrain.boxes_file import open_boxes
from membrain.errors import InputError


@pytest.mark.parametrize("n", [0, 3])
def test_boxes_are_mapped(tmp_path, n):
    boxes = np.random.default_rng(0).random((n, 4, 5, 6), dtype=np.float32)
    np.save(tmp_path / "boxes.npy", boxes)
    assert np.array_equal(open_boxes(tmp_path / "boxes.npy", n), boxes)


def test_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="none.npy: no such file; run extract_subvolumes"):
        open_boxes(tmp_path / "none.npy", 1)


def test_damaged_file_is_told(tmp_path):
    for content in (b"nothing", b"", b"\x93NUMPY\1\0"):
        (tmp_path / "bad.npy").write_bytes(content)
        with pytest.raises(InputError, match="bad.npy: unreadable.*an .npy file of boxes"):
            open_boxes(tmp_path / "bad.npy", 1)


def test_file_of_several_arrays_is_told(tmp_path):
    np.savez(tmp_path / "bad.npz", a=np.zeros(1))
    message = "bad.npz: unreadable; found another kind of file; expected an .npy file of boxes"
    with pytest.raises(InputError, match=message):
        open_boxes(tmp_path / "bad.npz", 1)


@pytest.mark.parametrize("array", [np.zeros((2, 3), np.float32), np.zeros((2, 3, 3, 3))])
def test_other_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "odd.npy", array)
    with pytest.raises(InputError, match="odd.npy: not boxes; found float.*expected float32, four"):
        open_boxes(tmp_path / "odd.npy", 2)


def test_other_number_of_boxes_than_points_is_refused(tmp_path):
    np.save(tmp_path / "boxes.npy", np.zeros((2, 3, 3, 3), np.float32))
    with pytest.raises(InputError, match="of these points; found 2 boxes; expected 5"):
        open_boxes(tmp_path / "boxes.npy", 5)
