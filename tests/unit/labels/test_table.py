"""Tags of crops: of the embedded world, out of tables, by CLIP and as visual words."""

import numpy as np
import polars as pl
import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.labels import table, visual_words, world, zero_shot
from dejavu.samples.crops import background_crop
from dejavu.sources import foregrounds


@pytest.fixture
def crops(tmp_path):
    """Crops of pictures of the embedded world, as `samples.images.read_crops` gives them."""
    rows = []
    for number in range(12):
        pixels, layout = foregrounds.picture(number, seed=1)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        crop, _ = background_crop(48, 48, [layout.box], 15)
        rows.append(
            {
                "sample": 100 + number,
                "id": f"p{number}",
                "image": str(path),
                "label": layout.label,
                "crop": crop._asdict(),
                "boxes": [layout.box._asdict()],
                "context": [{"tag": t.tag, "box": t.box._asdict()} for t in layout.context],
            }
        )
    return pl.DataFrame(rows)


def test_the_worlds_tags_are_those_of_its_layout(crops):
    found = world.from_world(crops)
    for number, tags in enumerate(found):
        layout = foregrounds.layout(number, seed=1)
        crop, _ = background_crop(48, 48, [layout.box], 15)
        assert tags == foregrounds.crop_tags(layout, crop)
    assert any(found)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_tables_tags_are_joined_by_id_highest_first(crops, tmp_path, suffix):
    rows = [("p1", "b", 0.5), ("p1", "a", 0.5), ("p1", "c", 0.9), ("p1", "c", 0.2), ("z", "a", 1.0)]
    frame = pl.DataFrame(rows, schema=["name", "what", "sure"], orient="row")
    path = tmp_path / f"tags{suffix}"
    (frame.write_csv if suffix == ".csv" else frame.write_parquet)(path)
    columns = {"id": "name", "tag": "what", "score": "sure"}
    found = table.from_table(crops, {"path": path, "columns": columns})
    assert found[1] == [("c", 0.9), ("a", 0.5), ("b", 0.5)]
    assert [tags for place, tags in enumerate(found) if place != 1] == [[]] * 11
    with pytest.raises(InputError, match="no column 'id'"):
        wrong = {"id": "id", "tag": "what", "score": "sure"}
        table.from_table(crops, {"path": path, "columns": wrong})
    with pytest.raises(InputError, match="no tags of any"):
        table.from_table(crops.with_columns(id=pl.lit("q")), {"path": path, "columns": columns})


@pytest.mark.parametrize("form", ["csv", "parquet", "categories"])
def test_ids_and_tags_keep_their_spelling_whatever_they_look_like(crops, tmp_path, form):
    ids = [f"{99995 + number:06d}" for number in range(10)] + ["1e3", "e\u0301"]
    frame = pl.DataFrame({"id": ids, "tag": ["007", "1.0", "1.00"] * 4, "score": [0.5] * 12})
    frame = frame.with_columns(pl.concat_str(pl.lit(" "), pl.col("score")) if form == "csv" else [])
    # A path is a path, also where other programs would expand it.
    path = tmp_path / f"tags[1].{'csv' if form == 'csv' else 'parquet'}"
    if form == "categories":
        frame = frame.with_columns(pl.col("id", "tag").cast(pl.Categorical))
    (frame.write_csv if form == "csv" else frame.write_parquet)(path)
    columns = {"id": "id", "tag": "tag", "score": "score"}
    settings = {"path": path, "columns": columns}
    named = crops.with_columns(id=pl.Series([*ids[:11], "\u00e9"]))
    assert table.from_table(named, settings) == [[(tag, 0.5)] for tag in ["007", "1.0", "1.00"] * 4]
    # Nine of twelve ids are crops of some set, and one crop has no tags.
    some = pl.Series([*ids[:9], "other"])
    assert table.matched(some, settings) == (12, 3, 10, 1)


