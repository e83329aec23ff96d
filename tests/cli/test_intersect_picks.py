"""intersect_picks as a command."""

from __future__ import annotations

import json

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.command import main
from membrain.files import read_table
from membrain.formats import star
from membrain.formats.base import Grid
from membrain.particles import ParticleTable, read_particles
from membrain.rotations import relion_angles

SHAPE = (50, 90, 110)
X, Y = np.mgrid[10:110:20, 10:90:20].reshape(2, -1)
XYZ = np.stack([X, Y, np.full(len(X), 20.0)], axis=1)  # 20 positions, 20 apart
NAMES = ("both", "only_first", "only_second")


@pytest.fixture
def data(tmp_path):
    """Info of T1, own particles on all of XYZ, and another list on the last 15, 2 voxels off."""
    info = {"tomogram": "T1", "shape": list(SHAPE), "pixel_size_angstrom": 10.0}
    (tmp_path / "T1.json").write_text(json.dumps(info))
    n = len(XYZ)
    poses = Rotation.from_euler("z", np.arange(n)[:, None] * 7.0, degrees=True)
    matrices = poses.as_matrix()

    def names(value):
        return np.array([value] * n, dtype=object)

    ParticleTable(
        names("T1"), names("M"), names("a"), np.arange(1, n + 1), XYZ[:, ::-1], XYZ[:, ::-1] * 10,
        np.linspace(0.9, 0.5, n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0],
        relion_angles(poses), names("PSII"),
    ).write(tmp_path / "own.csv", ",")  # fmt: skip
    other(tmp_path)
    return tmp_path


def other(folder, factor=1.0):
    xyz = np.vstack([XYZ[5:] + [0, 0, 2], [[3, 3, 44.0]]]) * factor
    (folder / "other.csv").write_text("x,y,z\n" + "".join(f"{x},{y},{z}\n" for x, y, z in xyz))


def run(folder, *flags):
    return main(
        [
            *("intersect_picks", "--first", f"own={folder / 'own.csv'}"),
            *("--second", f"other={folder / 'other.csv'}", "--infos", str(folder / "T1.json")),
            *("--output-dir", str(folder / "out"), *map(str, flags)),
        ]
    )


def test_three_lists_and_their_counts(data):
    assert run(data) == 0
    lists = {name: read_particles(data / f"out/{name}.csv") for name in NAMES}
    assert {name: len(table) for name, table in lists.items()} == {
        "both": 15, "only_first": 5, "only_second": 1,
    }  # fmt: skip
    assert lists["both"].particle.tolist() == list(range(6, 21))  # the first list's rows
    assert set(lists["both"].classes) == {"PSII"}
    np.testing.assert_allclose(lists["only_second"].voxel, [[44, 3, 3]])
    assert np.isnan(lists["only_second"].angles).all()
    row = read_table(data / "out/table.csv", ",")[1][0]
    assert row["tomogram"] == "all"
    assert [row[f"n_{n}"] for n in ("first", "second", "both")] == ["20", "16", "15"]
    assert row["distance_mean_voxel"] == "2"
    pairs = read_table(data / "out/pairs.csv", ",")[1]
    assert len(pairs) == 15
    assert {p["distance_voxel"] for p in pairs} == {"2"}
    assert {p["turn_degree"] for p in pairs} == {""}


def test_star_files_hold_the_same(data):
    assert run(data) == 0
    grid = Grid(10.0, shape=SHAPE, tomogram="T1", must_have_rows=False)
    for name in NAMES:
        table = read_particles(data / f"out/{name}.csv")
        found = star.read(data / f"out/{name}.star", grid)
        np.testing.assert_allclose(found.positions, table.voxel, atol=1e-3)
        assert (found.angles is None) == (name == "only_second")
        assert (found.scores is None) == (name == "only_second")
        text = (data / f"out/{name}.star").read_text()
        assert "nan" not in text.lower().split()


def write_sheet(data):
    volume = np.zeros(SHAPE, np.int8)
    volume[20] = 1
    with mrcfile.new(data / "m.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    (data / "membranes.tsv").write_text("tomogram\tmembrane\tmask\nT1\tM7\tm.mrc\nT2\tM\tm.mrc\n")


def test_near_the_membranes_of_a_sheet(data):
    write_sheet(data)
    assert run(data, "--sheet", data / "membranes.tsv") == 0
    assert len(read_particles(data / "out/only_second.csv")) == 0
    assert set(read_particles(data / "out/both.csv").membrane) == {"M7"}
    assert run(data, "--sheet", data / "membranes.tsv", "--near-voxel", 30) == 0
    assert len(read_particles(data / "out/only_second.csv")) == 1


def test_radius_and_its_unit(data):
    assert run(data, "--radius-voxel", 1.5) == 0
    assert len(read_particles(data / "out/both.csv")) == 0
    assert run(data, "--radius-voxel", 1.5, "--pixel-size-angstrom", 20) == 0
    assert len(read_particles(data / "out/both.csv")) == 15
    assert read_table(data / "out/table.csv", ",")[1][0]["distance_mean_voxel"] == "1"


def test_turn_of_a_list_with_poses(data):
    rows = read_table(data / "own.csv", ",")[1]
    text = "x,y,z,rot,tilt,psi\n"
    for row in rows:
        cells = [float(row[n]) for n in ("x_voxel", "y_voxel", "z_voxel", "rot", "tilt", "psi")]
        cells[3] -= 20.0  # rot counts against the particle's own z
        text += ",".join(map(str, cells)) + "\n"
    (data / "other.csv").write_text(text)
    assert run(data) == 0
    pairs = read_table(data / "out/pairs.csv", ",")[1]
    turns = np.array([float(p["turn_degree"]) for p in pairs])
    np.testing.assert_allclose(np.abs(turns), 20, atol=1e-3)
    assert len(set(np.sign(turns))) == 1


def test_another_unit_is_refused(data, capsys):
    other(data, 10.0)
    assert run(data) == 2
    error = capsys.readouterr().err
    assert "the picks do not lie where the picks of own=" in error
    assert (
        "divided by 10 they would fit (angstrom, not voxels?), 15 of 20 then have a pick" in error
    )
    assert not (data / "out").exists()
    assert run(data, "--pixel-sizes", "other=1") == 0
    assert len(read_particles(data / "out/both.csv")) == 15


def test_another_unit_is_refused_before_picks_far_from_membranes_are_left_out(data, capsys):
    write_sheet(data)
    other(data, 10.0)
    assert run(data, "--sheet", data / "membranes.tsv") == 2
    assert "divided by 10 they would fit (angstrom, not voxels?)" in capsys.readouterr().err


def test_mistakes_in_flags(data, capsys):
    assert run(data, "--radius-voxel", -1) == 2
    assert "--radius-voxel; found -1.0; expected 0 or more" in capsys.readouterr().err
    assert run(data, "--first", "a=x.csv", "--second", "a=y.csv") == 2
    assert "--first, --second: two lists are called 'a'" in capsys.readouterr().err


def test_same_input_gives_the_same_bytes(data):
    contents = []
    for _ in range(2):
        assert run(data) == 0
        contents.append({p.name: p.read_bytes() for p in (data / "out").iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 8
