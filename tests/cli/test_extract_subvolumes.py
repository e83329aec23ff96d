import errno
import gzip
import json
import logging
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from membrain import scratch
from membrain.command import main
from membrain.files import write_json
from membrain.tables import PointTable, read_status
from membrain.volumes import write_volume

SHAPE = (30, 44, 52)


def make_info(volume, **changes):
    mean, std = float(volume.mean()), float(volume.std())
    low = max(-3.0, (float(volume.min()) - mean) / std)
    high = min(3.0, (float(volume.max()) - mean) / std)
    grey = {"centre": mean, "scale": std, "low": low, "high": high, "limit": 3.0}
    info = {"tomogram": "T1", "shape": list(volume.shape), "mean": mean, "std": std, "grey": grey}
    return {**info, **changes}


@pytest.fixture
def case(tmp_path):
    """Two membranes at z = 12..14 with darker voxels, a third without points."""
    rng = np.random.default_rng(0)
    volume = rng.normal(100, 10, SHAPE).astype(np.float32)
    volume[12:15] -= 20
    y, x = np.mgrid[2:42:4, 2:50:4]
    points = np.stack([np.full(y.size, 14.0), y.ravel(), x.ravel()], axis=1).astype(np.float32)
    table = PointTable(
        points=points,
        normals=np.tile(np.float32([1, 0, 0]), (len(points), 1)),
        membrane=(np.arange(len(points)) % 2 * 2).astype(
            np.int32
        ),  # M1 and M3 take turns, M2 is empty
        side=(np.arange(len(points)) % 3 == 0).astype(np.int8),
        membranes=("M1", "M2", "M3"),
        tomogram="T1",
        shape=SHAPE,
        pixel_size=10.0,
        meta={"seed": 5},
    )
    write_volume(tmp_path / "T1.mrc", volume, 10.0)
    write_json(tmp_path / "info.json", make_info(volume))
    table.write(tmp_path / "points.npz")
    return tmp_path, volume, table


def run(folder, *flags, name="out", path="T1.mrc"):
    return main(
        [
            "extract_subvolumes",
            *("--points", str(folder / "points.npz"), "--path", str(folder / path)),
            *("--info", str(folder / "info.json")),
            *("--output-subvolumes", str(folder / f"{name}.npy")),
            *(
                "--output-points",
                str(folder / f"{name}.npz"),
                "--status",
                str(folder / f"{name}.tsv"),
            ),
            *("--quiet", *flags),
        ]
    )


def load(folder, name="out"):
    return np.load(folder / f"{name}.npy"), PointTable.read(folder / f"{name}.npz")


def test_rows_of_both_outputs_belong_together(case):
    folder, volume, _ = case
    assert run(folder) == 0
    boxes, table = load(folder)
    assert boxes.shape == (len(table), 12, 12, 12)
    z = np.clip((volume - volume.mean()) / volume.std(), -3, 3)
    z = (z - z.min()) / (z.max() - z.min())
    where = table.points.astype(int)
    # whole voxels: the spline gives back the voxel at the point, index (6, 6, 6)
    np.testing.assert_allclose(boxes[:, 6, 6, 6], z[tuple(where.T)], atol=1e-4)
    above = where + [6, 0, 0]  # along the normal: index 0
    np.testing.assert_allclose(boxes[:, 0, 6, 6], z[tuple(above.T)], atol=1e-4)


def test_border_points_are_dropped_and_told(case):
    folder, _, before = case
    assert run(folder) == 0
    boxes, table = load(folder)
    # in the plane the box reaches 6 voxels down and 5 up along axes that are +-y and +-x
    assert 0 < len(table) < len(before)
    assert (table.points[:, 1:] >= 5).all()
    rows = {row["membrane"]: row for row in read_status(folder / "out.tsv")}
    counts = np.bincount(table.membrane, minlength=3)
    assert [int(rows[m]["n"]) for m in ("M1", "M2", "M3")] == counts.tolist()
    assert rows["M2"]["status"] == "empty"
    n_out = 60 - counts[0]
    assert rows["M1"]["message"] == f"{n_out} of 60 points dropped: box leaves the tomogram"


def test_pad_keeps_every_point(case):
    folder, _, before = case
    assert run(folder, "--border", "pad") == 0
    boxes, table = load(folder)
    assert len(boxes) == len(before)
    assert np.isfinite(boxes).all()
    assert "kept, mirrored" in read_status(folder / "out.tsv")[0]["message"]


@pytest.mark.parametrize(("model", "inverted"), [("dark", False), ("bright", True)])
def test_contrast_is_measured_and_turned_to_the_models(case, model, inverted):
    folder, *_ = case
    assert run(folder, "--model-contrast", model) == 0
    boxes, table = load(folder)
    found = table.meta["subvolumes"]["contrast"]
    assert found["tomogram"] == "dark"
    assert found["inverted"] is inverted
    assert found["difference"] < -0.5
    membrane, away = boxes[:, 6:9].mean(), boxes[:, :4].mean()
    assert (membrane > away) is np.bool_(inverted)


