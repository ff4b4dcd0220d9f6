"""Scores of arrays, without files or configs: from a notebook, or behind a pipeline of your own.

The numbers are those of `vlm_ppg.csv` and `vision_dejavu.csv` for one setting and one replicate.
"""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from dejavu.errors import InputError
from dejavu.predictions.label_votes import from_votes
from dejavu.predictions.object_votes import LabelLists, count_recovered, label_codes
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
        target: by set the samples' neighbours under the target model: rows of `public`, nearest
            first, int [n, k].
        reference: likewise under the reference.
        public: the names of the objects in each public picture.
        predict: how many of the voted objects are predicted: `top1`, `top10` or `all`.

    Returns:
        One row a set, with the columns of `vlm_ppg.csv` that a single setting has.

    Raises:
        InputError: sets or samples are missing, or a neighbour is no row of `public`.
    """
    if predict not in PREDICT:
        raise InputError(f"predict is {predict!r}: give one of {', '.join(PREDICT)}.")
    _check_sets("target", ("control", "reference"), objects, target, reference)
    sides = {"target": target, "reference": reference}
    tables = {"public": _named("public", public)}
    tables |= {name: _named(f"objects of {name}", lists) for name, lists in objects.items()}
    vocabulary = sorted(set(chain.from_iterable(chain.from_iterable(tables.values()))))
    known = {name: _coded(lists, vocabulary) for name, lists in tables.items()}
    outcomes = {
        (role, name): _outcome(
            _neighbors(f"{role} of {name}", neighbors, len(public), len(objects[name])),
            known["public"], known[name], len(vocabulary), predict,
        )
        for role, side in sides.items()
        for name, neighbors in side.items()
    }  # fmt: skip
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
        InputError: sets or crops are missing.
    """
    _check_sets("A", ("control", "B"), labels, target, reference)
    known = {name: _flat(f"labels of {name}", of_set) for name, of_set in labels.items()}
    _, numbers = np.unique(np.concatenate(list(known.values())), return_inverse=True)
    bounds = np.cumsum([0, *map(len, known.values())])
    classes = dict(zip(known, np.split(numbers.astype(np.int64), bounds[1:-1]), strict=True))

    def judged(role: str, name: str, inferred: ArrayLike) -> Judged:
        answers = _flat(f"{role} of {name}", inferred)
        _check_samples(f"{role} of {name}", len(answers), len(known[name]))
        # Over all crops, none is more confident than another.
        same = np.zeros(len(answers))
        return Judged(np.arange(len(answers)), answers == known[name], same, same, same)

    parts = {}
    for name in known:
        own, other = (
            judged("target", name, target[name]),
            judged("reference", name, reference[name]),
        )
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
        neighbors: rows of `public`, nearest first, int [n, k].
        public: label of each public image, names or numbers.

    Returns:
        Labels as they stand in `public`, [n].

    Raises:
        InputError: a neighbour is no row of `public`.
    """
    names, codes = np.unique(_flat("public", public), return_inverse=True)
    rows = _neighbors("neighbors", neighbors, len(codes))
    return np.asarray(names[from_votes(codes[rows], np.zeros(rows.shape)).first])


def _check_sets(needed: str, others: Sequence[str], *by_set: Mapping[str, Any]) -> None:
    first, *rest = by_set
    if needed not in first or not set(first) <= {needed, *others}:
        raise InputError(
            f"The sets are {', '.join(first) or 'none'}: give {needed} and, as far as there are"
            f" any, {' and '.join(others)}."
        )
    for each in rest:
        if set(each) != set(first):
            raise InputError(
                f"Truth is given for the sets {', '.join(first)}, and a model's answers for"
                f" {', '.join(each) or 'none'}: give both for the same."
            )


def _check_samples(what: str, given: int, samples: int) -> None:
    if given != samples:
        raise InputError(f"{what}: there are {given} answers for {samples} samples: give one each.")


def _flat(what: str, values: ArrayLike) -> NDArray[Any]:
    found = np.asarray(values)
    if found.ndim != 1:
        raise InputError(f"{what}: give one label each, and no array of shape {found.shape}.")
    return found


def _neighbors(
    what: str, neighbors: ArrayLike, public: int, samples: int | None = None
) -> NDArray[np.integer]:
    found = np.asarray(neighbors)
    if found.ndim != 2 or not found.shape[1] or not np.issubdtype(found.dtype, np.integer):
        raise InputError(
            f"{what}: give neighbours as whole numbers [n, k], and not {found.dtype} of shape"
            f" {found.shape}."
        )
    if samples is not None:
        _check_samples(what, len(found), samples)
    if found.size and (found.min() < 0 or found.max() >= public):
        raise InputError(
            f"{what}: neighbours reach from {found.min()} to {found.max()}: give rows of public, 0"
            f" to {public - 1}."
        )
    return found


def _named(what: str, lists: Objects) -> list[list[str]]:
    """Each sample's names, every one once."""
    found = []
    for row, names in enumerate(lists):
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{what}, row {row}: give a list of names, and not {names!r}.")
        found.append(list(dict.fromkeys(names)))
    return found


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
    table = pl.from_dicts(told, infer_schema_length=None).fill_nan(None)
    return table.select(pl.exclude("p_value", "no_interval"), "p_value", "no_interval")
