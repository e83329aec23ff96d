"""Annotations in plain tables."""

from __future__ import annotations

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.formats import csv_table
from membrain.formats.base import Grid

GRID = Grid(10.0, tomogram="T1")


def write(tmp_path, text, name="a.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_positions_are_zyx_and_classes_kept(tmp_path):
    found = csv_table.read(write(tmp_path, "class,x,y,z\nPSII,1,2,3\nUK,4.5,5,6\n"), GRID)
    np.testing.assert_array_equal(found.positions, [[3, 2, 1], [6, 5, 4.5]])
    assert found.classes == ("PSII", "UK")
    assert found.angles is None
    assert found.source == "csv"


def test_angles_tabs_comments_byte_order_mark_and_order_of_columns(tmp_path):
    text = "\ufeff# picked by hand\nz\ty\tx\tpsi\ttilt\trot\n3\t2\t1\t30\t20\t10\n"
    found = csv_table.read(write(tmp_path, text, "a.tsv"), GRID)
    np.testing.assert_array_equal(found.positions, [[3, 2, 1]])
    np.testing.assert_array_equal(found.angles, [[10, 20, 30]])
    assert found.classes == ("particle",)


def test_header_alone_is_no_annotation(tmp_path):
    found = csv_table.read(write(tmp_path, "class,x,y,z,rot,tilt,psi\n"), GRID)
    assert found.positions.shape == (0, 3)
    assert found.angles.shape == (0, 3)


def test_empty_class_cell_is_particle(tmp_path):
    assert csv_table.read(write(tmp_path, "class,x,y,z\n,1,2,3\n"), GRID).classes == ("particle",)


def test_own_particle_table_is_read_for_its_tomogram(tmp_path):
    text = (
        "tomogram,membrane,x_voxel,y_voxel,z_voxel,rot,tilt,psi,class\n"
        "T1,M1,1,2,3,10,20,30,PSII\nT2,M1,7,8,9,10,20,30,PSII\n"
    )
    found = csv_table.read(write(tmp_path, text), GRID)
    np.testing.assert_array_equal(found.positions, [[3, 2, 1]])
    np.testing.assert_array_equal(found.angles, [[10, 20, 30]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class,x,y,zz\nA,1,2,3\n", "unknown column 'zz'.*did you mean 'z'"),
        ("klass,x,y,z\nA,1,2,3\n", "unknown column 'klass'.*did you mean 'class'"),
        ("1,2,3\n4,5,6\n", "unknown column '1'; expected a header line with class, x, y, z"),
        ("class,x,y\nA,1,2\n", "column 'z' is missing; found class, x, y"),
        ("x,y,z,rot,tilt\n1,2,3,4,5\n", "rot, tilt and psi belong together; found rot, tilt"),
        ("x,y,z\n1,2,nan\n", "row 1: column 'z'; found 'nan'; expected a finite number"),
        ("x,y,z\n1,2,3\n1,a,3\n", "row 2: column 'y'; found 'a'; expected a finite number"),
        ("x,y,z\n1,2\n", "line 2: wrong number of cells; found 2"),
        ("x_angstrom,y_angstrom\n1,2\n", "column 'z_angstrom' is missing"),
        ("x,y,z,x_angstrom,y_angstrom,z_angstrom\n", "positions in two units"),
        ("x,y,z,tomogram\n1,2,3,T9\n", "no row of tomogram 'T1' in column tomogram; found T9"),
        ("tomogram,x_voxel,y_voxel,rot,tilt,psi,class\n", "column 'z_voxel' is missing"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        csv_table.read(write(tmp_path, text), GRID)


def test_units_scores_and_tomograms(tmp_path):
    path = write(tmp_path, "tomogram,score,x_angstrom,y_angstrom,z_angstrom\nT1,0.5,10,20,30\n")
    found = csv_table.read(path, GRID)
    np.testing.assert_array_equal(found.positions, [[3, 2, 1]])
    assert found.scores.tolist() == [0.5]
    path = write(tmp_path, "tomogram,x,y,z\nT1,4,8,12\nT2,0,0,0\n")
    finer = Grid(10.0, tomogram="T1", unit=2.5)
    np.testing.assert_array_equal(csv_table.read(path, finer).positions, [[3, 2, 1]])
    rows = Grid(10.0, tomogram="T9", must_have_rows=False)
    assert len(csv_table.read(path, rows)) == 0
