"""The trials that sheet and configuration ask for."""

import pytest

from membrain.errors import InputError
from membrain.schemas import load_schema, with_defaults
from membrain.sheets import MembraneRow
from membrain.trial_plans import plan_ablation, plan_crossval, plan_search

SCHEMA = load_schema("config")


def options(**sections):
    given = {"tomograms": "t.tsv", "membranes": "m.tsv", "model": "train", **sections}
    return with_defaults(SCHEMA, given)


def row(name, split="", annotated=True, tomogram="T1"):
    annotations = "a.csv" if annotated else None
    return MembraneRow(tomogram, name, mask="m.mrc", split=split, annotations=annotations)


ROWS = [row("M1", "train"), row("M2", "test"), row("M3", "validation"), row("M4", "train")]


def search(grid, rows=ROWS, **sections):
    return plan_search(options(search={"grid": grid}, **sections), rows, SCHEMA)


def test_every_point_of_the_grid_is_a_trial_of_the_sheet_s_splits():
    grid = {"train_model.epochs": [2, 4], "cluster_points.fuse_voxel": [None, 7.0]}
    trials = search(grid)
    assert [trial.changes["train_model.epochs"] for trial in trials] == [2, 2, 4, 4]
    assert trials[3].options["train_model"]["epochs"] == 4
    assert trials[3].options["cluster_points"]["fuse_voxel"] == 7.0
    assert trials[0].training == ("T1/M1", "T1/M4")
    assert trials[0].validation == ("T1/M3",)
    assert trials[0].labels == {"train_model.epochs": "2", "cluster_points.fuse_voxel": "null"}


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({}, "key 'search.grid': nothing to search; expected lists of values, as {train_model"),
        ({"train_model.epoch": [3]}, "unknown key 'train_model.epoch'; did you mean 'epochs'?"),
        ({"train_model.epochs": [0]}, "key 'train_model.epochs'; found 0; expected at least 1"),
        ({"results": ["a"]}, "key 'results'; expected one that a trial can change"),
        ({"search.grid": [{}]}, "key 'search.grid'; expected one that a trial can change"),
        ({"train_model": [1]}, "key 'train_model'; expected an option that has a value"),
        ({"seed.x": [1]}, "key 'seed.x'; expected an option that has a value"),
        ({"label_points.map_threshold.PSII": [0.1]}, "map_threshold.PSII'; expected an option"),
        ({"orient_particles.axis": ["head"]}, "'orient_particles.axis' does not change what a"),
        ({"cluster_points.opposite_voxel": [0]}, "opposite_voxel' does not change what a search"),
        ({"train_model.threshold_voxel": [2, 3]}, "threshold_voxel' does not change what a search"),
        ({"train_model.no_refit": [True]}, "no_refit' does not change what a search judges by"),
        ({"replicate_membranes.replicas": [0, 4]}, "replicas' does not change what a search"),
    ],
)
def test_wrong_grids_are_told(grid, message):
    with pytest.raises(InputError) as caught:
        search(grid)
    assert message in str(caught.value)


def test_something_must_be_held_out():
    grid, nothing = {"train_model.epochs": [2]}, {"validation_fraction": 0}
    search(grid, train_model=nothing)  # the validation membrane
    with pytest.raises(InputError, match="nothing is held out to judge by; expected rows with spl"):
        search(grid, ROWS[:2], train_model=nothing)


def crossval(rows, **how):
    return plan_crossval(options(crossval=how), rows, SCHEMA)


MANY = [row("M1", "train"), row("M2", "test"), row("M3", annotated=False), row("M4")]
MANY += [row("M1", "validation", tomogram="T2")]


def test_every_annotated_membrane_is_left_out_once():
    folds = crossval(MANY)
    assert [fold.judged for fold in folds] == [("T1/M1",), ("T1/M2",), ("T1/M4",), ("T2/M1",)]
    assert folds[1].training == ("T1/M1", "T1/M4", "T2/M1")
    assert folds[0].validation == ()
    assert folds[3].labels == {"fold": "4", "membranes": "T2/M1"}


