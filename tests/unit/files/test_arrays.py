"""Arrays: other readers find the same, and no damage passes."""

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from dejavu.errors import InputError
from dejavu.files.arrays import ARRAY_ROWS, read_arrays, write_arrays
from dejavu.files.embeddings import read_embeddings, write_embeddings
from dejavu.files.parquet import write_parquet
from tests.unit.files.examples import FACTS, flips, some_embeddings

pytestmark = pytest.mark.slow


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


def test_rows_moved_from_one_column_to_the_next_break_the_seal(path):
    write_arrays(path, {"a": np.array([1, 2]), "b": np.array([3, 4])}, FACTS)
    table = pq.read_table(path)
    swapped = table.select(["b", "a"]).rename_columns(["a", "b"])
    write_parquet(path, swapped.replace_schema_metadata(table.schema.metadata))
    with pytest.raises(InputError, match="does not hold"):
        read_arrays(path, ["a", "b"])


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
