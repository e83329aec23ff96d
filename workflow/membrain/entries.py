"""Entries of JSON objects that this program wrote, checked when they are read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from .errors import Problems

Rule = tuple[Callable[[object], bool], str]  # whether a value is right, and what is expected


def is_number(value: object) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_name(value: object) -> bool:
    """Return whether a value is a text that is not empty."""
    return isinstance(value, str) and value != ""


def _is_list_of(is_right: Callable[[object], bool], length: int | None = None) -> Callable:
    def check(value: object) -> bool:
        has_length = isinstance(value, list) and length in (None, len(value))
        return has_length and all(map(is_right, value))

    return check


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


NAME: Rule = (is_name, "a name")
NAMES: Rule = (_is_list_of(is_name), "a list of names")
NAME_LISTS: Rule = (_is_list_of(_is_list_of(is_name)), "a list of lists of names")
NUMBER: Rule = (is_number, "a number")
POSITIVE: Rule = (lambda value: is_number(value) and value > 0, "a number above 0")
NOT_NEGATIVE: Rule = (lambda value: is_number(value) and value >= 0, "a number, 0 or more")
SIZES: Rule = (_is_list_of(_is_size, 3), "three whole numbers above 0")
NUMBERS: Rule = (_is_list_of(is_number, 3), "three numbers")


def check_entries(
    path: str | Path,
    content: object,
    rules: Mapping[str, Rule],
    needs: Iterable[str],
    what: str,
    remedy: str = "",
) -> None:
    """Check the entries of an object.

    Parameters
    ----------
    path : path
    content : object, as read from JSON
    rules : mapping of the entry's name to its rule
        Entries without a rule may be anything.
    needs : iterable of str
        Entries that must be there.
    what : str, what the file should hold
    remedy : str

    Raises
    ------
    InputError
        Lists every entry that is absent or wrong.
    """
    problems, where = Problems(), f"{path}: not {what}"
    if not isinstance(content, Mapping):
        problems.add(where, found=type(content).__name__, expected="an object", remedy=remedy)
        content, needs, rules = {}, (), {}
    missing = [name for name in needs if name not in content]
    if missing:
        problems.add(where, found=f"no entry {', '.join(missing)}", remedy=remedy)
    for name, (is_right, expected) in rules.items():
        if name in content and not is_right(content[name]):
            found = repr(content[name])
            found = found if len(found) < 80 else f"{found[:77]}..."
            problems.add(f"{path}: entry '{name}'", found=found, expected=expected, remedy=remedy)
    problems.raise_if_any(f"{path}: {len(problems.errors)} mistakes")
