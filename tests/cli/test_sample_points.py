import numpy as np
import pytest

from membrain.command import main
from membrain.files import write_json
from membrain.masks import write_labels
from membrain.tables import PointTable, read_status
from membrain.volumes import write_volume

SHAPE = (40, 50, 60)
HEADER = ("tomogram", "membrane", "mask", "label", "side", "side_x", "side_y", "side_z")
HEADER += ("annotations",)


def sheet_at(z):
    return np.argwhere(np.ones((4, 40, 50))) + [z, 5, 5]


@pytest.fixture
def folder(tmp_path):
    """Two sheets as labels 1 and 2 of one file, one as a mask of its own, an empty mask."""
    write_labels(tmp_path / "labels.mrc", [sheet_at(8), sheet_at(24)], SHAPE, 10.0)
    single = np.zeros(SHAPE, np.int8)
    single[tuple(sheet_at(16).T)] = 1
    write_volume(tmp_path / "single.mrc", single, 10.0)
    write_volume(tmp_path / "empty.mrc", np.zeros(SHAPE, np.int8), 10.0)
    write_volume(tmp_path / "other.mrc", single[:, :, :-4], 10.0)
    info = {
        "tomogram": "T1",
        "shape": list(SHAPE),
        "pixel_size_angstrom": 10.0,
        "header_pixel_size_angstrom": 10.0,
        "origin_angstrom": [0.0, 0.0, 0.0],
    }
    write_json(tmp_path / "info.json", info)
    return tmp_path


def write_sheet(folder, *rows):
    lines = [HEADER, *(("T1", *row, *[""] * (len(HEADER) - 1 - len(row))) for row in rows)]
    (folder / "membranes.tsv").write_text("".join("\t".join(map(str, r)) + "\n" for r in lines))


def run(folder, *flags, name="out"):
    code = main(
        [
            "sample_points",
            *("--sheet", str(folder / "membranes.tsv"), "--tomogram", "T1"),
            *("--info", str(folder / "info.json"), "--output", str(folder / f"{name}.npz")),
            *("--status", str(folder / f"{name}.tsv"), "--quiet", *flags),
        ]
    )
    assert code == 0
    status = {row["membrane"]: row for row in read_status(folder / f"{name}.tsv")}
    return PointTable.read(folder / f"{name}.npz"), status


def heights(table):
    return {(m, s): set(table.points[rows, 0].tolist()) for m, s, rows in table.groups()}


def test_label_map_and_single_mask(folder):
    write_sheet(
        folder,
        ("M1", "labels.mrc", 1, "both"),
        ("M2", "labels.mrc", 2, "b"),
        ("M3", "single.mrc", "", "point", 30, 25, 35),
    )
    table, status = run(folder)
    faces = {("M1", "a"): {11.0}, ("M1", "b"): {8.0}, ("M2", "b"): {24.0}, ("M3", "a"): {19.0}}
    assert heights(table) == faces
    sign = np.where(table.side == 0, 1, -1)
    np.testing.assert_allclose(table.normals[:, 0], sign, atol=1e-4)
    assert (table.membranes, table.shape, table.pixel_size) == (("M1", "M2", "M3"), SHAPE, 10.0)
    for number, name in enumerate(table.membranes):
        assert status[name]["status"] == "ok"
        assert int(status[name]["n"]) == (table.membrane == number).sum()
    assert status["M1"]["message"].startswith("open; side a: ")
    assert "dropped near the rim" in status["M1"]["message"]
    assert table.meta["provenance"]


def test_failing_membranes_become_rows_and_the_rest_goes_on(folder):
    write_sheet(
        folder,
        ("M1", "labels.mrc", 7),
        ("M2", "empty.mrc"),
        ("M3", "labels.mrc", 2),
        ("M4", "other.mrc"),
        ("M5", "single.mrc", "", "outside"),
    )
    table, status = run(folder)
    assert {m for m, _ in heights(table)} == {"M3"}
    failed = {name: row["message"] for name, row in status.items() if row["status"] == "failed"}
    assert sorted(failed) == ["M1", "M2", "M4", "M5"]
    assert "7" in failed["M1"]
    assert "empty mask" in failed["M2"]
    assert "not closed" in failed["M5"]
    assert "unexpected" not in " ".join(failed.values())
    for shape in ("40", "50", "60", "56"):
        assert shape in failed["M4"]
    assert len(status) == 5


def test_selected_membranes_only(folder):
    write_sheet(folder, ("M1", "labels.mrc", 1), ("M2", "labels.mrc", 2))
    table, status = run(folder, "--membranes", "M2")
    assert table.membranes == ("M2",)
    assert list(status) == ["M2"]


def test_table_without_points(folder):
    write_sheet(folder, ("M1", "empty.mrc"))
    table, status = run(folder)
    assert len(table) == 0
    assert table.points.shape == table.normals.shape == (0, 3)
    assert list(table.groups()) == []
    assert status["M1"]["status"] == "failed"
    table, status = run(folder, "--membranes", "M1", name="again")
    assert table.membranes == ("M1",)


def test_membrane_without_a_clear_point_is_empty(folder):
    speck = np.zeros(SHAPE, np.int8)
    speck[20:22, 20:25, 20:25] = 1  # all of it lies at its own rim
    write_volume(folder / "single.mrc", speck, 10.0)
    write_sheet(folder, ("M1", "single.mrc"))
    table, status = run(folder)
    assert len(table) == 0
    assert status["M1"]["status"] == "empty"


