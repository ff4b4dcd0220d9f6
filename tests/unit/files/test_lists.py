"""Lists of shards."""

from pathlib import Path

import pyarrow as pa
import pytest

from dejavu.errors import InputError
from dejavu.files.lists import listed, write_list
from dejavu.files.parquet import write_parquet


def test_a_list_names_its_shards_and_follows_their_content(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shards = ["results/a/0000.parquet", "results/a/0001.parquet"]
    for number, shard in enumerate(shards):
        write_parquet(shard, pa.table({"sample": [number]}))
    write_list("results/list.json", shards)
    first = Path("results/list.json").read_bytes()
    with listed("results/list.json") as found:
        assert found == shards
    write_list("results/list.json", shards)
    assert Path("results/list.json").read_bytes() == first
    write_parquet(shards[1], pa.table({"sample": [2]}))
    write_list("results/list.json", shards)
    assert Path("results/list.json").read_bytes() != first


def test_a_list_whose_shard_is_gone_says_so_and_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shard = "results/a/0000.parquet"
    write_parquet(shard, pa.table({"sample": [1]}))
    write_list("results/list.json", [shard])
    Path(shard).unlink()
    asked = pytest.raises(InputError, match=r"results/a/0000\.parquet is missing: run again")
    with asked, listed("results/list.json"):
        pass
    assert not Path("results/list.json").exists()
