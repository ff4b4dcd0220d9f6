"""The gate behind the readers: one form of text, and a row in the table for what can't be used."""

import unicodedata

import pytest

from dejavu.sources import Record, Rejected
from dejavu.sources.admission import admitted

GOOD = Record("é", "x/e\u0301.jpg", "naïve", ["café"], "é")


def test_texts_that_are_spelled_otherwise_are_the_same():
    apart = [unicodedata.normalize("NFD", text) for text in ("é", "naïve", "café")]
    assert admitted(Record(apart[0], GOOD.image, apart[1], ["café", apart[2]], apart[0])) == GOOD
    assert admitted(GOOD) == GOOD


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (Record("u7 \ud83d", "a.jpg", "x", []), "the id is not valid text: u7 \\ud83d"),
        (Record("u7", "a.jpg", "x \ud83d", []), "the caption is not valid text"),
        (Record("u7", "a.jpg", "x", ["b", "\ud83d"]), "a label is not valid text: \\ud83d"),
        (Record("u7", "caf\udce9.jpg", "x", []), "the image's name is not UTF-8"),
        (
            Record("u7", "a.jpg", "x" * 1001, []),
            "the caption has a word of more than 1000 characters",
        ),
    ],
)
def test_what_cannot_be_stored_or_tokenized_is_rejected_with_an_escaped_name(record, reason):
    found = admitted(record)
    assert isinstance(found, Rejected) and found.reason == reason
    assert found.id == (None if "\ud83d" in record.id else "u7")
    (found.item + found.reason).encode()


def test_a_reason_and_an_item_are_short():
    found = admitted(Rejected("caf\udce9" + "x" * 900, "i\ud800", "kind: " + "y" * 1000))
    assert isinstance(found, Rejected) and found.id is None
    assert len(found.reason) == 200 and len(found.item) == 500
    assert found.item.startswith("caf\\udce9x") and found.reason.startswith("kind: y")
