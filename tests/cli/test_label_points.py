"""label_points from the command line: files in, labelled points out."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from membrain.command import main
from membrain.rotations import frames_from_normals
from membrain.tables import PointTable, read_status

SHAPE = (30, 40, 50)


@pytest.fixture
def data(tmp_path):
    """Two flat membranes of one tomogram with annotations, and the points of their batch."""
    points, membrane = [], []
    for index, z in enumerate((8.0, 22.0)):
        y, x = np.meshgrid(np.arange(0, 40, 2.0), np.arange(0, 50, 2.0), indexing="ij")
        points.append(np.stack([np.full(x.size, z), y.ravel(), x.ravel()], axis=1))
        membrane.append(np.full(x.size, index))
    points, membrane = np.concatenate(points), np.concatenate(membrane)
    PointTable(
        points=points.astype(np.float32),
        normals=np.tile(np.float32([1, 0, 0]), (len(points), 1)),
        membrane=membrane.astype(np.int32),
        side=np.zeros(len(points), np.int8),
        membranes=("M1", "M2"),
        tomogram="T1",
        shape=SHAPE,
        pixel_size=10.0,
        meta={"subvolumes": {"box_shape": [12, 12, 12]}},
    ).write(tmp_path / "points.npz")
    info = {"tomogram": "T1", "shape": SHAPE, "pixel_size_angstrom": 10.0}
    (tmp_path / "info.json").write_text(json.dumps(info))
    rng = np.random.default_rng(0)
    for name, z in (("M1", 8), ("M2", 22)):
        rows = [f"A,{x:.1f},{y:.1f},{z}" for x, y in rng.uniform(3, 37, (12, 2))]
        rows += [f"UK,{x:.1f},{y:.1f},{z}" for x, y in rng.uniform(3, 37, (2, 2))]
        text = "\n".join(["class,x,y,z", *rows]) + "\n"
        (tmp_path / f"{name}.csv").write_text(text)
    write_sheet(tmp_path, [("M1", "train", "M1.csv"), ("M2", "train", "M2.csv")])
    return tmp_path


def write_sheet(folder, rows):
    lines = ["tomogram\tmembrane\tmask\tsplit\tannotations"]
    lines += [f"T1\t{name}\tm.mrc\t{split}\t{file}" for name, split, file in rows]
    (folder / "membranes.tsv").write_text("\n".join(lines) + "\n")


def call(folder, *flags):
    return main(
        [
            *("label_points", "--points", str(folder / "points.npz")),
            *("--sheet", str(folder / "membranes.tsv"), "--tomogram", "T1"),
            *("--info", str(folder / "info.json"), "--output", str(folder / "labels.npz")),
            *("--status", str(folder / "status.tsv"), *flags),
        ]
    )


def test_points_get_the_distance_to_the_nearest_particle(data):
    assert call(data) == 0
    table = PointTable.read(data / "labels.npz", needs=("labels",))
    known = np.genfromtxt(data / "M1.csv", delimiter=",", skip_header=1)[:, [3, 2, 1]]
    mine = table.membrane == 0
    brute = np.linalg.norm(table.points[mine][:, None] - known[None], axis=2).min(axis=1)
    assert np.allclose(table.extra["labels"][mine, 0], np.minimum(brute, 7), atol=1e-5)
    assert table.meta["classes"] == [["A", "UK"]]
    assert table.meta["cap"] == 7.0
    assert table.meta["subvolumes"] == {"box_shape": [12, 12, 12]}
    assert [(r["status"], r["n"]) for r in read_status(data / "status.tsv")] == [("ok", "500")] * 2


@pytest.mark.parametrize(("flags", "n_clear"), [((), 12), (("--ambiguous-classes",), 14)])
def test_distance_to_clear_classes_alone_is_written_too(data, flags, n_clear):
    assert call(data, *flags) == 0
    table = PointTable.read(data / "labels.npz", needs=("clear_labels",))
    known = np.genfromtxt(data / "M1.csv", delimiter=",", skip_header=1)[:n_clear, [3, 2, 1]]
    mine = table.membrane == 0
    brute = np.linalg.norm(table.points[mine][:, None] - known[None], axis=2).min(axis=1)
    assert np.allclose(table.extra["clear_labels"][mine, 0], np.minimum(brute, 7), atol=1e-5)


def test_distance_to_classes_of_no_output_is_written_too(data):
    rows = ["class,x,y,z", "A,10,10,8", "B,20,20,8", "C,30,30,8", "UK,40,10,8"]
    (data / "M1.csv").write_text("\n".join(rows) + "\n")
    (data / "M2.csv").write_text("class,x,y,z\nA,20,20,22\n")
    assert call(data, "--classes", '[["A"]]') == 0
    table = PointTable.read(data / "labels.npz", needs=("labels", "others"))
    mine = table.membrane == 0
    known = np.array([[8, 20, 20], [8, 30, 30]])  # neither A nor what nobody could tell
    brute = np.linalg.norm(table.points[mine][:, None] - known[None], axis=2).min(axis=1)
    assert np.allclose(table.extra["others"][mine, 0], np.minimum(brute, 7), atol=1e-5)
    assert (table.extra["others"][~mine] == 7).all()


def test_classes_are_the_same_for_every_batch(data):
    """The classes come from all training rows of the sheet, not from the batch's membranes."""
    write_sheet(data, [("M1", "train", "M1.csv"), ("M2", "", ""), ("M3", "train", "M3.csv")])
    rows = [f"B,{i},5,8" for i in range(20)]
    (data / "M3.csv").write_text("\n".join(["class,x,y,z", *rows]))
    table = PointTable.read(data / "points.npz")
    table.select(table.membrane == 0).write(data / "points.npz")
    assert call(data) == 0
    assert PointTable.read(data / "labels.npz").meta["classes"] == [["B", "UK"], ["A"]]