def test_flags_out_of_range_are_told_together(folder, capsys):
    write_sheet(folder, ("M1", "single.mrc"))
    flags = ["--band-voxel", "1", "--rim-cosine", "1.5", "--seed", "-1", "--voting-decay-voxel=0"]
    with pytest.raises(AssertionError):
        run(folder, *flags)
    text = capsys.readouterr().err
    assert "sample_points: error: 4 flags out of range:" in text
    for part in (
        "--seed; found -1; expected 0 or more",
        "--band-voxel; found 1.0; expected more than 1",
        "--voting-decay-voxel; found 0.0; expected more than 0",
        "--rim-cosine; found 1.5; expected at most 1",
    ):
        assert part in text
    assert not (folder / "out.npz").exists()


def test_info_of_another_tomogram_is_refused(folder, capsys):
    write_sheet(folder, ("M1", "single.mrc"))
    (folder / "info.json").write_text((folder / "info.json").read_text().replace("T1", "T2"))
    with pytest.raises(AssertionError):
        run(folder)
    message = "info.json: info of another tomogram; found T2; expected T1"
    assert message in capsys.readouterr().err


def test_same_seed_same_bytes_whatever_the_threads(folder):
    write_sheet(folder, ("M1", "labels.mrc", 1), ("M2", "single.mrc"))
    import numba

    before = numba.get_num_threads()
    try:
        for name, threads in (("one", 1), ("again", 1), ("two", 2)):
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            run(folder, "--seed", "3", "--threads", str(threads), name=name)
    finally:
        numba.set_num_threads(before)
    run(folder, "--seed", "4", name="other")
    data = {n: (folder / f"{n}.npz").read_bytes() for n in ("one", "again", "two", "other")}
    assert data["one"] == data["again"] == data["two"]
    assert data["one"] != data["other"]
    status = [(folder / f"{n}.tsv").read_bytes() for n in ("one", "again", "two")]
    assert status[0] == status[1] == status[2]


def test_coarser_model_grid_scales_the_lengths(folder):
    write_sheet(folder, ("M1", "single.mrc", "", "a"))
    fine, _ = run(folder)
    coarse, _ = run(folder, "--pixel-size-angstrom", "20", name="coarse")

    def gap(table):
        d = np.linalg.norm(table.points[:, None] - table.points[None], axis=2)
        return d[d > 0].min()

    assert gap(fine) >= 1.5
    assert gap(coarse) >= 3.0
    assert np.ptp(coarse.points[:, 2]) < np.ptp(fine.points[:, 2])


@pytest.mark.parametrize(("tilt", "side"), [(0, "a"), (180, "b")])
def test_side_of_annotations_with_angles(folder, tilt, side):
    star = "data_particles\n\nloop_\n_rlnCoordinateX #1\n_rlnCoordinateY #2\n_rlnCoordinateZ #3\n"
    star += "_rlnAngleRot #4\n_rlnAngleTilt #5\n_rlnAnglePsi #6\n"
    star += f"20 20 17.5 10 {tilt} 30\n40 30 17.5 80 {tilt} 50\n"
    (folder / "known.star").write_text(star)
    write_sheet(folder, ("M1", "single.mrc", "", "annotations", "", "", "", "known.star"))
    table, status = run(folder)
    assert status["M1"]["status"] == "ok", status["M1"]["message"]
    assert {s for _, s in heights(table)} == {side}


def test_membranes_of_a_tomogram_that_failed_fail(folder):
    write_sheet(folder, ("M1", "labels.mrc", 1), ("M2", "single.mrc"))
    write_json(folder / "info.json", {"tomogram": "T1", "failure": "T1.mrc: cut short"})
    table, status = run(folder)
    assert (len(table), table.membranes, table.meta["failure"]) == (
        0,
        ("M1", "M2"),
        "T1.mrc: cut short",
    )
    for name in ("M1", "M2"):
        assert status[name]["status"] == "failed"
        assert status[name]["message"] == "its tomogram failed: T1.mrc: cut short"


def spots(z, factor=1.0, n=8):
    rows = [(10 + 5 * i, 8 + 7 * (3 * i % 5), z) for i in range(n)]
    return "x,y,z\n" + "".join(f"{x * factor},{y * factor},{z * factor}\n" for x, y, z in rows)


def test_side_of_annotations_in_another_unit_is_refused(folder):
    write_sheet(folder, ("M1", "single.mrc", "", "annotations", "", "", "", "known.csv"))
    for factor, words in (
        (10, "divided by 10 they would fit (angstrom"),
        (0.25, "multiplied by 3"),
    ):
        (folder / "known.csv").write_text(spots(22, factor))
        table, status = run(folder)
        assert (status["M1"]["status"], len(table)) == ("failed", 0)
        assert words in status["M1"]["message"]


def test_annotations_far_from_a_membrane_do_not_tell_its_side(folder):
    near, far = spots(21, n=8), spots(-3, n=5).partition("\n")[2]
    (folder / "known.csv").write_text(near + far)
    write_sheet(folder, ("M1", "single.mrc", "", "annotations", "", "", "", "known.csv"))
    table, status = run(folder)
    assert status["M1"]["status"] == "ok", status["M1"]["message"]
    assert {s for _, s in heights(table)} == {"a"}


def test_particles_of_a_shared_file_tell_the_side_of_their_own_membrane(folder):
    # 10 above label 2 and 2 below label 1: the ten are nearer to label 2
    (folder / "all.csv").write_text(spots(5, n=3) + spots(30, n=8).partition("\n")[2])
    rows = [(f"M{i}", "labels.mrc", i, "annotations", "", "", "", "all.csv") for i in (1, 2)]
    write_sheet(folder, *rows)
    table, status = run(folder)
    assert {row["status"] for row in status.values()} == {"ok"}
    assert {key for key in heights(table)} == {("M1", "b"), ("M2", "a")}
