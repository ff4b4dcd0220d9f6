"""Folders of embeddings in clip-retrieval's layout: metadata, order, and rows that stay mapped."""

import json
import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.config import ranges
from dejavu.errors import InputError
from dejavu.sources import clip_retrieval, matrices
from dejavu.sources.cells import NO_LABELS

COLUMNS = {"id": "image_path", "image": "image_path", "caption": "caption", "objects": "objects"}


def write_folder(folder, sizes, dtype=np.float16, padded=1, seed=0, **changes):
    """A folder as clip-retrieval's writer leaves it; gives all image and text vectors.

    Keys count on from a thousand times the seed.
    """
    rng = np.random.default_rng(seed)
    first, vectors = 1000 * seed, {"img_emb": [], "text_emb": []}
    for number, rows in enumerate(sizes):
        name = str(number).zfill(padded)
        numbers = range(first, first + rows)
        metadata = {
            "image_path": [f"{each:09d}" for each in numbers],
            "caption": [f"picture {each}" for each in numbers],
            "objects": [["cat", f"thing{each % 3}"] for each in numbers],
        }
        (folder / "metadata").mkdir(parents=True, exist_ok=True)
        pl.DataFrame({**metadata, **changes}).write_parquet(
            folder / f"metadata/metadata_{name}.parquet"
        )
        for kind, kept in vectors.items():
            matrix = rng.normal(size=(rows, 5))
            matrix = (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(dtype)
            (folder / kind).mkdir(exist_ok=True)
            np.save(folder / kind / f"{kind}_{name}.npy", matrix)
            kept.append(matrix)
        first += rows
    return {kind: np.concatenate(kept) for kind, kept in vectors.items()}


def ids_of(numbers):
    return pl.Series([f"{each:09d}" for each in numbers], dtype=pl.String)


def test_partitions_come_in_the_order_of_their_numbers(tmp_path):
    write_folder(tmp_path, [1] * 12)
    found = clip_retrieval.partitions(tmp_path)
    assert [each.number for each in found] == [str(number) for number in range(12)]
    write_folder(tmp_path / "padded", [1] * 3, padded=2)
    found = clip_retrieval.partitions(tmp_path / "padded")
    assert [each.number for each in found] == ["00", "01", "02"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_embeddings_are_found_by_id_in_any_order(tmp_path, dtype):
    vectors = write_folder(tmp_path, [4, 7, 3], dtype)
    wanted = [13, 0, 5, 4, 3]
    for column, kind in (("image", "img_emb"), ("caption", "text_emb")):
        found = clip_retrieval.gather(
            clip_retrieval.partitions(tmp_path), column, ids_of(wanted), "image_path"
        )
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, vectors[kind][wanted])


def test_a_stretch_of_one_file_is_mapped_and_not_copied(tmp_path):
    vectors = write_folder(tmp_path, [4, 7])
    found = clip_retrieval.gather(
        clip_retrieval.partitions(tmp_path), "image", ids_of(range(5, 9)), "image_path"
    )
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, vectors["img_emb"][5:9])


@given(st.lists(st.integers(0, 40), min_size=1, max_size=6), st.integers(1, 8))
def test_as_many_shards_as_partitions_are_the_partitions(sizes, shards):
    keys = [
        clip_retrieval.stored_order(place, len(sizes), rows) for place, rows in enumerate(sizes)
    ]
    flat = np.concatenate(keys)
    assert (np.diff(flat.astype(object)) > 0).all()
    for shard in range(len(sizes)):
        low, high = ranges.shard_range((0, ranges.HASHES), shard, len(sizes))
        assert all(low <= int(key) < high for key in keys[shard])
    # With another number of shards, every row lies in a partition that covers its shard.
    partitions = list(range(len(sizes)))
    for shard in range(shards):
        low, high = ranges.shard_range((0, ranges.HASHES), shard, shards)
        covering = ranges.covering(partitions, shard, shards)
        for place, part in enumerate(keys):
            if any(low <= int(key) < high for key in part):
                assert place in covering


def read(folder, columns=COLUMNS):
    return clip_retrieval.read_metadata(clip_retrieval.partitions(folder)[0], columns, ";")


def test_metadata_become_records_and_the_rest_is_told(tmp_path):
    write_folder(
        tmp_path,
        [5],
        image_path=["a", "b", None, "d", "e"],
        caption=["one ", " ", "three", None, "five"],
        objects=[["dog", "cat", "cat", " "], ["x"], ["x"], ["x"], None],
    )
    kept, others = read(tmp_path)
    assert kept.to_dicts() == [
        {"row": 0, "id": "a", "image": "a", "caption": "one", "objects": ["cat", "dog"]}
    ]
    assert others["reason"].to_list() == [
        "no caption",
        "no id",
        "no caption",
        NO_LABELS,
    ]
    assert others["item"][0] == "metadata_0.parquet#row 1"


