"""Texts before they are tokenized."""

import re
from collections.abc import Iterable

LETTERS_A_TOKEN, LETTERS_A_WORD = 64, 1000


def bounded(texts: Iterable[str], tokens: int | None) -> list[str]:
    """Texts whose tokenizing ends: OpenCLIP's takes the square of the length of a word.

    Models cut texts at a number of tokens. What lies beyond 64 characters for each of those, or
    beyond 1000 characters of one word, is not tokenized; in a text of words it would be cut anyway.

    Args:
        texts: of any length.
        tokens: how many a model takes; None where it takes any number.
    """
    longest = LETTERS_A_TOKEN * tokens if tokens else None
    return [_cut(text, longest) for text in texts]


def _cut(text: str, longest: int | None) -> str:
    if longest and len(text) > longest:
        text = " ".join(text.split())[:longest]
    if len(text) <= LETTERS_A_WORD:
        return text
    return re.sub(rf"(\S{{{LETTERS_A_WORD}}})\S+", r"\1", text)