def test_a_table_of_words_for_numbers_or_no_table_is_one_sentence(crops, tmp_path):
    columns = {"id": "id", "tag": "tag", "score": "score"}
    (tmp_path / "a.csv").write_text("id,tag,score\np1,a,high\n")
    with pytest.raises(InputError, match="something else than numbers"):
        table.from_table(crops, {"path": tmp_path / "a.csv", "columns": columns})
    (tmp_path / "a.csv").write_text("id,tag,score\np1,a,0.5\np1,b,nan\n")
    with pytest.raises(InputError, match="no number in row 2"):
        table.from_table(crops, {"path": tmp_path / "a.csv", "columns": columns})
    pl.DataFrame({"id": [["p1"]], "tag": ["a"], "score": [0.5]}).write_parquet(
        tmp_path / "c.parquet"
    )
    with pytest.raises(InputError, match=r"'id' holds List\(String\), not text"):
        table.from_table(crops, {"path": tmp_path / "c.parquet", "columns": columns})
    (tmp_path / "b.parquet").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read as parquet"):
        table.from_table(crops, {"path": tmp_path / "b.parquet", "columns": columns})


@pytest.mark.slow
def test_clip_tags_are_the_most_similar_names(crops, tmp_path, monkeypatch):
    from dejavu.encoders import clip

    class Encoder:
        def encode_texts(self, texts):
            assert all(text.startswith("a ") for text in texts)
            return np.eye(4, dtype=np.float32)[[len(text) - 3 for text in texts]]

        def prepare_image(self, image):
            return image

        def encode_images(self, images):
            assert all(image.size != (48, 48) for image in images)
            return np.tile(np.array([0.1, 0.4, 0.4, 0.2], np.float32), (len(images), 1))

    monkeypatch.setattr(clip, "load", lambda *_: Encoder())
    vocabulary = tmp_path / "names.txt"
    vocabulary.write_text("y\nzzz\n\nyy\nzzzz\n")
    settings = {"model": {}, "vocabulary": vocabulary, "prompt": "a {}"}
    found = zero_shot.from_clip(crops, settings, 3, 5, 1, "of a test")
    assert len(found) == 12
    assert [tag for tag, _ in found[0]] == ["yy", "zzz", "zzzz"]
    np.testing.assert_allclose([score for _, score in found[0]], [0.4, 0.4, 0.2], atol=1e-6)
    vocabulary.write_text("\n")
    with pytest.raises(InputError, match="is empty"):
        zero_shot.from_clip(crops, settings, 3, 5, 1, "of a test")


def test_visual_words_group_like_patches_and_are_read_back(tmp_path):
    rng = np.random.default_rng(0)
    stripes = np.zeros((2, 16, 16, 3))
    stripes[0, :, ::2] = 200
    stripes[1, ::2] = 200
    kinds = np.repeat([0, 1], 20)
    pixels = (stripes[kinds] + rng.uniform(0, 40, (40, 16, 16, 3))).astype(np.uint8)
    settings = {"words": 6, "patch": 6, "stride": 2, "patches": 2000}
    words = visual_words.fit(pixels, settings, seed=3)
    words.save(tmp_path / "words.npz")
    again = visual_words.load(tmp_path / "words.npz")
    tags = [again.tags(picture) for picture in pixels]
    assert tags == [words.tags(picture) for picture in pixels]
    for found in tags:
        assert sum(score for _, score in found) == pytest.approx(1)
        assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    upright, level = (
        {tag for found in part for tag, _ in found} for part in (tags[:20], tags[20:])
    )
    assert not upright & level
    refitted = visual_words.fit(pixels, settings, seed=3)
    np.testing.assert_array_equal(refitted.centres, words.centres)


def test_patches_have_neither_brightness_nor_contrast():
    rng = np.random.default_rng(0)
    picture = rng.integers(60, 120, (12, 12, 3)).astype(np.uint8)
    brighter = (2 * (picture.astype(int) - 60) + 80).astype(np.uint8)
    first, second = (visual_words.patches_of(each, 4, 4) for each in (picture, brighter))
    assert first.shape == (9, 48)
    np.testing.assert_allclose(first, second, atol=0.05)
    flat = visual_words.patches_of(np.full((8, 8, 3), 9, np.uint8), 4, 4)
    np.testing.assert_array_equal(flat, 0)


def test_ids_of_digits_keep_their_zeros(crops, tmp_path):
    path = tmp_path / "tags[1].csv"
    path.write_text("id,tag,score\n099,1.0,0.9\n99,x,0.8\n100,y, 0.7\n,z,1\n", encoding="utf-8")
    (tmp_path / "tags1.csv").write_text("id,tag,score\n099,other,1\n", encoding="utf-8")
    columns = {"id": "id", "tag": "tag", "score": "score"}
    some = crops[:2].with_columns(id=pl.Series(["099", "100"]))
    found = table.from_table(some, {"path": path, "columns": columns})
    assert found == [[("1.0", 0.9)], [("y", 0.7)]]
