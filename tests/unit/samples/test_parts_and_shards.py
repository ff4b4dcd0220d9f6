"""Parts and shards cut the jobs, and change neither a set's samples nor their order."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crop_images
import gather_shards
import split_source
from dejavu.config import plan_vlm, ranges
from dejavu.errors import DamagedFile
from dejavu.files.lists import write_list
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


def gathered(folder, paths, group, shards):
    """The file of a group of the set's shards, and the hashes that bound these."""
    write_list(folder / "list.json", map(str, paths))
    bounds = plan_vlm.gathered_hashes(SET, group, shards)
    job = SimpleNamespace(
        input=SimpleNamespace(parts=folder / "list.json"),
        output=[folder / f"group {group} of {shards}.parquet"],
        params=SimpleNamespace(bounds=bounds),
    )
    gather_shards.main(job)
    return job.output[0], bounds


@pytest.mark.parametrize("held", [1, 50, 2**17])
def test_shards_are_the_same_gathered_before_or_taken_from_all_parts(tmp_path, monkeypatch, held):
    monkeypatch.setattr(gather_shards, "ROWS", held)
    monkeypatch.setattr(plan_vlm, "GATHERED", 4)
    table = captions([*IDS, "id 18", "id 0", "id 18"])
    rows = pa.array([f"row {row}" for row in range(len(table))])
    table = table.set_column(table.column_names.index("caption"), "caption", rows)
    paths = parts_of(tmp_path, table, 7, RECORDS)
    whole, _ = set_of(tmp_path, split_source, paths, 1)
    # Groups of 4, 4 and 1.
    taken, rejected = [], []
    for shard in range(9):
        path, _ = gathered(tmp_path, paths, shard // 4, 9)
        sources = {"directly": paths, "gathered": [path]}
        found = {name: shard_of_set(tmp_path, shard, 9, given) for name, given in sources.items()}
        assert found["gathered"] == found["directly"]
        taken += [{k: v for k, v in row.items() if k != "sample"} for row in found["gathered"][0]]
        rejected += found["gathered"][1]
    assert taken == whole
    assert sorted(row["item"] for row in rejected) == ["id 0.jpg", "id 18.jpg", "id 18.jpg"]


def shard_of_set(folder, shard, shards, paths):
    """Records of one shard, and what it rejects."""
    output = SimpleNamespace(records=folder / "records", rejected=folder / "rejected")
    params = {"hashes": ranges.shard_range(SET, shard, shards), "seed": 0, "one_caption": False}
    params["first"] = ranges.first_number(0, shard)
    job = SimpleNamespace(
        input=SimpleNamespace(records=paths),
        params=SimpleNamespace(**params),
        output=output,
        wildcards=SimpleNamespace(set="A"),
    )
    split_source.main(job)
    return read_parquet(output.records).to_pylist(), read_parquet(output.rejected).to_pylist()


def test_a_shard_can_pass_over_the_rows_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(gather_shards, "ROWS", 50)
    paths = parts_of(tmp_path, captions(IDS), 7, RECORDS)
    path, bounds = gathered(tmp_path, paths, 0, 5)
    footer = pq.read_metadata(path)
    shards = []
    for group in range(footer.num_row_groups):
        hashes = footer.row_group(group).column(0).statistics
        low, high = (np.searchsorted(bounds, each, "right") for each in (hashes.min, hashes.max))
        assert low == high
        shards.append(low)
    assert set(shards) == {1, 2, 3, 4, 5}


def test_the_list_of_parts_is_made_anew_where_one_is_damaged(tmp_path):
    paths = parts_of(tmp_path, captions(IDS), 3, RECORDS)
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    with pytest.raises(DamagedFile, match="1 of 3"):
        gathered(tmp_path, paths, 0, 5)
    assert not (tmp_path / "list.json").exists()
