from dataclasses import replace

import numpy as np
import pytest

from membrain.errors import InputError
from membrain.particles import (
    COLUMNS,
    ParticleTable,
    concatenate_particles,
    empty_particles,
    read_particles,
)


def make_table(n=3, tomogram="T1"):
    rng = np.random.default_rng(n)
    names = np.array([tomogram] * n, dtype=object)
    unit = rng.normal(size=(n, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    voxel = rng.uniform(0, 100, (n, 3))
    return ParticleTable(
        tomogram=names,
        membrane=np.array([f"M{i}" for i in range(n)], dtype=object),
        side=np.array(["a"] * n, dtype=object),
        particle=np.arange(1, n + 1),
        voxel=voxel,
        angstrom=voxel * 13.68,
        score=rng.random(n),
        n_points=rng.integers(4, 50, n),
        normals=unit,
        axes=unit[:, [1, 2, 0]],
        angles=rng.uniform(-180, 180, (n, 3)),
        classes=np.array(["PSII"] * n, dtype=object),
    )


@pytest.mark.parametrize(("name", "delimiter"), [("p.tsv", "\t"), ("p.csv", ",")])
def test_table_comes_back_as_written(tmp_path, name, delimiter):
    table = make_table()
    table.write(tmp_path / name, delimiter)
    back = read_particles(tmp_path / name)
    for field in ("tomogram", "membrane", "side", "particle", "n_points", "classes"):
        np.testing.assert_array_equal(getattr(back, field), getattr(table, field))
    for field, tolerance in {
        "voxel": 6e-4,
        "angstrom": 6e-4,
        "normals": 6e-7,
        "angles": 6e-5,
    }.items():
        np.testing.assert_allclose(getattr(back, field), getattr(table, field), atol=tolerance)


def test_columns_are_xyz_while_arrays_are_zyx(tmp_path):
    table = make_table(1)
    table.voxel[0] = [1, 2, 3]
    table.normals[0] = [1, 0, 0]
    table.write(tmp_path / "p.tsv")
    header, line = (tmp_path / "p.tsv").read_text().splitlines()
    row = dict(zip(header.split("\t"), line.split("\t"), strict=True))
    assert tuple(row) == COLUMNS
    assert (row["x_voxel"], row["y_voxel"], row["z_voxel"]) == ("3.000", "2.000", "1.000")
    assert (row["normal_x"], row["normal_z"]) == ("0.000000", "1.000000")


def test_writing_what_was_read_gives_the_same_bytes(tmp_path):
    make_table(20).write(tmp_path / "a.tsv")
    read_particles(tmp_path / "a.tsv").write(tmp_path / "b.tsv")
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


def test_no_negative_zero_is_written(tmp_path):
    table = make_table(1)
    table.angles[0] = [-1e-9, -0.0, 0.00004]
    table.write(tmp_path / "p.tsv")
    assert "-0.0000\t" not in (tmp_path / "p.tsv").read_text()


def test_empty_table_is_valid(tmp_path):
    empty_particles().write(tmp_path / "p.tsv")
    assert (tmp_path / "p.tsv").read_text() == "\t".join(COLUMNS) + "\n"
    back = read_particles(tmp_path / "p.tsv")
    assert len(back) == 0
    assert back.voxel.shape == back.normals.shape == back.angles.shape == (0, 3)
    assert len(concatenate_particles([])) == 0


def test_concatenate_and_select_keep_rows_together():
    both = concatenate_particles([make_table(2, "T1"), empty_particles(), make_table(3, "T2")])
    assert both.tomogram.tolist() == ["T1"] * 2 + ["T2"] * 3
    chosen = both.select(both.tomogram == "T2")
    np.testing.assert_array_equal(chosen.voxel, make_table(3).voxel)
    assert chosen.particle.dtype.kind == "i"


def test_missing_column_is_told(tmp_path):
    (tmp_path / "p.tsv").write_text("tomogram\tmembrane\nT1\tM1\n")
    with pytest.raises(InputError, match=r"p.tsv: not a table of particles.*also side, particle"):
        read_particles(tmp_path / "p.tsv")


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [("x_voxel", "abc", "a number"), ("n_points", "4.5", "a whole number")],
)
def test_bad_cell_is_told(tmp_path, column, text, message):
    make_table(2).write(tmp_path / "p.tsv")
    header, *lines = (tmp_path / "p.tsv").read_text().splitlines()
    cells = lines[1].split("\t")
    cells[COLUMNS.index(column)] = text
    (tmp_path / "p.tsv").write_text("\n".join([header, lines[0], "\t".join(cells)]) + "\n")
    with pytest.raises(
        InputError, match=rf"p.tsv, row 2: column '{column}'; found '{text}'; expected {message}"
    ):
        read_particles(tmp_path / "p.tsv")


def test_spread_of_scores_is_kept_and_empty_where_not_known(tmp_path):
    table = replace(make_table(2), score_spread=np.array([0.125, np.nan]))
    table.write(tmp_path / "p.tsv")
    assert [line.split("\t")[-1] for line in (tmp_path / "p.tsv").read_text().splitlines()] == [
        *("score_spread", "0.12500", ""),
    ]
    back = read_particles(tmp_path / "p.tsv").select(np.array([1, 0])).score_spread
    np.testing.assert_array_equal(back, [np.nan, 0.125])


def test_older_table_without_spread_is_read(tmp_path):
    make_table(2).write(tmp_path / "p.tsv")
    lines = [line.rsplit("\t", 1)[0] for line in (tmp_path / "p.tsv").read_text().splitlines()]
    (tmp_path / "p.tsv").write_text("\n".join(lines) + "\n")
    assert np.isnan(read_particles(tmp_path / "p.tsv").score_spread).all()
