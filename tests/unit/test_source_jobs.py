"""Jobs on a whole source: ids that parts share, labels that are odd, ids without a match."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import annotate_objects
import assign_sets
import check_sets
import check_source
from dejavu.errors import InputError
from dejavu.files.facts import read_json
from dejavu.files.parquet import write_parquet
from dejavu.labels import annotations
from dejavu.samples import checks
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import RECORDS, REJECTED


def write_part(folder, part, ids, labels):
    hashes = keyed_hash(ids, 0, "split")
    columns = {"hash": hashes, "id": ids, "image": [f"{part}/{each}" for each in ids]}
    columns |= {"caption": ["x"] * len(ids), "objects": labels}
    table = pa.table(columns, schema=RECORDS).take(np.argsort(hashes, kind="stable"))
    write_parquet(folder / f"{part}.parquet", table)
    none = {name: [] for name in REJECTED.names}
    write_parquet(folder / f"{part}.rejected.parquet", pa.table(none, schema=REJECTED))


def check(folder, parts, max_rejected, models=()):
    sets = {name: {"source": "s", "fraction": 1 / 3} for name in ("target", "public", "control")}
    vlm = {"sources": {"s": {}}, "sets": sets, "max_rejected": max_rejected, "k": [1]}
    vlm["models"] = dict(models)
    records = [folder / f"{part}.parquet" for part in range(parts)]
    rejected = [folder / f"{part}.rejected.parquet" for part in range(parts)]
    job = SimpleNamespace(
        params=SimpleNamespace(order=["target", "public", "control"], limits=vlm),
        wildcards=SimpleNamespace(source="s"),
        input=SimpleNamespace(records=records, rejected=rejected),
        output=[folder / "facts.json"],
    )
    check_source.main(job)
    return read_json(folder / "facts.json")


def test_an_id_that_two_parts_have_is_a_rejected_item_of_the_source(tmp_path):
    write_part(tmp_path, 0, [f"{n}" for n in range(60)], [["dog", "cat"]] * 60)
    write_part(tmp_path, 1, [f"{n}" for n in range(50, 110)], [["dog"]] * 60)
    with pytest.raises(InputError, match=r"10 of 120 .* 10 for: duplicate id, as 1/5\d \(dup"):
        check(tmp_path, 2, 0.08)
    facts = check(tmp_path, 2, 0.09)
    assert (facts["kept"], facts["rejected"]) == (110, 10)


def test_a_part_of_a_set_that_is_too_small_for_a_model_is_told_before_it_is_trained(tmp_path):
    write_part(tmp_path, 0, [f"{n}" for n in range(300)], [["dog", "cat"]] * 300)
    model = {"train_on": "target", "train_fraction": 0.5, "extra": 0, "batch": 40}
    check(tmp_path, 1, 0, {"a": model, "text": {}})
    with pytest.raises(
        InputError, match=r"Model a's `train_fraction` is 0.1, .* on 10 samples: raise it"
    ):
        check(tmp_path, 1, 0, {"a": {**model, "train_fraction": 0.1}})
    check(tmp_path, 1, 0, {"a": {**model, "train_fraction": 0.1, "extra": 1}})


def test_images_that_are_too_few_for_votes_or_a_model_are_told_by_their_key():
    images = pl.DataFrame({"label": ["x", "y"] * 10, "set": ["A"] * 10 + ["public"] * 10})
    model = {"train_on": "A", "train_fraction": 0.2}
    vision = {"k": 5, "sweeps": {"layers": {}, "votes": {"k": [1, 10]}}, "models": {"a": model}}
    assign_sets.check_sizes(images, "s", ["A", "public"], vision)
    for changes, told in (
        ({"k": 11}, r"vision\.k: k is 11, but public has only 10"),
        ({"sweeps": {"votes": {"k": [1, 12, 11]}}}, r"vision\.sweeps\.votes\.k: k is 12"),
        (
            {"models": {"a": {**model, "train_fraction": 0.1}}},
            "Model a's .* has 5 of the 10 images",
        ),
    ):
        with pytest.raises(InputError, match=told):
            assign_sets.check_sizes(images, "s", ["A", "public"], {**vision, **changes})


def test_labels_that_stand_once_are_told(tmp_path, capsys):
    write_part(tmp_path, 0, [f"{n}" for n in range(60)], [[f"a and {n}"] for n in range(60)])
    check(tmp_path, 1, 0)
    assert "Warning: Source s: 60 of 60 labels stand in one sample alone" in capsys.readouterr().err


def test_samples_and_annotations_that_do_not_match_are_counted(tmp_path, capsys):
    records = pa.table({"sample": np.arange(4), "id": ["a", "b", "c", "d"]})
    write_parquet(tmp_path / "records.parquet", records)
    rows = [(name, "dog", 1.0) for name in ("a", "x", "y")]
    labels = pl.DataFrame(rows, schema=annotations.SCHEMA, orient="row")
    write_parquet(tmp_path / "labels.parquet", annotations.by_hash(labels, 0))
    job = SimpleNamespace(
        params=SimpleNamespace(hashes=[0, 2**64], captions="one", min_score=0.5),
        input=SimpleNamespace(
            labels=tmp_path / "labels.parquet", records=tmp_path / "records.parquet"
        ),
        output=[tmp_path / "objects.parquet"],
        wildcards=SimpleNamespace(set="target", shard="0000"),
    )
    annotate_objects.main(job)
    assert "1 of 4 samples have annotations" in capsys.readouterr().out


def test_the_share_of_annotations_without_a_sample_is_told_and_kept(tmp_path, capsys):
    for part, ids in enumerate((["a#0", "a#1", "b#0"], ["c#0"])):
        write_part(tmp_path, part, ids, [["dog"]] * len(ids))
    rows = [(name, "dog", 1.0) for name in ("a", "x", "y")]
    labels = pl.DataFrame(rows, schema=annotations.SCHEMA, orient="row")
    write_parquet(tmp_path / "labels.parquet", annotations.by_hash(labels, 0))
    parts = [tmp_path / f"{part}.parquet" for part in range(2)]
    job = SimpleNamespace(
        params=SimpleNamespace(matched=[["s", 2, "each"]]),
        input=SimpleNamespace(labels=[tmp_path / "labels.parquet"], parts=parts),
    )
    found = {"annotated": 3, "strangers": 2, "samples": 3, "bare": 2}
    assert check_sets.matched(job) == {"s": found}
    told = "66.7% of the 3 annotated ids match none of the samples, and 66.7% of the 3 samples"
    assert f"Warning: Source s: {told} have no annotations" in capsys.readouterr().err


def test_the_vocabulary_is_its_size_and_its_commonest_labels():
    found = checks.vocabulary({**dict.fromkeys("abcdefghijklm", 1), "z": 5, "y": 5})
    assert (found["labels"], found["once"]) == (15, 13)
    assert list(found["commonest"].items())[:3] == [("y", 5), ("z", 5), ("a", 1)]
    assert len(found["commonest"]) == 10
