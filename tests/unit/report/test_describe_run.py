"""Fingerprints of data in run.json: by ids alone, in whatever order and shards."""

import hashlib

import pyarrow as pa

import describe_run
from dejavu.files.parquet import write_parquet


def fingerprint(folder, *shards):
    """The fingerprint of ids in shards."""
    paths = [str(folder / f"{number:04d}.parquet") for number in range(len(shards))]
    for path, ids in zip(paths, shards, strict=True):
        write_parquet(path, pa.table({"id": pa.array(ids, pa.string())}))
    return describe_run.fingerprint(paths)


def test_the_same_ids_have_one_fingerprint_and_others_another(tmp_path):
    whole = fingerprint(tmp_path, ["a", "b", "c", "é"])
    assert whole["samples"] == 4 and len(whole["ids"]) == 16
    assert fingerprint(tmp_path, ["é", "c"], [], ["a", "b"]) == whole
    for other in (
        ["a", "b", "c"],
        ["a", "b", "c", "e"],
        ["a", "b", "c", "é", "é"],
        ["ab", "c", "é"],
    ):
        assert fingerprint(tmp_path, other)["ids"] != whole["ids"]


def test_a_fingerprint_is_the_sum_of_hashes_of_the_ids(tmp_path):
    ids = [f"sample {number}" for number in range(1000)]
    hashes = [
        hashlib.blake2b(name.encode(), digest_size=8, key=b"0", person=b"run").digest()
        for name in ids
    ]
    total = sum(int.from_bytes(each) for each in hashes) % 2**64
    assert fingerprint(tmp_path, ids) == {"samples": 1000, "ids": f"{total:016x}"}


def test_a_table_is_hashed_as_sha256sum_does(tmp_path):
    (tmp_path / "x.csv").write_text("abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert describe_run.sha256(str(tmp_path / "x.csv")) == known
