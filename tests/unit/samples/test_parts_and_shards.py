"""Parts and shards cut the jobs, and change neither a set's samples nor their order."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

import crop_images
import split_source
from dejavu.config import ranges
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.schemas import IMAGES, RECORDS

SET = (2**62, 2**63)
IDS = [f"id {number}" for number in range(300)] + ["id 7", "id 250"]
BOX = {"xmin": 10, "ymin": 4, "xmax": 18, "ymax": 20}


def captions(ids):
    columns = {"image": [f"{each}.jpg" for each in ids], "caption": [f"a {each}" for each in ids]}
    return pa.table({"id": ids, **columns, "objects": [["dog", each] for each in ids]})


def boxed(ids):
    columns = {"image": [f"{each}.jpg" for each in ids], "label": ["dog"] * len(ids)}
    sizes = {"width": [40] * len(ids), "height": [30] * len(ids)}
    return pa.table({"id": ids, **columns, **sizes, "boxes": [[BOX]] * len(ids)})


def parts_of(folder, table, parts, schema):
    """The table in files of successive rows, each in the order of its hashes."""
    paths = []
    for part, rows in enumerate(np.array_split(np.arange(len(table)), parts)):
        own = table.take(rows)
        hashes = keyed_hash(own["id"].to_pylist(), 0, "split")
        own = own.add_column(0, "hash", pa.array(hashes))
        for name in schema.names:
            if name not in own.column_names:
                own = own.append_column(name, pa.nulls(len(own), schema.field(name).type))
        paths.append(folder / f"{part} of {parts}.parquet")
        write_parquet(paths[-1], own.take(np.argsort(hashes, kind="stable")))
    return paths


def set_of(folder, script, paths, shards):
    """The rows of all shards of the set, one after the other, and their numbers."""
    rows, numbers = [], []
    for shard in range(shards):
        output = SimpleNamespace(records=folder / "records", rejected=folder / "rejected")
        params = {"hashes": ranges.shard_range(SET, shard, shards), "seed": 0}
        params |= {"first": ranges.first_number(0, shard), "one_caption": False, "min_side": 5}
        params["crop"] = "largest_strip"
        job = SimpleNamespace(
            input=SimpleNamespace(records=paths, images=paths, sets=folder / "sets.parquet"),
            params=SimpleNamespace(**params),
            output=output,
            wildcards=SimpleNamespace(set="A", shard=f"{shard:04d}"),
        )
        script.main(job)
        found = read_parquet(output.records)
        numbers += found["sample"].to_pylist()
        rows += found.drop_columns("sample").to_pylist()
    return rows, numbers


@pytest.mark.parametrize(
    ("script", "table", "schema"),
    [(split_source, captions, RECORDS), (crop_images, boxed, IMAGES)],
)
def test_samples_and_their_order_are_the_same_whatever_the_parts_and_shards(
    tmp_path, script, table, schema
):
    given = pa.table({"id": sorted(set(IDS)), "set": ["A"] * 300})
    write_parquet(tmp_path / "sets.parquet", given)
    whole, _ = set_of(tmp_path, script, parts_of(tmp_path, table(IDS), 1, schema), 1)
    assert 40 < len(whole) < 110
    for parts, shards in ((1, 4), (3, 1), (3, 2), (7, 5)):
        rows, numbers = set_of(
            tmp_path, script, parts_of(tmp_path, table(IDS), parts, schema), shards
        )
        assert rows == whole
        assert numbers == sorted(numbers)
