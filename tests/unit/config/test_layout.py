"""Paths: what a file holds is told by the last parts of its path, wherever it lies."""

import pytest

from dejavu.config import layout


@pytest.mark.parametrize("folder", ["results/vlm/recovered", "/archive/2026", "a"])
def test_shards_come_in_order_by_model_query_and_set(folder):
    named = {
        ("a_s1", "t2i", "target"): [f"{folder}/a_s1/t2i/target/{n:04d}.parquet" for n in range(3)],
        ("a_s1", "t2i", "control"): [f"{folder}/a_s1/t2i/control/0000.parquet"],
        ("text", "t2t", "target"): [
            f"{folder}/text/t2t/target/{layout.shard_name(n)}.parquet" for n in (9999, 10000)
        ],
    }
    paths = [path for several in named.values() for path in several]
    assert layout.shards_of(paths[::-1]) == named


def test_paths_of_the_workflow_are_told_apart():
    sides = [(model, "t2i", name) for model in ("a", "b") for name in ("target", "control")]
    paths = [layout.recovered_path(*side, 0) for side in sides]
    assert layout.shards_of(paths) == {
        side: [path] for side, path in zip(sides, paths, strict=True)
    }
    pairs = [("naive_bayes@3", "A"), ("net_s1", "A"), ("net_s1", "control")]
    paths = [layout.prediction_path(*pair) for pair in pairs]
    assert layout.predictions_of(paths) == dict(zip(pairs, paths, strict=True))
    assert layout.predictions_of(["/elsewhere/net/B.parquet"]) == {
        ("net", "B"): "/elsewhere/net/B.parquet"
    }
