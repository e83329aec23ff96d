"""The tool behind `make check-messages`: which places it knows, and how it garbles one."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
sys.path.insert(0, str(TOOLS))
import check_messages  # noqa: E402

sys.path.remove(str(TOOLS))

SOURCE = """
def check(problems, kind):
    try:
        if kind == "add":
            problems.add("a message")
        elif kind == "append":
            problems.errors.append(ValueError("a message"))
        elif kind == "call":
            raise ValueError("a message")
        elif kind == "type":
            raise KeyError
        elif kind == "system":
            raise OSError(28, "a message")
    except KeyError:
        raise
"""
PATH = check_messages.ROOT / "workflow/source.py"
LINES = {"add": 5, "append": 7, "call": 9, "type": 11, "system": 13}


class Problems:
    def __init__(self):
        self.errors = []

    def add(self, text):
        self.errors.append(ValueError(text))


def test_places_are_raises_with_an_error_and_noted_mistakes():
    places = check_messages.places_of(ast.parse(SOURCE))
    assert sorted(node.lineno for node in places) == sorted(LINES.values())
    assert check_messages.name_of(PATH, places[0]).startswith("workflow/source.py:")


@pytest.mark.parametrize("garbled", [True, False])
@pytest.mark.parametrize("kind", LINES)
def test_reached_places_are_noted_and_one_is_garbled(monkeypatch, kind, garbled):
    tree = check_messages._Watch(PATH).visit(ast.parse(SOURCE))
    names = {"__told__": check_messages._told}
    exec(compile(ast.fix_missing_locations(tree), str(PATH), "exec"), names)
    place = f"workflow/source.py:{LINES[kind]}"
    monkeypatch.setattr(check_messages, "reached", set())
    monkeypatch.setattr(check_messages, "garbled", place if garbled else "elsewhere")
    problems = Problems()
    try:
        names["check"](problems, kind)
        (error,) = problems.errors
    except (ValueError, KeyError, OSError) as raised:
        error = raised
    assert check_messages.reached == {place}
    assert ("?" in str(error)) == garbled
    assert ("a message" in str(error)) == (not garbled and kind != "type")
