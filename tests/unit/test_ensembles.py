"""Networks that may be averaged, and the card of them all."""

from dataclasses import replace

import pytest

from membrain.cards import Card
from membrain.ensembles import check_cards, join_cards
from membrain.errors import InputError

CARD = Card(10.0, (("A",), ("B",)), training={"membranes": ["T1/M1"]}, sha256="aa")


def test_networks_of_one_kind_pass():
    check_cards([CARD, replace(CARD, threshold=4.0, training={}, sha256="b")], ["a", "b"])


def test_every_difference_is_told():
    other = replace(CARD, normalisation="zscore", classes=(("A",),))
    message = (
        r"(?s)2 differences between networks to be averaged:.*b: classes; found \(\('A',\),\); "
        r"expected \(\('A',\), \('B',\)\), as a has.*b: normalisation; found zscore"
    )
    with pytest.raises(InputError, match=message):
        check_cards([CARD, other], ["a", "b"])


def test_card_of_all_tells_how_each_was_trained():
    other = replace(CARD, training={"membranes": ["T1/M2"], "n_boxes": 4}, sha256="bb")
    card = join_cards([CARD, other], (2.5, 3.0), 2)
    assert (card.members, card.threshold, card.classes) == (2, (2.5, 3.0), CARD.classes)
    assert card.training["membranes"] == ["T1/M1", "T1/M2"]
    assert card.training["members"][1] == {
        "sha256": "bb",
        "membranes": ["T1/M2"],
        "n_boxes": 4,
    }
    assert join_cards([CARD], (2.5,), 1).threshold == 2.5