def test_given_contrast_wins(case):
    folder, *_ = case
    assert run(folder, "--contrast", "bright") == 0
    assert run(folder, "--contrast", "dark", name="plain") == 0
    assert load(folder)[1].meta["subvolumes"]["contrast"]["inverted"] is True
    np.testing.assert_allclose(load(folder)[0], 1 - load(folder, "plain")[0], atol=1e-5)


def test_unclear_contrast_is_told_and_left(case, caplog):
    folder, *_ = case
    flat = np.zeros(SHAPE, np.float32)
    flat[0], flat[1] = 5, -5
    write_volume(folder / "T1.mrc", flat, 10.0)
    write_json(folder / "info.json", make_info(flat))
    with caplog.at_level(logging.WARNING):
        assert run(folder, "--model-contrast", "bright") == 0
    assert "contrast not clear" in caplog.text
    assert "extract_subvolumes.contrast" in caplog.text
    found = load(folder)[1].meta["subvolumes"]["contrast"]
    assert (found["tomogram"], found["inverted"], found["clear"]) == ("bright", False, False)


def test_model_grid_coarser_than_the_tomogram(case):
    folder, *_ = case
    assert (
        run(
            folder,
            "--pixel-size-angstrom",
            "15",
            "--box-shape",
            "6",
            "5",
            "4",
            "--box-centre",
            "3",
            "2",
            "2",
        )
        == 0
    )
    boxes, table = load(folder)
    assert boxes.shape[1:] == (6, 5, 4)
    described = table.meta["subvolumes"]
    assert described["pixel_size_angstrom"] == 15
    assert described["smoothing_sigma_voxel"] == pytest.approx(
        0.3748 * (1.5**2 - 1) ** 0.5, abs=1e-3
    )
    assert (
        boxes[:, 3].mean() < boxes[:, 0].mean() - 0.1
    )  # dark membrane at the point, none 4.5 voxels up


def test_lowpass_takes_noise_away(case):
    folder, *_ = case
    assert run(folder) == 0
    assert run(folder, "--lowpass-angstrom", "60", name="smooth") == 0
    sharp, smooth = load(folder)[0], load(folder, "smooth")[0]
    assert smooth[:, :4].std() < 0.5 * sharp[:, :4].std()


def test_packed_tomogram_gives_the_same_and_leaves_nothing(case):
    folder, *_ = case
    with open(folder / "T1.mrc", "rb") as source, gzip.open(folder / "T1.mrc.gz", "wb") as target:
        shutil.copyfileobj(source, target)
    assert run(folder) == 0
    assert run(folder, name="packed", path="T1.mrc.gz") == 0
    assert (folder / "out.npy").read_bytes() == (folder / "packed.npy").read_bytes()
    assert not list(folder.glob("*unpacked*")) + list(folder.glob(".*"))


def test_damaged_packed_tomogram_is_told(case, capsys):
    folder, *_ = case
    packed = gzip.compress((folder / "T1.mrc").read_bytes())
    (folder / "T1.mrc.gz").write_bytes(packed[: len(packed) // 2])
    assert run(folder, path="T1.mrc.gz") == 2
    assert re.search(r"T1.mrc.gz: damaged; found .*; copy the file again", capsys.readouterr().err)
    assert not list(folder.glob("out.*")) + list(folder.glob(".*"))


def test_same_input_same_bytes_whatever_the_folder(case, tmp_path_factory):
    folder, *_ = case
    other = tmp_path_factory.mktemp("other")
    for name in ("T1.mrc", "info.json", "points.npz"):
        shutil.copy(folder / name, other / name)
    assert run(folder) == run(other, "--threads", "1") == 0
    for name in ("out.npy", "out.npz", "out.tsv"):
        assert (folder / name).read_bytes() == (other / name).read_bytes(), name


def test_earlier_meta_is_kept_and_provenance_is_of_this_step(case):
    folder, *_ = case
    run(folder)
    meta = load(folder)[1].meta
    assert meta["seed"] == 5
    assert meta["provenance"]["step"] == "extract_subvolumes"
    assert meta["provenance"]["parameters"]["border"] == "drop"
    assert str(folder) not in json.dumps(meta)


@pytest.mark.parametrize("n", [0, 1])
def test_none_and_one_point(case, n):
    folder, _, table = case
    middle = np.flatnonzero((np.abs(table.points[:, 1:] - [22, 26]) < 3).all(axis=1))[:n]
    table.select(middle).write(folder / "points.npz")
    assert run(folder) == 0
    boxes, after = load(folder)
    assert boxes.shape == (n, 12, 12, 12)
    assert len(after) == n
    assert [row["status"] for row in read_status(folder / "out.tsv")].count("empty") == 3 - n


@pytest.mark.parametrize(
    ("array", "value"),
    [("points", np.nan), ("normals", 0), ("normals", np.inf), ("normals", np.nan)],
)
def test_a_bad_membrane_fails_alone(case, array, value):
    folder, _, table = case
    getattr(table, array)[table.membrane == 0] = value
    table.write(folder / "points.npz")
    assert run(folder, "--border", "pad") == 0
    boxes, after = load(folder)
    assert set(after.membrane) == {2}
    assert len(boxes) == len(after)
    rows = {row["membrane"]: row for row in read_status(folder / "out.tsv")}
    assert rows["M1"]["status"] == "failed"
    assert "membrane 'M1': points that are not numbers" in rows["M1"]["message"]
    assert rows["M3"]["status"] == "ok"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--box-shape", "12", "0", "12"],
            r"--box-shape; found \[12, 0, 12\]; expected at least 1",
        ),
        (["--pixel-size-angstrom", "-1"], "--pixel-size-angstrom; found -1.0; expected 0 or more"),
        (["--lowpass-angstrom", "2000"], "found 2000.0; expected at most 1000"),
        (["--box-centre", "6", "inf", "6"], "--box-centre; found inf; expected a finite number"),
        (["--lowpass-angstrom", "nan"], "--lowpass-angstrom; found nan; expected a finite number"),
    ],
)
def test_bad_numbers_are_told(case, capsys, flags, message):
    folder, *_ = case
    assert run(folder, *flags) == 2
    text = capsys.readouterr().err
    assert re.search(message, text), text
    assert not (folder / "out.npy").exists()


