"""Embeddings: what was written comes back, or one sentence says that it does not."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dejavu.errors import InputError
from dejavu.files import seals
from dejavu.files.arrays import matrix_column, write_arrays
from dejavu.files.embeddings import Embeddings, read_embeddings, write_embeddings
from dejavu.files.parquet import read_provenance, write_parquet
from tests.unit.files.examples import FACTS, one_sentence, some_embeddings


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


def test_vectors_of_some_samples_are_theirs_and_one_without_stops():
    numbers = np.array([3, 5, 9])
    held = Embeddings(numbers, np.arange(6.0).reshape(3, 2), {"model": "net"})
    assert held.of_samples(np.array([3, 9])).tolist() == [[0, 1], [4, 5]]
    for missing in (4, 10):
        with pytest.raises(InputError, match="by net lack samples"):
            held.of_samples(np.array([3, missing]))
