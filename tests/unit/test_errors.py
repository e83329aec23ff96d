import pytest

from membrain.errors import InputError, Problems, suggest


def test_error_is_one_line_with_found_expected_and_remedy_in_order():
    error = InputError("mask.mrc: bad\n  shape", found=(1, 2), expected=(3, 4), remedy="crop\tit")
    assert str(error) == "mask.mrc: bad shape; found (1, 2); expected (3, 4); crop it"


def test_error_leaves_out_what_is_not_given_but_keeps_zero():
    assert str(InputError("x")) == "x"
    assert str(InputError("x", found=0, expected=0)) == "x; found 0; expected 0"


def test_no_problem_raises_nothing():
    Problems().raise_if_any("heading")


def test_one_problem_is_raised_as_it_is():
    problems = Problems()
    problems.add("a.tsv", found=1)
    with pytest.raises(InputError, match=r"^a\.tsv; found 1$"):
        problems.raise_if_any("2 mistakes")


@pytest.mark.parametrize(
    ("heading", "first"), [("a.tsv: wrong", "a.tsv: wrong:"), ("", "2 mistakes:")]
)
def test_several_problems_are_raised_together_one_a_line(heading, first):
    problems = Problems()
    problems.add("one")
    problems.add("two", remedy="do this")
    with pytest.raises(InputError) as caught:
        problems.raise_if_any(heading)
    assert str(caught.value).splitlines() == [first, "1. one", "2. two; do this"]


@pytest.mark.parametrize(
    ("name", "known", "answer"),
    [
        ("membrnae", ["tomogram", "membrane"], "did you mean 'membrane'?"),
        ("psii", ["PSII", "b6f"], "did you mean 'PSII'?"),
        ("PIXELSIZE", ["pixel_size", "Label"], "did you mean 'pixel_size'?"),
        ("rlntomoname", ["rlnTomoName", "rlnClassNumber"], "did you mean 'rlnTomoName'?"),
        ("Tomo_A", ["TOMO_B", "Tomo_A2"], "did you mean 'Tomo_A2'?"),
        ("zzzz", ["b6f", "PSII"], "known are PSII, b6f"),
    ],
)
def test_suggestion_is_blind_to_case_and_keeps_the_spelling(name, known, answer):
    assert suggest(name, known) == answer
    assert suggest(name, iter(known)) == answer  # any iterable, read once


def test_suggestion_takes_the_first_of_names_that_differ_in_case_alone():
    assert suggest("m1", ["M1", "m1"]) == "did you mean 'M1'?"