def test_labels_may_be_json_or_joined(tmp_path):
    texts = ["cat; dog;cat", json.dumps(["b", "a"]), "[1, 2]", "[broken", ""]
    write_folder(tmp_path, [5], objects=texts)
    kept, others = read(tmp_path)
    assert kept["objects"].to_list() == [["cat", "dog"], ["a", "b"], []]
    assert others["reason"].to_list() == [NO_LABELS] * 2


def test_labels_that_are_annotated_elsewhere_are_not_read(tmp_path):
    write_folder(tmp_path, [2], objects=[1, 2])
    columns = {role: name for role, name in COLUMNS.items() if role != "objects"}
    assert read(tmp_path, columns)[0]["objects"].to_list() == [[], []]
    with pytest.raises(InputError, match="column 'objects' for the objects holds Int64"):
        read(tmp_path)


def test_vectors_of_other_lengths_are_scaled_and_others_left_alone():
    unit = np.array([[1, 0], [0.6, 0.8], [0, 0]], np.float16)
    assert clip_retrieval.of_length_one(unit) is unit
    scaled = clip_retrieval.of_length_one(np.array([[3, 4], [0, 0]], np.float16))
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled, [[0.6, 0.8], [0, 0]], atol=1e-6)


def sentence(call, *arguments):
    with pytest.raises(InputError) as found:
        call(*arguments)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_what_does_not_fit_is_one_sentence(tmp_path):
    assert "holds no metadata" in sentence(clip_retrieval.partitions, tmp_path)
    write_folder(tmp_path, [4, 3])
    partitions = clip_retrieval.partitions(tmp_path)

    def gather(column="image", ids=range(7)):
        return sentence(clip_retrieval.gather, partitions, column, ids_of(ids), "image_path")

    assert "no longer has 1 ids that were read from it, '000000007'" in gather(ids=range(8))
    np.save(tmp_path / "img_emb/img_emb_1.npy", np.zeros((3, 6), np.float16))
    assert "they are of different models" in gather()
    np.save(tmp_path / "img_emb/img_emb_1.npy", np.zeros((2, 5), np.float16))
    assert "has 2 rows" in gather() and "has 3" in gather()
    np.save(tmp_path / "img_emb/img_emb_1.npy", np.zeros((3, 5), np.int8))
    assert "no matrix of floats" in gather()
    path = tmp_path / "img_emb/img_emb_1.npy"
    path.write_bytes(b"")
    assert "img_emb_1.npy can't be read as an array (No data left in file): " in gather()
    with path.open("wb") as file:
        np.savez(file, np.zeros((3, 5), np.float16))
    assert "is an archive of arrays" in gather()
    np.save(tmp_path / "img_emb/img_emb_1.npy", np.zeros((3, 0), np.float16))
    assert "no matrix of floats, but float16 of shape (3, 0)" in gather()
    (tmp_path / "text_emb/text_emb_0.npy").unlink()
    assert "can't be read as an array" in gather("caption")
    assert "no column 'key' for the id" in sentence(read, tmp_path, {**COLUMNS, "id": "key"})
    (tmp_path / "metadata/metadata_0.parquet").write_bytes(b"no table")
    assert "cannot be read as parquet" in sentence(read, tmp_path)


@pytest.mark.parametrize("ids", [[6, 5, 0], [4, 5, 6]])
def test_a_value_that_is_not_finite_is_told_with_its_file_and_row(tmp_path, ids, monkeypatch):
    monkeypatch.setattr(matrices, "FINITE_ROWS", 1)
    write_folder(tmp_path, [4, 3])
    path = tmp_path / "img_emb/img_emb_1.npy"
    vectors = np.load(path)
    vectors[2, 3] = np.nan
    np.save(path, vectors)
    partitions = clip_retrieval.partitions(tmp_path)
    told = sentence(clip_retrieval.gather, partitions, "image", ids_of(ids), "image_path")
    assert told.startswith(f"{path}: row 2 holds a value that is no finite number of float16: ")
    clip_retrieval.gather(partitions, "image", ids_of([4, 0]), "image_path")


def test_an_array_of_pickles_is_refused_and_runs_nothing(tmp_path):
    class Malicious:
        def __reduce__(self):
            return (tmp_path / "harm").touch, ()

    write_folder(tmp_path, [1])
    np.save(tmp_path / "img_emb/img_emb_0.npy", np.array([[Malicious()]], dtype=object))
    partitions = clip_retrieval.partitions(tmp_path)
    told = sentence(clip_retrieval.gather, partitions, "image", ids_of([0]), "image_path")
    assert "can't be read as an array" in told
    assert not (tmp_path / "harm").exists()


