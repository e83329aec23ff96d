"""evaluate_particles as a command."""

from __future__ import annotations

import csv
import json

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain.command import main
from membrain.files import read_table
from membrain.particles import ParticleTable, concatenate_particles, empty_particles
from membrain.rotations import relion_angles
from membrain.tables import PointTable

SHAPE = (40, 60, 80)


def planted(seed, n=6):
    """Return n positions zyx, far apart on the plane z = 20, and poses with z along the normal."""
    rng = np.random.default_rng(seed)
    positions = np.stack([np.full(n, 20.0), 8.0 + 9 * np.arange(n), rng.uniform(10, 70, n)], axis=1)
    return positions, Rotation.from_euler("z", rng.uniform(-180, 180, (n, 1)), degrees=True)


def table(positions, poses, membrane, tomogram="T1", classes="PSII"):
    n = len(positions)
    matrices = poses.as_matrix().reshape(-1, 3, 3)

    def names(value):
        return np.array([value] * n, dtype=object)

    return ParticleTable(
        names(tomogram), names(membrane), names("a"), np.arange(1, n + 1), positions,
        positions * 10, np.ones(n), np.ones(n, int), matrices[:, ::-1, 2], matrices[:, ::-1, 0],
        relion_angles(poses), names(classes),
    )  # fmt: skip


@pytest.fixture
def data(tmp_path):
    """A sheet of three annotated membranes (train, test, test) and one without annotations."""
    volume = np.zeros(SHAPE, np.int8)
    volume[19:22] = 1
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    lines = ["tomogram\tmembrane\tmask\tsplit\tannotations"]
    for i, split in enumerate(("train", "test", "test"), 1):
        positions, poses = planted(i)
        rows = zip(positions, relion_angles(poses), strict=True)
        text = "".join(
            f"PSII,{x},{y},{z},{rot},{tilt},{psi}\n" for (z, y, x), (rot, tilt, psi) in rows
        )
        (tmp_path / f"a{i}.csv").write_text("class,x,y,z,rot,tilt,psi\n" + text)
        lines.append(f"T1\tM{i}\tm.mrc\t{split}\ta{i}.csv")
    lines.append("T1\tM4\tm.mrc\t\t")
    (tmp_path / "membranes.tsv").write_text("\n".join(lines) + "\n")
    content = {"tomogram": "T1", "shape": list(SHAPE), "pixel_size_angstrom": 10.0}
    (tmp_path / "T1.json").write_text(json.dumps(content))
    return tmp_path


def evaluate(folder, particles, *flags):
    """Run the command; return the exit code, the metrics and the rows of membranes.csv."""
    particles.write(folder / "particles.csv", ",")
    code = main(
        [
            *("evaluate_particles", "--particles", str(folder / "particles.csv")),
            *("--sheet", str(folder / "membranes.tsv"), "--infos", str(folder / "T1.json")),
            *("--metrics", str(folder / "metrics.json")),
            *("--membranes", str(folder / "out.csv"), *flags),
        ]
    )
    if code:
        return code, None, None

    def refuse(word):
        raise AssertionError(f"{word} in JSON")

    metrics = json.loads((folder / "metrics.json").read_text(), parse_constant=refuse)
    with open(folder / "out.csv", newline="") as handle:
        return code, metrics, list(csv.DictReader(handle))


def picks(shift=0.0, turn=0.0):
    tables = []
    for i in (1, 2, 3):
        positions, poses = planted(i)
        turned = poses * Rotation.from_euler("z", turn, degrees=True)
        tables.append(table(positions + [0, 0, shift], turned, f"M{i}"))
    return concatenate_particles(tables)


