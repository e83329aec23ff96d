"""Ranges of flags."""

from argparse import Namespace

import pytest

from membrain.errors import InputError
from membrain.flags import check_finite, check_ranges


def test_numbers_in_range_and_other_values_pass():
    args = Namespace(
        a=1.0, b=[0, 2], c=None, d="x", e=True, f=["nan"], seed=2**31 - 1, pixel_size_angstrom=0
    )
    check_finite(args)
    check_ranges(args, least={"b": 0, "c": 5, "a": 1}, above={"a": 0.5, "d": 7}, most={"b": 2})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"a_b": float("nan")}, "^--a-b; found nan; expected a finite number, at most 1e.09 in si"),
        ({"a": [1.0, float("-inf")]}, "^--a; found -inf; expected a finite number"),
        ({"a": 2e9}, "^--a; found 2000000000.0; expected a finite number, at most 1e"),
        ({"seed": 2**31}, "^--seed; found 2147483648; expected a finite number, at most 2.14748e"),
        (
            {"x_pixel_size_angstrom": 1001.0},
            "^--x-pixel-size-angstrom; .* expected 0.1 to 1000 ang",
        ),
        ({"pixel_size_angstrom": 0.01}, "^--pixel-size-angstrom; found 0.01; expected 0.1 to"),
        ({"a": float("nan"), "b": float("inf")}, r"(?s)^2 flags out of range:\n1. --a.*2. --b"),
    ],
)
def test_numbers_that_cannot_be_meant_are_told(values, message):
    with pytest.raises(InputError, match=message):
        check_finite(Namespace(**values))


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"least": {"a": 4}}, "^--a; found 3; expected at least 4$"),
        ({"least": {"minus": 0}}, "^--minus; found -1; expected 0 or more$"),
        ({"above": {"a": 3}}, "^--a; found 3; expected more than 3$"),
        ({"most": {"a": 2}}, "^--a; found 3; expected at most 2$"),
        ({"most": {"list": 2}}, r"^--list; found \[1, 3\]; expected at most 2$"),
        ({"least": {"a": 4, "list": 2}}, r"(?s)^2 flags out of range:\n1. --a.*2. --list"),
    ],
)
def test_numbers_out_of_range_are_told(ranges, message):
    with pytest.raises(InputError, match=message):
        check_ranges(Namespace(a=3, minus=-1, list=[1, 3]), **ranges)
