"""Annotated particles that tell which side of a membrane is picked."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.agreement import Place
from membrain.errors import InputError
from membrain.formats.base import Annotations
from membrain.sheets import MembraneRow
from membrain.side_annotations import keep_near, read_sides

INFO = {"tomogram": "T1", "shape": [60, 50, 70], "pixel_size_angstrom": 10.0}
VOXELS = np.stack([np.full(2000, 20), *np.divmod(np.arange(2000), 50)], axis=1)
SPREAD = np.array([[22.0, y, x] for y in (4, 15, 33) for x in (3, 19, 42)])


def known(positions):
    return Annotations(np.asarray(positions, dtype=float), ("A",) * len(positions), None, "csv")


def place(step=1.0):
    nothing = np.zeros(VOXELS.shape), np.zeros(len(VOXELS))
    return Place(VOXELS.astype(float), *nothing, step, 10.0, (60, 50, 70), "M1")


def test_far_positions_are_left_out_and_told(caplog):
    far = SPREAD[:4] + [25, 0, 0]
    found = keep_near(known([*SPREAD, *far]), place())
    np.testing.assert_array_equal(found.positions, SPREAD)
    assert "M1: 4 of 13 annotations far from it do not tell its side" in caplog.text
    assert len(keep_near(known(SPREAD + [13, 0, 0]), place(step=2.0))) == 9  # working voxels


def test_positions_that_lie_elsewhere_are_refused_with_what_fits():
    with pytest.raises(InputError, match="9 of 9 far .* they would fit"):
        keep_near(known(SPREAD + [30, 0, 0]), place())
    with pytest.raises(InputError, match="1 of 1 far from it, half .* is this the file of this"):
        keep_near(known([[1e12, 3, 3]]), place())


def test_no_annotation_is_no_mistake_here():
    assert len(keep_near(known(np.zeros((0, 3))), place())) == 0


def test_angles_become_normals(tmp_path):
    text = "class,x,y,z,rot,tilt,psi\n" + "".join(f"A,{x},{y},{z},5,0,7\n" for z, y, x in SPREAD)
    (tmp_path / "a.csv").write_text(text)
    row = MembraneRow("T1", "M1", mask=tmp_path / "m.mrc", annotations=tmp_path / "a.csv")
    positions, normals = read_sides([row], INFO, 0.0)(row, VOXELS)
    np.testing.assert_allclose(positions, SPREAD)
    np.testing.assert_allclose(normals, np.tile([1.0, 0, 0], (9, 1)), atol=1e-12)
