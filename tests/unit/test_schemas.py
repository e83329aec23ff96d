import math

import pytest

from membrain.errors import InputError, Problems
from membrain.schemas import (
    FOLDER,
    check,
    drop_empty_sections,
    known_columns,
    load_schema,
    validator_of,
    with_defaults,
)

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "mode"],
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z]+$"},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "count": {"type": ["integer", "null"], "minimum": 1, "maximum": 9, "default": 3},
        "size": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "box": {"type": "array", "minItems": 2, "maxItems": 3},
        "odd": {"multipleOf": 3},
        "file": {"type": "string", "minLength": 1, "maxLength": 3},
        "folder": {"type": "string", "minLength": 1, "expected": "a folder's name"},
        "is": {"type": "boolean"},
        "sampling": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "band": {"type": "number", "default": 15.0},
                "seed": {"type": "integer"},
            },
        },
    },
}


def messages(content, noun="key"):
    """Return the texts of all problems of `content` together with the two required names."""
    problems = Problems()
    check(validator_of(SCHEMA), {"name": "a", "mode": "fast", **content}, "c.yaml", problems, noun)
    return [str(error) for error in problems.errors]


def test_every_schema_file_is_a_valid_schema_of_an_object():
    names = sorted(path.name.removesuffix(".schema.yaml") for path in FOLDER.glob("*.schema.yaml"))
    assert {"config", "membranes", "tomograms"} <= set(names)
    for name in names:
        schema = load_schema(name)
        validator_of(schema).check_schema(schema)
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False


def test_right_content_has_no_problem():
    assert messages({"count": None, "size": 0.5, "box": [1, 2], "sampling": {"seed": 1}}) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": 3}, "c.yaml: key 'name'; found 3; expected text"),
        (
            {"count": "x"},
            "c.yaml: key 'count'; found 'x'; expected a whole number or null",
        ),
        ({"mode": "quick"}, "c.yaml: key 'mode'; found 'quick'; expected one of fast, slow"),
        (
            {"name": "a b"},
            "c.yaml: key 'name'; found 'a b'; expected letters, digits and . _ + - only, "
            "beginning with a letter or digit",
        ),
        ({"count": 0}, "c.yaml: key 'count'; found 0; expected at least 1"),
        ({"count": 10}, "c.yaml: key 'count'; found 10; expected at most 9"),
        ({"size": 0}, "c.yaml: key 'size'; found 0; expected more than 0"),
        ({"size": 1}, "c.yaml: key 'size'; found 1; expected less than 1"),
        ({"box": [1]}, "c.yaml: key 'box'; found [1]; expected at least 2 entries"),
        ({"box": [1] * 4}, "c.yaml: key 'box'; found [1, 1, 1, 1]; expected at most 3 entries"),
        ({"odd": 4}, "c.yaml: key 'odd'; found 4; expected 4 is not a multiple of 3"),
        (
            {"sampling": {"band": "x"}},
            "c.yaml: key 'sampling.band'; found 'x'; expected a number",
        ),
        ({"name": True}, "c.yaml: key 'name'; found True; expected text"),
        ({"count": 2.0}, "c.yaml: key 'count'; found 2.0; expected a whole number or null"),
        ({"count": True}, "c.yaml: key 'count'; found True; expected a whole number or null"),
        ({"size": math.nan}, "c.yaml: key 'size'; found nan; expected a number"),
        ({"size": math.inf}, "c.yaml: key 'size'; found inf; expected a number"),
        (
            {"size": "1e-3"},
            "c.yaml: key 'size'; found '1e-3'; expected a number; write it with a point, as 1.0e-3",
        ),
        ({"file": ""}, "c.yaml: key 'file'; found ''; expected not nothing"),
        ({"file": "abcd"}, "c.yaml: key 'file'; found 'abcd'; expected at most 3 characters"),
        ({"folder": ""}, "c.yaml: key 'folder'; found ''; expected a folder's name"),
        (
            {"sampling": 5},
            "c.yaml: key 'sampling'; found 5; expected a section with keys of its own",
        ),
        ({"box": 5}, "c.yaml: key 'box'; found 5; expected a list"),
        ({"is": 5}, "c.yaml: key 'is'; found 5; expected true or false"),
        ({"Cuont": 1}, "c.yaml: unknown key 'Cuont'; did you mean 'count'?"),
        (
            {"sampling": {"sead": 1}},
            "c.yaml: unknown key 'sampling.sead'; did you mean 'seed'?",
        ),
    ],
)
def test_every_rule_is_told_in_plain_words(content, message):
    assert messages(content) == [message]


def test_every_unknown_key_is_told():
    assert len(messages({"contu": 1, "siez": 1})) == 2


def test_every_missing_key_is_told_once_and_by_the_noun():
    problems = Problems()
    check(validator_of(SCHEMA), {}, "x.tsv, row 1", problems, noun="column")
    assert [str(error) for error in problems.errors] == [
        "x.tsv, row 1: column 'name' is missing or empty",
        "x.tsv, row 1: column 'mode' is missing or empty",
    ]
    assert messages({"nmae": 1}, noun="column") == [
        "c.yaml: unknown column 'nmae'; did you mean 'name'?"
    ]


def test_missing_key_of_a_section_is_told_with_its_section():
    schema = {"type": "object", "properties": {"part": {"type": "object", "required": ["name"]}}}
    problems = Problems()
    check(validator_of(schema), {"part": {}}, "c.yaml", problems)
    assert [str(error) for error in problems.errors] == [
        "c.yaml: key 'part.name' is missing or empty"
    ]


def test_one_missing_key_beside_a_given_one_is_told():
    problems = Problems()
    check(validator_of(SCHEMA), {"name": "a"}, "c.yaml", problems)
    with pytest.raises(InputError, match=r"^c\.yaml: key 'mode' is missing or empty$"):
        problems.raise_if_any()


def test_defaults_fill_every_level_and_keep_what_is_given():
    assert with_defaults(SCHEMA, {}) == {"count": 3, "sampling": {"band": 15.0}}
    given = {"count": None, "sampling": {"band": 2, "seed": 7}}
    assert with_defaults(SCHEMA, given) == given
    assert with_defaults(SCHEMA, {"sampling": 5}) == {
        "count": 3,
        "sampling": 5,
    }  # for the check to tell


def test_empty_sections_are_dropped_and_other_nothings_kept():
    content = {"sampling": None, "count": None, "name": None, "unknown": None}
    dropped = drop_empty_sections(SCHEMA, content)
    assert dropped == {"count": None, "name": None, "unknown": None}
    assert "sampling" in content


def test_defaults_do_not_change_the_content_itself():
    content = {"sampling": {}}
    with_defaults(SCHEMA, content)
    assert content == {"sampling": {}}


def test_columns_are_those_of_the_schema():
    assert list(known_columns(load_schema("tomograms"))) == [
        "tomogram",
        "path",
        "pixel_size_angstrom",
    ]
