"""Boxes in COCO's JSON and in tables, by the names that they give to images."""

import json

import polars as pl
import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.samples.crops import Box
from dejavu.sources import Photograph, Rejected
from dejavu.sources.imagenet import read_folders


@pytest.fixture
def images(tmp_path):
    """Two classes with a photograph of one name in each, and one of its own name."""
    folder = tmp_path / "images"
    for name in ("cat/001.jpg", "dog/001.jpg", "dog/007.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(folder / name)
    return folder


def coco(boxes, sizes=None, **changes):
    """A file as pycocotools reads it, with a box [x, y, width, height] for each name and box."""
    names = list(dict.fromkeys(name for name, _ in boxes))
    number = {name: 397133 + place for place, name in enumerate(names)}
    images = [
        {
            "license": 4,
            "file_name": name,
            "coco_url": f"http://images.cocodataset.org/val2017/{name}",
            "height": (sizes or {}).get(name, (40, 30))[1],
            "width": (sizes or {}).get(name, (40, 30))[0],
            "date_captured": "2013-11-14 17:02:52",
            "id": number[name],
        }
        for name in names
    ]
    annotations = [
        {
            "segmentation": [[1.0, 2.0, 3.0, 2.0, 3.0, 4.0]],
            "area": 12.5,
            "iscrowd": place % 2,
            "image_id": number[name],
            "bbox": box,
            "category_id": 44,
            "id": place,
        }
        for place, (name, box) in enumerate(boxes)
    ]
    content = {
        "info": {"year": 2017},
        "licenses": [{"id": 4, "name": "Attribution License"}],
        "images": images,
        "annotations": annotations,
        "categories": [{"supercategory": "kitchen", "id": 44, "name": "bottle"}],
    }
    return {**content, **changes}


def read(images, path, content):
    """Records by id, and reasons of rejected ones."""
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    found = list(read_folders(images, path))
    boxes = {each.id: each.boxes for each in found if isinstance(each, Photograph)}
    return boxes, {each.id: each.reason for each in found if isinstance(each, Rejected)}


def test_cocos_boxes_go_to_images_by_path_or_name_rounded_outward_and_scaled(images, tmp_path):
    boxes = [
        ("cat/001.jpg", [0.1, 0.2, 9.7, 9.8]),
        ("cat/001.jpg", [20, 10, 20, 20]),
        ("007.png", [8.5, 6, 8, 6.0]),
    ]
    sizes = {"007.png": (80, 60)}
    kept, rejected = read(images, tmp_path / "instances.json", coco(boxes, sizes))
    # By hand: .1 + 9.7 is 9.8, and .2 + 9.8 is 10 exactly; 007 was annotated at twice its sides.
    assert kept["cat/001"] == (Box(0, 0, 10, 10), Box(20, 10, 40, 30))
    assert kept["dog/007"] == (Box(4, 3, 9, 6),)
    assert kept["dog/001"] == ()
    assert not rejected


@pytest.mark.parametrize(
    ("boxes", "sizes", "reason"),
    [
        ([("001.jpg", [1, 1, 5, 5])], {}, "a file name that several folders have"),
        ([("dog/007.png", [1, 1, 0, 5])], {}, "box with xmin >= xmax: [1, 1, 1, 6], annotation 1"),
        ([("dog/007.png", [1, 1, 40, 5])], {}, "outside the image: [1, 1, 41, 6] in 40 x 30"),
        ([("dog/007.png", [1, 1, 5])], {}, "object without a box: annotation 1"),
        ([("dog/007.png", None)], {}, "object without a box: annotation 1"),
        ([("dog/007.png", [1, 1, True, 5])], {}, "corner that is no number: xmax is 'True'"),
        ([("dog/007.png", [1, 1, float("nan"), 5])], {}, "corner that is no number"),
        ([("dog/007.png", [0.1, 0.2, 0.5, 0.5])], {}, "in parts of the image's sides"),
        ([("dog/007.png", [1, 1, 5, 5])], {"dog/007.png": (30, 40)}, "another shape"),
        ([("dog/007.png", [1, 1, 5, 5]), ("007.png", [1, 1, 5, 5])], {}, "under several names"),
    ],
)
def test_images_whose_boxes_are_no_guide_are_rejected(images, tmp_path, boxes, sizes, reason):
    kept, rejected = read(images, tmp_path / "instances.json", coco(boxes, sizes))
    (told,) = set(rejected.values())
    assert reason in told and len(told) <= 200
    assert len(kept) + len(rejected) == 3


BOX = [("dog/007.png", [1, 1, 5, 5])]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "cannot be read as JSON"),
        (coco(BOX, images=[{"id": 1}]), "has no 'file_name'"),
        (coco(BOX, images=coco(BOX)["images"] * 2), "two images have the id 397133"),
        (
            coco(BOX, images=[{"id": n, "file_name": "007.png"} for n in (1, 2)]),
            "two images have the file_name '007.png'",
        ),
        (coco(BOX, images=[]), "annotation 1 is of the image 397133, which `images` lacks"),
        (
            coco([("train2017/007.png", [1, 1, 5, 5])]),
            "none of the images in .*'train2017/007.png'",
        ),
    ],
)
def test_a_coco_file_that_can_not_be_meant_is_one_sentence(images, tmp_path, content, told):
    with pytest.raises(InputError, match=told):
        read(images, tmp_path / "instances.json", content)


