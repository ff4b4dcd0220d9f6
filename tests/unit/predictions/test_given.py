"""Labels that somebody's own pipeline predicts, as predictions of the workflow's form."""

import numpy as np
import polars as pl
import pytest

from dejavu.errors import InputError
from dejavu.predictions import given

IDS = pl.Series(["a", "b", "c"])
KNOWN = {"cat", "dog", "é"}


def written(folder, prediction, **columns):
    """A file with a row of another sample before those of `c`, `a` and `b`."""
    path = folder / "given.parquet"
    first = ["nothing"] if isinstance(prediction[1], list) else "nothing"
    rows = {"sample": ["z", "c", "a", "b"], "prediction": [first, *prediction], **columns}
    pl.DataFrame(rows).write_parquet(path)
    return path


@pytest.mark.parametrize("form", ["labels", "lists"])
def test_labels_are_those_of_the_file_by_id(tmp_path, form):
    labels = ["cat", "dog", "é"]
    if form == "lists":
        labels = [["cat", "dog"], ["dog"], ["é", "cat", "dog", "x", "y", "z"]]
    found, classes = given.labels(written(tmp_path, labels), IDS, KNOWN, needs_confidence=False)
    assert [classes[code] for code in found.first] == ["dog", "é", "cat"]
    if form == "lists":
        ranked = [[classes[code] for code in row if code >= 0] for row in found.top]
        assert ranked == [["dog"], ["é", "cat", "dog", "x", "y"], ["cat", "dog"]]
    assert not np.any([found.confidence, found.entropy, found.tiebreak])


def test_confidence_is_minus_the_entropy(tmp_path):
    path = written(tmp_path, ["cat", "dog", "é"], confidence=[9.0, -0.5, 0.0, -1.25])
    found, _ = given.labels(path, IDS, KNOWN, needs_confidence=True)
    assert found.confidence.tolist() == [0, -1.25, -0.5]
    assert found.entropy.tolist() == [0, 1.25, 0.5]


def test_no_crops_are_no_predictions(tmp_path):
    path = written(tmp_path, ["cat", "dog", "é"])
    found, classes = given.labels(path, IDS[:0], KNOWN, needs_confidence=False)
    assert found.top.shape == (0, 5) and classes == []


@pytest.mark.parametrize(
    ("labels", "columns", "told"),
    [
        (["cat", None, "é"], {}, "row 2 predicts no label: give each sample one"),
        ([["cat"], ["dog"], []], {}, "row 3 predicts no label"),
        ([["cat"], ["dog"], ["é", None]], {}, "row 3 predicts no label"),
        (["n01", "n02", "n03"], {}, "no prediction is a label that images have, 'n02' for one"),
        (["cat", "dog", "é"], {}, "has no column 'confidence', by which vision.confident"),
        (["cat", "dog", "é"], {"confidence": [1.0, 2.0, None, 1.0]}, "row 2 has no number as 'con"),
        (["cat", "dog", "é"], {"confidence": ["1", "x", "1", "1"]}, "holds String, no numbers"),
        ([["cat", "cat"], ["dog"], ["é"]], {}, "row 1 names a label twice"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_row(tmp_path, labels, columns, told):
    path = written(tmp_path, labels, **columns)
    with pytest.raises(InputError) as found:
        given.labels(path, IDS, KNOWN, needs_confidence=True)
    assert told in str(found.value) and str(path) in str(found.value)
    assert "\n" not in str(found.value)
