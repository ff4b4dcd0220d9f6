"""Reading of an ImageFolder with PASCAL VOC annotations, good and bad."""

import re
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from dejavu.errors import InputError
from dejavu.samples.crops import Box
from dejavu.sources import Photograph, Rejected
from dejavu.sources.imagenet import read_folders
from dejavu.sources.images import open_image

pytestmark = pytest.mark.slow


def annotation(*boxes, size=(40, 30)):
    objects = "\n".join(
        "<object><name>x</name><part><bndbox><xmin>9</xmin><ymin>9</ymin><xmax>1</xmax>"
        "<ymax>1</ymax></bndbox></part><bndbox>"
        + "".join(
            f"<{name}>{value}</{name}>"
            for name, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
        )
        + "</bndbox></object>"
        for box in boxes
    )
    return (
        f"<annotation><size><width>{size[0]}</width><height>{size[1]}</height></size>\n"
        f"{objects}\n</annotation>"
    )


@pytest.fixture
def world(tmp_path):
    """Two empty roots, and a function that adds one image of 40 x 30 with its annotation."""
    images, annotations = tmp_path / "train", tmp_path / "Annotation"
    images.mkdir()
    annotations.mkdir()

    def add(label, name, xml=None):
        path = images / label / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 30)).save(path, format="JPEG")
        if xml is not None:
            target = annotations / label / f"{path.stem}.xml"
            target.parent.mkdir(exist_ok=True)
            target.write_text(xml)
        return path

    return images, annotations, add


def read_one(world):
    images, annotations, _ = world
    (record,) = read_folders(images, annotations)
    return record


def test_several_objects_and_images_without_annotation(world):
    images, annotations, add = world
    second = add("n2", "n2_1.JPEG")
    first = add("n1", "n1_5.JPEG", annotation((0, 0, 40, 10), (3, 4, 5, 6)))
    (images / "n1" / "boxes.txt").write_text("not an image")
    (images / "notes.txt").write_text("not a class")
    assert list(read_folders(images, annotations)) == [
        Photograph(
            "n1_5", str(first), 40, 30, "n1", (Box(0, 0, 40, 10), Box(3, 4, 5, 6)), position=0
        ),
        Photograph("n2_1", str(second), 40, 30, "n2", (), position=1),
    ]


def test_annotation_without_objects_is_an_image_without_boxes(world):
    world[2]("n1", "a.JPEG", annotation())
    assert read_one(world).boxes == ()


def test_the_image_header_is_trusted_over_the_annotated_size(world):
    world[2]("n1", "a.JPEG", annotation((0, 0, 40, 30), size=(500, 400)))
    record = read_one(world)
    assert (record.width, record.height) == (40, 30)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (annotation((0, 0, 9, 9), (5, 0, 5, 9)), r"a\.xml, line 3: box .* xmin >= xmax"),
        (annotation((0, 9, 5, 9)), r"a\.xml, line 2: box .* ymin >= ymax"),
        (annotation((0, 0, 41, 9)), r"a\.xml, line 2: box .* outside the image of 40 x 30"),
        (annotation(("1.5", 0, 5, 9)), r"a\.xml, line 2: xmin is '1\.5', not a whole number"),
        (
            "<annotation>\n<object></object></annotation>",
            r"a\.xml, line 2: object without bndbox",
        ),
        ("<annotation>\n<object>\n</annotation>", r"a\.xml, line 3: malformed XML \(mismatched"),
        ("", r"a\.xml, line 1: malformed XML \(no element found"),
        (
            '<!DOCTYPE a [\n<!ENTITY b "bb">\n]>\n<annotation>&b;</annotation>',
            r"a\.xml, line 1: a DTD",
        ),
        ('<?xml version="1.0" encoding="nonsense"?><annotation/>', r"a\.xml.*encoding"),
    ],
)
def test_a_bad_annotation_rejects_its_image_whole(world, xml, reason):
    images, annotations, add = world
    path = add("n1", "a.JPEG", xml)
    add("n1", "b.JPEG")
    rejected, kept = read_folders(images, annotations)
    assert isinstance(rejected, Rejected)
    assert rejected.item == str(path)
    assert re.search(reason, rejected.reason)
    assert kept.id == "b"


