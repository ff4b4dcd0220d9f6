"""Texts before they are tokenized."""

from collections.abc import Iterable

from dejavu.samples.texts import LONGEST_CAPTION, LONGEST_WORD, WORDS


def bounded(texts: Iterable[str]) -> list[str]:
    """Texts whose tokenizing ends, cut where `caption_fault` would find them too long.

    Captions are held to that where they are read; prompts, with a name of a vocabulary in them, are
    not, and models cut such texts anyway.
    """
    return [text if len(text) <= LONGEST_WORD else _cut(text) for text in texts]


def _cut(text: str) -> str:
    if len(text) > LONGEST_CAPTION:
        # Models take no notice of how wide a space is.
        text = " ".join(text.split())[:LONGEST_CAPTION]
    return WORDS.sub(lambda word: word[0][:LONGEST_WORD], text)
