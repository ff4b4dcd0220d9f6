"""Files of recovered objects: what was written under each setting comes back under it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.config import layout
from dejavu.errors import InputError
from dejavu.scores import recovered
from dejavu.scores.recovered import Outcome, Recovered, Setting

SETTINGS = recovered.settings([1, 10], ["top1", "all"], ["all", "unnamed"])


def test_settings_stand_in_the_order_of_the_tables():
    assert SETTINGS[:4] == [
        Setting(1, "top1", "all"),
        Setting(1, "top1", "unnamed"),
        Setting(1, "all", "all"),
        Setting(1, "all", "unnamed"),
    ]
    assert [each.k for each in SETTINGS] == [1] * 4 + [10] * 4
    assert len({each.column("correct") for each in SETTINGS}) == 8


COUNTS = st.lists(st.tuples(*[st.integers(0, 5)] * 3), max_size=8)


@given(COUNTS)
def test_precision_and_recall_are_0_where_there_is_nothing(rows):
    truth, predicted, correct = (
        np.array([row[place] for row in rows], np.int32) for place in range(3)
    )
    outcome = Outcome(truth, predicted, correct)
    assert outcome.precision.tolist() == [c / p if p else 0.0 for _, p, c in rows]
    assert outcome.recall.tolist() == [c / t if t else 0.0 for t, _, c in rows]
    if rows:
        last = outcome.of(np.array([len(rows) - 1]))
        assert (last.truth[0], last.predicted[0], last.correct[0]) == rows[-1]


def write(model, shard, samples, query="t2i"):
    """A shard whose counts tell the setting, the kind of count and the row."""
    rows = np.arange(len(samples), dtype=np.int32)
    path = f"elsewhere/{model}/{query}/target/{layout.shard_name(shard)}.parquet"
    recovered.write(
        path,
        samples=np.array(samples, dtype=np.int64),
        first_half=rows % 2 == 0,
        distance=rows.astype(np.float32) / 8,
        truth={"all": rows + 100, "unnamed": rows + 200},
        predicted={each: rows + 10 * place for place, each in enumerate(SETTINGS)},
        correct={each: rows + 10 * place + 5 for place, each in enumerate(SETTINGS)},
    )
    return path


@pytest.fixture(autouse=True)
def working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_every_setting_comes_back_with_its_own_counts():
    found = Recovered.read(write("a", 0, [7, 8, 9]))
    assert found.samples.tolist() == [7, 8, 9]
    assert found.first_half.tolist() == [True, False, True]
    assert found.distance.tolist() == [0, 0.125, 0.25]
    for place, setting in enumerate(SETTINGS):
        outcome = found.outcome(setting)
        assert outcome.truth[0] == (100 if setting.objects == "all" else 200)
        assert outcome.predicted.tolist() == [10 * place + row for row in range(3)]
        assert outcome.correct.tolist() == [10 * place + 5 + row for row in range(3)]


TALLY = {
    "set": "target",
    "target": {"models": ["a_s1", "a_s2"], "query": "t2i"},
    "reference": {"models": ["text", "text"], "query": "t2t"},
}


def files_of(*shards):
    """The files of shards of samples under all models, in no order."""
    sides = (("a_s1", "t2i"), ("a_s2", "t2i"), ("text", "t2t"))
    paths = [
        write(model, shard, samples, query)
        for model, query in sides
        for shard, samples in enumerate(shards)
    ]
    return layout.shards_of(paths[::-1])


def test_target_and_reference_come_shard_by_shard_in_the_order_of_replicates():
    shards = list(recovered.shards_of(TALLY, files_of([1, 2], [5])))
    assert [[len(side) for side in shard] for shard in shards] == [[2, 2], [2, 2]]
    assert [shard[0][0].samples.tolist() for shard in shards] == [[1, 2], [5]]


@pytest.mark.parametrize("wrong", ["a_s2", "text"])
def test_files_of_different_samples_are_never_compared(wrong):
    files = files_of([1, 2])
    write(wrong, 0, [1, 3], "t2t" if wrong == "text" else "t2i")
    with pytest.raises(InputError, match="shard 0 of target hold different samples"):
        list(recovered.shards_of(TALLY, files))


def test_pairs_are_of_first_replicates():
    pairs = list(recovered.pairs_of(TALLY, files_of([1, 2], [5])))
    assert [[side.samples.tolist() for side in pair] for pair in pairs] == [[[1, 2]] * 2, [[5]] * 2]


def test_samples_without_truth_are_not_scored():
    rows = np.arange(3, dtype=np.int32)
    counts = dict.fromkeys(SETTINGS, rows)
    path = "a.parquet"
    truth = {"all": rows, "unnamed": rows // 2}
    recovered.write(
        path, rows.astype(np.int64), None, rows.astype(np.float32), truth, counts, counts
    )
    found = Recovered.read(path)
    for setting in SETTINGS:
        least = 1 if setting.objects == "all" else 2
        assert found.scored(setting).tolist() == [row >= least for row in range(3)]


def test_a_missing_file_is_one_sentence():
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        list(recovered.shards_of(TALLY, {**files_of([1]), ("a_s2", "t2i", "target"): ["gone"]}))
