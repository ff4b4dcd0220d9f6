"""Parquet between stages: what was written comes back, or one sentence says that it does not."""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet, read_provenance, write_parquet
from dejavu.samples.schemas import VLM_SAMPLES
from tests.unit.files.examples import flips, one_sentence


def test_a_missing_file_or_column_gives_a_sentence(path):
    with pytest.raises(InputError, match="cannot be read as Parquet") as error:
        read_parquet(path)
    assert one_sentence(error)
    write_parquet(path, pa.table({"a": [1]}))
    with pytest.raises(InputError, match="has no column b, c"):
        read_parquet(path, ["a", "c", "b"])


@pytest.mark.slow
def test_flipped_bytes_in_samples_give_a_sentence_or_identical_data(path):
    rows = {
        "sample": [1, 2, 3],
        "id": ["a", "b", "c"],
        "image": ["x", "y", "z"],
        "caption": ["a dog", "two cats", "été"],
        "objects": [["dog"], [], ["cat", "tree"]],
        "named": [["dog"], [], ["cat"]],
    }
    table = pa.table(rows, schema=VLM_SAMPLES)
    write_parquet(path, table)
    content = path.read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place, damaged in flips(content, np.random.default_rng(1), 1200):
        path.write_bytes(damaged)
        try:
            read = read_parquet(path)
        except InputError:
            continue
        assert place < footer and read.equals(table), place


@pytest.mark.parametrize("reader", [pq.read_table, pl.read_parquet])
def test_a_seal_is_invisible_to_other_readers(path, reader):
    table = pa.table({"sample": np.arange(200_000), "label": ["a", "b"] * 100_000})
    write_parquet(path, table, {"model": "clip_a"})
    assert list(reader(path)["sample"].to_numpy()) == list(range(200_000))
    assert read_provenance(path) == {"model": "clip_a"}


def test_a_file_belongs_to_its_place(tmp_path):
    table = pa.table({"sample": [1, 2]})
    first = tmp_path / "results/vlm/neighbors/clip_a/t2i/target/0000.parquet"
    write_parquet(first, table)
    for other in ("clip_b/t2i/target/0000", "clip_a/t2t/target/0000", "clip_a/t2i/target/0001"):
        path = tmp_path / f"results/vlm/neighbors/{other}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(first.read_bytes())
        with pytest.raises(InputError, match="of another model, set or shard") as error:
            read_parquet(path)
        assert one_sentence(error)
    # The results as a whole may lie elsewhere.
    moved = tmp_path / "archive/results/vlm/neighbors/clip_a/t2i/target/0000.parquet"
    moved.parent.mkdir(parents=True)
    first.replace(moved)
    assert read_parquet(moved).equals(table)


class Killed(BaseException):
    """Not an Exception, as an interrupt isn't."""


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, Killed])
@pytest.mark.parametrize("before", [None, b"old"])
def test_a_write_that_fails_leaves_what_was_there(path, failure, before, monkeypatch):
    path.parent.mkdir()
    if before is not None:
        path.write_bytes(before)

    whole = pq.ParquetWriter.write_table

    def half(writer, table, **options):
        whole(writer, table, **options)
        raise failure

    monkeypatch.setattr(pq.ParquetWriter, "write_table", half)
    with pytest.raises(failure):
        write_parquet(path, pa.table({"a": [1]}))
    assert [each.name for each in path.parent.iterdir()] == ([path.name] if before else [])
    if before is not None:
        assert path.read_bytes() == before
