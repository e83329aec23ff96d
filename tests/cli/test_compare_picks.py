"""compare_picks as a command."""

from __future__ import annotations

import json

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.command import main
from membrain.files import read_table
from membrain.particles import ParticleTable
from membrain.rotations import dynamo_angles, relion_angles
from membrain.tables import PointTable

SHAPE = (50, 90, 110)
PIXEL = 10.0
OUTPUTS = {
    *("table.csv", "table.md", "comparison.json"),
    *("radii.csv", "radii.png", "precision_recall.png"),
}


def planted(seed, n=16):
    """Return n positions xyz on the plane z = 20, and poses with z along the normal."""
    rng = np.random.default_rng(seed)
    x, y = np.mgrid[0:4, 0:4].reshape(2, -1)[:, :n]
    xyz = np.stack([12 + 25.0 * x, 10 + 22.0 * y, np.full(n, 20.0)], axis=1)
    xyz[:, :2] += rng.uniform(-4, 4, (n, 2))
    return xyz, Rotation.from_euler("z", rng.uniform(-180, 180, (n, 1)), degrees=True)


@pytest.fixture
def data(tmp_path):
    """Two tomograms, each with an annotated membrane at z = 20; their sheet and infos."""
    volume = np.zeros(SHAPE, np.int8)
    volume[20] = 1
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = PIXEL
    lines = ["tomogram\tmembrane\tmask\tannotations"]
    for i in (1, 2):
        xyz, poses = planted(i)
        cells = np.hstack([xyz, relion_angles(poses)])
        text = "".join("PSII," + ",".join(f"{c:.6f}" for c in row) + "\n" for row in cells)
        (tmp_path / f"a{i}.csv").write_text("class,x,y,z,rot,tilt,psi\n" + text)
        lines.append(f"T{i}\tM\tm.mrc\ta{i}.csv")
        info = {"tomogram": f"T{i}", "shape": list(SHAPE), "pixel_size_angstrom": PIXEL}
        (tmp_path / f"T{i}.json").write_text(json.dumps(info))
    (tmp_path / "membranes.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(folder, *flags):
    infos = [str(folder / f"T{i}.json") for i in (1, 2)]
    return main(
        [
            *("compare_picks", "--sheet", str(folder / "membranes.tsv"), "--infos", *infos),
            *("--output-dir", str(folder / "out"), *map(str, flags)),
        ]
    )


def table(folder):
    return {row["list"]: row for row in read_table(folder / "out/table.csv", ",")[1]}


def write_own(folder):
    """Write particles.csv: every annotated particle of T1, turned by 30 degrees, none of T2."""
    xyz, poses = planted(1)
    turned = poses * Rotation.from_euler("z", 30, degrees=True)
    matrices, n = turned.as_matrix(), len(xyz)

    def names(value):
        return np.array([value] * n, dtype=object)

    ParticleTable(
        names("T1"), names("M"), names("a"), np.arange(1, n + 1), xyz[:, ::-1], xyz[:, ::-1] * 10,
        np.linspace(0.9, 0.5, n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0],
        relion_angles(turned), names("PSII"),
    ).write(folder / "particles.csv", ",")  # fmt: skip
    return f"own={folder / 'particles.csv'}"


def write_star(folder, factor=1.0):
    """Write a STAR file with one block without a name: half of both tomograms, and strays."""
    lines = ["data_", "", "loop_"]
    columns = [*(f"rlnCoordinate{a}" for a in "XYZ"), "rlnTomoName"]
    lines += [f"_{name} #{i}" for i, name in enumerate(columns, 1)]
    for i in (1, 2):
        xyz = np.vstack([planted(i)[0][:8], [[50, 50, 45]]]) * factor
        lines += [f"{x:.4f} {y:.4f} {z:.4f} T{i}" for x, y, z in xyz]
    (folder / "other.star").write_text("\n".join(lines) + "\n")
    return f"star={folder / 'other.star'}"


def write_tables(folder):
    """Write a Dynamo table per tomogram: every particle, poses included."""
    for i in (1, 2):
        xyz, poses = planted(i)
        rows = np.zeros((len(xyz), 35))
        rows[:, 6:9], rows[:, 19], rows[:, 23:26] = dynamo_angles(poses), i, xyz + 0.5
        np.savetxt(folder / f"T{i}.tbl", rows, fmt="%.6f")
    return f"dynamo={folder / '{tomogram}.tbl'}"


def write_copick(folder):
    """Write copick picks per tomogram, in angstrom, 3 voxels off along z."""
    for i in (1, 2):
        points = [
            {"location": dict(zip("xyz", (xyz + [0, 0, 3]) * PIXEL, strict=True))}
            for xyz in planted(i)[0]
        ]
        content = {"pickable_object_name": "psii", "unit": "angstrom", "points": points}
        (folder / f"picks_T{i}.json").write_text(json.dumps(content))
    return f"copick={folder / 'picks_{tomogram}.json'}"


def test_lists_of_every_kind_side_by_side(data, caplog):
    lists = [write(data) for write in (write_own, write_star, write_tables, write_copick)]
    with caplog.at_level("INFO"):
        assert run(data, "--lists", *lists) == 0
    assert {p.name for p in (data / "out").iterdir()} == OUTPUTS
    found = table(data)
    assert list(found) == ["own", "star", "dynamo", "copick"]
    counts = ("n_picks", "n_predicted", "n_annotated", "n_hits")
    assert [found["own"][n] for n in counts] == ["16", "16", "32", "16"]
    assert [found["star"][n] for n in counts] == ["18", "16", "32", "16"]  # strays at z = 45
    assert [found["dynamo"][n] for n in counts] == ["32"] * 4
    for name, f1 in (("own", 2 / 3), ("star", 2 / 3), ("dynamo", 1), ("copick", 1)):
        assert float(found[name]["paper_f1"]) == pytest.approx(f1, abs=1e-5)
        assert float(found[name]["strict_f1"]) == pytest.approx(f1, abs=1e-5)
    errors = [found[name]["in_plane_error_mean_degree"] for name in found]
    assert float(errors[0]) == pytest.approx(30, abs=1e-3)
    assert errors[1] == errors[3] == ""
    assert float(errors[2]) == pytest.approx(0, abs=1e-3)
    assert found["copick"]["position_error_mean_voxel"] == "3"
    assert found["own"]["average_precision"] == "0.5"
    assert found["star"]["average_precision"] == ""
    assert float(found["own"]["strict_f1_low"]) == 0.0  # T2 drawn twice has no pick
    assert any(message.split()[:3] == ["own", "16", "16"] for message in caplog.messages)
    assert "| own | 16 | 16 | 1.00 | 0.50 | 0.67 |" in (data / "out/table.md").read_text()


def test_scores_tell_what_the_first_list_was_trained_on(data):
    for i in (1, 2):
        with open(data / f"a{i}.csv", "a") as handle:
            handle.write("b6f,100,80,20,0,0,0\n")
    y = np.zeros((1, 3))
    table = PointTable(y, y, np.zeros(1), np.zeros(1), ("M",), "T1", SHAPE, PIXEL)
    table.meta["classes"] = [["PSII", "b6f"]]
    table.with_extra(scores=np.zeros((1, 1))).write(data / "scores.npz")
    for flags, name in (((), "PSII"), (("--scores", data / "scores.npz"), "PSII+b6f")):
        assert run(data, "--lists", write_own(data), *flags) == 0
        rows = read_table(data / "out/table.csv", ",")[1]
        assert [row["class"] for row in rows] == [name]
        assert rows[0]["n_annotated"] == ("34" if flags else "32")


def test_curves_have_a_line_per_list(data):
    assert run(data, "--lists", write_copick(data), "--radii-voxel", 2, 4) == 0
    rows = read_table(data / "out/radii.csv", ",")[1]
    names = ("list", "class", "radius_voxel", "strict_f1")
    assert [tuple(row[n] for n in names) for row in rows] == [
        ("copick", "PSII", "2", "0"), ("copick", "PSII", "4", "1"),
    ]  # fmt: skip


def test_distance_to_the_membrane_decides_what_is_judged(data):
    assert run(data, "--lists", write_star(data), "--near-voxel", 30) == 0
    assert table(data)["star"]["n_predicted"] == "18"
    assert table(data)["star"]["strict_precision"] == "0.888889"


def test_json_tells_how_it_was_made(data):
    assert run(data, "--lists", write_own(data)) == 0
    content = json.loads((data / "out/comparison.json").read_text())
    assert content["rows"] == "neither split train nor validation"
    assert (content["radius_voxel"], content["near_voxel"]) == (4.5, 20.0)
    assert content["lists"]["own"]["PSII"]["n_hits"] == 16
    assert content["provenance"]["step"] == "compare_picks"
    assert str(data) not in json.dumps(content)


def test_same_input_gives_the_same_bytes(data):
    lists = [write_own(data), write_star(data)]
    contents = []
    for _ in range(2):
        assert run(data, "--lists", *lists) == 0
        contents.append([(data / "out" / name).read_bytes() for name in sorted(OUTPUTS)])
    assert contents[0] == contents[1]


@pytest.mark.parametrize(
    ("factor", "size", "message"),
    [
        (PIXEL, None, "divided by 10 they would fit (angstrom, not voxels?), 16 of 32"),
        (1.0, 1.0, "multiplied by 10 they would fit (voxels, not angstrom?), 16 of 32"),
        (4.0, None, "divided by 4 they would fit"),
        (1.0, 13.68, "they would fit (another pixel size?)"),
    ],
)
def test_a_list_in_another_unit_is_refused(data, capsys, factor, size, message):
    sizes = [] if size is None else ["--pixel-sizes", f"star={size}"]
    assert run(data, "--lists", write_own(data), write_star(data, factor), *sizes) == 2
    error = capsys.readouterr().err
    assert "compare_picks: error: star (" in error
    assert "the picks do not lie where the annotated positions are" in error
    assert message in error
    assert not (data / "out").exists()


@pytest.mark.parametrize(("factor", "size"), [(PIXEL, 1.0), (4.0, 2.5)])
def test_told_the_unit_the_list_is_judged(data, factor, size):
    flags = ("--pixel-sizes", f"star={size}")
    assert run(data, "--lists", write_star(data, factor), *flags) == 0
    assert table(data)["star"]["n_hits"] == "16"


def test_every_list_that_cannot_be_used_is_told(data, capsys):
    (data / "bad.csv").write_text("x,y\n")
    lists = (f"gone={data / 'gone.star'}", f"bad={data / 'bad.csv'}")
    assert run(data, "--lists", *lists) == 2
    error = capsys.readouterr().err
    assert "2 lists of picks cannot be used" in error
    assert "gone.star: no such file of picks" in error
    assert "bad.csv: does not say which tomogram a pick belongs to" in error


def test_mistakes_in_flags(data, capsys):
    assert run(data, "--lists", "a.csv") == 2
    assert "--lists; found 'a.csv'; expected NAME=PATH" in capsys.readouterr().err
    assert run(data, "--lists", write_own(data), "--near-voxel", -1) == 2
    assert "--near-voxel; found -1.0; expected 0 or more" in capsys.readouterr().err
    assert run(data, "--lists", write_own(data), "--classes", "PSI") == 2
    assert "'psi' is not annotated; did you mean 'PSII'" in capsys.readouterr().err
    (data / "membranes.tsv").write_text("tomogram\tmembrane\tmask\nT1\tM\tm.mrc\n")
    assert run(data, "--lists", write_own(data)) == 2
    assert "no membrane has annotations: nothing to compare lists with" in capsys.readouterr().err