def test_pixel_size_of_the_model_scales_the_distances(data):
    assert call(data) == 0
    plain = PointTable.read(data / "labels.npz").extra["labels"]
    flags = ("--pixel-size-angstrom", "20", "--cap-voxel", "3.5", "--distance", "euclidean")
    assert call(data, *flags) == 0
    assert np.allclose(PointTable.read(data / "labels.npz").extra["labels"], plain / 2, atol=1e-6)


def test_shape_of_the_particle_changes_the_distances(data):
    (data / "M1.csv").write_text("class,x,y,z,rot,tilt,psi\nA,24,20,8,0,0,0\n")
    write_sheet(data, [("M1", "train", "M1.csv"), ("M2", "train", "M2.csv")])
    radii = ("--radii-angstrom", "80", "40", "40", "--classes", '[["A"]]')
    assert call(data, *radii) == 0
    table = PointTable.read(data / "labels.npz")
    value = {tuple(p): v for p, v in zip(table.points.tolist(), table.extra["labels"], strict=True)}
    mean = (80 * 40 * 40) ** (1 / 3)
    assert value[8, 20, 28] == pytest.approx(4 * mean / 80, abs=1e-5)
    assert value[8, 24, 24] == pytest.approx(4 * mean / 40, abs=1e-5)
    assert call(data, "--covariance-angstrom2", *"6400 1600 1600 0 0 0".split(), *radii[4:]) == 0
    again = PointTable.read(data / "labels.npz").extra["labels"]
    assert np.allclose(again, table.extra["labels"], atol=1e-5)


def test_map_gives_the_shape_and_may_be_of_one_class(data):
    import mrcfile

    density = np.zeros((12, 12, 30), np.float32)
    density[3:9, 3:9, 3:27] = 1  # long along x
    with mrcfile.new(data / "long.mrc") as handle:
        handle.set_data(density)
        handle.voxel_size = 5.0
    (data / "M1.csv").write_text("class,x,y,z,rot,tilt,psi\nA,24,20,8,0,0,0\nB,10,10,8,0,0,0\n")
    flags = ("--classes", '[["A"],["B"]]', "--map", f"a={data / 'long.mrc'}")
    assert call(data, *flags) == 0
    table = PointTable.read(data / "labels.npz")
    value = {tuple(p): v for p, v in zip(table.points.tolist(), table.extra["labels"], strict=True)}
    assert value[8, 20, 28][0] < 0.6 * value[8, 24, 24][0]
    assert value[8, 10, 14][1] == pytest.approx(4, abs=1e-5) == value[8, 14, 10][1]
    assert str(data) not in json.dumps(table.meta)


def test_membrane_whose_annotations_lie_elsewhere_fails_alone(data, caplog):
    (data / "M1.csv").write_text("class,x,y,z\nA,25,20,28\nA,30,10,28\n")
    assert call(data, "--classes", '[["A"]]') == 0
    rows = read_status(data / "status.tsv")
    assert [r["status"] for r in rows] == ["failed", "ok"]
    assert "T1/M1: the annotated particles do not lie on the membrane" in rows[0]["message"]
    table = PointTable.read(data / "labels.npz")
    assert np.isnan(table.extra["labels"][table.membrane == 0]).all()
    assert np.isfinite(table.extra["labels"][table.membrane == 1]).all()


