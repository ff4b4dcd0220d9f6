"""Objects voted for by the nearest public samples, and how many of them are really there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.predictions import label_bits
from dejavu.predictions.label_bits import Block

TOP_SIZES = {"top1": 1, "top10": 10}
# Words of the public samples' labels that are held at a time (256 MB), and words of a block, so
# that the blocks of one step stay in a core's cache.
PACKED_WORDS = 2**25
BLOCK_WORDS = 2**13


@dataclass(frozen=True)
class LabelLists:
    """Lists of label codes, one a sample: offsets int64 [n + 1] into codes int32.

    No code is twice in a list.
    """

    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]

    def __len__(self) -> int:
        """How many lists there are."""
        return len(self.offsets) - 1

    def take(self, rows: NDArray[np.integer]) -> "LabelLists":
        """The lists of some rows, in the order asked for."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return LabelLists(offsets, self.codes[positions])

    def block(self, place: slice, labels: int) -> Block:
        """The lists of successive rows as a block of `label_bits`."""
        offsets = self.offsets[place.start : place.stop + 1]
        return np.ascontiguousarray(label_bits.packed(offsets, self.codes, labels).T)


def nothing(size: int) -> LabelLists:
    """Empty lists."""
    return LabelLists(np.zeros(size + 1, np.int64), np.empty(0, np.int32))


def concatenated(lists: Sequence[LabelLists]) -> LabelLists:
    """Lists one after the other."""
    sizes = np.cumsum([0] + [len(each.codes) for each in lists])
    offsets = [each.offsets[:-1] + size for each, size in zip(lists, sizes[:-1], strict=True)]
    return LabelLists(
        np.concatenate([*offsets, sizes[-1:]]).astype(np.int64),
        np.concatenate([each.codes for each in lists]) if lists else np.empty(0, np.int32),
    )


