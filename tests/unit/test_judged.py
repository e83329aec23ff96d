"""Membranes that are judged whatever their split says."""

import pytest

from membrain.errors import InputError
from membrain.judged import select_judged
from membrain.sheets import MembraneRow


def rows():
    return [
        MembraneRow("T1", name, mask="m.mrc", split="train", annotations="a.csv")
        for name in ("M1", "M2")
    ]


def test_those_named_become_test_membranes_and_others_lose_their_annotations():
    first, second = select_judged(rows(), ["T1/M2"])
    assert (first.annotations, first.split) == (None, "train")
    assert (second.annotations, second.split) == ("a.csv", "test")


def test_no_name_leaves_all_as_they_are():
    assert select_judged(rows(), []) == rows()


def test_unknown_membrane_is_told():
    with pytest.raises(InputError, match="--only: no membrane 'T1/M22'; did you mean 'T1/M2'"):
        select_judged(rows(), ["T1/M22"])
