"""What the system refuses while a source is read is told as that, with no advice about the file."""

import builtins
import errno
import io
import json
import os
import tarfile

import numpy as np
import polars as pl
import pytest
from PIL import Image

from dejavu.errors import InputError, system_fault
from dejavu.labels import annotations, zero_shot
from dejavu.labels import table as tags
from dejavu.samples import class_names, class_splits
from dejavu.sources import boxes, clip_retrieval, coco, flickr, foregrounds, imagenet, img2dataset
from dejavu.sources import table as tables
from dejavu.sources.captions import Captions

ONE = Captions("one", 0)
COLUMNS = {"id": "id", "image": "image", "caption": "caption"}
LABELS = {"id": "id", "label": "label", "score": "score"}
TAGS = {"id": "id", "tag": "label", "score": "score"}
CLIP = {"id": "image_path", "image": "image_path", "caption": "caption"}
# Advice that would do harm, or nothing, where the system refused.
HARMFUL = ("delete it", "move it", "fetch", "give ", "correct", "restore", "anew", "save it")


@pytest.fixture
def data(tmp_path):
    """A file of every kind that sources have, all of them in order."""
    folder = tmp_path / "data"
    for name in ("images/n01", "boxes/n01", "metadata", "img_emb"):
        (folder / name).mkdir(parents=True)
    picture = Image.new("RGB", (8, 8))
    picture.save(folder / "images/n01/a.png")
    picture.save(folder / "a.png")
    for suffix, layout in (("img2dataset", ("png", "txt", "json")), ("world", ("png", "json"))):
        facts = {"label": "x", "box": [0, 0, 1, 1], "context": []}
        contents = {"png": (folder / "a.png").read_bytes(), "txt": b"x"}
        contents["json"] = json.dumps(facts).encode()
        with tarfile.open(folder / f"{suffix}.tar", "w") as archive:
            for each in layout:
                member = tarfile.TarInfo(f"a.{each}")
                member.size = len(contents[each])
                archive.addfile(member, io.BytesIO(contents[each]))
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 8}
    caption = {"image_id": 1, "caption": "x", "category_id": 1, "bbox": [0, 0, 1, 1]}
    content = {"images": [image], "annotations": [caption], "categories": [{"id": 1, "name": "y"}]}
    (folder / "coco.json").write_text(json.dumps(content))
    (folder / "flickr.token").write_text("a.png#0\tx\n")
    (folder / "table.csv").write_text("id,image,caption\n1,a.png,x\n")
    (folder / "labels.csv").write_text("id,label,score\na,x,1\n")
    (folder / "boxes.csv").write_text("image,xmin,ymin,xmax,ymax\na.png,0,0,1,1\n")
    box = "".join(f"<{side}>{n // 2}</{side}>" for n, side in enumerate(boxes.CORNERS))
    text = f"<annotation><object><bndbox>{box}</bndbox></object></annotation>"
    (folder / "boxes/n01/a.xml").write_text(text)
    (folder / "names.json").write_text('{"n01": "x"}')
    (folder / "names.csv").write_text("folder,name\nn01,x\n")
    (folder / "words.txt").write_text("x\n")
    np.save(folder / "list.npy", np.arange(1))
    rows = pl.DataFrame({"image_path": ["a"], "caption": ["x"]})
    rows.write_parquet(folder / "metadata/metadata_0.parquet")
    np.save(folder / "img_emb/img_emb_0.npy", np.ones((1, 2), np.float32))
    return folder


def _embedded(folder):
    return clip_retrieval.partitions(folder)[0]