def test_other_tomogram_and_shape_are_told(case, capsys):
    folder, volume, _ = case
    write_json(folder / "info.json", make_info(volume, tomogram="T2"))
    assert run(folder) == 2
    assert "info of another tomogram; found T2; expected T1" in capsys.readouterr().err
    write_json(folder / "info.json", make_info(volume, shape=[1, 2, 3]))
    assert run(folder) == 2
    assert "info.json: not the shape of the tomogram" in capsys.readouterr().err
    write_json(folder / "info.json", make_info(volume))
    write_volume(folder / "T1.mrc", volume[:-1], 10.0)
    assert run(folder) == 2
    text = capsys.readouterr().err
    assert "T1.mrc: not the shape" in text
    assert "found [29, 44, 52] (z, y, x); expected [30, 44, 52]" in text
    assert not list(folder.glob("out.*"))


def test_full_disk_is_one_line_and_leaves_nothing(case, capsys, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = case[0]
    before = sorted(folder.iterdir())
    monkeypatch.setattr(scratch.os, "posix_fallocate", full, raising=False)
    assert run(folder) == 2
    message = capsys.readouterr().err
    assert "out.npy: cannot be written; found No space left on device; make room" in message
    assert sorted(folder.iterdir()) == before


def test_unaligned_boxes_lie_along_the_tomogram_whatever_the_normals(case):
    folder, _, table = case
    assert run(folder, "--unaligned") == 0
    upright, found = load(folder)
    assert found.meta["subvolumes"]["aligned"] is False
    tilted = np.tile(np.float32([0, 0.6, 0.8]), (len(table), 1))
    replace(table, normals=tilted).write(folder / "points.npz")
    assert run(folder, "--unaligned", name="other") == 0
    boxes, other = load(folder, "other")
    assert np.array_equal(boxes, upright)
    assert np.allclose(other.normals, [0, 0.6, 0.8])  # of the points, for clustering and poses
    assert run(folder, name="aligned") == 0
    assert "aligned" not in load(folder, "aligned")[1].meta["subvolumes"]


def statuses(folder, name="out"):
    rows = read_status(folder / f"{name}.tsv")
    return {row["membrane"]: (row["status"], row["message"]) for row in rows}


@pytest.mark.parametrize("fault", ["gone", "cut short", "other shape"])
def test_membranes_fail_where_the_tomogram_has_become_unreadable(case, fault, capsys):
    folder, volume, table = case
    path = folder / "T1.mrc"
    if fault == "other shape":
        write_volume(path, volume[:-1], 10.0)
    elif fault == "cut short":
        path.write_bytes(path.read_bytes()[:-8])
    else:
        path.unlink()
    assert run(folder) == 2
    assert not list(folder.glob("out.*"))
    assert run(folder, "--record-failure") == 0
    boxes, points = load(folder)
    assert (boxes.shape, len(points), points.membranes) == ((0, 12, 12, 12), 0, table.membranes)
    assert points.meta["subvolumes"]["box_shape"] == [12, 12, 12]
    for name in table.membranes:
        status, message = statuses(folder)[name]
        assert status == "failed"
        assert message.startswith("its tomogram failed: ")
        assert "T1.mrc: " in message


def test_points_of_a_tomogram_that_failed_before_stay_empty(case):
    folder, _, table = case
    nothing = replace(table.select(np.empty(0, int)), meta={"failure": "cut short"})
    nothing.write(folder / "points.npz")
    write_json(folder / "info.json", {"tomogram": "T1", "failure": "cut short"})
    assert run(folder, path="gone.mrc") == 0
    boxes, points = load(folder)
    assert (len(boxes), points.meta["failure"]) == (0, "cut short")
    assert statuses(folder) == dict.fromkeys(table.membranes, ("empty", ""))
