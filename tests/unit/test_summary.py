"""The short summary after a run."""

from __future__ import annotations

import json
import os

import pytest

import summary

COLUMNS = ("tomogram", "membrane", "step", "status", "n", "message")


def rows(*cells):
    return [dict(zip(COLUMNS, row, strict=True)) for row in cells]


STATUS = rows(
    ("T1", "M1", "sample_points", "ok", "9", ""),
    ("T1", "M1", "cluster_points", "ok", "2", ""),
    ("T1", "M2", "sample_points", "ok", "9", ""),
    ("T1", "M2", "cluster_points", "empty", "0", ""),
    ("T2", "M1", "sample_points", "failed", "0", "mask is empty"),
)
METRICS = {
    "radius_voxel": 4.5,
    "overall": {
        "n_annotated": 200,
        "strict": {"precision": 0.98, "recall": 0.96, "f1": 0.97},
        "paper": {"precision": 0.99, "recall": 0.97, "f1": 0.981},
        "in_plane_error_degree": {"mean": 4.0, "median": 3.25},
        "normal_error_degree": {"mean": 2.0, "median": None},
    },
}


def test_worst_step_decides_outcome_of_membrane():
    assert summary.count_outcomes(STATUS) == {"ok": 1, "empty": 1, "failed": 1}


def test_lines_hold_counts_failures_and_figures():
    text = "\n".join(summary.summary_lines(STATUS, 2, METRICS))
    assert "1 ok, 1 empty, 1 failed" in text
    assert "T2/M1, sample_points: mask is empty" in text
    assert "particles     2" in text
    assert "strict F1     0.970  (precision 0.980, recall 0.960; 200 annotated" in text
    assert "paper F1      0.981" in text
    assert "in-plane 3.2, normal - degree" in text


def test_without_annotations_only_counts():
    assert summary.summary_lines([], 0, None) == [
        "membranes     0 ok, 0 empty, 0 failed",
        "particles     0",
    ]


def test_main_prints_existing_paths(tmp_path, capsys):
    lines = ["\t".join(COLUMNS), *("\t".join(row.values()) for row in STATUS)]
    (tmp_path / "status.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "particles.csv").write_text("tomogram,x_voxel\nT1,1\nT1,2\nT1,3\n")
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation/metrics.json").write_text(json.dumps(METRICS))
    assert summary.main([str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "particles     3" in out
    assert str(tmp_path / "particles.csv") in out
    assert "particles.star" not in out


def test_missing_results_end_in_one_line(tmp_path, capsys):
    assert summary.main([str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0.5, "0.500")])
def test_undefined_figure_is_a_dash(value, text):
    assert summary._figure(value, 3) == text


def write_log(folder, name, text, age_seconds=0):
    path = folder / "logs" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (1e9 - age_seconds,) * 2)
    return path


def write_benchmark(folder, name, age_seconds):
    path = folder / "benchmarks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (1e9 - age_seconds,) * 2)


def test_failed_steps_say_why_in_the_order_of_time(tmp_path, capsys):
    error = "collect_status: error: 1 of 3 membranes failed\n  T1/A, sample_points: bad mask\n"
    write_log(tmp_path, "check_status.log", f"12:00:00 INFO fine\n{error}", 5)
    write_log(tmp_path, "inspect_tomogram/T1.log", "inspect_tomogram: error: T1.mrc: bad\n", 9)
    write_log(tmp_path, "inspect_tomogram/T2.log", "inspect_tomogram: error: of a run before\n", 20)
    write_log(tmp_path, "score_points/T1.log", "INFO fine\nWARNING: an error: odd\n", 4)
    path = write_log(tmp_path, "train_model.log", "Traceback (most recent)\n at\nKeyError: 3\n", 3)
    expected = [
        "inspect_tomogram: error: T1.mrc: bad",
        "collect_status: error: 1 of 3 membranes failed",
        "  T1/A, sample_points: bad mask",
        f"{path}: KeyError: 3 (a fault of the program: please report it)",
    ]
    assert summary.failure_reasons(tmp_path, 1e9 - 10) == expected
    summary.tell_failures(tmp_path, 1e9 - 10)
    assert capsys.readouterr().err.split("\n") == ["", "What failed, and why:", *expected, "", ""]


def write_status(folder, name, *cells):
    path = folder / f"{name}.status.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join("\t".join(row) for row in (COLUMNS, *cells)) + "\n")


def test_membranes_that_failed_before_a_job_are_told_once(tmp_path, capsys):
    write_log(tmp_path, "train_model.log", "train_model: error: training: no labelled point\n", 4)
    write_status(
        tmp_path,
        "label_points/T1/b1",
        ("T1", "M1", "label_points", "failed", "0", "far off"),
        ("T1", "M2", "label_points", "failed", "0", "no points"),
        ("T1", "M3", "label_points", "ok", "5", ""),
    )
    failed = ("T1", "M2", "sample_points", "failed", "0", "mask is empty")
    write_status(tmp_path, "sample_points/T1/b1", failed)
    (tmp_path / "sample_points/T1/b2.status.tsv").write_text("cut sh")
    summary.tell_failures(tmp_path, 1e9 - 10)
    first = "train_model: error: training: no labelled point"
    others = ["T1/M2, sample_points: mask is empty", "T1/M1, label_points: far off"]
    assert capsys.readouterr().err.splitlines()[2:-1] == [first, *others]
    text = "collect_status: error: 1 failed\n  T1/M1, label_points: far off\n"
    write_log(tmp_path, "train_model.log", text, 4)
    summary.tell_failures(tmp_path, 1e9 - 10)
    assert capsys.readouterr().err.count("far off") == 1


def test_run_without_logs_has_nothing_to_tell(tmp_path, capsys):
    summary.tell_failures(tmp_path, 0)
    assert capsys.readouterr().err == ""


def test_job_that_died_without_a_word_is_told(tmp_path, capsys):
    names = ("good", "died", "again", "never", "second", "said")
    for name in names:
        if name != "never":
            write_log(tmp_path, f"step/{name}.log", "12:00:00 INFO begun\n", 4)
    write_log(tmp_path, "step/said.log", "score_points: error: no such file\n", 4)
    write_log(tmp_path, "progress.log", "not a job's\n")
    write_benchmark(tmp_path, "step/again.tsv", 50)  # of an earlier run
    write_benchmark(tmp_path, "step/second.tsv", 3)  # its second try went well
    error = "Error in rule step:\n    jobid: 3\n    log: {} (check log file(s) for error details)\n"
    told = [error.format(tmp_path / f"logs/step/{name}.log") for name in (*names[1:], "never")]
    told += [error.format("another/folder.log")]
    (tmp_path / "run.log").write_text("".join(told))
    summary.tell_failures(tmp_path, 1e9 - 10, [tmp_path / "run.log", tmp_path / "absent.log"])
    said, *died = capsys.readouterr().err.splitlines()[2:-1]
    assert said == "score_points: error: no such file"
    assert [line.partition(": ")[0] for line in died] == [
        str(tmp_path / f"logs/step/{name}.log") for name in ("died", "again", "never")
    ]
    for line in died:
        assert "the job ended without a message: killed, out of memory, over its time" in line