def test_unreadable_and_repeated_images_are_rejected(world):
    images, annotations, add = world
    add("n1", "a.JPEG").write_bytes(b"no picture")
    add("n1", "b.JPEG").write_bytes(b"")
    add("n1", "c.JPEG")
    repeated = add("n2", "c.jpg")
    records = list(read_folders(images, annotations))
    assert [type(record) for record in records] == [Rejected, Rejected, Photograph, Rejected]
    assert records[3].item == str(repeated)
    assert "occurs twice" in records[3].reason


def test_missing_folders_and_an_empty_one_are_told_in_a_sentence(world, tmp_path):
    images, annotations, _ = world
    with pytest.raises(InputError, match=r"annotation folder .*nowhere does not exist"):
        list(read_folders(images, tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"image folder .*nowhere does not exist"):
        list(read_folders(tmp_path / "nowhere", annotations))
    with pytest.raises(InputError, match=r"image folder .*train has no"):
        list(read_folders(images, annotations))


def test_a_class_folder_may_be_empty(world):
    images, annotations, add = world
    add("n1", "a.JPEG", annotation((0, 0, 40, 10)))
    (images / "n2").mkdir()
    (images / "n2" / "readme.txt").write_text("no image")
    parts = [list(read_folders(images, annotations, part, 3)) for part in range(3)]
    assert [[record.id for record in records] for records in parts] == [["a"], [], []]


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK")])
def test_photographs_of_other_formats_and_colours_are_kept(world, kind, mode):
    path = world[2]("n1", "a.JPEG", annotation((0, 0, 40, 10)))
    Image.new(mode, (50, 20)).save(path, format=kind)
    boxes = (Box(0, 0, 40, 10),)
    assert read_one(world) == Photograph("a", str(path), 50, 20, "n1", boxes, position=0)
    assert open_image(str(path)).mode == "RGB"


def test_a_file_that_other_programs_would_open_is_rejected(world):
    path = world[2]("n1", "a.JPEG")
    Image.new("RGB", (40, 30)).save(path, format="EPS")
    assert "not a readable image" in read_one(world).reason
    with pytest.raises(OSError, match="cannot identify"):
        open_image(str(path))


def test_tiny_photographs():
    root = Path(__file__).parents[4] / "shared" / "data" / "imagenet_small"
    if not root.is_dir():
        pytest.skip("photographs are not there")
    records = list(read_folders(root / "train", root / "Annotation"))
    kept = [record for record in records if isinstance(record, Photograph)]
    assert len(records) == 5000
    # Counted independently in the annotations' text: 12 boxes have xmin = xmax.
    assert len(kept) == 4988
    assert Counter(bool(record.boxes) for record in kept) == {True: 4388, False: 600}
    assert all(record.id.split("_")[0] == record.label for record in kept)


def test_annotations_of_all_classes_may_lie_in_one_folder(world):
    images, annotations, add = world
    add("n1", "ILSVRC2012_val_00000001.JPEG")
    add("n2", "ILSVRC2012_val_00000002.JPEG", annotation((1, 2, 30, 20)))
    (annotations / "ILSVRC2012_val_00000001.xml").write_text(annotation((0, 0, 40, 10)))
    found = {each.id[-1]: each.boxes for each in read_folders(images, annotations)}
    assert found == {"1": (Box(0, 0, 40, 10),), "2": (Box(1, 2, 30, 20),)}
    assert [each.boxes for each in read_folders(images, None)] == [(), ()]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_positions_are_those_of_torchvisions_image_folder(world, parts):
    from torchvision.datasets import ImageFolder

    images, annotations, add = world
    names = {
        "n2": ["10.JPEG", "9.jpg", "a.PNG", ".hidden.jpg", "B.JPEG", "notes.txt"],
        "n10": ["z.JPEG", "A.webp", "Z.bmp"],
        "N3": ["same.JPEG", "x.gif"],
        "n30": ["same.JPEG", "0.tiff"],
    }
    for label, files in names.items():
        for name in files:
            add(label, name)
    places = {path: place for place, (path, _) in enumerate(ImageFolder(images).samples)}
    found = [
        each for part in range(parts) for each in read_folders(images, annotations, part, parts)
    ]
    photographs = [each for each in found if isinstance(each, Photograph)]
    assert len(photographs) >= 8
    assert {each.image: each.position for each in photographs}.items() <= places.items()
