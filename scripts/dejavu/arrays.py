"""Scores of arrays, without files or configs: from a notebook, or behind a pipeline of your own.

The numbers are those of `vlm_ppg.csv` and `vision_dejavu.csv` for one setting and one replicate.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from reprlib import repr as short
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from dejavu.errors import InputError
from dejavu.predictions.label_votes import from_votes
from dejavu.predictions.object_votes import LabelLists, count_recovered, label_codes
from dejavu.samples.texts import is_valid, normalised
from dejavu.scores import vision, vlm
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.recovered import Outcome, Setting
from dejavu.scores.tallies import Asked, Part, Tally

PREDICT = ("top1", "top10", "all")
ONLY = {"0": [0]}
# They tell one setting or replicate from others, or what was left out of a table.
NOT_TOLD = (
    "replicate", "p_family", "simultaneous_low", "simultaneous_high", "contaminated", "confident",
)  # fmt: skip

Objects = Sequence[Sequence[str]]
BySet = Mapping[str, ArrayLike]


def caption_scores(
    objects: Mapping[str, Objects],
    target: BySet,
    reference: BySet,
    public: Objects,
    predict: str = "top10",
) -> pl.DataFrame:
    """Rows of `vlm_ppg.csv`: whether the target recovers more objects than the reference does.

    Source: method.md, vision–language models.

    Args:
        objects: by set the names of the objects in each of n samples, which are independent: one
            caption an image. `target` is what the target model was trained on and must be there;
            `control`, what no model saw, gives calibrated rows; `reference`, what the reference
            was trained on, makes it a two-model test.
        target: by set the samples' neighbours under the target model: rows of `public`, each
            once, nearest first, int [n, k].
        reference: likewise under the reference, of the same k.
        public: the names of the objects in each public picture.
        predict: how many of the voted objects are predicted: `top1`, `top10` or `all`.

    Returns:
        One row a set, with the columns of `vlm_ppg.csv` that a single setting has.

    Raises:
        InputError: sets or samples are missing, neighbours are no rows of `public`, stand twice
            in a list or differ in number, or an object is no text.
    """
    if predict not in PREDICT:
        raise InputError(f"predict is {predict!r}: give one of {', '.join(PREDICT)}.")
    sides = {"target": target, "reference": reference}
    _check_sets("target", ("control", "reference"), objects=objects, **sides)
    tables = {"public": _named("public", public)}
    tables |= {name: _named(f"objects of {name}", lists) for name, lists in objects.items()}
    vocabulary = sorted(set(chain.from_iterable(chain.from_iterable(tables.values()))))
    known = {name: _coded(lists, vocabulary) for name, lists in tables.items()}
    neighbors = {
        (role, name): _neighbors(
            f"{role} of {name}", of_set, len(tables["public"]), len(tables[name])
        )
        for role, side in sides.items()
        for name, of_set in side.items()
    }
    k = neighbors["target", "target"].shape[1]
    for (role, name), found in neighbors.items():
        if found.shape[1] != k:
            raise InputError(
                f"{role} of {name}: there are {found.shape[1]} neighbours a sample, and {k} in"
                " target of target: give as many everywhere."
            )
    outcomes = {
        (role, name): _outcome(found, known["public"], known[name], len(vocabulary), predict)
        for (role, name), found in neighbors.items()
    }
    asked = Asked("", Setting(0, predict, "all"))
    parts = {}
    for name in objects:
        pair = outcomes["target", name], outcomes["reference", name]
        # On what the reference was trained on, the models change places.
        first, second = reversed(pair) if name == "reference" else pair
        tally = Tally.of([first], [second], is_control=name == "control")
        parts[name] = Part({asked: tally}, tally.shared("precision", 0, 0)[None])
    kind = "two_model" if "reference" in parts else "one_model"
    return _table([row for _, row in vlm.rows_of_test(parts, ONLY, kind)])


def crop_scores(labels: BySet, target: BySet, reference: BySet) -> pl.DataFrame:
    """Rows of `vision_dejavu.csv`: whether the target infers more labels than the reference does.

    Source: method.md, image models.

    Args:
        labels: by set the true label of each of n crops, names or numbers [n]. `A` is what the
            target model was trained on and must be there; `control`, what no model saw, gives
            calibrated rows; `B`, what the reference was trained on, makes it a two-model test.
        target: by set the labels that the target model infers, [n], such as of `voted_labels`.
        reference: likewise what the reference infers.

    Returns:
        One row a set, over all crops, with the columns of `vision_dejavu.csv` that it has.

    Raises:
        InputError: sets, crops or labels are missing, or some are text and others numbers.
    """
    sides = {"target": target, "reference": reference}
    _check_sets("A", ("control", "B"), labels=labels, **sides)
    known = {name: _labels(f"labels of {name}", of_set) for name, of_set in labels.items()}
    answers = {
        (role, name): _labels(f"{role} of {name}", of_set, len(known[name]))
        for role, side in sides.items()
        for name, of_set in side.items()
    }
    _check_kinds(
        {f"labels of {name}": found for name, found in known.items()}
        | {f"{role} of {name}": found for (role, name), found in answers.items()}
    )
    _, numbers = np.unique(np.concatenate(list(known.values())), return_inverse=True)
    bounds = np.cumsum([0, *map(len, known.values())])
    classes = dict(zip(known, np.split(numbers.astype(np.int64), bounds[1:-1]), strict=True))

    def judged(role: str, name: str) -> Judged:
        correct = answers[role, name] == known[name]
        # Over all crops, none is more confident than another.
        same = np.zeros(len(correct))
        return Judged(np.arange(len(correct)), correct, same, same, same)

    parts = {}
    for name in known:
        own, other = judged("target", name), judged("reference", name)
        parts[name] = Comparison((own,), (other,), classes[name])
    if "B" in parts:
        parts["nonmember"] = Comparison(parts["B"].targets, (), parts["B"].classes)
        parts["B"] = parts["B"].swapped()
    test = "two_model" if "B" in parts else "one_model"
    rows = vision.rows_of_target({test: parts}, {test: ONLY}, [1.0], test)
    return _table([row for _, row in rows])


def voted_labels(neighbors: ArrayLike, public: ArrayLike) -> NDArray[Any]:
    """The label that most neighbours have; of equals, the one whose nearest voter is nearer.

    Args:
        neighbors: rows of `public`, each once, nearest first, int [n, k].
        public: label of each public image, names or numbers.

    Returns:
        Labels as they stand in `public`, text in its normal form (NFC), [n].

    Raises:
        InputError: neighbours are no rows of `public` or stand twice in a list, or a label is
            missing or of another kind than others.
    """
    names, codes = np.unique(_labels("public", public), return_inverse=True)
    rows = _neighbors("neighbors", neighbors, len(codes))
    return np.asarray(names[from_votes(codes[rows], np.zeros(rows.shape)).first])


def _check_sets(needed: str, others: Sequence[str], **by_set: Any) -> None:
    for what, each in by_set.items():
        if not isinstance(each, Mapping):
            raise InputError(f"{what} is {short(each)}: give a mapping from sets, such as a dict.")
    names = {what: ", ".join(map(str, each)) or "none" for what, each in by_set.items()}
    (truth, first), *rest = by_set.items()
    if needed not in first or not set(first) <= {needed, *others}:
        raise InputError(
            f"{truth}: the sets are {names[truth]}: give {needed} and, as far as there are any,"
            f" {' and '.join(others)}."
        )
    for what, each in rest:
        if set(each) != set(first):
            raise InputError(
                f"{truth} has the sets {names[truth]}, and {what} {names[what]}: give both for the"
                " same."
            )


def _check_samples(what: str, given: int, samples: int) -> None:
    if given != samples:
        raise InputError(f"{what}: there are {given} answers for {samples} samples: give one each.")


def _check_kinds(labels: Mapping[str, NDArray[Any]]) -> None:
    """Labels of one kind alone can be equal; of none at all, any kind will do."""
    kinds = {what: _kind(found[0]) for what, found in labels.items() if len(found)}
    first = next(iter(kinds), "")
    for what, kind in kinds.items():
        if kind != kinds[first]:
            raise InputError(
                f"{what}: there are {kind}, and {kinds[first]} in {first}: give names alone or"
                " numbers alone."
            )


def _kind(label: Any) -> str | None:
    """What a label can be compared with; None of what is no label, as bytes and nan are."""
    if isinstance(label, str):
        return "names"
    if isinstance(label, bool | np.bool_):
        return "truth values"
    if isinstance(label, int | np.integer):
        return "numbers" if -(2**63) <= int(label) < 2**64 else None
    return "numbers" if isinstance(label, float | np.floating) and label == label else None


def _array(what: str, values: Any) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except (TypeError, ValueError):
        raise InputError(f"{what}: rows differ in length: give as many values in each.") from None


def _labels(what: str, values: Any, samples: int | None = None) -> NDArray[Any]:
    """Numbers, or names as `normalised`, one a sample and all of one kind."""
    found = _array(what, values)
    if found.ndim != 1:
        raise InputError(f"{what}: give one label each, and no array of shape {found.shape}.")
    if samples is not None:
        _check_samples(what, len(found), samples)
    is_number = found.dtype.kind in "biuf"
    if not len(found) or (is_number and not np.isnan(found).any()):
        return found
    # NumPy would make names of numbers that stand among names.
    labels = list(values)
    first = _kind(labels[0])
    for row, label in enumerate(labels):
        kind = _kind(label)
        if kind is None:
            raise InputError(
                f"{what}, row {row}: {short(label)} is no label: give a name (str, no bytes) or a"
                " number, and leave out samples that have none."
            )
        if kind != first:
            raise InputError(
                f"{what}, row {row}: {short(label)} is one of {kind}, and row 0 of {first}: give"
                " labels of one kind."
            )
    if first == "names":
        labels = [_text(f"{what}, row {row}", label) for row, label in enumerate(labels)]
    return np.array(labels)


def _neighbors(
    what: str, neighbors: Any, public: int, samples: int | None = None
) -> NDArray[np.integer]:
    found = _array(what, neighbors)
    if found.ndim != 2 or not found.shape[1] or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            f"{what}: give neighbours as whole numbers [n, k], and not {found.dtype} of shape"
            f" {found.shape}."
        )
    if samples is not None:
        _check_samples(what, len(found), samples)
    outside = np.flatnonzero(((found < 0) | (found >= public)).any(axis=1))
    if len(outside):
        row = int(outside[0])
        raise InputError(
            f"{what}, row {row}: neighbours reach from {found[row].min()} to {found[row].max()}:"
            f" give rows of public, of which there are {public}, from 0."
        )
    ordered = np.sort(found, axis=1)
    twice = np.flatnonzero((ordered[:, 1:] == ordered[:, :-1]).any(axis=1))
    if len(twice):
        raise InputError(f"{what}, row {twice[0]}: it names a row twice: name each once.")
    return found


def _named(what: str, lists: Any) -> list[list[str]]:
    """Each sample's names as `normalised`, every one once."""
    found = []
    for row, names in enumerate(_list(what, lists, "lists of names")):
        place = f"{what}, row {row}"
        texts = [_text(place, name) for name in _list(place, names, "names")]
        found.append(list(dict.fromkeys(texts)))
    return found


