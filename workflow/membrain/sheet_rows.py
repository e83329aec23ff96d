"""Rows of a sheet, each cell checked against the sheet's schema."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

from .errors import InputError, Problems, suggest
from .files import read_table
from .schemas import check, load_schema, validator_of

NUMBERS = {
    "pixel_size_angstrom": float,
    "side_x": float,
    "side_y": float,
    "side_z": float,
    "label": int,
}


def _convert(row: dict[str, str], where: str, problems: Problems) -> dict:
    """Drop empty cells and turn numbers into numbers."""
    out: dict = {}
    for name, text in row.items():
        if text == "":
            continue
        if name not in NUMBERS:
            out[name] = text
            continue
        is_whole = NUMBERS[name] is int
        number = _number(text)
        if not math.isfinite(number) or (is_whole and number % 1):
            kind = "a whole number" if is_whole else "a number"
            problems.add(f"{where}: column '{name}'", found=repr(text), expected=kind)
        else:
            out[name] = int(number) if is_whole else number  # spreadsheets make 7 to 7.0
    return out


def _number(text: str) -> float:
    """Return a text's number; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _check_columns(path: str | Path, columns: list[str], schema: dict) -> None:
    """Check the header line of a sheet, after which its columns have their meaning."""
    problems, known = Problems(), schema["properties"]
    if len(columns) == 1 and columns[0] not in known:
        names = {",": "commas", ";": "semicolons", " ": "spaces"}
        found = next((words for mark, words in names.items() if mark in columns[0]), None)
        if found:
            raise InputError(
                f"{path}: columns are not separated by tabs",
                found=found,
                expected="tabs",
                remedy="save the sheet as tab-separated text",
            )
    for column, count in Counter(columns).items():
        if count > 1 and column:
            problems.add(f"{path}: column '{column}' stands {count} times")
    for number, column in enumerate(columns, 1):
        if not column:
            problems.add(f"{path}: column {number} has no name", remedy="name it or delete it")
        elif column not in known:
            problems.add(f"{path}: unknown column '{column}'", remedy=suggest(column, known))
    for column in schema["required"]:
        if column not in columns:
            problems.add(f"{path}: column '{column}' is missing", found=", ".join(columns))
    problems.raise_if_any(f"{path}: {len(problems.errors)} mistakes")


def read_rows(path: str | Path, name: str) -> tuple[list[dict], Problems]:
    """Return the checked rows of a sheet and the problems noted.

    Parameters
    ----------
    path : path
    name : str
        Of its schema: ``tomograms`` or ``membranes``.

    Returns
    -------
    rows : list of dict
        Cells that are not empty, numbers as numbers; ``where`` names the row in messages.
    problems : Problems

    Raises
    ------
    InputError
        When the file is not a table, or its columns are not those of the sheet.
    """
    schema = load_schema(name)
    columns, rows = read_table(path)
    _check_columns(path, columns, schema)
    problems = Problems()
    validator = validator_of(schema)
    out = []
    for i, row in enumerate(rows, 1):
        name_of_row = row.get("membrane") or row.get("tomogram") or ""
        where = f"{path}, row {i} ({name_of_row})" if name_of_row else f"{path}, row {i}"
        n_before = len(problems.errors)
        content = _convert(row, where, problems)
        if len(problems.errors) == n_before:
            check(validator, content, where, problems, noun="column")
        content["where"] = where
        out.append(content)
    return out, problems
