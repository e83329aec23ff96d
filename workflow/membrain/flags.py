"""Flags whose numbers are out of range, told all at once."""

from __future__ import annotations

import argparse
import math
import operator
from collections.abc import Callable, Mapping

from .errors import Problems

LARGEST = 1e9  # no length, number of steps or angle is larger
LARGEST_WHOLE = 2**31 - 1  # a seed may be; torch and numba take no more
PIXEL_SIZES = (0.1, 1000.0)  # angstrom
LEAST = "at least {:g}"


def _numbers(value: object) -> list[int | float]:
    """Return the numbers of a flag: its own, or those of its list."""
    items = value if isinstance(value, list | tuple) else [value]
    return [n for n in items if isinstance(n, int | float) and not isinstance(n, bool)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def check_finite(args: argparse.Namespace) -> None:
    """Check that every number is finite and of a size that is no slip of the keyboard.

    Raises
    ------
    InputError
        Lists every flag that is not.
    """
    problems = Problems()
    for name, value in vars(args).items():
        for number in _numbers(value):
            largest = LARGEST_WHOLE if isinstance(number, int) else LARGEST
            if not math.isfinite(number) or abs(number) > largest:
                expected = f"a finite number, at most {largest:g} in size"
                problems.add(_flag(name), found=number, expected=expected)
            elif name.endswith("pixel_size_angstrom") and number > 0:
                low, high = PIXEL_SIZES
                if not low <= number <= high:
                    expected = f"{low:g} to {high:g} angstrom"
                    problems.add(_flag(name), found=number, expected=expected)
    problems.raise_if_any(f"{len(problems.errors)} flags out of range")


def check_ranges(
    args: argparse.Namespace,
    *,
    least: Mapping[str, float] | None = None,
    above: Mapping[str, float] | None = None,
    most: Mapping[str, float] | None = None,
) -> None:
    """Check that flags lie in their ranges; a flag that is None is not given.

    Parameters
    ----------
    args : Namespace
    least, above, most : mapping of name to limit
        Smallest value; value that must be exceeded; largest value.

    Raises
    ------
    InputError
        Lists every flag that does not.
    """
    problems = Problems()

    def check(limits: Mapping[str, float] | None, is_right: Callable, words: str) -> None:
        for name, limit in (limits or {}).items():
            value = getattr(args, name)
            if not all(is_right(number, limit) for number in _numbers(value)):
                expected = words.format(limit) if limit or words != LEAST else "0 or more"
                problems.add(_flag(name), found=value, expected=expected)

    check(least, operator.ge, LEAST)
    check(above, operator.gt, "more than {:g}")
    check(most, operator.le, "at most {:g}")
    problems.raise_if_any(f"{len(problems.errors)} flags out of range")