READERS = {
    "img2dataset": lambda d: img2dataset.read_tar(d / "img2dataset.tar", None),
    "foregrounds": lambda d: foregrounds.read_tar(d / "world.tar"),
    "coco": lambda d: coco.read_images(d / "coco.json", d, ONE),
    "flickr": lambda d: flickr.read_images(d / "flickr.token", d, ONE),
    "table": lambda d: tables.read_rows(d / "table.csv", COLUMNS, ",", ONE, 0, 1),
    "imagenet": lambda d: imagenet.read_folders(d / "images", d / "boxes"),
    "imagenet, boxes of COCO": lambda d: imagenet.read_folders(d / "images", d / "coco.json"),
    "imagenet, a table of boxes": lambda d: imagenet.read_folders(d / "images", d / "boxes.csv"),
    "clip_retrieval, metadata": lambda d: clip_retrieval.read_metadata(_embedded(d), CLIP, ","),
    "clip_retrieval, vectors": lambda d: _embedded(d).vectors("image"),
    "annotations of COCO": lambda d: annotations.from_coco(d / "coco.json", "id"),
    "annotations in a table": lambda d: annotations.from_table(d / "labels.csv", LABELS),
    "annotations of Detic": lambda d: annotations.from_detic(
        d / "none.p", d / "words.txt", d / "words.txt"
    ),
    "tags": lambda d: tags.read({"path": d / "labels.csv", "columns": TAGS}),
    "vocabulary": lambda d: zero_shot.vocabulary(d / "words.txt"),
    "class names": lambda d: class_names.read(d / "names.json"),
    "class names in a table": lambda d: class_names.read(d / "names.csv"),
    "lists": lambda d: class_splits.by_lists(
        pl.DataFrame({"position": [0]}), {"A": d / "list.npy"}, 0
    ),
}
FAULTS = [
    *(OSError(code, os.strerror(code)) for code in (errno.EACCES, errno.ENOSPC, errno.EMFILE)),
    OSError(errno.EIO, os.strerror(errno.EIO)),
    MemoryError("Unable to allocate 3 GiB"),
]


def everything(found):
    """A reader's whole answer: what yields is read to its end."""
    return list(found) if hasattr(found, "__next__") else found


def refusing(monkeypatch, folder, fault, suffix=""):
    """Let the system refuse every file of a folder, or those with a suffix."""

    def refused(path):
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
        return text.startswith(f"{folder}/") and text.endswith(suffix) and "." in text

    plain_open = builtins.open
    for module in (builtins, io):

        def opened(path, *arguments, **named):
            if refused(path):
                if isinstance(fault, OSError):
                    raise type(fault)(fault.errno, fault.strerror, os.fspath(path))
                raise fault
            return plain_open(path, *arguments, **named)

        monkeypatch.setattr(module, "open", opened)
    plain_scan = pl.scan_parquet

    def scanned(path, **named):
        if refused(path):
            # As Rust's library tells of it.
            if isinstance(fault, OSError):
                raise pl.exceptions.ComputeError(f"{fault.strerror} (os error {fault.errno})")
            raise fault
        return plain_scan(path, **named)

    monkeypatch.setattr(pl, "scan_parquet", scanned)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: getattr(fault, "strerror", "memory"))
@pytest.mark.parametrize("kind", READERS)
def test_a_refusal_is_told_as_one(data, monkeypatch, kind, fault):
    refusing(monkeypatch, data, fault)
    with pytest.raises((InputError, OSError, MemoryError)) as raised:
        everything(READERS[kind](data))
    # What is no InputError the job's log makes one of.
    error = raised.value
    told = str(error if isinstance(error, InputError) else system_fault(error, verb="be read"))
    named = "Memory ran out" if isinstance(fault, MemoryError) else fault.strerror
    assert named in told and "run again" in told and "\n" not in told
    assert not any(advice in told.lower() for advice in HARMFUL if named != "Memory ran out")


@pytest.mark.parametrize("kind", ["coco", "flickr", "table", "imagenet"])
@pytest.mark.parametrize("suffix", [".png", ".xml"])
def test_a_picture_or_its_boxes_that_the_system_refuses_is_no_rejected_item(
    data, monkeypatch, kind, suffix
):
    fault = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    refusing(monkeypatch, data, fault, suffix)
    if suffix == ".xml" and kind != "imagenet":
        assert everything(READERS[kind](data))
        return
    with pytest.raises(InputError, match="Too many open files"):
        everything(READERS[kind](data))


@pytest.mark.parametrize("kind", sorted(READERS.keys() - {"annotations of Detic"}))
def test_readers_of_the_test_read_what_is_in_order(data, kind):
    assert len(everything(READERS[kind](data)))
