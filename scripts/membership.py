"""How well signals tell members from control: results/tables/{domain}_membership.csv, _roc.csv."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
from numpy.typing import NDArray

from dejavu.audits import blind, duplicates, evidence, membership
from dejavu.audits.membership import RATES, Signal
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.files.embeddings import read_embeddings
from dejavu.files.parquet import read_parquet
from dejavu.job import run
from dejavu.scores.judged import read_judged
from dejavu.scores.recovered import Recovered, Setting

NAMES = ("test", "target_model", "reference_model")
ENDS = ("", "_low", "_high")
COLUMNS = {
    **dict.fromkeys((*NAMES, "attack"), pl.String),
    **dict.fromkeys(("members", "controls"), pl.Int64),
    **dict.fromkeys((f"{name}{end}" for name in ("auc", *RATES) for end in ENDS), pl.Float64),
}
POINTS = {
    **dict.fromkeys((*NAMES, "attack"), pl.String),
    **dict.fromkeys(("fpr", "tpr"), pl.Float64),
}
Floats = NDArray[np.float64]
Read = Callable[[str], Iterator[Floats]]


def main(job: Any) -> None:
    """Gather each signal of every test, shard by shard, and tell what it is worth."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    embedded = layout.shards_of(job.input.embeddings)
    rows, points = [], []
    for each in params.attacked:
        facts = {name: each[name] for name in NAMES}
        for attack, read in signals(job, each, embedded, left_out):
            members, controls = (read(name) for name in params.sets)
            signal = Signal.of(members, controls)
            rows.append({**facts, "attack": attack, **membership.row_of(signal)})
            points += [{**facts, "attack": attack, **point} for point in membership.curve(signal)]
            del signal
        if job.input.odds:
            sides = odds(job.input.odds, params.sets)
            area = blind.area_of_folds(*sides)
            signal = Signal.of([sides[0]], [sides[1]])
            row = membership.row_of(signal)
            row |= {"auc": area.value, "auc_low": area.low, "auc_high": area.high}
            rows.append({**facts, "attack": "blind", **row})
            points += [{**facts, "attack": "blind", **point} for point in membership.curve(signal)]
    write_csv(job.output[0], rows, COLUMNS, params.digest)
    write_csv(job.output.roc, points, POINTS, params.digest)


def signals(
    job: Any,
    each: Mapping[str, Any],
    embedded: Mapping[tuple[str, str, str], Sequence[str]],
    left_out: NDArray[np.int64],
) -> Iterator[tuple[str, Read]]:
    """Signals of one test, the model's strongest first: name, and what reads a set's shards."""
    params = job.params
    if embedded:
        of_pairs = partial(similar, embedded, params, left_out)
        yield "similarity", partial(of_pairs, each["target"], None)
        if each["reference"] is not None:
            yield "similarity_difference", partial(of_pairs, each["target"], each["reference"])
    for facts, paths in evidence.by_facts(job.input.evidence):
        is_learned = not evidence.read(paths[:1], ["score"])["score"].is_nan().any()
        if is_learned and all(facts[name] == each[name] for name in ("test", "target_model")):
            yield "evidence", partial(weighed, paths)
    if job.wildcards.domain == "vlm":
        yield "recovered", partial(counted, job.input.answers, params.headline, each, left_out)
    else:
        yield "recovered", partial(judged, job.input.answers, each, left_out)


def weighed(paths: Sequence[str], name: str) -> Iterator[Floats]:
    """Weighed evidence of every sample of a set, but for controls that it was learned from."""
    for path in (path for path in paths if PurePath(path).parent.name == name):
        columns = ["score", "teaches"] if name == "control" else ["score"]
        rows = evidence.read([path], columns)
        if name == "control":
            rows = rows.filter(~pl.col("teaches"))
        yield rows["score"].to_numpy()


def counted(
    paths: Sequence[str],
    headline: Mapping[str, Any],
    each: Mapping[str, Any],
    left_out: NDArray[np.int64],
    name: str,
) -> Iterator[Floats]:
    """Number of right objects of every scored sample of a set."""
    _, *rest = headline.values()
    setting = Setting(*rest)
    for path in layout.shards_of(paths)[each["target"], each["query"], name]:
        shard = Recovered.read(path).without(left_out)
        yield shard.outcome(setting).correct[shard.scored(setting)].astype(np.float64)


def judged(
    paths: Sequence[str], each: Mapping[str, Any], left_out: NDArray[np.int64], name: str
) -> Iterator[Floats]:
    """Whether the label of every crop of a set was inferred."""
    path = layout.predictions_of(paths)[each["target"], name]
    yield read_judged(path, left_out).correct.astype(np.float64)


def similar(
    embedded: Mapping[tuple[str, str, str], Sequence[str]],
    params: Any,
    left_out: NDArray[np.int64],
    target: str,
    reference: str | None,
    name: str,
) -> Iterator[Floats]:
    """Similarity of both parts of every sample of a set, less the reference's if there is one."""

    def of_model(model: str, shard: int) -> Floats:
        one, other = (
            read_embeddings(embedded[model, part, name][shard]) for part in ("image", params.asks)
        )
        # Every image is embedded, but only those with a crop have one.
        common, *places = np.intersect1d(
            one.samples, other.samples, assume_unique=True, return_indices=True
        )
        kept = ~np.isin(common, left_out)
        first, second = (place[kept] for place in places)
        return membership.similarities(one.vectors[first], other.vectors[second], params.metric)

    for shard in range(len(embedded[target, "image", name])):
        found = of_model(target, shard)
        yield found if reference is None else found - of_model(reference, shard)


def odds(path: str, sets: Sequence[str]) -> list[Floats]:
    """The blind baseline's log-odds of the two sets, in the order of its folds."""
    table = read_parquet(path)
    for column, name in zip(("first_set", "second_set"), sets, strict=True):
        table = table.filter(pc.equal(table[column], name))
    return [table.filter(pc.equal(table["set"], name))["log_odds"].to_numpy() for name in sets]


run(main)
