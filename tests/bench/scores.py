"""From neighbours and samples to vlm_ppg.csv: the workflow's scripts against plain Python sets.

100,000 targets, k = 100, 20 objects a picture. Asked for: 100 times faster than the plain
evaluation, linear in targets, and less than 5 % of the time for intervals.
"""

import os
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import polars as pl
import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits

import vlm_ppg
from tests.bench.pairs import seconds
from tests.scale import jobs, synthetic

TARGETS, PUBLIC, K, OBJECTS = 100_000, 100_000, 100, 20
PLAIN_TARGETS = 1_000
TARGET = synthetic.Model("a", 512, "t2i")
REFERENCE = synthetic.Model("text", 384, "t2t", noise=1.5)
SIZES = {"top1": 1, "top10": 10, "all": None}
SETTINGS = [(k, p, objects) for k in jobs.KS for p in jobs.PREDICT for objects in jobs.OBJECTS]


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
    jobs.run("list_shards", jobs.list_samples(shards))
    for model in (TARGET, REFERENCE):
        for shard in range(shards["target"]):
            job = jobs.recover_objects(model, "target", shard, shards)
            jobs.run("recover_objects", job)
    jobs.run("vlm_ppg", jobs.table("vlm_ppg", TARGET, REFERENCE, shards))


def plain(shards: dict[str, int], targets: int, shared: bool) -> list[tuple[object, ...]]:
    """The same scores of the first targets by Python's sets and loops, without intervals.

    Each setting is evaluated by itself, or with `shared` from the votes of its k.
    """
    public = {}
    for path in jobs.of_set("samples", "public", shards):
        table = pq.read_table(path, columns=["sample", "objects"], partitioning=None)
        public.update(zip(table["sample"].to_pylist(), table["objects"].to_pylist(), strict=True))
    samples = pq.read_table("results/vlm/samples/target/0000.parquet", partitioning=None)
    near = [
        pq.read_table(jobs.neighbors_path(model, "target", 0), partitioning=None)
        for model in (TARGET, REFERENCE)
    ]
    found = {setting: [] for setting in SETTINGS}
    for objects, named, *rows in zip(
        *(samples[:targets][name].to_pylist() for name in ("objects", "named")),
        *(table[:targets]["neighbors"].to_pylist() for table in near),
        strict=True,
    ):
        sides = [counts(row, public, set(objects), set(named), shared) for row in rows]
        for setting, pairs in found.items():
            pairs.append((sides[0][setting], sides[1][setting]))
    return [(*setting, *scores(pairs)) for setting, pairs in found.items()]


def counts(near, public, objects, named, shared):
    """True, predicted and right objects of one sample under every setting."""
    known, found = {}, {}
    for k, predict, variant in SETTINGS:
        hidden = named if variant == "unnamed" else set()
        if not shared or k not in known:
            votes, nearest = {}, {}
            for rank, sample in enumerate(near[:k]):
                for label in public[sample]:
                    votes[label] = votes.get(label, 0) + 1
                    nearest.setdefault(label, rank)
            known[k] = votes, nearest
        if not shared or (k, variant) not in known:
            votes, nearest = known[k]
            known[k, variant] = sorted(
                votes.keys() - hidden, key=lambda label: (-votes[label], nearest[label], label)
            )
        predicted = set(known[k, variant][: SIZES[predict]])
        true = objects - hidden
        found[k, predict, variant] = len(true), len(predicted), len(predicted & true)
    return found


def scores(pairs) -> tuple[float, float, float]:
    """PPG, PRG and AUCG of (true, predicted, right) of target and reference."""
    precision = recall = area = n = 0
    for (true, t_size, t_right), (_, r_size, r_right) in pairs:
        if true:
            t, r = (b / a if a else 0 for a, b in ((t_size, t_right), (r_size, r_right)))
            precision += (t > r) - (t < r)
            recall += (t_right > r_right) - (t_right < r_right)
            area += (t_right - r_right) / true
            n += 1
    return precision / n, recall / n, area / n


def check_equal(shards: dict[str, int]) -> None:
    """Stop unless table and plain evaluations give the same scores."""
    stage(shards)
    columns = ["k", "predict", "objects", "ppg", "prg", "aucg"]
    table = pl.read_csv("results/tables/vlm_ppg.csv").select(columns).rows()
    for shared in (False, True):
        for found, row in zip(table, plain(shards, PLAIN_TARGETS, shared), strict=True):
            assert found[:3] == row[:3]
            assert all(abs(a - b) < 1e-9 for a, b in zip(found[3:], row[3:], strict=True)), row


def plain_seconds(shards: dict[str, int], shared: bool) -> float:
    """Seconds a target of the plain evaluation, without what is read once."""
    whole = seconds(lambda: plain(shards, PLAIN_TARGETS, shared))
    return (whole - seconds(lambda: plain(shards, 1, shared))) / (PLAIN_TARGETS - 1)


def main() -> None:
    """Check, time and print."""
    home = Path.cwd()
    ratios, shared_ratios, doublings, parts = [], [], [], []
    # One thread, to which Snakemake limits these jobs.
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        sizes = {"small": PLAIN_TARGETS, "half": TARGETS // 2, "whole": TARGETS}
        shards = {name: write_inputs(Path(folder) / name, n) for name, n in sizes.items()}
        try:
            os.chdir(f"{folder}/small")
            check_equal(shards["small"])
            print(f"equal to the plain evaluation on {PLAIN_TARGETS} targets")
            for _ in range(5):
                os.chdir(f"{folder}/small")
                each, shared = (plain_seconds(shards["small"], kind) for kind in (False, True))
                os.chdir(f"{folder}/half")
                half = seconds(lambda: stage(shards["half"]))
                os.chdir(f"{folder}/whole")
                drawn: list[float] = []
                with timing_intervals(drawn):
                    whole = seconds(lambda: stage(shards["whole"]))
                ratios.append(each * TARGETS / whole)
                shared_ratios.append(shared * TARGETS / whole)
                doublings.append(whole / half)
                parts.append(sum(drawn) / whole)
                print(
                    f"plain {1e3 * each:.2f} ms a target ({1e3 * shared:.2f} with shared votes);"
                    f" workflow {1e6 * whole / TARGETS:.1f} µs a target, {whole:.2f} s in all,"
                    f" {half:.2f} s for half of them; intervals {sum(drawn):.2f} s",
                    flush=True,
                )
        finally:
            os.chdir(home)
    print(f"plain / workflow: {statistics.median(ratios):.0f}")
    print(f"plain with shared votes / workflow: {statistics.median(shared_ratios):.0f}")
    print(f"time of twice the targets: × {statistics.median(doublings):.2f}")
    print(f"intervals: {100 * statistics.median(parts):.1f} % of the workflow's time")


def timing_intervals(taken: list[float]):
    """Collect the seconds that scores, intervals and p-values take, once all is tallied."""
    scored = vlm_ppg.rows_of_test

    def timed(*arguments):
        rows = []
        taken.append(seconds(lambda: rows.extend(scored(*arguments))))
        return rows

    return mock.patch.object(vlm_ppg, "rows_of_test", timed)
