"""Text as people's files hold it: one spelling of every character, and what can't be used.

Nothing here is of one format: readers pass their texts through it before anything is compared.
"""

import codecs
import re
import unicodedata

import polars as pl

from dejavu.errors import InputError

# OpenCLIP's tokenizer takes time with the square of a word's length, Transformers' with a text's.
LONGEST_CAPTION, LONGEST_WORD = 10_000, 1_000
# What that tokenizer takes for a word: a run of letters, or of signs.
WORDS = re.compile(r"[^\W_]+|(?:[^\w\s]|_)+")
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")
CUT = "…"
WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def normalised(text: str) -> str:
    """Text in the one form (NFC) in which equal texts are equal strings."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def normalised_column(column: pl.Expr) -> pl.Expr:
    """A column of strings, each `normalised`; one of ASCII alone stays as it is."""
    return column.map_batches(_normalised_strings, return_dtype=pl.String)


def _normalised_strings(strings: pl.Series) -> pl.Series:
    is_ascii = strings.str.len_bytes().sum() == strings.str.len_chars().sum()
    return strings if is_ascii else strings.str.normalize("NFC")


def image_ids(ids: pl.Expr, captions: str) -> pl.Expr:
    """Ids of images, from samples' ids that end in a caption's number where each caption is one."""
    return ids.str.replace(r"#\d+$", "") if captions == "each" else ids


def spellings(name: str) -> list[str]:
    """A name as it is, and as other systems would have written it to a disk."""
    composed, apart = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    return list(dict.fromkeys((name, composed, apart)))


def is_valid(text: str) -> bool:
    """Whether UTF-8 can hold a text: not half a surrogate pair, nor a byte of another encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def decoded(path: object, content: bytes) -> str:
    """The text of a file in UTF-8, with a byte order mark or without.

    Raises:
        InputError: it is of another encoding.
    """
    check_encoding(path, content[:4])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not UTF-8 text (byte 0x{content[error.start]:02x} in line {line}): save it"
            " as UTF-8."
        ) from error


def check_encoding(path: object, start: bytes) -> None:
    """Stop at a text file of two or four bytes a character, as its first four bytes tell.

    Raises:
        InputError: with the remedy.
    """
    if start.startswith(WIDE_MARKS) or b"\0" in start:
        raise InputError(f"{path} is text in UTF-16 or UTF-32: save it as UTF-8.")


def caption_fault(caption: str) -> str | None:
    """Why a caption can't be used, if it can't, without the caption itself."""
    if not is_valid(caption):
        return "the caption is not valid text"
    if len(caption) > LONGEST_CAPTION:
        return f"the caption has more than {LONGEST_CAPTION} characters"
    if len(caption) > LONGEST_WORD and max(map(len, WORDS.findall(caption)), default=0) > (
        LONGEST_WORD
    ):
        return f"the caption has a word of more than {LONGEST_WORD} characters"
    return None


def escaped(text: str) -> str:
    """Text that can be printed and stored: what UTF-8 or a terminal can't show as its code."""
    shown = CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)
    return shown.encode(errors="backslashreplace").decode()


def shortened(text: str, most: int) -> str:
    """Text of at most so many characters; a mark stands for what was cut off."""
    return text if len(text) <= most else text[: most - len(CUT)] + CUT
