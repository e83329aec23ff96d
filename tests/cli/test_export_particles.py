"""export_particles as a command."""

from __future__ import annotations

import json

import numpy as np
import pytest
import starfile

from membrain.command import main
from membrain.particles import ParticleTable, empty_particles, read_particles
from membrain.rotations import poses_from_axes, relion_angles
from membrain.tables import PointTable


def info(tmp_path, name, **entries):
    content = {"tomogram": name, "shape": [40, 60, 80], "pixel_size_angstrom": 10.0}
    content["origin_angstrom"] = [0.0, 0.0, 1000.0]
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({**content, **entries}))
    return str(path)


def particles(tomogram, n=3, seed=0):
    rng = np.random.default_rng(seed)
    voxel = np.round(rng.uniform(5, 35, (n, 3)), 3)
    normals, axes = np.tile([1.0, 0, 0], (n, 1)), np.tile([0.0, 0, 1], (n, 1))
    angles = relion_angles(poses_from_axes(normals[:, ::-1], axes[:, ::-1]))

    def names(value):
        return np.array([value] * n, dtype=object)

    return ParticleTable(
        names(tomogram), names("M1"), names("a"), np.arange(1, n + 1), voxel, voxel * 10,
        np.ones(n), np.full(n, 9), normals, axes, angles, names("PSII"),
    )  # fmt: skip


@pytest.fixture
def tables(tmp_path):
    particles("T1").write(tmp_path / "1.tsv")
    particles("T2", 2, 1).write(tmp_path / "2.tsv")
    empty_particles().write(tmp_path / "3.tsv")
    return [str(tmp_path / f"{i}.tsv") for i in (1, 2, 3)]


@pytest.fixture
def infos(tmp_path):
    return [info(tmp_path, "T1"), info(tmp_path, "T2")]


def test_all_outputs(tmp_path, tables, infos):
    scores = PointTable(
        points=np.zeros((1, 3), np.float32),
        normals=np.ones((1, 3), np.float32),
        membrane=np.zeros(1, np.int32),
        side=np.ones(1, np.int8),
        membranes=("M2",),
        tomogram="T1",
        shape=(40, 60, 80),
        pixel_size=10.0,
        extra={"scores": np.ones((1, 1), np.float32)},
        meta={"classes": [["PSII"]]},
    )
    scores.write(tmp_path / "s.npz")
    out = tmp_path / "out"
    flags = ["--csv", out / "p.csv", "--star", out / "p.star", "--star-dir", out / "stars"]
    flags += ["--import-list", out / "import.star", "--vtp-dir", out / "vtp", "--vtp-origin"]
    flags += ["--scores", tmp_path / "s.npz", "--particles", *tables, "--infos", *infos]
    assert main(["export_particles", *map(str, flags)]) == 0
    table = read_particles(out / "p.csv")
    assert table.tomogram.tolist() == ["T1"] * 3 + ["T2"] * 2
    np.testing.assert_array_equal(table.voxel[:3], particles("T1").voxel)
    star = starfile.read(out / "p.star", always_dict=True)["particles"]
    x = star["rlnCenteredCoordinateXAngst"].to_numpy()
    np.testing.assert_allclose(x, (table.voxel[:, 2] - 40) * 10, atol=1e-6)
    assert len(starfile.read(out / "stars/T2.star", always_dict=True)["particles"]) == 2
    listed = starfile.read(out / "import.star")["rlnTomoImportParticleFile"].tolist()
    assert listed == ["stars/T1.star", "stars/T2.star"]
    found = sorted(str(p.relative_to(out)) for p in out.glob("vtp/*/*"))
    assert found == [
        "vtp/T1/M1_a_particles.vtp",
        "vtp/T1/M2_b_heatmap.vtp",
        "vtp/T1/M2_b_particles.vtp",
        "vtp/T2/M1_a_particles.vtp",
    ]


def test_pixel_coordinates_of_the_tilt_series(tmp_path, tables, infos):
    flags = ["--coordinates", "pixel", "--tilt-series-pixel-size-angstrom", "2.5"]
    flags += ["--star", str(tmp_path / "p.star"), "--particles", *tables, "--infos", *infos]
    assert main(["export_particles", *flags]) == 0
    star = starfile.read(tmp_path / "p.star", always_dict=True)["particles"]
    expected = particles("T1").voxel[:, 0] * 4
    np.testing.assert_allclose(star["rlnCoordinateZ"][:3], expected, atol=1e-6)


def test_pixel_coordinates_of_a_binned_tomogram_are_warned_of(tmp_path, tables, infos, caplog):
    flags = ["--star", str(tmp_path / "p.star"), "--particles", *tables, "--infos", *infos]
    assert main(["export_particles", "--coordinates", "pixel", *flags]) == 0
    assert "RELION those of the unbinned tilt series" in caplog.text


def test_no_particle_table_at_all(tmp_path, infos):
    flags = ["--csv", str(tmp_path / "p.csv"), "--star-dir", str(tmp_path / "s")]
    flags += ["--import-list", str(tmp_path / "i.star"), "--vtp-dir", str(tmp_path / "v")]
    assert main(["export_particles", *flags, "--infos", *infos]) == 0
    assert len(read_particles(tmp_path / "p.csv")) == 0
    assert (tmp_path / "s/T1.star").exists()


def test_same_input_gives_the_same_bytes(tmp_path, tables, infos):
    for name in ("a", "b"):
        flags = ["--star", str(tmp_path / f"{name}.star"), "--csv", str(tmp_path / f"{name}.csv")]
        assert main(["export_particles", *flags, "--particles", *tables, "--infos", *infos]) == 0
    for kind in ("star", "csv"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_mistakes_end_in_one_line_and_leave_nothing(tmp_path, tables, infos, capsys):
    flags = ["export_particles", "--csv", str(tmp_path / "p.csv"), "--particles", *tables]
    assert main([*flags, "--infos", infos[0]]) == 2
    assert "tomogram 'T2' has particles but no info file" in capsys.readouterr().err
    assert main([*flags, "--infos", *infos, "--import-list", "x"]) == 2
    assert "give --star-dir too" in capsys.readouterr().err
    assert main([*flags, "--infos", *infos, "--tilt-series-pixel-size-angstrom", "-1"]) == 2
    assert "expected 0 or more" in capsys.readouterr().err
    assert not (tmp_path / "p.csv").exists()


def test_tomogram_that_failed_has_a_file_without_particles(tmp_path, infos):
    failed = tmp_path / "T3.json"
    failed.write_text(json.dumps({"tomogram": "T3", "failure": "cut short"}))
    particles("T1").write(tmp_path / "1.tsv")
    flags = ["--particles", str(tmp_path / "1.tsv"), "--infos", *infos, str(failed)]
    flags += ["--star-dir", str(tmp_path / "stars"), "--import-list", str(tmp_path / "all.star")]
    assert main(["export_particles", *flags, "--star", str(tmp_path / "p.star")]) == 0
    assert len(starfile.read(tmp_path / "stars/T1.star")["particles"]) == 3
    text = (tmp_path / "stars/T3.star").read_text()
    assert "data_particles" in text
    assert "_rlnTomoName" in text
    assert "T3" in (tmp_path / "all.star").read_text()