def test_perfect_copy(data):
    code, metrics, rows = evaluate(data, picks())
    assert code == 0
    overall = metrics["overall"]
    assert metrics["rows"] == "split test"
    assert overall["n_membranes"] == 2
    assert overall["n_annotated"] == overall["n_predicted"] == 12
    for way in ("paper", "strict"):
        assert overall[way] == {"precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert overall["interval_strict_f1"] == [1.0, 1.0]
    assert overall["in_plane_error_degree"]["mean"] == pytest.approx(0, abs=0.001)
    assert overall["normal_error_degree"]["median"] == pytest.approx(0, abs=0.001)
    assert overall["position_error_voxel"]["mean"] == pytest.approx(0, abs=0.001)
    assert set(metrics["splits"]) == {"train", "test"}
    assert set(metrics["classes"]) == {"PSII"}
    assert [(r["membrane"], r["strict_f1"]) for r in rows] == [(f"M{i}", "1.0") for i in (1, 2, 3)]


@pytest.mark.parametrize(("shift", "f1"), [(4.4, 1.0), (4.6, 0.0)])
def test_shift_at_the_radius(data, shift, f1):
    _, metrics, _ = evaluate(data, picks(shift))
    assert metrics["overall"]["strict"]["f1"] == f1
    assert metrics["overall"]["paper"]["f1"] == f1


def test_radius_scales_with_the_working_pixel_size(data):
    _, metrics, _ = evaluate(data, picks(4.6), "--pixel-size-angstrom", "13.68")
    assert metrics["overall"]["strict"]["f1"] == 1.0
    assert metrics["overall"]["position_error_voxel"]["mean"] == pytest.approx(
        4.6 / 1.368, abs=1e-3
    )


def test_planted_turn_is_the_in_plane_error(data):
    _, metrics, _ = evaluate(data, picks(turn=100))
    overall = metrics["overall"]
    assert overall["in_plane_error_degree"] == {
        "mean": pytest.approx(80, abs=0.01),
        "median": pytest.approx(80, abs=0.01),
    }
    assert overall["in_plane_offset_degree"] == pytest.approx(-80, abs=0.01)  # C2: 100 is -80
    _, metrics, _ = evaluate(data, picks(turn=100), "--symmetry", "PSII=1")
    assert metrics["overall"]["in_plane_error_degree"]["mean"] == pytest.approx(100, abs=0.01)
    _, metrics, _ = evaluate(data, picks(turn=100), "--symmetry", "4")
    assert metrics["overall"]["in_plane_error_degree"]["mean"] == pytest.approx(10, abs=0.01)
    _, metrics, _ = evaluate(data, picks(turn=100), "--axis-degree", "psii=95")
    assert metrics["overall"]["in_plane_error_degree"]["mean"] == pytest.approx(5, abs=0.01)


def test_double_picks_cost_strict_precision_only(data):
    both = concatenate_particles([picks(), picks(1.0)])
    _, metrics, _ = evaluate(data, both)
    assert metrics["overall"]["paper"]["precision"] == 1.0
    assert metrics["overall"]["strict"]["precision"] == 0.5


def test_no_particle(data):
    code, metrics, rows = evaluate(data, empty_particles())
    assert code == 0
    assert metrics["overall"]["strict"] == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert rows[0]["class"] == "particle"
    assert rows[0]["strict_precision"] == ""


def test_no_annotation_in_the_sheet(data, caplog):
    text = "tomogram\tmembrane\tmask\nT1\tM1\tm.mrc\n"
    (data / "membranes.tsv").write_text(text)
    code, metrics, rows = evaluate(data, picks())
    assert code == 0
    assert rows == []
    assert metrics["overall"]["n_membranes"] == 0
    assert "nothing to compare with" in caplog.text


def test_outputs_of_training_name_the_classes(data):
    with open(data / "a2.csv", "a") as handle:
        handle.write("b6f,40,30,20,0,0,0\nUK,60,30,20,0,0,0\n")
    _, metrics, _ = evaluate(data, picks(), "--classes", '[["PSII", "UK"], ["b6f"]]')
    assert set(metrics["classes"]) == {"PSII", "b6f"}
    assert metrics["classes"]["PSII"]["strict"]["f1"] == 1.0
    assert metrics["classes"]["b6f"]["strict"] == {"precision": None, "recall": 0.0, "f1": 0.0}
    assert metrics["overall"]["n_annotated"] == 13


def test_same_input_gives_the_same_bytes(data):
    evaluate(data, picks(3.0))
    first = (data / "metrics.json").read_bytes(), (data / "out.csv").read_bytes()
    evaluate(data, picks(3.0))
    assert first == ((data / "metrics.json").read_bytes(), (data / "out.csv").read_bytes())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--symmetry", "two"], "--symmetry, every class; found 'two'; expected 1 numbers"),
        (["--symmetry", "PSII=1.5"], "--symmetry, psii; found 1.5; expected a whole number, 0"),
        (["--symmetry", "PSII=-2"], "found -2; expected a whole number, 0 or more"),
        (["--axis-degree", "b6f=x"], "--axis-degree, b6f; found 'x'; expected 1 numbers"),
        (["--classes", "PSII"], "--classes: not JSON; found 'PSII'"),
        (["--classes", '{"PSII": "UK"}'], "--classes: 'PSII'; found UK; expected a list of names"),
        (["--classes", "3"], "--classes; found 3; expected an object, or a list of lists"),
        (["--radius-voxel", "-1"], "--radius-voxel; found -1.0; expected 0 or more"),
        (["--radii-voxel", "2", "-1"], "--radii-voxel; found [2.0, -1.0]; expected 0 or more"),
        (["--cap-voxel", "0"], "--cap-voxel; found 0.0; expected more than 0"),
    ],
)
def test_mistakes_in_flags(data, capsys, flags, message):
    code, _, _ = evaluate(data, picks(), *flags)
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (data / "metrics.json").exists()


