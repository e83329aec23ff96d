import csv

import pytest

from membrain.command import main

RECIPE = """
seed: 3
tomograms:
  - tomogram: small
    size_angstrom: [560, 504, 448]
    membranes:
      - membrane: m1
        side: point
        surface:
          shape: sheet
          centre_angstrom: [280, 250, 224]
          axis: [1, 0, 0.2]
          size_angstrom: [420, 400]
        proteins: [{kind: round, number: 2}]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    return path


def files(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def run(recipe, folder, *flags):
    return main(["simulate", "--recipe", str(recipe), "--output-dir", str(folder), *flags])


def test_writes_a_data_set(recipe, tmp_path):
    assert run(recipe, tmp_path / "out") == 0
    assert files(tmp_path / "out") == [
        "annotations/small_m1.csv",
        "masks/small_m1.mrc",
        "membranes.tsv",
        "simulation.json",
        "tomograms.tsv",
        "tomograms/small.mrc",
        "truth.csv",
    ]
    with open(tmp_path / "out" / "truth.csv", newline="") as handle:
        assert [row["class"] for row in csv.DictReader(handle)] == ["round", "round"]


def test_seed_of_the_flag_wins(recipe, tmp_path):
    for name, flags in (("a", ()), ("b", ("--seed", "3")), ("c", ("--seed", "4"))):
        assert run(recipe, tmp_path / name, *flags, "--quiet") == 0
    a, b, c = ((tmp_path / n / "tomograms/small.mrc").read_bytes() for n in "abc")
    assert a == b
    assert a != c


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kind: round", "kind: rond", "unknown kind 'rond'; did you mean 'round'?"),
        ("number: 2", "number: 90", "no room for 90 particles of kind 'round'; found room for"),
        ("[280, 250, 224]", "[880, 250, 224]", "membrane 'm1': surface outside the volume"),
        ("seed: 3", "sead: 3", "unknown key 'sead'; did you mean 'seed'?"),
    ],
)
def test_a_bad_recipe_is_one_line_and_writes_nothing(recipe, tmp_path, capsys, old, new, message):
    recipe.write_text(RECIPE.replace(old, new))
    assert run(recipe, tmp_path / "out") == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("simulate: error: ")
    assert message in told
    assert not (tmp_path / "out").exists()


def test_a_missing_recipe_and_a_bad_seed(recipe, tmp_path, capsys):
    assert run(tmp_path / "no.yaml", tmp_path / "out") == 2
    assert "no.yaml: unreadable; found No such file" in capsys.readouterr().err
    assert run(recipe, tmp_path / "out", "--seed", "-1") == 2
    assert "--seed; found -1; expected 0 or more" in capsys.readouterr().err
