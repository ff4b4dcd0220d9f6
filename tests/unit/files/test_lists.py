"""Lists of shards."""

from pathlib import Path

import pyarrow as pa
import pytest

from dejavu.errors import InputError
from dejavu.files.lists import listed, write_list
from dejavu.files.parquet import read_parquet, write_parquet


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


@pytest.fixture
def shard_list(tmp_path, monkeypatch):
    """A list of one shard, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_parquet("results/a/0000.parquet", pa.table({"sample": [1]}))
    write_parquet("results/b.parquet", pa.table({"sample": [1]}))
    path = Path("results/list.json")
    write_list(path, ["results/a/0000.parquet"])
    return path


def test_a_list_with_a_damaged_shard_is_made_anew(shard_list):
    with pytest.raises(InputError), listed(shard_list) as (shard,):
        Path(shard).write_bytes(b"damaged")
        read_parquet(shard)
    assert not shard_list.exists()


def test_a_damaged_list_is_made_anew(shard_list):
    shard_list.write_text('{"shards": []}')
    with pytest.raises(InputError), listed(shard_list):
        pass
    assert not shard_list.exists()


def test_after_bad_input_of_another_kind_a_list_stays_for_the_jobs_that_need_it(
    shard_list, monkeypatch
):
    with pytest.raises(InputError), listed(shard_list):
        raise InputError("raise `threshold`: too many pairs")
    Path("results/b.parquet").write_bytes(b"damaged")
    with pytest.raises(InputError), listed(shard_list):
        # The job's other input, which no list names.
        read_parquet("results/b.parquet")

    def refuse(path, *rest, **more):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(InputError, match="Permission denied"), listed(shard_list) as (shard,):
        read_parquet(shard)
    assert shard_list.is_file()
