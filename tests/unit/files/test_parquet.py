"""Files between stages: what was written comes back, or one sentence says that it does not."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.files import seals
from dejavu.files.arrays import ARRAY_ROWS, matrix_column, read_arrays, write_arrays
from dejavu.files.csv import write_csv
from dejavu.files.embeddings import read_embeddings, write_embeddings
from dejavu.files.facts import read_json, write_json
from dejavu.files.lists import listed, write_list
from dejavu.files.neighbors import Neighbors, read_neighbors, write_neighbors
from dejavu.files.parquet import read_parquet, read_provenance, write_parquet
from dejavu.files.weights import read_settings, write_settings
from dejavu.predictions import object_votes
from dejavu.samples.schemas import STRINGS, VLM_SAMPLES

pytestmark = pytest.mark.slow

FACTS = {"model": "clip_a", "fingerprint": "0" * 32, "normalised": True, "versions": {"torch": "1"}}


def some_embeddings(rows=9, d=4, kind=np.float32):
    rng = np.random.default_rng(rows)
    return np.arange(rows) + 10**12, rng.normal(size=(rows, d)).astype(kind)


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and len(text) < 1000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "0000.parquet"


@pytest.mark.parametrize("kind", [np.float32, np.float16])
@pytest.mark.parametrize("rows", [0, 1, 9, 70_000])
def test_embeddings_come_back_as_they_were_written(path, rows, kind):
    samples, vectors = some_embeddings(rows, kind=kind)
    write_embeddings(path, samples, vectors, FACTS)
    found = read_embeddings(path)
    np.testing.assert_array_equal(found.samples, samples)
    np.testing.assert_array_equal(found.vectors, vectors)
    assert found.vectors.dtype == kind
    assert {key: found.metadata[key] for key in FACTS} == FACTS
    assert read_provenance(path) == found.metadata
    assert found.metadata["dimension"] == 4


def test_embeddings_have_the_types_and_metadata_of_the_contract(path):
    samples, vectors = some_embeddings()
    write_embeddings(path, samples, vectors, FACTS)
    table = pq.read_table(path)
    assert table.schema.field("sample").type == pa.int64()
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 4)
    assert table["embedding"].to_pylist() == vectors.tolist()
    facts = json.loads(table.schema.metadata[b"dejavu"])
    assert {"model", "fingerprint", "dimension", "normalised", "versions", "hash"} <= set(facts)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_not_finite_are_neither_written_nor_read(path, bad):
    samples, vectors = some_embeddings()
    vectors[3, 1] = vectors[7, 0] = bad
    with pytest.raises(
        InputError, match=r"Model clip_a .* 2 samples, first 1000000000003"
    ) as error:
        write_embeddings(path, samples, vectors, FACTS)
    assert one_sentence(error)
    assert not path.exists()
    # As an older version, or another program, might have written it.
    write_arrays(path, {"sample": samples, "embedding": vectors}, FACTS)
    with pytest.raises(InputError, match="not finite"):
        read_embeddings(path)


def flips(content, rng, count):
    """Copies with one bit, one byte or a short run of bytes changed, somewhere."""
    for number in range(count):
        damaged = bytearray(content)
        place = int(rng.integers(len(content)))
        width = [1, 1, 8][number % 3]
        noise = rng.integers(1, 256, width) if number % 3 else [1 << rng.integers(8)]
        for offset, value in enumerate(noise):
            damaged[(place + offset) % len(content)] ^= int(value)
        yield place, bytes(damaged)


def read_all(path):
    found = read_embeddings(path)
    return found.samples, found.vectors, found.metadata


def test_flipped_bytes_give_a_sentence_or_identical_data(path):
    samples, vectors = some_embeddings(6)
    write_embeddings(path, samples, vectors, FACTS)
    content = path.read_bytes()
    original = read_all(path)
    found = 0
    for place, damaged in flips(content, np.random.default_rng(0), 1200):
        path.write_bytes(damaged)
        try:
            read = read_all(path)
        except InputError as error:
            assert "\n" not in str(error), place
            found += 1
            continue
        for first, second in zip(read[:2], original[:2], strict=True):
            assert first.dtype == second.dtype, place
            np.testing.assert_array_equal(first, second)
        assert read[2] == original[2], place
    assert found > 600


def test_every_truncation_gives_a_sentence(path):
    samples, vectors = some_embeddings(6)
    write_embeddings(path, samples, vectors, FACTS)
    content = path.read_bytes()
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match="cannot be read as Parquet"):
            read_embeddings(path)


def test_values_changed_with_good_checksums_break_the_seal(path):
    samples, vectors = some_embeddings()
    write_embeddings(path, samples, vectors, FACTS)
    table = pq.read_table(path)
    changed = vectors.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], np.float32(9))
    for name, column in (
        ("embedding", matrix_column(changed)),
        ("sample", pa.array(samples + 1)),
    ):
        place = table.column_names.index(name)
        write_parquet(path, table.set_column(place, name, column))
        with pytest.raises(InputError, match="does not hold what was written to it"):
            read_embeddings(path)
    facts = json.loads(table.schema.metadata[b"dejavu"])
    for key, value in {"model": "clip_b", "normalised": False, "hash": "0" * 32}.items():
        write_parquet(path, table, {**facts, key: value})
        with pytest.raises(InputError, match="does not hold what was written to it"):
            read_embeddings(path)


@pytest.mark.parametrize("change", [{"hash": "0" * 32}, {"normalised": False}])
def test_facts_that_do_not_fit_the_columns_break_the_seal(path, monkeypatch, change):
    samples, vectors = some_embeddings()
    seal = seals.seal
    with monkeypatch.context() as false:
        # All that surrounds the facts is in order.
        false.setattr(seals, "seal", lambda *parts: {**seal(*parts), **change})
        write_embeddings(path, samples, vectors, {**FACTS, "normalised": True})
    with pytest.raises(InputError, match="does not hold what was written to it"):
        read_embeddings(path)


def test_vectors_that_are_missing_give_a_sentence(path):
    samples, vectors = some_embeddings()
    write_embeddings(path, samples, vectors, FACTS)
    table = pq.read_table(path)
    column = pa.array([None, *vectors[1:].tolist()], type=pa.list_(pa.float32(), 4))
    write_parquet(path, table.set_column(1, "embedding", column))
    with pytest.raises(InputError, match="does not hold what was written to it"):
        read_embeddings(path)


def test_rows_moved_from_one_column_to_the_next_break_the_seal(path):
    write_arrays(path, {"a": np.array([1, 2]), "b": np.array([3, 4])}, FACTS)
    table = pq.read_table(path)
    swapped = table.select(["b", "a"]).rename_columns(["a", "b"])
    write_parquet(path, swapped.replace_schema_metadata(table.schema.metadata))
    with pytest.raises(InputError, match="does not hold"):
        read_arrays(path, ["a", "b"])


def test_a_table_of_somebody_else_is_refused(path):
    path.parent.mkdir()
    samples, vectors = some_embeddings()
    table = pa.table({"sample": samples, "embedding": matrix_column(vectors)})
    pq.write_table(table, path)
    with pytest.raises(InputError, match="or of another program, was put in its place"):
        read_embeddings(path)
    write_parquet(path, table)
    with pytest.raises(InputError, match="carries no provenance"):
        read_embeddings(path)


def test_a_missing_file_or_column_gives_a_sentence(path):
    with pytest.raises(InputError, match="cannot be read as Parquet") as error:
        read_parquet(path)
    assert one_sentence(error)
    write_parquet(path, pa.table({"a": [1]}))
    with pytest.raises(InputError, match="has no column b, c"):
        read_parquet(path, ["a", "c", "b"])


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


@pytest.mark.parametrize(
    ("rows", "width"),
    [(0, 5), (1, 5), (2 * ARRAY_ROWS + 3, 3), (ARRAY_ROWS + 1, 768)],
)
@pytest.mark.parametrize("kind", [np.float32, np.float16])
def test_other_readers_find_the_same_arrays(path, rows, width, kind):
    samples = np.arange(rows) + 2**40
    vectors = np.random.default_rng(0).standard_normal((rows, width)).astype(kind)
    write_embeddings(path, samples, vectors, FACTS)
    ours, read = read_embeddings(path), pq.read_table(path, page_checksum_verification=True)
    values = read["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    for found in (ours.vectors, values.reshape(rows, width)):
        assert found.dtype == kind
        np.testing.assert_array_equal(found, vectors)
    for found in (ours.samples, read["sample"].to_numpy()):
        np.testing.assert_array_equal(found, samples)
    if kind == np.float32:
        np.testing.assert_array_equal(pl.read_parquet(path)["embedding"].to_numpy(), vectors)


def test_every_flipped_byte_around_the_values_is_found(path):
    samples, vectors = some_embeddings(6)
    write_embeddings(path, samples, vectors, FACTS)
    content = bytearray(path.read_bytes())
    for place in range(len(content)):
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_embeddings(path)
        content[place] ^= 1 << place % 8


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


def test_neighbors_come_back_with_the_types_of_the_contract(path):
    ranking = Neighbors(
        np.array([5, 6]),
        np.array([[9, 8, 7], [1, 2, 3]]),
        np.array([[0.9, 0.5, 0.1], [0.3, 0.2, 0.1]], np.float32),
        {"metric": "cosine"},
    )
    write_neighbors(path, ranking)
    found = read_neighbors(path)
    np.testing.assert_array_equal(found.neighbors, ranking.neighbors)
    np.testing.assert_array_equal(found.scores, ranking.scores)
    np.testing.assert_array_equal(found.samples, ranking.samples)
    assert found.metadata["metric"] == "cosine"
    schema = pq.read_schema(path)
    assert schema.field("neighbors").type == pa.list_(pa.int64(), 3)
    assert schema.field("score").type == pa.list_(pa.float32(), 3)


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


def test_csv_has_empty_cells_for_what_is_missing_and_whole_numbers(tmp_path):
    path = tmp_path / "out.csv"
    columns = {"name": pl.String, "count": pl.Int64, "score": pl.Float64}
    rows = [
        {"name": "a, b", "count": 10**12, "score": 0.1 + 0.2},
        {"name": 'é"', "score": float("nan")},
        {"count": 3, "score": None},
    ]
    write_csv(path, rows, columns)
    with open(path, newline="", encoding="utf-8") as file:  # noqa: PTH123
        read = list(csv.reader(file))
    assert read == [
        ["name", "count", "score"],
        ["a, b", "1000000000000", repr(0.1 + 0.2)],
        ['é"', "", ""],
        ["", "3", ""],
    ]
    write_csv(path, [], columns)
    assert path.read_text() == "name,count,score\n"


LABELS = st.lists(st.lists(st.sampled_from(["dog", "cat", "été", "a"]), unique=True), max_size=8)


@given(LABELS, st.integers(0, 8))
def test_label_codes_are_places_in_the_vocabulary(lists, cut):
    vocabulary = sorted({"dog", "cat", "été", "a", "zebra"})
    chunks = [pa.array(part, type=STRINGS) for part in (lists[:cut], lists[cut:])]
    chunked = pa.chunked_array(chunks, type=STRINGS)
    for column in (chunked, pa.array(lists, type=STRINGS)):
        for start in (0, min(2, len(lists))):
            table = pa.table({"objects": column}).slice(start)
            offsets, codes = object_votes.label_codes(table, "objects", vocabulary)
            spans = pairwise(offsets)
            read = [[vocabulary[code] for code in codes[low:high]] for low, high in spans]
            assert read == lists[start:]


def test_a_label_outside_the_vocabulary_gives_a_sentence():
    table = pa.table({"objects": pa.array([["dog"]], type=STRINGS)})
    with pytest.raises(InputError, match="'dog' is not in the vocabulary"):
        object_votes.label_codes(table, "objects", ["cat"])


def test_json_comes_back_and_is_the_same_text_whatever_the_order(tmp_path):
    first = tmp_path / "first.json"
    write_json(first, {"b": [1, "é"], "a": None})
    text = first.read_bytes()
    assert read_json(first) == {"a": None, "b": [1, "é"]}
    write_json(first, {"a": None, "b": [1, "é"]})
    assert first.read_bytes() == text


def test_every_flipped_byte_and_every_truncation_of_json_is_found(tmp_path):
    path = tmp_path / "facts.json"
    write_json(path, {"labels": ["cat", "dog"], "share": 0.25})
    content, facts = path.read_bytes(), read_json(path)
    damaged = [content[:size] for size in range(len(content) - 1)]
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        damaged.append(bytes(flipped))
    for each in damaged:
        path.write_bytes(each)
        try:
            # White space between values means nothing.
            assert read_json(path) == facts
        except InputError as error:
            assert "\n" not in str(error)
    path.unlink()
    with pytest.raises(InputError, match=r"facts.json cannot be read as JSON"):
        read_json(path)


def test_a_models_settings_are_read_with_the_weights_of_the_same_training_alone(tmp_path):
    weights, settings = tmp_path / "model.safetensors", tmp_path / "model.json"
    weights.write_bytes(bytes(range(100)))
    write_settings(settings, {"epochs": 3}, weights)
    assert read_settings(settings, weights) == {"epochs": 3}
    for other in (bytes(range(99)), bytes(100), b""):
        weights.write_bytes(other)
        with pytest.raises(InputError, match=r"model.safetensors, or .*model.json, does not hold"):
            read_settings(settings, weights)
    weights.unlink()
    with pytest.raises(InputError, match=r"model.safetensors are missing"):
        read_settings(settings, weights)


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