def renumbered(rows: NDArray[np.integer], size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The distinct values among rows 0 to `size` - 1, ascending, and each row's place in them.

    A mark for each possible row is far faster than sorting.
    """
    used = np.zeros(size, dtype=bool)
    used[rows] = True
    places = np.cumsum(used, dtype=np.int32)
    places -= 1
    return np.flatnonzero(used), places[rows]


@dataclass(frozen=True)
class Counts:
    """Objects that are there and, for each (k, size), those predicted and the right ones, [n].

    They are int16, or int32 where the vocabulary asks for it.
    """

    truth: NDArray[np.signedinteger]
    predicted: dict[tuple[int, str], NDArray[np.signedinteger]]
    correct: dict[tuple[int, str], NDArray[np.signedinteger]]


def count_recovered(
    neighbors: NDArray[np.integer],
    public: LabelLists,
    truth: LabelLists,
    hidden: Mapping[str, LabelLists],
    labels: int,
    ks: Sequence[int],
    predict: Sequence[str],
) -> dict[str, Counts]:
    """Predict objects from neighbours and count the right ones.

    Source: method.md, vision–language models, prediction.

    Objects are ranked by the number of neighbours that contain them; ties go to the object whose
    nearest neighbour is nearer, then to the lower label code (codes are in the order of names).

    Args:
        neighbors: rows of `public`, int [n, k], nearest first.
        public: the public samples' objects.
        truth: the objects in each of the n samples.
        hidden: by variant, the labels that are neither predicted nor asked for: those the caption
            names, or none.
        labels: size of the vocabulary.
        ks: numbers of neighbours that vote.
        predict: of `top1`, `top10`, `all`.

    Returns:
        By variant, counts of the labels that are not hidden.
    """
    kind = np.int16 if labels <= np.iinfo(np.int16).max else np.int32

    def zeros() -> NDArray[np.signedinteger]:
        return np.zeros(len(neighbors), kind)

    settings = [(k, size) for k in ks for size in predict]
    counts = {
        variant: Counts(
            zeros(), {each: zeros() for each in settings}, {each: zeros() for each in settings}
        )
        for variant in hidden
    }
    width = label_bits.words(labels)
    for group in _slices(len(neighbors), PACKED_WORDS // (width * neighbors.shape[1])):
        used, rows = renumbered(neighbors[group], len(public))
        sets = public.take(used)
        packed = label_bits.packed(sets.offsets, sets.codes, labels)
        for part in _slices(len(rows), BLOCK_WORDS // width):
            place = slice(group.start + part.start, group.start + part.stop)
            rankings = list(_rankings(packed, rows[part], ks))
            true = truth.block(place, labels)
            for variant, lists in hidden.items():
                visible = ~lists.block(place, labels)
                found = counts[variant]
                found.truth[place] = label_bits.sizes(true & visible)
                for k, voted, preferences in rankings:
                    for size in predict:
                        chosen = voted & visible
                        if size in TOP_SIZES:
                            chosen = label_bits.best(chosen, preferences, TOP_SIZES[size])
                        found.predicted[k, size][place] = label_bits.sizes(chosen)
                        found.correct[k, size][place] = label_bits.sizes(chosen & true)
    return counts


def count_given(
    ranked: LabelLists,
    truth: LabelLists,
    hidden: Mapping[str, LabelLists],
    labels: int,
    ks: Sequence[int],
    predict: Sequence[str],
) -> dict[str, Counts]:
    """Count the right ones of objects that are predicted already, the best first.

    Args:
        ranked: the labels predicted for each of n samples; codes that are no object's count as
            wrong.
        truth: the objects in each of the n samples.
        hidden: by variant, the labels that are neither predicted nor asked for.
        labels: codes are below it.
        ks: numbers of neighbours, which make no difference.
        predict: of `top1`, `top10`, `all`.

    Returns:
        By variant, counts of the labels that are not hidden.
    """
    kind = np.int16 if labels <= np.iinfo(np.int16).max else np.int32
    size = len(ranked)

    def pairs(lists: LabelLists) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        places = np.repeat(np.arange(size), np.diff(lists.offsets))
        return places, places * labels + lists.codes

    def counted(places: NDArray[np.int64]) -> NDArray[np.signedinteger]:
        return np.bincount(places, minlength=size).astype(kind)

    (guesses, guessed), (objects, true) = pairs(ranked), pairs(truth)
    counts = {}
    for variant, lists in hidden.items():
        _, unseen = pairs(lists)
        shown, asked = ~np.isin(guessed, unseen), ~np.isin(true, unseen)
        places, is_right = guesses[shown], np.isin(guessed[shown], true)
        rank = np.arange(len(places)) - np.searchsorted(places, places)
        predicted, correct = {}, {}
        for name in predict:
            first = rank < TOP_SIZES.get(name, labels)
            both = counted(places[first]), counted(places[first & is_right])
            for k in ks:
                predicted[k, name], correct[k, name] = both
        counts[variant] = Counts(counted(objects[asked]), predicted, correct)
    return counts


def predicted_labels(
    neighbors: NDArray[np.integer],
    public: LabelLists,
    hidden: LabelLists,
    labels: int,
    k: int,
    size: str,
) -> NDArray[np.bool_]:
    """The labels that are predicted for a few samples, as a mask [n, labels].

    The arguments are those of `count_recovered`, for one `k` and one number of objects.
    """
    packed = label_bits.packed(public.offsets, public.codes, labels)
    ((_, voted, preferences),) = _rankings(packed, neighbors, [k])
    chosen = voted & ~hidden.block(slice(0, len(neighbors)), labels)
    if size in TOP_SIZES:
        chosen = label_bits.best(chosen, preferences, TOP_SIZES[size])
    return label_bits.mask(chosen, labels)


def _slices(size: int, step: int) -> Iterator[slice]:
    step = max(1, step)
    return (slice(start, min(start + step, size)) for start in range(0, size, step))


def _rankings(
    packed: Block, rows: NDArray[np.integer], ks: Sequence[int]
) -> Iterator[tuple[int, Block, list[Block]]]:
    """For each k the labels that were voted for, and what `label_bits.best` ranks them by.

    Args:
        packed: labels of public samples, uint64 [public, words].
        rows: the neighbours' rows in them, int32 [n, most neighbours].
        ks: numbers of neighbours.
    """
    columns = np.ascontiguousarray(rows.T, dtype=np.intp)
    votes = label_bits.Counter()
    voted = np.zeros((len(rows), packed.shape[1]), dtype=np.uint64)
    nearest: list[Block] = []
    most = len(columns)
    asked = {min(k, most) for k in ks}
    at = {}
    # Counting treats every word alike: the rows are made columns once it is done.
    for rank in range(max(asked)):
        block = packed.take(columns[rank], axis=0)
        votes.add(block)
        first = block & ~voted
        voted |= block
        for digit in range(rank.bit_length()):
            if digit == len(nearest):
                nearest.append(np.zeros_like(voted))
            if rank >> digit & 1:
                nearest[digit] |= first
        if rank + 1 in asked:
            counted = label_bits.largest_first(list(map(_transposed, votes.planes())))
            near = label_bits.smallest_first(list(map(_transposed, nearest)))
            at[rank + 1] = _transposed(voted), [*counted, *near]
    for k in ks:
        yield k, *at[min(k, most)]


def _transposed(block: Block) -> Block:
    return block.T.copy()


def label_codes(
    table: pa.Table, name: str, vocabulary: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A column of label lists as offsets int64 [n + 1] and codes int32 into the vocabulary.

    Raises:
        InputError: a label is not in the vocabulary.
    """
    places = {label: code for code, label in enumerate(vocabulary)}
    offsets = [np.zeros(1, dtype=np.int64)]
    codes = [np.empty(0, dtype=np.int32)]
    for lists in table.column(name).chunks:
        labels = lists.flatten()
        if not pa.types.is_dictionary(labels.type):
            labels = labels.dictionary_encode()
        try:
            known = [places[label] for label in labels.dictionary.to_pylist()]
        except KeyError as error:
            raise InputError(
                f"The label {error} is not in the vocabulary: delete it and rerun."
            ) from None
        indices = labels.indices.to_numpy()
        codes.append(np.array(known, dtype=np.int32)[indices] if known else codes[0])
        lengths = np.diff(lists.offsets.to_numpy())
        offsets.append(offsets[-1][-1] + np.cumsum(lengths, dtype=np.int64))
    return np.concatenate(offsets), np.concatenate(codes)
