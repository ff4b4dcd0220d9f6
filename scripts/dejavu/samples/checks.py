"""Reasons why sources and sets could not give a measurement, told before models are trained."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.samples.texts import shortened

FEW_LABELS, LONGEST_SHOWN, COMMONEST = 20, 80, 10


class Matched(NamedTuple):
    """How well annotations, or a table of tags, and samples go together: numbers of ids.

    `strangers` are annotated and of no sample, `bare` are samples without annotations.
    """

    annotated: int
    strangers: int
    samples: int
    bare: int

    @classmethod
    def of(cls, annotated: NDArray[np.uint64], samples: NDArray[np.uint64]) -> "Matched":
        """Compare hashes of ids."""
        known, given = np.unique(annotated), np.unique(samples)
        both = len(np.intersect1d(known, given, assume_unique=True))
        return cls(len(known), len(known) - both, len(given), len(given) - both)

    @property
    def is_doubtful(self) -> bool:
        """Whether most of either have no partner."""
        return 2 * self.strangers > self.annotated or 2 * self.bare > self.samples

    def told(self, samples: str = "samples") -> str:
        """Both shares in words."""
        return (
            f"{self.strangers / max(self.annotated, 1):.1%} of the {self.annotated:,} annotated ids"
            f" match none of the {samples}, and {self.bare / max(self.samples, 1):.1%} of the"
            f" {self.samples:,} {samples} have no annotations"
        )


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


def samples_of_labels(objects: pa.ChunkedArray) -> dict[str, int]:
    """The number of samples of each label, of lists without repeats."""
    counts = pc.value_counts(pc.list_flatten(objects).combine_chunks())
    return dict(zip(*map(pa.Array.to_pylist, counts.flatten()), strict=True))


def vocabulary(samples_of: Mapping[str, int]) -> dict[str, Any]:
    """How many labels there are, how many of them in one sample alone, and the commonest."""
    commonest = sorted(samples_of.items(), key=lambda each: (-each[1], each[0]))[:COMMONEST]
    once = sum(count == 1 for count in samples_of.values())
    return {"labels": len(samples_of), "once": once, "commonest": dict(commonest)}


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