def test_membrane_without_annotations_is_told_in_the_status(data):
    write_sheet(data, [("M1", "train", "M1.csv"), ("M2", "", "")])
    assert call(data) == 0
    message = read_status(data / "status.tsv")[1]["message"]
    assert "membrane 'M2' has no file in column 'annotations'" in message


def test_file_without_particle_is_a_valid_empty_result(data):
    (data / "M2.csv").write_text("class,x,y,z\n")
    assert call(data, "--classes", '[["A"]]') == 0
    table = PointTable.read(data / "labels.npz")
    assert (table.extra["labels"][table.membrane == 1] == 7).all()
    assert read_status(data / "status.tsv")[1]["message"] == "no annotated particle"


def test_no_point_travels_through(data):
    table = PointTable.read(data / "points.npz")
    table.select(np.zeros(len(table), bool)).write(data / "points.npz")
    assert call(data) == 0
    assert PointTable.read(data / "labels.npz").extra["labels"].shape == (0, 1)
    assert [r["status"] for r in read_status(data / "status.tsv")] == ["empty", "empty"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--classes", "[3]"), "expected a list of lists of names"),
        (("--cap-voxel", "0"), "expected a cap above 0"),
        (("--map", "a.mrc", "--radii-angstrom", "1", "2", "3"), "give one of --map"),
        (("--map", "a=a.mrc", "A=b.mrc"), "a.mrc"),
        (("--radii-angstrom", "1", "2", "0"), "radii of the particle"),
        (("--tomogram", "T2"), "not of tomogram 'T2'"),
        (("--symmetry", "B=2"), "option of class 'b': no output has this class"),
        (("--symmetry", "two"), "--symmetry, every class; found 'two'; expected a whole number"),
        (("--symmetry", "A=2", "UK=3"), "symmetry of the output A + UK; found A: 2, UK: 3"),
        (("--radii-angstrom", "B=9"), "option of class 'b': no output has this class"),
        (("--target", "membership", "--membership-voxel", "7"), "above 0, below the cap (7)"),
        (("--far-share", "30"), "--far-share; found 30; expected 0 to 1"),
    ],
)
def test_mistakes_end_with_one_line_and_code_2(data, capsys, flags, message):
    assert call(data, *flags) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (data / "labels.npz").exists()


def test_two_maps_of_one_class_are_refused(data, capsys):
    import mrcfile

    with mrcfile.new(data / "a.mrc") as handle:
        handle.set_data(np.pad(np.ones((4, 4, 4), np.float32), 2))
        handle.voxel_size = 5.0
    assert call(data, "--map", f"A={data / 'a.mrc'}", f"a={data / 'a.mrc'}") == 2
    assert "--map: two values for a" in capsys.readouterr().err


def test_same_bytes_each_time(data):
    assert call(data) == 0
    first = (data / "labels.npz").read_bytes()
    assert call(data) == 0
    assert (data / "labels.npz").read_bytes() == first


def test_shared_file_is_divided_among_the_membranes(data):
    import mrcfile

    labels = np.zeros(SHAPE, np.int8)
    labels[7:9], labels[21:23] = 1, 2
    with mrcfile.new(data / "m.mrc") as handle:
        handle.set_data(labels)
        handle.voxel_size = 10.0
    (data / "all.csv").write_text("class,x,y,z\nA,20,20,8\nA,30,10,22\n")
    lines = ["tomogram\tmembrane\tmask\tlabel\tsplit\tannotations"]
    lines += [f"T1\tM{i}\tm.mrc\t{i}\ttrain\tall.csv" for i in (1, 2)]
    (data / "membranes.tsv").write_text("\n".join(lines) + "\n")
    assert call(data, "--classes", '[["A"]]') == 0
    table = PointTable.read(data / "labels.npz")
    near = table.points[table.extra["labels"][:, 0] == 0]
    assert near.tolist() == [[8, 20, 20], [22, 10, 30]]


def test_annotations_in_one_corner_fail_with_the_factor(data):
    rows = [f"A,{0.5 * i},{0.4 * i},0.8" for i in range(1, 10)]  # divided by the pixel size
    (data / "M1.csv").write_text("\n".join(["class,x,y,z", *rows]) + "\n")
    assert call(data, "--classes", '[["A"]]') == 0
    row = read_status(data / "status.tsv")[0]
    assert row["status"] == "failed"
    assert (
        "T1/M1: the annotated particles lie all in one corner; found 9 in x 0 to" in row["message"]
    )
    assert re.search("multiplied by (9|10|11) they would fit", row["message"])


