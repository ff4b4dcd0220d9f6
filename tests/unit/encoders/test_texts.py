"""Texts without end are cut before they are tokenized; others stay what they are."""

import time

import open_clip
import pytest

from dejavu.encoders.texts import bounded

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("text", ["a dog", "", "  two  cats ", "word " * 900, "x" * 1000])
def test_texts_of_usual_length_stay(text):
    assert bounded([text]) == [text]


def test_what_a_model_cuts_anyway_may_be_cut_before():
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    for text in ("a cat on a mat " * 2000, "  " * 5000 + "a dog", "dog, " * 5000):
        [cut] = bounded([text])
        assert len(cut) < len(text)
        assert tokenizer([cut]).tolist() == tokenizer([text]).tolist()


def test_a_word_without_end_is_tokenized_soon():
    tokenizer = open_clip.SimpleTokenizer(context_length=77)
    texts = ["abcdefg" * 100_000, "!?" * 100_000, "狗" * 100_000, "ab cd" * 100_000]
    start = time.process_time()
    tokenizer(bounded(texts))
    assert time.process_time() - start < 10
    assert [len(each) for each in bounded(texts[:1])] == [1000]
