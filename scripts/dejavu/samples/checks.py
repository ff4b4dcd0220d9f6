"""Reasons why sources and sets could not give a measurement, told before models are trained."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.samples.texts import shortened

FEW_LABELS, LONGEST_SHOWN = 20, 80


def check_rejected(
    source: str, kept: int, reasons: Sequence[str], items: Sequence[str], limit: float
) -> None:
    """Stop if more than a fraction of a source was rejected.

    Args:
        source: its name.
        kept: number of items that can be used.
        reasons: why each of the others can't.
        items: which they are.
        limit: the configured `max_rejected`.

    Raises:
        InputError: with the commonest kind of reason (what stands before `: `) and an example.
    """
    lost = len(reasons)
    if lost <= limit * (lost + kept):
        return
    kinds = [reason.partition(": ")[0] for reason in reasons]
    values, first, counts = np.unique(kinds, return_index=True, return_counts=True)
    commonest = int(counts.argmax())
    kind, example = values[commonest], int(first[commonest])
    why = "" if reasons[example] == kind else f" ({reasons[example]})"
    raise InputError(
        f"Source {source}: {lost} of {lost + kept} items were rejected, more than `max_rejected:"
        f" {limit:g}` allows; {counts[commonest]} for: {kind}, as {items[example]}{why}:"
        f" mend the source or its settings, or raise `max_rejected`."
    )


def repeats(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The places, rising, of hashes that stood before: of equal ones the first counts."""
    _, first = np.unique(hashes, return_index=True)
    return np.setdiff1d(np.arange(len(hashes)), first, assume_unique=True)


def doubt_about_labels(samples_of: Mapping[str, int]) -> str | None:
    """Why labels may not be what they should be: most stand in one sample alone.

    Args:
        samples_of: the number of samples of each label.
    """
    once = [label for label, count in samples_of.items() if count == 1]
    if len(samples_of) < FEW_LABELS or len(once) <= len(samples_of) / 2:
        return None
    return (
        f"{len(once)} of {len(samples_of)} labels stand in one sample alone, as"
        f" {shortened(min(once), LONGEST_SHOWN)!r}: are they joined by another separator, or"
        " sentences?"
    )


def check_set(name: str, source: str, samples: int, objects: int | None, k: int) -> None:
    """Stop on an empty set, on one without objects, and on a public set smaller than k.

    `objects` is None where they are not known yet.
    """
    where = f"Config key vlm.sets.{name}"
    if not samples:
        raise InputError(
            f"{where}: no sample of the source {source!r} falls into the set: raise its `fraction`,"
            " or enlarge the source."
        )
    if objects == 0:
        raise InputError(
            f"{where}: none of its {samples} samples has an object: correct the field or column of"
            f" `objects` of the source {source!r}, or the `min_score` of its annotations."
        )
    if name == "public" and k > samples:
        raise InputError(
            f"Config key vlm.k: k is {k}, but public has only {samples} samples: lower `k` or"
            " enlarge the public set."
        )


def repeated_hash(hashes: NDArray[np.uint64]) -> np.uint64 | None:
    """A hash that a set's ids have more than once, None where each is there once."""
    values, counts = np.unique(hashes, return_counts=True)
    return values[counts.argmax()] if len(values) < len(hashes) else None


def shared_hashes(
    hashes: Mapping[str, NDArray[np.uint64]],
) -> tuple[str, str, NDArray[np.uint64]] | None:
    """The first two sets that share hashes of ids, and those they share."""
    names = list(hashes)
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            shared = np.intersect1d(hashes[first], hashes[second])
            if len(shared):
                return first, second, shared
    return None
