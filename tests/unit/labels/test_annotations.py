"""Annotations of objects: COCO's, tables, pickles of a detector; thresholds."""

import json
import pickle

import numpy as np
import polars as pl
import pytest

from dejavu.errors import InputError
from dejavu.labels import annotations
from dejavu.samples.hashes import keyed_hash
from dejavu.samples.texts import image_ids

SAMPLES = pl.DataFrame({"sample": [3, 4, 5, 6], "id": ["a", "b", "a", "z"]})


def labels(*rows):
    return pl.DataFrame(rows, schema=annotations.SCHEMA, orient="row")


def found(rows):
    """Labels and scores by image."""
    by_image = {}
    for identifier, label, score in rows.sort("id", "label").iter_rows():
        by_image.setdefault(identifier, {})
        if label is not None:
            by_image[identifier][label] = pytest.approx(score)
    return by_image


@pytest.fixture
def instances(tmp_path):
    content = {
        "info": {},
        "images": [
            {"id": 7, "file_name": "000000000007.jpg", "width": 4, "height": 4},
            {"id": 9, "file_name": "000000000009.jpg"},
            {"id": 11, "file_name": "000000000011.jpg"},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 90, "name": "toothbrush"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 90, "bbox": [0, 0, 1, 1], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 90, "segmentation": [[1, 2]]},
            {"id": 3, "image_id": 11, "category_id": 1, "iscrowd": 1},
            {"id": 4, "image_id": 11, "category_id": 90, "score": 0.25},
        ],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    return path


def coco(path, match="id"):
    return annotations.read({"kind": "coco", "path": path, "match": match})


def test_the_categories_of_cocos_instances_are_labels(instances):
    expected = {"7": {"toothbrush": 1}, "9": {}, "11": {"person": 1, "toothbrush": 0.25}}
    assert found(coco(instances)) == expected
    by_file = found(coco(instances, "file_name"))
    assert by_file == {f"{int(key):012d}.jpg": value for key, value in expected.items()}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"annotations": [{"image_id": 1, "category_id": 1}]}, "is of image 1, which the file"),
        ({"annotations": [{"image_id": 7, "category_id": 5}]}, "is of category 5, which the file"),
        ({"annotations": [{"image_id": 7}]}, "'annotations' has no 'category_id'"),
        ({"annotations": [3]}, "'annotations' has no 'image_id'"),
        ({"categories": None}, "has no list 'categories'"),
        (
            {"annotations": [{"image_id": 7, "category_id": 1, "score": "high"}]},
            "a score is not a number",
        ),
    ],
)
def test_a_faulty_annotation_file_is_one_sentence(instances, change, told):
    instances.write_text(json.dumps({**json.loads(instances.read_text()), **change}))
    with pytest.raises(InputError, match=told):
        coco(instances)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_annotation_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "instances.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"instances\.json (cannot be read|has no list)"):
        coco(path)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_gives_the_best_score_of_each_label(tmp_path, suffix):
    table = pl.DataFrame(
        {
            "key": ["a", "a", "a", "b", "b"],
            "what": ["dog", " dog", "cat", None, "tree"],
            "sure": [0.2, 0.9, 0.5, 0.1, 1.0],
        }
    )
    path = tmp_path / f"labels{suffix}"
    table.write_csv(path) if suffix == ".csv" else table.write_parquet(path)
    columns = {"id": "key", "label": "what", "score": "sure"}
    rows = annotations.read({"kind": "table", "path": path, "columns": columns})
    assert found(rows) == {"a": {"dog": 0.9, "cat": 0.5}, "b": {"tree": 1.0}}
    with pytest.raises(InputError, match="no column 'score' for the score"):
        annotations.read({"kind": "table", "path": path, "columns": {**columns, "score": "score"}})
    with pytest.raises(InputError, match="holds something else than numbers"):
        annotations.read({"kind": "table", "path": path, "columns": {**columns, "score": "what"}})


@pytest.fixture
def detic(tmp_path):
    """A function that writes a pickle with its vocabulary and order, and reads it."""

    def read(content, names=("cat", "dog", "tree"), ids=("x", "y", "z")):
        files = {"path": "found.p", "vocabulary": "names.txt", "order": "ids.txt"}
        settings = {"kind": "detic", **{key: tmp_path / name for key, name in files.items()}}
        settings["path"].write_bytes(pickle.dumps(content))
        settings["vocabulary"].write_text("".join(f"{name}\n" for name in names))
        settings["order"].write_text("".join(f"{each}\n" for each in ids))
        return annotations.read(settings)

    return read