def _list(what: str, values: Any, of: str) -> list[Any]:
    try:
        if not isinstance(values, str | bytes | Mapping):
            return list(values)
    except TypeError:
        pass
    raise InputError(f"{what}: give a list of {of}, and not {short(values)}.")


def _text(what: str, text: Any) -> str:
    if not isinstance(text, str):
        raise InputError(f"{what}: {short(text)} is no name: give text (str).")
    if not is_valid(text):
        raise InputError(f"{what}: {short(text)} is no valid Unicode: decode it from its encoding.")
    return normalised(text)


def _coded(lists: list[list[str]], vocabulary: list[str]) -> LabelLists:
    table = pa.table({"objects": pa.array(lists, pa.list_(pa.string()))})
    return LabelLists(*label_codes(table, "objects", vocabulary))


def _outcome(
    neighbors: NDArray[np.integer], public: LabelLists, truth: LabelLists, labels: int, predict: str
) -> Outcome:
    k = neighbors.shape[1]
    nothing = LabelLists(np.zeros(len(truth) + 1, np.int64), np.empty(0, np.int32))
    hidden = {"all": nothing}
    counts = count_recovered(neighbors, public, truth, hidden, labels, [k], [predict])["all"]
    return Outcome(counts.truth, counts.predicted[k, predict], counts.correct[k, predict])


def _table(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a table in which, as in the files, an empty cell is what a row has not."""
    told = [{name: row[name] for name in row if name not in NOT_TOLD} for row in rows]
    last = {"p_value": pl.Float64, "no_interval": pl.String}
    table = pl.from_dicts(
        [dict.fromkeys(last) | row for row in told], schema_overrides=last, infer_schema_length=None
    )
    return table.fill_nan(None).select(pl.exclude(*last), *last)
