"""Zero-shot classification: which class a sample is of, and what stands for a class."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

import utility as utility_table
from dejavu.audits import utility
from dejavu.audits.utility import NONE
from dejavu.files.facts import write_json

CLASSES = {"vehicle": ["car", "bus"], "cow": ["cow"], "fruit": ["apple"]}


def test_a_sample_is_of_the_one_class_whose_labels_it_has():
    objects = [["bus", "car"], ["cow", "tree"], ["apple", "cow"], ["tree"], [], ["apple"]]
    found = utility.true_classes(pl.Series(objects), CLASSES)
    assert found.tolist() == [0, 1, NONE, NONE, NONE, 2]


def test_a_label_of_two_classes_tells_neither():
    both = {"a": ["car"], "b": ["car", "bus"]}
    found = utility.true_classes(pl.Series([["car"], ["bus"]]), both)
    assert found.tolist() == [NONE, 1]


def test_a_class_is_the_mean_of_its_prompts():
    vectors = {
        "one cow": [1, 0, 0],
        "two cow": [0, 1, 0],
        "one car": [0, 0, 1],
        "two car": [0, 0, 1],
    }

    def encode(texts):
        return np.array([vectors[text] for text in texts], dtype=np.float32)

    found = utility.class_vectors(encode, ["cow", "car"], ["one {}", "two {}"])
    half = np.sqrt(0.5)
    assert found == pytest.approx(np.array([[half, half, 0], [0, 0, 1]]))


def test_a_name_in_both_domains_has_a_row_for_each(tmp_path):
    paths = []
    for domain, task, right in (("vlm", "zero_shot", 30), ("vision", "linear_probe", 90)):
        paths.append(str(tmp_path / f"{domain}.json"))
        facts = {"domain": domain, "model": "net", "task": task, "right": right, "images": 100}
        write_json(paths[-1], facts)
    output = str(tmp_path / "utility.csv")
    utility_table.main(
        SimpleNamespace(input=paths, output=[output], params=SimpleNamespace(digest="config"))
    )
    found = pl.read_csv(output)
    assert found.select("domain", "model", "task", "accuracy").rows() == [
        ("vlm", "net", "zero_shot", 0.3),
        ("vision", "net", "linear_probe", 0.9),
    ]
    assert (found["accuracy_low"] < found["accuracy"]).all()
    assert (found["accuracy"] < found["accuracy_high"]).all()
