"""Batches of membranes."""

from membrain.batches import group_batches, read_batches
from membrain.sheets import MembraneRow
from membrain.tables import Status


def row(name, tomogram="t1", **cells):
    return MembraneRow(tomogram, name, "m.mrc", **cells)


def names(batches):
    return {key: [r.membrane for r in members] for key, members in batches.items()}


def test_no_membranes_make_no_batches():
    assert group_batches([], 3) == {}


def test_batches_are_filled_to_the_size_in_sheet_order():
    rows = [row(f"M{i}") for i in range(5)]
    assert names(group_batches(rows, 2)) == {
        ("t1", "batch001"): ["M0", "M1"],
        ("t1", "batch002"): ["M2", "M3"],
        ("t1", "batch003"): ["M4"],
    }
    assert names(group_batches(rows, 5)) == {("t1", "batch001"): ["M0", "M1", "M2", "M3", "M4"]}


def test_a_batch_holds_one_tomogram_and_batches_are_sorted():
    rows = [row("M1", "t2"), row("M1", "t1"), row("M2", "t2")]
    batches = group_batches(rows, 9)
    assert names(batches) == {("t1", "batch001"): ["M1"], ("t2", "batch001"): ["M1", "M2"]}
    assert list(batches) == sorted(batches)


def test_training_membranes_share_no_batch_with_the_rest():
    splits = ["train", "", "validation", "test", "train"]
    rows = [row(f"M{i}", split=split) for i, split in enumerate(splits)]
    assert names(group_batches(rows, 2)) == {
        ("t1", "batch001"): ["M1", "M3"],
        ("t1", "train001"): ["M0", "M2"],
        ("t1", "train002"): ["M4"],
    }


def test_pinned_batches_keep_their_name_whatever_the_size_and_split_by_role():
    rows = [
        row("M0", batch="x"),
        row("M1"),
        row("M2", batch="x", split="train"),
        row("M3", batch="x"),
        row("M4", batch="y", split="test"),
        row("M5", "t2", batch="x"),
    ]
    assert names(group_batches(rows, 1)) == {
        ("t1", "batch001"): ["M1"],
        ("t1", "pinned-x"): ["M0", "M3"],
        ("t1", "pinned-y"): ["M4"],
        ("t1", "train-x"): ["M2"],
        ("t2", "pinned-x"): ["M5"],
    }


def test_a_pin_named_like_a_batch_collides_with_none():
    rows = [
        row("M0", batch="001"),
        row("M1"),
        row("M2", batch="001", split="train"),
        row("M3", split="train"),
    ]
    batches = group_batches(rows, 1)
    assert sorted(r.membrane for members in batches.values() for r in members) == [
        "M0",
        "M1",
        "M2",
        "M3",
    ]
    assert len(batches) == 4


KNOWN = {("t1", "batch001"): ["M1", "M0"], ("t1", "batch003"): ["M4"], ("t1", "pinned-x"): ["M7"]}


def test_membranes_that_are_added_leave_known_batches_alone():
    rows = [row(name) for name in ("M9", "M0", "M1", "M8", "M4", "M7")]
    assert names(group_batches(rows, 2, KNOWN)) == {
        ("t1", "batch001"): ["M0", "M1"],
        ("t1", "batch002"): ["M9", "M8"],
        ("t1", "batch003"): ["M4"],
        ("t1", "batch004"): ["M7"],
    }


def test_known_batches_of_another_tomogram_or_role_do_not_count():
    rows = [row("M9"), row("M0", split="train"), row("M1", "t2"), row("M4")]
    assert names(group_batches(rows, 2, KNOWN)) == {
        ("t1", "batch001"): ["M9"],
        ("t1", "batch003"): ["M4"],
        ("t1", "train001"): ["M0"],
        ("t2", "batch001"): ["M1"],
    }


def test_known_batch_that_has_become_too_large_is_split():
    rows = [row(name) for name in ("M0", "M1", "M4")]
    assert names(group_batches(rows, 1, KNOWN)) == {
        ("t1", "batch001"): ["M0"],
        ("t1", "batch002"): ["M1"],
        ("t1", "batch003"): ["M4"],
    }


def test_membrane_that_has_left_the_sheet_leaves_its_batch():
    assert names(group_batches([row("M0"), row("M5")], 2, KNOWN)) == {
        ("t1", "batch001"): ["M0"],
        ("t1", "batch002"): ["M5"],
    }


def test_batches_are_read_from_the_tables_of_a_run(tmp_path):
    assert read_batches(tmp_path / "nowhere") == {}
    for tomogram, batch, members in (("t1", "batch001", ("M2", "M1")), ("t.2", "b.x", ("M1",))):
        status = Status(tomogram, "sample_points")
        for name in (*members, *members):
            status.record(name, 1)
        status.write(tmp_path / f"sample_points/{tomogram}/{batch}.status.tsv")
    (tmp_path / "sample_points/t1/batch002.status.tsv").write_text("")
    (tmp_path / "sample_points/t1/batch003.status.tsv").write_text("a\tb\n1\t2\n")
    known = {("t.2", "b.x"): ["M1"], ("t1", "batch001"): ["M2", "M1"]}
    assert read_batches(tmp_path) == known