def test_a_pickle_of_detections_is_read_in_the_order_of_the_images(detic):
    classes = [np.array([1, 0, 1]), np.array([], dtype=np.int64), np.array([2])]
    scores = [np.float32([0.5, 0.6, 0.7]), np.float32([]), np.float32([0.9])]
    expected = {"x": {"dog": 0.7, "cat": 0.6}, "y": {}, "z": {"tree": 0.9}}
    assert found(detic([classes, scores])) == expected
    lists = [each.tolist() for each in classes], [each.tolist() for each in scores]
    assert found(detic(lists)) == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([[[0]], [[1.0]]], "lists 3 images, and .*found.p has 1"),
        ([[[0], [0], [3]], [[1.0]] * 3], "has the class 3, and .*names the classes 0 to 2"),
        ([[[0], [0], [0.5]], [[1.0]] * 3], r"has the class 0\.5"),
        ([[[0], [0], [-1]], [[1.0]] * 3], "has the class -1"),
        ([[[0], [0], [0, 1]], [[1.0]] * 3], "not of the same lengths"),
        ([[[0]] * 3, [["high"]] * 3], "an entry of its scores is not a list of numbers"),
        ([[[0]] * 3, [np.zeros((2, 2))] * 3], "an entry of its scores is not a list of numbers"),
        ([[[0]] * 3], "does not hold the two lists"),
        ({"labels": []}, "does not hold the two lists"),
        ([3, 4], "its labels are not a list"),
    ],
)
def test_a_pickle_that_does_not_fit_is_one_sentence(detic, content, told):
    with pytest.raises(InputError, match=told):
        detic(content)


def test_labels_reach_the_samples_of_their_image_from_the_threshold_on():
    rows = labels(
        ("a", "dog", 0.7), ("a", "cat", 0.3), ("a", None, 1), ("b", "", 1), ("c", "cow", 1)
    )
    rows = pl.concat([rows, labels(("a", "bird", float("nan")))])
    objects = annotations.objects_of(SAMPLES, rows, 0.7)
    assert objects.rows() == [(3, ["dog"]), (4, []), (5, ["dog"]), (6, [])]
    assert annotations.objects_of(SAMPLES, rows, 0.3)["objects"][0].to_list() == ["cat", "dog"]
    assert annotations.objects_of(SAMPLES[:0], rows, 0.3).rows() == []


def test_a_sample_of_one_caption_among_several_belongs_to_its_image():
    ids = pl.DataFrame({"id": ["a.jpg#0", "a#b#12", "c"]})
    assert ids.select(image_ids(pl.col("id"), "each"))["id"].to_list() == [
        "a.jpg",
        "a#b",
        "c",
    ]
    assert ids.select(image_ids(pl.col("id"), "one"))["id"].to_list() == [*ids["id"]]


def test_kept_annotations_are_in_the_order_by_which_samples_are_split():
    rows = labels(*[(f"{n:03d}", label, 1) for n in range(50) for label in ("b", "a", None)])
    table = pl.DataFrame(pl.from_arrow(annotations.by_hash(rows, 5)))
    assert table["hash"].is_sorted()
    hashes = keyed_hash(table["id"].to_list(), 5, "split")
    np.testing.assert_array_equal(table["hash"].to_numpy(), hashes)
    assert sorted(table.drop("hash").rows(), key=str) == sorted(rows.rows(), key=str)


@pytest.mark.parametrize("where", ["images", "categories"])
def test_a_merged_coco_file_with_one_id_twice_stops(instances, where):
    content = json.loads(instances.read_text(encoding="utf-8"))
    content[where][1]["id"] = content[where][0]["id"]
    instances.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match=f"values of 'id' stand for several {where}"):
        coco(instances)


def test_images_of_one_name_stop_where_they_are_matched_by_it(instances):
    content = json.loads(instances.read_text(encoding="utf-8"))
    content["images"][1]["file_name"] = content["images"][0]["file_name"]
    instances.write_text(json.dumps(content), encoding="utf-8")
    assert set(found(coco(instances))) == {"7", "9", "11"}
    with pytest.raises(InputError, match="values of 'file_name' stand for several images"):
        coco(instances, "file_name")


def test_labels_and_ids_are_of_one_form_and_half_pairs_do_not_stop(instances):
    content = json.loads(instances.read_text(encoding="utf-8"))
    content["categories"][0]["name"] = "half \ud83d"
    content["categories"][1]["name"] = "cafe\u0301"
    instances.write_text(json.dumps(content), encoding="utf-8")
    assert found(coco(instances))["11"] == {"half \\ud83d": 1, "caf\u00e9": 0.25}


@pytest.mark.parametrize("name", ["train[1].csv", "train[1].tsv", "train[1].parquet"])
def test_a_table_is_read_by_its_very_name_and_ids_stay_text(tmp_path, name):
    frame = pl.DataFrame({"id": ["007", "08"], "label": ["1.0", "1"], "score": [0.5, 1]})
    path, columns = tmp_path / name, {"id": "id", "label": "label", "score": "score"}
    other = frame.with_columns(id=pl.lit("other"))
    for each, place in ((frame, path), (other, path.with_stem("train1"))):
        if path.suffix == ".parquet":
            each.write_parquet(place)
        else:
            each.write_csv(place, separator="\t" if path.suffix == ".tsv" else ",")
    rows = annotations.read({"kind": "table", "path": path, "columns": columns})
    assert rows.rows() == [("007", "1.0", 0.5), ("08", "1", 1.0)]
