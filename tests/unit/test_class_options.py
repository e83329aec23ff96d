"""Options with a value for every class, or class by class."""

import pytest

from membrain.class_options import by_class, numbers_by_class, whole_by_class
from membrain.errors import InputError


def test_names_are_lower_case_and_one_value_may_have_none():
    assert by_class("--map", ["PSII=a.mrc", "B6F=b.mrc", "c.mrc"]) == {
        "psii": "a.mrc",
        "b6f": "b.mrc",
        "": "c.mrc",
    }


@pytest.mark.parametrize("path", ["/data/snr=2/a.mrc", "../k=1/a.mrc"])
def test_equals_sign_of_a_path_names_no_class(path):
    assert by_class("--map", [path]) == {"": path}
    assert by_class("--map", [f"PSII={path}"]) == {"psii": path}


@pytest.mark.parametrize(("texts", "name"), [(["A=x", "a=y"], "a"), (["x", "y"], "every class")])
def test_two_values_are_refused(texts, name):
    with pytest.raises(InputError, match=f"--map: two values for {name}; found"):
        by_class("--map", texts)


def test_numbers_of_every_class_stand_side_by_side_those_of_one_with_commas():
    texts = ["80", "40.5", "20", "b6f=30,30,15", "PSI=50"]
    assert numbers_by_class("--radii-angstrom", texts, (1, 3)) == {
        "b6f": [30.0, 30.0, 15.0],
        "psi": [50.0],
        "": [80.0, 40.5, 20.0],
    }
    assert numbers_by_class("--radii-angstrom", [80, 40], (2,)) == {"": [80.0, 40.0]}
    assert numbers_by_class("--radii-angstrom", [], (3,)) == {}


@pytest.mark.parametrize(
    ("texts", "name"), [(["1", "2"], "every class"), (["a=1,2"], "a"), (["a=1,x,3"], "a")]
)
def test_another_count_of_numbers_is_refused(texts, name):
    with pytest.raises(InputError, match=f"--radii, {name}; found .* expected 1 or 3 numbers"):
        numbers_by_class("--radii", texts, (1, 3))


def test_whole_numbers_by_class():
    assert whole_by_class("--symmetry", ["2", "UK=0"]) == {"": 2, "uk": 0}


@pytest.mark.parametrize(("text", "name"), [("-1", "every class"), ("A=2.5", "a"), ("A=", "a")])
def test_anything_but_a_whole_number_is_refused(text, name):
    with pytest.raises(InputError, match=f"--symmetry, {name}; found .*; expected a whole number"):
        whole_by_class("--symmetry", [text])