def test_a_row_of_another_caption_is_another_sample(tmp_path):
    write_folder(tmp_path, [3, 2])
    among = clip_retrieval.partitions(tmp_path)
    captions = pl.Series([f" picture {each}" for each in (4, 0)]).str.strip_chars()
    clip_retrieval.check_captions(among, ids_of([4, 0]), captions, COLUMNS)
    clip_retrieval.check_captions(among, ids_of([9]), pl.Series(["none"]), COLUMNS)
    clip_retrieval.check_captions(
        among, ids_of([4, 0]), captions[::-1], {**COLUMNS, "caption": "x"}
    )
    with pytest.raises(InputError, match=r"metadata_0\.parquet has other captions.* 1 ids, '0+'"):
        clip_retrieval.check_captions(among, ids_of([4, 0]), pl.Series(["picture 4", "?"]), COLUMNS)


def test_ids_and_captions_of_another_folder_are_of_one_form(tmp_path):
    names, captions = ["e\u0301", "b", "c"], ["caf\u0065\u0301 ", "B", "C"]
    vectors = write_folder(tmp_path, [3], image_path=names, caption=captions)
    among = clip_retrieval.partitions(tmp_path)
    ids, told = pl.Series(["\u00e9", "c"]), pl.Series(["caf\u00e9", "C"])
    clip_retrieval.check_captions(among, ids, told, COLUMNS)
    with pytest.raises(InputError, match="other captions"):
        clip_retrieval.check_captions(among, ids, told[::-1], COLUMNS)
    found = clip_retrieval.gather(among, "image", ids, "image_path", came_with_samples=False)
    np.testing.assert_array_equal(found, vectors["img_emb"][[0, 2]])


def test_ids_that_another_folder_lacks_are_told(tmp_path):
    write_folder(tmp_path, [3])
    among = clip_retrieval.partitions(tmp_path)
    with pytest.raises(InputError, match="lacks 1 of the samples' ids, '000000007'"):
        clip_retrieval.gather(among, "image", ids_of([1, 7]), "image_path", came_with_samples=False)


def test_a_pipe_in_the_place_of_an_array_does_not_block(tmp_path):
    write_folder(tmp_path, [3])
    (tmp_path / "img_emb/img_emb_0.npy").unlink()
    os.mkfifo(tmp_path / "img_emb/img_emb_0.npy")
    with pytest.raises(InputError, match="not a regular file"):
        clip_retrieval.partitions(tmp_path)[0].vectors("image")


@pytest.mark.parametrize("wanted", [[2, 0, 5], [1, 2, 3]])
@pytest.mark.parametrize("dtype", [np.float64, ">f4"])
def test_floats_of_other_kinds_are_cast(tmp_path, dtype, wanted):
    vectors = write_folder(tmp_path, [6], dtype)
    among = clip_retrieval.partitions(tmp_path)
    found = clip_retrieval.gather(among, "image", ids_of(wanted), "image_path")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, vectors["img_emb"][wanted].astype(np.float32))


def test_ids_captions_and_labels_are_of_one_form_and_captions_have_an_end(tmp_path):
    names = ["cafe\u0301", "b", "c"]
    captions = ["e\u0301", "x" * 1001, "short"]
    objects = pl.Series([["e\u0301", "\u00e9"]] * 3, dtype=pl.Array(pl.Categorical, 2))
    write_folder(tmp_path, [3], image_path=names, caption=captions, objects=objects)
    kept, others = read(tmp_path)
    assert kept.select("id", "caption", "objects").rows()[0] == ("caf\u00e9", "\u00e9", ["\u00e9"])
    assert others["reason"].to_list() == ["the caption has a word of more than 1000 characters"]
    found = clip_retrieval.gather(
        clip_retrieval.partitions(tmp_path), "image", kept["id"], "image_path"
    )
    np.testing.assert_array_equal(found, np.load(tmp_path / "img_emb/img_emb_0.npy")[[0, 2]])


def test_labels_in_another_form_of_list_or_joined_otherwise_are_told(tmp_path):
    write_folder(tmp_path, [2], objects=["{'a'}", '["a"]'])
    assert read(tmp_path)[1]["reason"].to_list() == [NO_LABELS]
    write_folder(tmp_path, [2], objects=["a, b", "c, d"])
    with pytest.raises(InputError, match="holds the separator ';'"):
        read(tmp_path)
