"""Reading of an ImageFolder with PASCAL VOC annotations, good and bad."""

import os
import re
import unicodedata
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


def test_boxes_of_a_resized_image_are_scaled_and_those_of_another_are_no_guide(world):
    images, annotations, add = world
    add("n1", "a.JPEG", annotation((100, 75, 391, 296), size=(400, 300)))
    add("n1", "b.JPEG", annotation((0, 0, 40, 30), size=(500, 400)))
    add("n1", "c.JPEG", annotation((1, 2, 3, 4), size=(0, 0)))
    scaled, rejected, unknown = read_folders(images, annotations)
    assert (scaled.width, scaled.height) == (40, 30)
    assert scaled.boxes == (Box(10, 7, 40, 30),)
    assert "another shape: 500 x 400, and this one is 40 x 30" in rejected.reason
    assert unknown.boxes == (Box(1, 2, 3, 4),)


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (annotation((0, 0, 9, 9), (5, 0, 5, 9)), r"^box with xmin >= xmax.*line 3 of"),
        (annotation((0, 9, 5, 9)), r"^box with ymin >= ymax.*line 2 of"),
        (annotation((0, 0, 41, 9)), r"^box outside the image.*41.* in 40 x 30, line 2 of"),
        (annotation(("1,5", 0, 5, 9)), r"no number: xmin is '1,5', line 2 of"),
        (annotation(("nan", 0, 5, 9)), r"no number: xmin is 'nan', line 2 of"),
        (annotation((0, 0, "9" * 9999, 9)), r"no number: xmax is '9{40}', line 2 of"),
        (annotation((0.1, 0.2, 0.8, 1)), r"^box in parts of the image's sides, not in pixels"),
        (annotation((0, 0, 5, 9), size=(40, "wide")), r"size that is no whole number"),
        (
            "<annotation>\n<object></object></annotation>",
            r"^object without a box: line 2 of",
        ),
        (
            "<annotation>\n<object>\n</annotation>",
            r"^annotation of malformed XML: mismatched.*line 3",
        ),
        ("", r"^annotation of malformed XML: no element found.*line 1"),
        (
            '<!DOCTYPE a [\n<!ENTITY b "bb">\n]>\n<annotation>&b;</annotation>',
            r"^annotation with a DTD: line 1",
        ),
        (
            '<?xml version="1.0" encoding="nonsense"?><annotation/>',
            r"^annotation that cannot be read.*encoding",
        ),
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
    # Reasons are counted by kind: none names its file, and none is long.
    assert "a.xml" not in rejected.reason and len(rejected.reason) <= 200
    assert kept.id == "b"


def test_unreadable_and_repeated_images_are_rejected(world):
    images, annotations, add = world
    add("n1", "a.JPEG").write_bytes(b"no picture")
    add("n1", "b.JPEG").write_bytes(b"")
    add("n1", "c.JPEG")
    repeated = add("n1", "c.jpg")
    records = list(read_folders(images, annotations))
    assert [type(record) for record in records] == [Rejected, Rejected, Photograph, Rejected]
    assert records[3].item == str(repeated)
    assert records[3].reason == "repeated id: rename the file (c)"


def test_missing_folders_and_an_empty_one_are_told_in_a_sentence(world, tmp_path):
    images, annotations, _ = world
    with pytest.raises(InputError, match=r"annotation folder .*nowhere does not exist"):
        list(read_folders(images, tmp_path / "nowhere"))
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"notes\.txt are no folder of \.xml files, no \.json and"):
        list(read_folders(images, tmp_path / "notes.txt"))
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
    path = world[2]("n1", "a.JPEG", annotation((0, 0, 40, 10), size=(50, 20)))
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
        ".hidden": ["0.JPEG"],
    }
    for label, files in names.items():
        for name in files:
            add(label, name)
    for inner in ("n2/Images", "n2/.cache", "n10/a"):
        (images / inner).mkdir()
        Image.new("RGB", (40, 30)).save(images / inner / "inner.JPEG")
    places = {path: place for place, (path, _) in enumerate(ImageFolder(images).samples)}
    found = [
        each for part in range(parts) for each in read_folders(images, annotations, part, parts)
    ]
    photographs = [each for each in found if isinstance(each, Photograph)]
    hidden = (".hidden", ".cache")
    seen = {path for path in places if not any(each in path for each in hidden)}
    assert {each.image for each in photographs} == seen and len(seen) == 12
    assert {each.image: each.position for each in photographs}.items() <= places.items()


