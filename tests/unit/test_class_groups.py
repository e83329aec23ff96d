"""Groups of classes: read from JSON, or found from the annotations."""

import pytest

from membrain.class_groups import parse_classes, resolve_classes
from membrain.errors import InputError


def test_groups_are_read_from_json():
    assert parse_classes('[["PSII", "UK"], ["b6f"]]') == [["PSII", "UK"], ["b6f"]]


@pytest.mark.parametrize("text", [None, "", "null", "auto"])
def test_nothing_given_is_none(text):
    assert parse_classes(text) is None


@pytest.mark.parametrize("text", ["PSII", '["PSII"]', "[]", "[[]]", "[[1]]", '[[""]]', "{}", "3"])
def test_anything_else_is_refused(text):
    with pytest.raises(InputError, match="classes.*expected a list of lists of names"):
        parse_classes(text)


def test_name_that_stands_twice_is_refused():
    with pytest.raises(InputError, match="'psii' stands twice"):
        parse_classes('[["PSII"], ["psii"]]')


def test_each_frequent_class_gets_an_output_the_most_frequent_first():
    names = [["b6f"] * 12 + ["PSII"] * 5, ["PSII"] * 9 + ["rare"] * 3]
    assert resolve_classes(names) == [["PSII"], ["b6f"]]


def test_unknown_particles_join_the_most_frequent_class():
    names = [["b6f"] * 12 + ["PSII"] * 15 + ["UK"] * 30 + ["unknown"]]
    assert resolve_classes(names) == [["PSII", "UK", "unknown"], ["b6f"]]


def test_few_of_everything_are_joined_to_one_output():
    assert resolve_classes([["b6f"] * 9 + ["PSII"] * 9 + ["UK"]]) == [
        ["particle", "PSII", "b6f", "UK"]
    ]


def test_minimum_decides_who_is_frequent():
    assert resolve_classes([["b6f"] * 3 + ["PSII"] * 4], minimum=4) == [["PSII"]]


@pytest.mark.parametrize("names", [[], [[]], [["particle"] * 3]])
def test_little_or_nothing_is_one_output_of_particles(names):
    assert resolve_classes(names) == [["particle"]]


def test_order_of_the_files_does_not_matter():
    names = [["a"] * 10, ["b"] * 10, ["UK"] * 2]
    assert resolve_classes(names) == resolve_classes(names[::-1]) == [["a", "UK"], ["b"]]