def test_membership_is_named_in_the_file(data):
    assert call(data) == 0
    distances = PointTable.read(data / "labels.npz")
    assert distances.meta["target"] == "distance"
    flags = ("--target", "membership", "--membership-voxel", "2.5", "--cap-voxel", "6")
    assert call(data, *flags) == 0
    table = PointTable.read(data / "labels.npz")
    assert (table.meta["target"], table.meta["membership_voxel"]) == ("membership", 2.5)
    is_member = distances.extra["labels"] <= 2.5
    assert np.array_equal(table.extra["labels"], np.where(is_member, 0, 6).astype(np.float32))
    assert 0 < is_member.mean() < 0.5


def test_stray_annotation_is_left_out_and_counted_in_the_status(data):
    with open(data / "M1.csv", "a") as handle:
        handle.write("A,20,20,24\n")
    assert call(data) == 0
    row = read_status(data / "status.tsv")[0]
    assert row["status"] == "ok"
    assert row["message"] == "1 of 15 annotations far from it, left out"
    assert call(data, "--far-share", "0.05") == 0
    assert read_status(data / "status.tsv")[0]["status"] == "failed"


def test_sphere_is_the_same_as_euclidean(data):
    assert call(data, "--radii-angstrom", "55") == 0
    sphere = PointTable.read(data / "labels.npz").extra["labels"]
    assert call(data, "--distance", "euclidean") == 0
    assert np.allclose(sphere, PointTable.read(data / "labels.npz").extra["labels"], atol=1e-5)


def test_angles_are_written_beside_the_distances(data):
    (data / "M1.csv").write_text("class,x,y,z,rot,tilt,psi\nA,20,10,8,30,0,0\nUK,30,30,8,0,0,0\n")
    (data / "M2.csv").write_text("class,x,y,z,rot,tilt,psi\nA,20,10,22,0,0,0\n")
    flags = ("--classes", '[["A", "UK"], ["B"]]', "--symmetry", "1", "B=0", "--far-share", "1")
    assert call(data, *flags) == 0
    table = PointTable.read(data / "labels.npz", needs=("labels", "angles"))
    angles = table.extra["angles"]
    assert (angles.shape, angles.dtype) == ((len(table), 2, 2), np.float32)
    assert table.meta["folds"] == [1, 0]
    assert not angles[:, 1].any()
    # rot is the spin about the normal, which lies along z here: x axis (cos 30, -sin 30, 0), xyz
    frame = frames_from_normals([[1.0, 0, 0]])[0]
    wanted = frame[:, :2].T @ [0, -0.5, np.sqrt(0.75)]
    near = table.extra["labels"][:, 0] < 2.5
    of_known = near & (table.membrane == 0) & (table.points[:, 2] < 25)
    assert of_known.any()
    assert np.abs(angles[of_known, 0] @ wanted) == pytest.approx(1, abs=1e-5)
    assert not angles[(near & (table.points[:, 2] > 25)) | ~near].any()
    assert table.meta["provenance"]["parameters"]["symmetry"] == ["1", "B=0"]


def test_points_of_a_tomogram_that_failed_get_no_labels(data):
    table = PointTable.read(data / "points.npz")
    meta = {**table.meta, "failure": "cut short"}
    replace(table.select(np.empty(0, int)), meta=meta).write(data / "points.npz")
    (data / "info.json").write_text(json.dumps({"tomogram": "T1", "failure": "cut short"}))
    assert call(data) == 0
    labelled = PointTable.read(data / "labels.npz", needs=("labels", "clear_labels", "angles"))
    assert labelled.extra["labels"].shape == (0, 1)
    rows = read_status(data / "status.tsv")
    assert [(row["membrane"], row["status"]) for row in rows] == [("M1", "empty"), ("M2", "empty")]


def test_unreadable_annotations_are_not_counted_where_others_are_there(data, caplog):
    (data / "M2.csv").write_text("nonsense")
    assert call(data) == 0
    assert "left out where classes are counted: " in caplog.text
    rows = {row["membrane"]: row["status"] for row in read_status(data / "status.tsv")}
    assert rows == {"M1": "ok", "M2": "failed"}
    (data / "M1.csv").write_text("nonsense")
    assert call(data) == 2
