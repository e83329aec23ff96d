"""Curves and poses of an evaluation as tables and figures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from membrain import evaluation_figures as figures
from membrain.evaluation import Case, Settings, class_groups
from membrain.evaluation_files import cell, write_details
from membrain.files import read_table
from membrain.formats.base import Annotations
from membrain.particles import ParticleTable
from membrain.rotations import relion_angles

NAMES = ("radii", "precision_recall", "orientations")


def case(turn, membrane="M1", n=6, classes="PSII", with_angles=True, shift=1.0):
    """Return a membrane whose picks lie `shift` voxels off and are turned about their normal."""
    rng = np.random.default_rng(0)
    positions = np.stack([np.full(n, 20.0), 20.0 * np.arange(n), np.full(n, 7.0)], axis=1)
    known = Rotation.random(n, random_state=rng)
    matrices = (known * Rotation.from_euler("z", turn, degrees=True)).as_matrix()

    def names(value):
        return np.array([value] * n, dtype=object)

    table = ParticleTable(
        names("T"), names(membrane), names("a"), np.arange(1, n + 1), positions + [0, 0, shift],
        positions, np.linspace(1, 0.5, n), np.ones(n, int), matrices[:, ::-1, 2],
        matrices[:, ::-1, 0], np.zeros((n, 3)), names(classes),
    )  # fmt: skip
    angles = relion_angles(known) if with_angles else None
    return Case("T", membrane, "test", Annotations(positions, (classes,) * n, angles, "csv"), table)


def write(folder, cases, shown=(0,), how=None):
    groups = class_groups([n for c in cases for n in c.particles.classes], ["PSII"], frozenset())
    write_details(folder, cases, groups, how or Settings(), shown, [1, 2], pixel_size=13.68)
    return {name: read_table(folder / f"{name}.csv", ",")[1] for name in NAMES}


def test_planted_turn_stands_in_the_table_of_every_hit(tmp_path):
    rows = write(tmp_path, [case(100), case(10, "M2")])["orientations"]
    assert [row["membrane"] for row in rows] == ["M1"] * 6 + ["M2"] * 6
    assert {row["in_plane_error_degree"] for row in rows[:6]} == {"80"}
    assert {row["turn_degree"] for row in rows[:6]} == {"-80"}  # C2: 100 is -80
    assert {row["turn_degree"] for row in rows[6:]} == {"10"}
    assert {row["position_error_voxel"] for row in rows} == {"1"}
    assert {row["normal_error_degree"] for row in rows} == {"0"}
    first = rows[0]
    assert [first[f"{a}_voxel"] for a in "xyz"] == ["8", "0", "20"]
    assert (first["particle"], first["symmetry"], first["annotated_class"]) == ("1", "2", "PSII")


def test_poses_that_are_not_known_leave_empty_cells(tmp_path):
    rows = write(tmp_path, [case(0, with_angles=False)])["orientations"]
    assert {(r["in_plane_error_degree"], r["normal_error_degree"]) for r in rows} == {("", "")}


def test_curves_hold_the_chosen_membranes_alone(tmp_path):
    tables = write(tmp_path, [case(0), case(0, "M2", shift=30)], shown=(0,))
    assert [row["strict_f1"] for row in tables["radii"]] == ["1", "1", "1", "1"]
    assert {row["class"] for row in tables["precision_recall"]} == {"PSII"}
    assert tables["precision_recall"][-1] == {
        "class": "PSII", "score": "0.5", "precision": "1", "recall": "1",
    }  # fmt: skip


def test_figure_of_poses_holds_the_chosen_membranes_alone(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "draw_orientations", lambda path, *values: drawn.append(values))
    write(tmp_path, [case(20), case(70, "M2")], shown=(1,))
    ((in_plane, turn, fold, normal),) = drawn
    np.testing.assert_allclose(in_plane, [70] * 6, atol=1e-4)
    assert len(turn) == len(fold) == len(normal) == 6


@pytest.mark.parametrize("cases", [[case(20), case(70, "M2")], [case(0, with_angles=False)], []])
def test_pictures_are_png_with_the_same_bytes_each_time(tmp_path, cases):
    for folder in ("a", "b"):
        write(tmp_path / folder, cases, range(len(cases)))
    for name in NAMES:
        content = (tmp_path / f"a/{name}.png").read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert content == (tmp_path / f"b/{name}.png").read_bytes()


def test_mixed_symmetries_are_drawn(tmp_path):
    how = Settings(symmetry={"psii": 3, "b6f": 1, "round": 0})
    cases = [case(20), case(70, "M2", classes="b6f"), case(70, "M3", classes="round")]
    groups = class_groups(["PSII", "b6f", "round"], ["PSII", "b6f", "round"], frozenset())
    write_details(tmp_path, cases, groups, how, range(3), [1])
    rows = read_table(tmp_path / "orientations.csv", ",")[1]
    assert {row["symmetry"] for row in rows} == {"0", "1", "3"}
    assert {row["turn_degree"] for row in rows} == {"20", "70", ""}


def test_cells():
    assert [cell(v) for v in (None, np.nan, 0.5, 1.0, -0.0, "x", 1e-9)] == [
        "", "", "0.5", "1", "0", "x", "0",
    ]  # fmt: skip
