"""From neighbours and samples to vlm_ppg.csv: the workflow's scripts against plain Python sets.

Targets: at least 100 times faster than the plain evaluation, linear in targets, and less than 5 % of
the time for intervals (100,000 targets, k = 100, 20 objects a picture).
"""

import os
import statistics
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import polars as pl
import pyarrow.parquet as pq

import recover_objects
import vlm_ppg
from dejavu import plan, vlm_scores
from tests.bench.pairs import seconds
from tests.scale import synthetic

TARGETS, PUBLIC, K, OBJECTS = 100_000, 100_000, 100, 20
PLAIN_TARGETS = 2_000
KS, PREDICT, VARIANTS = [1, 10, 100], ["top1", "top10", "all"], ["all", "unnamed"]
TARGET = synthetic.Model("a", 512, "t2i")
REFERENCE = synthetic.Model("text", 384, "t2t", noise=1.5)
TEST = {
    "k": KS,
    "predict": PREDICT,
    "objects": VARIANTS,
    "queries": ["t2i"],
    "models": {"a": {"kind": "open_clip"}, "text": {"kind": plan.TEXT_ONLY}},
    "tests": {"one_model": {"kind": "one_model", "target": "a", "reference": "text"}},
}


def write_inputs(folder: Path, targets: int) -> dict[str, int]:
    """Write samples and rankings; returns the number of shards of each set."""
    sizes = {
        "target": synthetic.shard_sizes(targets, max(1, targets // 50_000)),
        "public": synthetic.shard_sizes(PUBLIC, 2),
    }
    synthetic.write_vocabulary(folder)
    for name, shards in sizes.items():
        synthetic.write_samples(folder, name, shards, OBJECTS)
    for model in (TARGET, REFERENCE):
        synthetic.write_neighbors(folder, model, "target", sizes["target"], sizes["public"], K)
    return {name: len(shards) for name, shards in sizes.items()}


def stage(shards: dict[str, int]) -> None:
    """The workflow's own jobs, one after the other, in the working folder."""
    settings = {"k": KS, "predict": PREDICT, "objects": VARIANTS, "seed": 0}
    public = [_samples("public", shard) for shard in range(shards["public"])]
    for model in (TARGET, REFERENCE):
        for shard in range(shards["target"]):
            job_input = SimpleNamespace(
                neighbors=_neighbors(model, shard),
                samples=_samples("target", shard),
                public=public,
                vocabulary="results/vlm/vocabulary.json",
            )
            output = [plan.recovered_path(model.name, model.query, "target", shard)]
            params = SimpleNamespace(**settings)
            wildcards = SimpleNamespace(set="target")
            recover_objects.main(
                SimpleNamespace(input=job_input, output=output, params=params, wildcards=wildcards)
            )
    vlm = {**TEST, "sets": shards}
    params = SimpleNamespace(
        **settings, comparisons=list(plan.comparisons(vlm)), shards=shards, replications=2000
    )
    vlm_ppg.main(SimpleNamespace(output=["results/tables/vlm_ppg.csv"], params=params))


def plain(shards: dict[str, int], targets: int) -> list[tuple[float, ...]]:
    """The same scores by Python's own sets and loops, without intervals, of the first targets."""
    public = {}
    for shard in range(shards["public"]):
        table = pq.read_table(_samples("public", shard), columns=["sample", "objects"])
        public.update(zip(table["sample"].to_pylist(), table["objects"].to_pylist(), strict=True))
    samples = pq.read_table(_samples("target", 0), columns=["objects", "named"])[:targets]
    rankings = [
        pq.read_table(_neighbors(model, 0), columns=["neighbors"])[:targets]["neighbors"]
        for model in (TARGET, REFERENCE)
    ]
    results = {setting: [] for setting in _settings()}
    for objects, named, *near in zip(
        samples["objects"].to_pylist(),
        samples["named"].to_pylist(),
        *(ranking.to_pylist() for ranking in rankings),
        strict=True,
    ):
        sides = [_plain_counts(each, public, set(objects), set(named)) for each in near]
        for setting, found in results.items():
            found.append(tuple(side[setting] for side in sides))
    rows = []
    for setting, found in results.items():
        scored = [pair for pair in found if pair[0][2]]
        signs, gaps = {0: 0, 1: 0}, 0.0
        for (t_right, t_size, true), (r_right, r_size, _) in scored:
            pairs = ((t_right, t_size, r_right, r_size), (t_right, true, r_right, true))
            for place, (a, b, c, d) in enumerate(pairs):
                t, r = a / b if b else 0.0, c / d if d else 0.0
                signs[place] += (t > r) - (t < r)
            gaps += (t_right - r_right) / true
        n = len(scored)
        rows.append((*setting, signs[0] / n, signs[1] / n, gaps / n))
    return rows


def _plain_counts(
    near: list[int], public: dict[int, list[str]], objects: set[str], named: set[str]
) -> dict[tuple[int, str, str], tuple[int, int, int]]:
    found = {}
    for k in KS:
        votes: Counter[str] = Counter()
        nearest: dict[str, int] = {}
        for rank, sample in enumerate(near[:k]):
            votes.update(public[sample])
            for label in public[sample]:
                nearest.setdefault(label, rank)
        for variant in VARIANTS:
            hidden = named if variant == "unnamed" else set()
            order = sorted(
                votes.keys() - hidden, key=lambda label: (-votes[label], nearest[label], label)
            )
            truth = objects - hidden
            for predict in PREDICT:
                predicted = set(order[: {"top1": 1, "top10": 10}.get(predict)])
                found[k, predict, variant] = len(predicted & truth), len(predicted), len(truth)
    return found


def _settings() -> list[tuple[int, str, str]]:
    return [(k, predict, variant) for k in KS for predict in PREDICT for variant in VARIANTS]


def _samples(set_name: str, shard: int) -> str:
    return f"results/vlm/samples/{set_name}/{plan.shard_name(shard)}.parquet"


def _neighbors(model: synthetic.Model, shard: int) -> str:
    return (
        f"results/vlm/neighbors/{model.name}/{model.query}/target/{plan.shard_name(shard)}.parquet"
    )


def check_equal(shards: dict[str, int], targets: int) -> None:
    """Stop unless table and plain evaluation give the same scores."""
    stage(shards)
    table = pl.read_csv("results/tables/vlm_ppg.csv")
    expected = plain(shards, targets)
    columns = ["k", "predict", "objects", "ppg", "prg", "aucg"]
    for found, row in zip(table.select(columns).rows(), expected, strict=True):
        assert found[:3] == row[:3]
        assert all(abs(a - b) < 1e-9 for a, b in zip(found[3:], row[3:], strict=True)), (found, row)


def main() -> None:
    """Check, time and print."""
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        whole, half, small = (Path(folder) / name for name in ("whole", "half", "small"))
        counts = {
            whole: write_inputs(whole, TARGETS),
            half: write_inputs(half, TARGETS // 2),
            small: write_inputs(small, PLAIN_TARGETS),
        }
        try:
            os.chdir(small)
            check_equal(counts[small], PLAIN_TARGETS)
            print(f"equal to the plain evaluation on {PLAIN_TARGETS} targets")
            ratios, doublings, parts = [], [], []
            for _ in range(5):
                os.chdir(small)
                # Reading public is not counted against the plain evaluation.
                slow = seconds(lambda: plain(counts[small], PLAIN_TARGETS))
                fixed = seconds(lambda: plain(counts[small], 1))
                a_target = (slow - fixed) / (PLAIN_TARGETS - 1)
                os.chdir(half)
                half_time = seconds(lambda: stage(counts[half]))
                os.chdir(whole)
                drawn: list[float] = []
                with _timing_intervals(drawn):
                    whole_time = seconds(lambda: stage(counts[whole]))
                ratios.append(a_target * TARGETS / whole_time)
                doublings.append(whole_time / half_time)
                parts.append(sum(drawn) / whole_time)
                print(
                    f"plain {1e3 * a_target:.2f} ms a target; workflow {whole_time:.2f} s for"
                    f" {TARGETS} ({1e6 * whole_time / TARGETS:.1f} µs a target),"
                    f" {half_time:.2f} s for half of them; intervals {sum(drawn):.2f} s",
                    flush=True,
                )
        finally:
            os.chdir(home)
    print(f"plain / workflow, median of {len(ratios)} pairs: {statistics.median(ratios):.0f}")
    print(f"time of twice the targets: × {statistics.median(doublings):.2f}")
    print(f"intervals: {100 * statistics.median(parts):.1f} % of the workflow's time")


def _timing_intervals(taken: list[float]) -> mock._patch:
    draw = vlm_scores.intervals.multinomial_means

    def timed(*arguments: object) -> object:
        drawn = []
        taken.append(seconds(lambda: drawn.append(draw(*arguments))))
        return drawn[0]

    return mock.patch.object(vlm_scores.intervals, "multinomial_means", timed)
