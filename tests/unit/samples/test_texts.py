"""Text as people's files hold it: spellings, what can't be used, and how it is shown."""

import unicodedata

import polars as pl
import pytest

from dejavu.errors import InputError
from dejavu.samples import texts


def test_texts_that_look_equal_are_equal():
    apart = unicodedata.normalize("NFD", "café 狗 Ångström")
    assert apart != "café 狗 Ångström" == texts.normalised(apart)
    column = pl.DataFrame({"a": [apart, "plain", None]}).select(
        texts.normalised_column(pl.col("a"))
    )
    assert column["a"].to_list() == ["café 狗 Ångström", "plain", None]
    assert set(texts.spellings("é")) == {"\u00e9", "e\u0301"} and texts.spellings("e") == ["e"]


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        ("a dog", None),
        ("half \ud83d", "the caption is not valid text"),
        ("word " * 2000, None),
        ("word " * 2000 + "x", "the caption has more than 10000 characters"),
        ("a" * 1000, None),
        ("a dog " + "a" * 1001, "the caption has a word of more than 1000 characters"),
        ("=_" * 501, "the caption has a word of more than 1000 characters"),
        # A sentence of a language without spaces has its own signs.
        ("狗在公园里，猫在家里。" * 200, None),
    ],
)
def test_a_caption_has_a_bounded_length_and_bounded_words(caption, fault):
    assert texts.caption_fault(caption) == fault


def test_what_cannot_be_shown_is_escaped_and_what_is_long_is_cut():
    assert texts.escaped("caf\udce9\0\n狗") == "caf\\udce9\\x00\\n狗"
    assert texts.shortened("abcdef", 6) == "abcdef" and texts.shortened("abcdefg", 6) == "abcde…"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_text_of_another_encoding_is_told_with_the_remedy(encoding):
    content = "id,label\nx,é\n".encode(encoding)
    with pytest.raises(InputError, match=r"^a\.csv is .*: save it as UTF-8\.$") as raised:
        texts.decoded("a.csv", content)
    place = "(byte 0xe9 in line 2)" if encoding == "latin-1" else "UTF-16 or UTF-32"
    assert place in str(raised.value)
    assert texts.decoded("a.csv", b"\xef\xbb\xbfx") == texts.decoded("a.csv", b"x") == "x"