def test_broken_annotations_are_all_named(data, capsys):
    (data / "a1.csv").write_text("class,x,y\n")
    (data / "a3.csv").write_text("class,x,y,z\nPSII,1,2,400\n")
    code, _, _ = evaluate(data, picks())
    assert code == 2
    error = capsys.readouterr().err
    assert "a1.csv: column 'z' is missing" in error
    assert "a3.csv: 1 of 1 positions lie outside the tomogram" in error


def test_curves_and_poses_of_the_judged_membranes(data):
    folder = data / "figures"
    evaluate(data, picks(3.0, 20.0), "--figures", str(folder), "--radii-voxel", "2", "3.5")
    names = {"radii", "precision_recall", "orientations"}
    assert {p.name for p in folder.iterdir()} == {f"{n}.{e}" for n in names for e in ("csv", "png")}
    rows = read_table(folder / "radii.csv", ",")[1]
    names = ("class", "radius_voxel", "n_annotated", "paper_f1")
    found = [tuple(row[name] for name in names) for row in rows]
    assert found == [
        ("overall", "2", "12", "0"), ("overall", "3.5", "12", "1"),
        ("PSII", "2", "12", "0"), ("PSII", "3.5", "12", "1"),
    ]  # fmt: skip
    rows = read_table(folder / "orientations.csv", ",")[1]
    assert len(rows) == 18  # training membrane too
    np.testing.assert_allclose([float(row["turn_degree"]) for row in rows], 20, atol=0.01)


def scored_points(folder, noise, *outputs):
    """Write a file of points on the plane z = 20 whose scores are true distances and noise."""
    y, x = np.mgrid[0:60:2, 0:80:2].reshape(2, -1)
    points = np.stack([np.full(len(x), 20.0), y, x], axis=1)
    scores = np.random.default_rng(0).normal(0, noise, (2, len(points)))
    for i, row in zip((1, 2), scores, strict=True):
        distances = np.linalg.norm(points[:, None] - planted(i)[0][None], axis=2)
        row += np.minimum(distances.min(axis=1), 7.0)
    n, classes = len(points), outputs or [["PSII"]]
    PointTable(
        np.tile(points, (2, 1)), np.tile([1.0, 0, 0], (2 * n, 1)), np.repeat([0, 1], n),
        np.zeros(2 * n), ("M1", "M2"), "T1", SHAPE, 10.0, 
        extra={"scores": np.tile(scores.reshape(-1, 1), (1, len(classes)))},
        meta={"classes": list(classes), "cap": 7.0},
    ).write(folder / "scores.npz")  # fmt: skip
    return "--scores", str(folder / "scores.npz")