def ids_of(world, parts):
    images, annotations, _ = world
    return [
        [each.id for each in read_folders(images, annotations, part, parts)]
        for part in range(parts)
    ]


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_names_that_repeat_between_folders_make_ids_of_paths_whatever_the_parts(world, parts):
    add = world[2]
    for label in ("cat", "dog"):
        for number in range(3):
            add(label, f"{number:03}.jpg", annotation((0, 0, 10 + number, 10 + len(label))))
    add("dog", "003.jpg", annotation((0, 0, 9, 9)))
    of_parts = ids_of(world, parts)
    expected = [f"cat/{n:03}" for n in range(3)] + [f"dog/{n:03}" for n in range(4)]
    assert sorted(each for part in of_parts for each in part) == expected
    if parts > 1:
        assert of_parts[:2] == [expected[:3], expected[3:]]
    boxes = {each.id: each.boxes for each in read_folders(*world[:2])}
    assert boxes["dog/002"] == (Box(0, 0, 12, 13),)


def test_ids_without_repeats_are_names_as_before_even_with_two_files_of_one_name(world):
    add = world[2]
    for label, name in [("n1", "a.jpg"), ("n1", "a.png"), ("n2", "b.jpg")]:
        add(label, name)
    assert ids_of(world, 2) == [["a", "a"], ["b"]]


def test_an_annotation_of_several_files_of_one_name_is_none(world):
    images, annotations, add = world
    for label in ("cat", "dog"):
        add(label, "1.jpg")
    add("dog", "2.jpg")
    for name in "12":
        (annotations / f"{name}.xml").write_text(annotation((0, 0, 40, 10)))
    found = {each.id: each for each in read_folders(images, annotations)}
    assert all("several folders" in found[f"{label}/1"].reason for label in ("cat", "dog"))
    assert found["dog/2"].boxes == (Box(0, 0, 40, 10),)


@pytest.mark.parametrize("forms", [("NFD", "NFC"), ("NFC", "NFD")])
def test_names_match_in_whatever_form_of_unicode_disks_hold_them(world, forms):
    images, annotations, _ = world
    on_disk, annotated = (
        [unicodedata.normalize(form, name) for name in ("gro\u00dfe Kr\u00f6te", "\u00e9t\u00e9")]
        for form in forms
    )
    path = images / on_disk[0] / f"{on_disk[1]}.jpg"
    path.parent.mkdir()
    Image.new("RGB", (40, 30)).save(path)
    (annotations / annotated[0]).mkdir()
    (annotations / annotated[0] / f"{annotated[1]}.xml").write_text(annotation((0, 0, 40, 10)))
    record = read_one(world)
    assert record.boxes == (Box(0, 0, 40, 10),)
    assert (record.label, record.id) == ("gro\u00dfe Kr\u00f6te", "\u00e9t\u00e9")
    assert record.image == str(path)
    other = images / unicodedata.normalize(forms[1], on_disk[0])
    other.mkdir()
    with pytest.raises(InputError, match="two class folders"):
        read_one(world)


def test_names_that_are_not_utf8_and_what_is_no_file_are_rejected_and_the_rest_is_read(world):
    images, annotations, add = world
    add("n1", "a.jpg", annotation((0, 0, 40, 10)))
    add("n1", os.fsdecode(b"caf\xe9.jpg"))
    add(os.fsdecode(b"stra\xdfe"), "b.jpg")
    os.mkfifo(images / "n1" / "pipe.jpg")
    (images / "n1" / "gone.jpg").symlink_to("nowhere.jpg")
    found = {each.item: each for each in read_folders(images, annotations) if hasattr(each, "item")}
    reasons = {Path(item).relative_to(images): each.reason for item, each in found.items()}
    assert {str(path): reason for path, reason in reasons.items()} == {
        "n1/caf\\xe9.jpg": "file name is not UTF-8: rename the file",
        "stra\\xdfe/b.jpg": "file name is not UTF-8: rename the file",
        "n1/pipe.jpg": "not a regular file",
        "n1/gone.jpg": "not a regular file",
    }
    for each in found.values():
        (each.item + (each.id or "")).encode()
    assert len(list(read_folders(images, annotations))) == 5