def test_tomograms_are_left_out_as_a_whole_and_folds_can_be_fewer():
    first, second = crossval(MANY, by="tomogram")
    assert (first.judged, first.training) == (("T1/M1", "T1/M2", "T1/M4"), ("T2/M1",))
    assert second.judged == ("T2/M1",)
    first, second = crossval(MANY, folds=2)
    assert (first.judged, second.judged) == (("T1/M1", "T1/M4"), ("T1/M2", "T2/M1"))


@pytest.mark.parametrize(
    ("rows", "how", "message"),
    [
        (MANY[:1], {}, "crossval: 1 annotated membranes for 2 folds; expected at least as many"),
        (MANY[:4], {"by": "tomogram"}, "crossval: 1 annotated tomograms for 2 folds"),
        (MANY, {"folds": 5}, "crossval: 4 annotated membranes for 5 folds"),
    ],
)
def test_too_few_for_folds_are_told(rows, how, message):
    with pytest.raises(InputError, match=message):
        crossval(rows, **how)


POOL = [row(f"M{i}", "train") for i in range(1, 6)] + [row("M9", "test"), row("M8")]


def ablation(sheet=POOL, train_model=(), **how):
    return plan_ablation(options(ablation=how, train_model=dict(train_model)), sheet, SCHEMA)


def test_each_row_learns_from_more_and_more_membranes():
    trials = ablation()
    assert [(t.labels["row"], t.labels["n_training"]) for t in trials] == [
        (name, n)
        for name in ("full", "classification", "euclidean", "not_aligned")
        for n in ("1", "2", "4", "5")
    ]
    assert trials[1].training == ("T1/M1", "T1/M2")
    assert {t.judged for t in trials} == {("T1/M9",)}
    assert trials[4].options["label_points"]["target"] == "membership"
    last = trials[-1].options
    assert last["extract_subvolumes"]["unaligned"] is True
    assert last["train_model"]["rotation"] == "space"


def test_repeats_take_other_membranes_and_all_of_them_once():
    trials = ablation(repeats=2, membranes=[4, 5], rows={"full": {}})
    assert [(t.name, t.training[0]) for t in trials] == [
        *(("full_4_1", "T1/M1"), ("full_4_2", "T1/M2"), ("full_5_1", "T1/M1")),
    ]
    assert trials[1].training == ("T1/M2", "T1/M3", "T1/M4", "T1/M5")
    assert trials[0].labels == trials[1].labels


def test_no_cell_counts_the_same_training_twice():
    trials = ablation(repeats=9, membranes=[1, 4, 4], rows={"full": {}})
    assert len(trials) == 10
    assert len({tuple(sorted(t.training)) for t in trials}) == 10


def test_value_that_stands_twice_is_tried_once():
    trials = search({"cluster_points.fuse_voxel": [None, 7.0, None], "train_model.epochs": [2, 2]})
    assert [t.changes["cluster_points.fuse_voxel"] for t in trials] == [None, 7.0]


def test_option_of_a_class_can_be_changed_where_others_have_theirs():
    grid = {"label_points.radii_angstrom.b6f": [40]}
    (trial,) = search(grid, label_points={"radii_angstrom": {"PSII": 60}})
    assert trial.options["label_points"]["radii_angstrom"] == {"PSII": 60, "b6f": 40}


def test_without_test_membranes_those_without_split_are_judged():
    trials = ablation([*POOL[:5], POOL[6]])
    assert {t.judged for t in trials} == {("T1/M8",)}


@pytest.mark.parametrize(
    ("sheet", "how", "message"),
    [
        (POOL[:5], {}, "ablation: it needs annotated membranes to learn from and others to judge"),
        (POOL, {"membranes": [6]}, "key 'ablation.membranes'; found 6; expected at most 5"),
        (POOL, {"rows": {"x": {"seed": -1}}}, "key 'ablation.rows.x': key 'seed'; found -1"),
        (
            POOL,
            {"rows": {"x": {"train_model": {"epochs": 3}}}},
            "key 'train_model'; expected an op",
        ),
        (POOL, {"train_model": {"network": "wide"}}, "rotation' space; found network wide; expect"),
    ],
)
def test_ablations_that_cannot_be_are_told(sheet, how, message):
    with pytest.raises(InputError) as caught:
        ablation(sheet, **how)
    assert message in str(caught.value)
