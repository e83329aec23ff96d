"""Lists of picks side by side."""

from __future__ import annotations

import mrcfile
import numpy as np
import pytest

from membrain.comparison import (
    COLUMNS,
    compare_lists,
    comparison_row,
    group_of_list,
    place_picks,
    target_classes,
)
from membrain.errors import InputError
from membrain.evaluation import Settings
from membrain.formats.base import Annotations
from membrain.ground_truth import read_ground_truth
from membrain.picks import as_particles
from membrain.sheets import MembraneRow

INFOS = {"T1": {"tomogram": "T1", "pixel_size_angstrom": 10.0, "shape": [60, 60, 80]}}
UK = frozenset({"uk"})
KNOWN = ["PSII", "PSII", "b6f", "UK"]


def picks(xyz, classes="particle", scores=None):
    n = len(xyz)
    classes = (classes,) * n if isinstance(classes, str) else tuple(classes)
    positions = np.asarray(xyz, float).reshape(-1, 3)[:, ::-1]
    return as_particles(Annotations(positions, classes, None, "csv", scores), "T1", 10.0)


@pytest.fixture
def truth(tmp_path):
    """Membrane M1 at z = 20 with two PSII, one b6f, one UK; M2 at z = 40 without annotations."""
    volume = np.zeros((60, 60, 80), np.int16)
    volume[20], volume[40] = 1, 2
    with mrcfile.new(tmp_path / "m.mrc") as handle:
        handle.set_data(volume)
        handle.voxel_size = 10.0
    known = zip(KNOWN, (10, 30, 50, 70), strict=True)
    (tmp_path / "a.csv").write_text("class,x,y,z\n" + "".join(f"{c},{x},30,22\n" for c, x in known))
    rows = [
        MembraneRow("T1", "M1", tmp_path / "m.mrc", label=1, annotations=tmp_path / "a.csv"),
        MembraneRow("T1", "M2", tmp_path / "m.mrc", label=2),
    ]
    return read_ground_truth(rows, INFOS)


def test_every_list_is_placed_by_distance_whatever_its_membranes_were(truth):
    own = picks([[10, 30, 22], [10, 30, 41], [10, 30, 55]])
    own.membrane[:] = ["M9", "M1", ""]
    assert place_picks(own, truth.masks, 10.0).membrane.tolist() == ["M1", "M2", ""]
    assert own.membrane.tolist() == ["M9", "M1", ""]


def test_figures_of_lists_by_hand(truth):
    lists = {
        # both PSII, one pick on nothing, one on the other membrane, one far from both
        "good": picks([[10, 30, 22], [30, 31, 22], [20, 10, 20], [10, 30, 41], [10, 30, 59]]),
        # one PSII twice, the b6f, the UK
        "bad": picks([[10, 30, 22], [11, 30, 22], [50, 30, 22], [70, 30, 22]]),
        "empty": picks([]),
    }
    lists = {name: place_picks(table, truth.masks, 10.0) for name, table in lists.items()}
    targets = {"PSII": frozenset({"psii"})}
    words, compared = compare_lists(lists, truth, targets, Settings(ambiguous=UK))
    assert words == "neither split train nor validation"
    rows = [comparison_row(c) for c in compared]
    assert [list(row) for row in rows] == [list(COLUMNS)] * 3
    good, bad, empty = rows
    names = ("n_picks", "n_predicted", "n_annotated", "n_hits", "n_ignored")
    assert [good[n] for n in names] == [5, 3, 2, 2, 0]
    assert [bad[n] for n in names] == [4, 4, 2, 1, 1]
    assert [empty[n] for n in names] == [0, 0, 2, 0, 0]
    assert (good["paper_precision"], good["paper_recall"]) == (0.666667, 1.0)
    assert (bad["paper_precision"], bad["paper_recall"]) == (0.75, 0.5)
    assert (bad["strict_precision"], bad["strict_recall"]) == (0.333333, 0.5)
    assert (empty["strict_precision"], empty["strict_f1"]) == (None, 0.0)
    assert good["paper_f1_low"] is None
    assert good["position_error_mean_voxel"] == 0.5


def test_distance_restricts_what_is_judged(truth):
    table = picks([[10, 30, 22], [30, 10, 26]])
    for near, n in ((3.0, 1), (10.0, 2)):
        lists = {"list": place_picks(table, truth.masks, near)}
        _, (found,) = compare_lists(lists, truth, {"PSII": frozenset({"psii"})}, Settings())
        assert found.figures["n_predicted"] == n
        assert found.n_picks == 2


def test_targets_follow_the_first_list(truth):
    def targets(*names):
        first = picks([[1, 2, 3]] * len(names), names)
        return target_classes([], first, KNOWN, UK)

    assert targets("PSII", "b6f") == {"PSII": frozenset({"psii"}), "b6f": frozenset({"b6f"})}
    assert targets("particle") == {"PSII+b6f": frozenset({"psii", "b6f"})}
    assert targets() == {"PSII+b6f": frozenset({"psii", "b6f"})}


def test_targets_follow_the_classes_that_the_first_list_was_trained_on():
    outputs = {"PSII": ["PSII", "b6f", "UK"]}
    found = target_classes([], picks([[1, 2, 3]], "PSII"), KNOWN, UK, outputs)
    assert found == {"PSII+b6f": frozenset({"psii", "b6f"})}


def test_targets_can_be_given():
    assert target_classes(["psii", "PSII+b6f"], picks([]), KNOWN, UK) == {
        "psii": frozenset({"psii"}),
        "PSII+b6f": frozenset({"psii", "b6f"}),
    }
    with pytest.raises(InputError, match="'psi' is not annotated; did you mean 'PSII'"):
        target_classes(["PSI"], picks([]), KNOWN, UK)
    with pytest.raises(InputError, match="class 'UK' of the comparison: 'UK' may be hit but nee"):
        target_classes(["UK"], picks([]), KNOWN, UK)


def test_list_that_names_annotated_classes_counts_with_the_targets_alone():
    psii = frozenset({"psii"})
    assert group_of_list(["PSII", "b6f"], "PSII", psii, KNOWN).predicted == {"psii"}
    assert group_of_list(["b6f"], "PSII", psii, KNOWN).predicted == frozenset()
    assert group_of_list(["ribosome", "1"], "PSII", psii, KNOWN).predicted == {"ribosome", "1"}
    assert group_of_list([], "PSII", psii, KNOWN).predicted == frozenset()


def test_classes_of_a_model_count_by_what_they_were_trained_on():
    psii, uk = frozenset({"psii"}), {"UK": ["UK", "PSII"]}
    assert group_of_list(["UK"], "PSII", psii, ["PSII", "UK"], uk).predicted == {"uk"}
    several = {"b6f": ["b6f", "PSII"], "other": ["UK"]}
    assert group_of_list(["b6f", "other"], "PSII", psii, KNOWN, several).predicted == {"b6f"}


def test_no_annotated_membrane_compares_nothing():
    truth = read_ground_truth([], {})
    words, compared = compare_lists({"a": picks([])}, truth, {}, Settings())
    assert (words, compared) == ("none: no membrane has annotations", [])