ROWS = {
    "image": ["cat/001", "cat/001", "007", "dog/001.jpg"],
    "xmin": [0.5, 20.0, 8.0, None],
    "ymin": [0.0, 10.0, 6.0, None],
    "xmax": [9.5, 40.0, 16.0, None],
    "ymax": [10.0, 30.0, 12.0, None],
}


@pytest.mark.parametrize("form", ["csv", "parquet", "categories", "nan"])
def test_a_tables_boxes_are_those_of_its_rows_and_names_keep_their_zeros(images, tmp_path, form):
    frame = pl.DataFrame(ROWS)
    # A path is a path, also where other programs would expand it.
    path = tmp_path / f"boxes[1].{'csv' if form == 'csv' else 'parquet'}"
    if form == "csv":
        frame.write_csv(path)
    elif form == "categories":
        frame.with_columns(pl.col("image").cast(pl.Categorical)).write_parquet(path)
    else:
        (frame.fill_null(float("nan")) if form == "nan" else frame).write_parquet(path)
    found = {each.id: each.boxes for each in read_folders(images, path)}
    assert found == {
        "cat/001": (Box(0, 0, 10, 10), Box(20, 10, 40, 30)),
        "dog/001": (),
        "dog/007": (Box(8, 6, 16, 12),),
    }


def test_a_tables_sizes_scale_its_boxes(images, tmp_path):
    text = "image,xmin,ymin,xmax,ymax,width,height\n007.png,80,60,160,120,400,300\n"
    kept, _ = read(images, tmp_path / "boxes.csv", text)
    assert kept["dog/007"] == (Box(8, 6, 16, 12),)


HEADER = "image,xmin,ymin,xmax,ymax\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,xmin\n", "has no column 'image'; it has name, xmin"),
        (HEADER + ",1,1,5,5\n", "row 1 names no image"),
        (HEADER + "x.jpg,1,1,5,5\n", "names none of the images in .*'x.jpg'"),
        (
            "image,xmin,ymin,xmax,ymax,width,height\n007,1,1,5,5,40,30\n007,1,1,5,5,80,60\n",
            "row 2 gives the image '007' another size",
        ),
        (HEADER + "007,1\n007,1,1,1,1,1,1,1\n", "cannot be read as a table of boxes"),
    ],
)
def test_a_table_that_can_not_be_meant_is_one_sentence(images, tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        read(images, tmp_path / "boxes.csv", text)


def test_a_word_for_a_number_rejects_its_image(images, tmp_path):
    text = HEADER + "007,1,1,left,5\ndog/001,1,,5,5\n"
    kept, rejected = read(images, tmp_path / "boxes.csv", text)
    assert set(kept) == {"cat/001"}
    assert "xmax is 'left', row 1 of the table" in rejected["dog/007"]
    assert "ymin is '', row 2 of the table" in rejected["dog/001"]
