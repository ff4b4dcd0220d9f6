"""Images with several captions: COCO's and Flickr's files, and what becomes of the captions."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.samples.hashes import keyed_hash
from dejavu.sources import Record, Rejected, captions, coco, flickr
from dejavu.sources.admission import admitted
from dejavu.sources.captions import Captions
from dejavu.sources.images import open_image, path_within

EACH, ONE = Captions("each", 0), Captions("one", 0)


@pytest.fixture
def images(tmp_path, picture_bytes):
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(picture_bytes(number))
    (folder / "broken.jpg").write_bytes(picture_bytes(0)[:100])
    (tmp_path / "secret.jpg").write_bytes(picture_bytes(9))
    return folder


@pytest.fixture
def coco_file(tmp_path):
    names = ["0.jpg", "1.jpg", "broken.jpg", "../secret.jpg", "2.jpg", "missing.jpg"]
    texts = [(0, "a dog"), (1, "a cat"), (0, " a hound\n"), (2, "x"), (3, "x"), (5, "x"), (4, " ")]
    content = {
        "images": [{"id": 10 + n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [
            {"id": n, "image_id": 10 + image, "caption": text}
            for n, (image, text) in enumerate(texts)
        ],
    }
    path = tmp_path / "captions.json"
    path.write_text(json.dumps(content))
    return path


def split_up(found):
    found = list(found)
    records = [each for each in found if isinstance(each, Record)]
    return records, {each.id: each.reason for each in found if isinstance(each, Rejected)}


def test_each_caption_of_a_coco_image_is_a_sample(coco_file, images):
    records, rejected = split_up(coco.read_images(coco_file, images, EACH))
    assert [(each.id, each.caption, each.image_id, each.objects) for each in records] == [
        ("10#0", "a dog", "10", []),
        ("10#1", "a hound", "10", []),
        ("11#0", "a cat", "11", []),
    ]
    assert open_image(records[2].image).tobytes() == open_image(str(images / "1.jpg")).tobytes()
    assert set(rejected) == {"12", "13", "14", "15"}
    assert "leaves the folder" in rejected["13"] and rejected["14"] == "no caption"
    assert all(rejected[each].startswith("unreadable image") for each in ("12", "15"))


def test_one_caption_of_a_coco_image_keeps_the_images_id(coco_file, images):
    records, _ = split_up(coco.read_images(coco_file, images, ONE))
    assert [each.id for each in records] == ["10", "11"]
    assert records[0].caption in ("a dog", "a hound")


@pytest.mark.parametrize("reader", [coco.read_images, flickr.read_images])
@pytest.mark.parametrize("parts", [1, 2, 3, 8])
def test_parts_give_every_image_once(coco_file, flickr_file, images, reader, parts):
    path = coco_file if reader is coco.read_images else flickr_file
    whole = [repr(each) for each in reader(path, images, EACH)]
    of_parts = [reader(path, images, EACH, part, parts) for part in range(parts)]
    assert Counter(repr(each) for found in of_parts for each in found) == Counter(whole)


@pytest.mark.parametrize(
    "content", ["[1]", "{}", '{"images": [{}], "annotations": []}', '{"images": 3}', "{"]
)
def test_what_is_no_captions_file_is_one_sentence(tmp_path, images, content):
    path = tmp_path / "captions.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"captions\.json"):
        list(coco.read_images(path, images, ONE))


@pytest.fixture
def flickr_file(tmp_path):
    path = tmp_path / "captions.token"
    path.write_text(
        "0.jpg#1\tA second one .\n0.jpg#0\tA dog .\r\n\n1.jpg#0\tÉtoile\tand a tab\n"
        "broken.jpg#0\tx\n../secret.jpg#0\tx\n2.jpg#0\t \n"
        "no number\tx\n3.jpg#0 no tab\n0.jpg#1\tagain\n",
        encoding="utf-8",
    )
    return path


def test_each_line_of_a_flickr_file_is_a_sample_in_the_order_of_its_numbers(flickr_file, images):
    found = list(flickr.read_images(flickr_file, images, EACH))
    records, rejected = split_up(found)
    assert [(each.id, each.caption, each.image_id) for each in records] == [
        ("0.jpg#0", "A dog .", "0.jpg"),
        ("0.jpg#1", "A second one .", "0.jpg"),
        ("1.jpg#0", "Étoile\tand a tab", "1.jpg"),
    ]
    assert rejected["2.jpg"] == "no caption" and "leaves" in rejected["../secret.jpg"]
    faults = [each for each in found if isinstance(each, Rejected)]
    lines = {each.item.partition("#")[2]: each.reason for each in faults}
    assert lines["line 8"] == lines["line 9"] == "not of the form image#number, tab, caption"
    assert lines["line 10"] == "a caption's number occurs twice: 0.jpg#1"


@pytest.mark.parametrize("content", [b"", b"no captions here\n", b"\xff\xfe\x00"])
def test_what_is_no_flickr_file_is_one_sentence(tmp_path, images, content):
    path = tmp_path / "captions.token"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"captions\.token"):
        list(flickr.read_images(path, images, ONE))


def test_the_chosen_caption_depends_on_id_and_seed_and_is_uniform():
    texts = ["a", "b", "c", "d", "e"]

    def chosen(seed):
        records = [Captions("one", seed).records(f"{n}", "", texts, []) for n in range(2000)]
        return [record.caption for (record,) in records]

    assert chosen(1) == chosen(1) != chosen(2)
    counts = Counter(chosen(1))
    # Four standard deviations of a binomial.
    assert all(abs(counts[text] - 400) < 4 * np.sqrt(2000 * 0.2 * 0.8) for text in texts)


@given(st.lists(st.integers(0, 6), max_size=40), st.integers(0, 3))
def test_public_holds_one_caption_of_each_image(images, seed):
    hashes = np.sort(keyed_hash([str(image) for image in images], 0, "split"))
    ids = [f"{place}" for place in range(len(images))]
    chosen = captions.one_of_each(hashes, ids, seed)
    assert sorted(hashes[chosen]) == sorted(set(hashes))
    keys = keyed_hash(ids, seed, captions.PURPOSE)
    for place in np.flatnonzero(chosen):
        assert keys[place] == keys[hashes == hashes[place]].min()


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "", 3, None, "a\0b"])
def test_a_name_does_not_lead_out_of_its_folder(tmp_path, name):
    assert path_within(tmp_path, name) is None
    assert path_within(tmp_path, "a/b.jpg") == tmp_path / "a/b.jpg"


def test_a_coco_file_in_which_one_id_stands_for_two_images_stops(coco_file, images):
    content = json.loads(coco_file.read_text(encoding="utf-8"))
    content["images"][3]["id"] = "10"
    coco_file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(InputError, match="1 values of 'id' stand for several images, '10' for one"):
        list(coco.read_images(coco_file, images, ONE))


@pytest.mark.parametrize("captions", [ONE, EACH])
def test_half_a_surrogate_pair_leaves_the_other_images_alone(coco_file, images, captions):
    text = coco_file.read_text(encoding="utf-8").replace('"a cat"', '"a cat \\ud83d"')
    coco_file.write_text(text, encoding="utf-8")
    found = [admitted(each) for each in coco.read_images(coco_file, images, captions)]
    (fault,) = [each for each in found if "valid text" in getattr(each, "reason", "")]
    assert fault.id in ("11", "11#0") and any(isinstance(each, Record) for each in found)


def test_a_flickr_image_is_one_however_its_name_is_spelled(tmp_path, images, picture_bytes):
    (images / "e\u0301.jpg").write_bytes(picture_bytes(1))
    path = tmp_path / "captions.token"
    path.write_text("\u00e9.jpg#0\ta\ne\u0301.jpg#1\tb\n", encoding="utf-8")
    records, _ = split_up(flickr.read_images(path, images, EACH))
    assert [each.id for each in records] == ["\u00e9.jpg#0", "\u00e9.jpg#1"]