def test_heatmap_correlation_of_annotated_membranes(data):
    _, metrics, rows = evaluate(data, picks(), *scored_points(data, 0.0))
    assert [row["heatmap_pearson"] for row in rows] == ["1.0", "1.0", ""]
    assert metrics["overall"]["heatmap_correlation"] == {"pearson": 1.0, "spearman": 1.0, "n": 1}
    _, metrics, rows = evaluate(data, picks(), *scored_points(data, 2.0))
    assert 0.3 < float(rows[0]["heatmap_spearman"]) < float(rows[0]["heatmap_pearson"]) < 0.8
    assert metrics["splits"]["train"]["heatmap_correlation"]["n"] == 1
    longer = scored_points(data, 0.0)
    flags = ("--radii-angstrom", "10", "10", "100")  # labels rise faster in the plane
    _, _, rows = evaluate(data, picks(), *longer, *flags)
    assert 0.5 < float(rows[0]["heatmap_pearson"]) < 0.99


def test_output_of_the_model_that_found_nothing_is_judged(data):
    with open(data / "a2.csv", "a") as handle:
        handle.write("b6f,40,30,20,0,0,0\n")
    flags = scored_points(data, 0.0, ["PSII"], ["b6f"])
    _, metrics, _ = evaluate(data, picks(), *flags)
    assert metrics["classes"]["b6f"]["strict"]["recall"] == 0.0
    assert metrics["overall"]["n_annotated"] == 13


def test_output_of_several_classes_is_judged_by_all_of_them(data):
    path = data / "a2.csv"
    path.write_text(path.read_text().replace("PSII", "b6f", 3))
    flags = scored_points(data, 0.0, ["PSII", "b6f"])
    _, metrics, _ = evaluate(data, picks(), *flags)
    assert metrics["overall"]["strict"]["f1"] == 1.0
    assert metrics["overall"]["n_annotated"] == 12
    _, metrics, _ = evaluate(data, picks(), *flags, "--classes", '{"PSII": ["PSII"]}')
    assert metrics["overall"]["n_annotated"] == 9


def test_scores_of_another_step_are_refused(data, capsys):
    y = np.zeros((1, 3))
    table = PointTable(y, y, np.zeros(1), np.zeros(1), ("M1",), "T1", SHAPE, 10.0)
    table.write(data / "points.npz")
    code, _, _ = evaluate(data, picks(), "--scores", str(data / "points.npz"))
    assert code == 2
    assert "points.npz: not the table that this step takes" in capsys.readouterr().err


def test_named_membranes_alone_are_judged_whatever_their_split(data):
    code, metrics, rows = evaluate(data, picks(), "--only", "T1/M1", "T1/M2")
    assert code == 0
    assert [(row["membrane"], row["split"]) for row in rows] == [("M1", "test"), ("M2", "test")]
    assert (metrics["rows"], metrics["overall"]["n_annotated"]) == ("split test", 12)


def test_unknown_membrane_to_judge_is_refused(data, capsys):
    assert evaluate(data, picks(), "--only", "T1/M9")[0] == 2
    assert "--only: no membrane 'T1/M9'" in capsys.readouterr().err


def test_tomogram_that_failed_is_left_out(data, caplog):
    sheet = data / "membranes.tsv"
    sheet.write_text(sheet.read_text() + "T2\tM1\tm.mrc\ttest\ta1.csv\n")
    failed = data / "T2.json"
    failed.write_text(json.dumps({"tomogram": "T2", "failure": "cut short"}))
    code, metrics, rows = evaluate(data, picks(), "--infos", str(data / "T1.json"), str(failed))
    assert code == 0
    assert {row["tomogram"] for row in rows} == {"T1"}
    assert "T2.json: the tomogram failed and is left out" in caplog.text
