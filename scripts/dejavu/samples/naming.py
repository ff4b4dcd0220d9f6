"""Which labels a caption names: whole words, in any case, plurals and synonyms included."""

from collections.abc import Mapping, Sequence

import polars as pl

from dejavu.samples.texts import normalised as in_one_form
from dejavu.samples.texts import normalised_column

IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "man": "men",
    "mouse": "mice",
    "person": "people",
    "tooth": "teeth",
    "woman": "women",
}


def plurals(word: str) -> set[str]:
    """The plural forms that a word may have in English."""
    if word.split()[-1] == "ox":
        return {word + "en"}
    for singular, plural in IRREGULAR.items():
        if word.endswith(singular):
            return {word.removesuffix(singular) + plural, word + "s"}
    forms = {word + "s", word + "es"}
    if word.endswith("y"):
        forms.add(word[:-1] + "ies")
    if word.endswith("f"):
        forms.add(word[:-1] + "ves")
    if word.endswith("fe"):
        forms.add(word[:-2] + "ves")
    return forms


def normalised(texts: pl.Expr) -> pl.Expr:
    """Lower case in one form, every run of other characters than letters and digits one space."""
    # Lower case may take a character apart again.
    lower = normalised_column(texts.str.to_lowercase())
    return lower.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()


def surface_forms(
    vocabulary: Sequence[str], synonyms: Mapping[str, Sequence[str]]
) -> list[tuple[str, str]]:
    """Pairs of a normalised form in which a caption may name a label, and the label.

    One form may name several labels that differ in case or punctuation alone.
    """
    others = {in_one_form(label): names for label, names in synonyms.items()}
    names = [
        (label, name)
        for label in vocabulary
        for name in (label, *others.get(in_one_form(label), ()))
    ]
    written = pl.Series([name for _, name in names], dtype=pl.String)
    words = pl.select(normalised(pl.lit(written))).to_series().to_list()
    pairs: set[tuple[str, str]] = set()
    for (label, _), name in zip(names, words, strict=True):
        if name:
            pairs.update((form, label) for form in (name, *plurals(name)))
    return sorted(pairs)


def named_labels(
    captions: Sequence[str],
    vocabulary: Sequence[str],
    synonyms: Mapping[str, Sequence[str]] | None = None,
) -> list[list[str]]:
    """Labels of the whole vocabulary that each caption names (contract: column `named`).

    Args:
        captions: [n] texts.
        vocabulary: every label of the domain.
        synonyms: further names of a label.

    Returns:
        n lists, each sorted and unique. The work is one automaton over all forms, in Polars.
    """
    forms = surface_forms(vocabulary, synonyms or {})
    if not forms or not captions:
        return [[] for _ in captions]
    labels = pl.DataFrame(forms, schema=["form", "label"], orient="row")
    # Padding makes a match of " form " a match of whole words; neighbours share their space.
    patterns = (" " + labels["form"].unique(maintain_order=True) + " ").to_list()
    found = (
        pl.DataFrame({"caption": captions})
        .with_row_index("row")
        .select("row", padded=pl.lit(" ") + normalised(pl.col("caption")) + pl.lit(" "))
        .select("row", form=pl.col("padded").str.extract_many(patterns, overlapping=True))
        .explode("form")
        .drop_nulls()
        .with_columns(pl.col("form").str.strip_chars())
        .join(labels, on="form")
        .group_by("row")
        .agg(pl.col("label").unique().sort())
    )
    rows = pl.DataFrame({"row": pl.arange(len(captions), eager=True, dtype=pl.UInt32)})
    lists = rows.join(found, on="row", how="left").sort("row").get_column("label")
    return [labels or [] for labels in lists.to_list()]
