"""Zero-shot classification: which class a sample is of, what stands for a class; linear probes."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedKFold

import probe_embeddings
import utility as utility_table
from dejavu.audits import probe, regression, utility
from dejavu.audits.utility import NONE
from dejavu.errors import InputError
from dejavu.files.embeddings import write_embeddings
from dejavu.files.facts import read_json, write_json
from dejavu.files.parquet import write_parquet
from dejavu.samples.hashes import keyed_hash

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


def blobs(rng, labels, spread):
    """Features that lie about one place for each label."""
    places = np.random.default_rng(1).normal(size=(8, 5))
    return (places[labels] + spread * rng.normal(size=(len(labels), 5))).astype(np.float32)


def probed(features, labels):
    """Labels of every other row that scikit-learn's own cross-validated regression predicts."""
    fitted, told = features[::2].astype(float), features[1::2].astype(float)
    mean, spread = fitted.mean(axis=0), fitted.std(axis=0)
    model = LogisticRegressionCV(
        **{"Cs": regression.STRENGTHS, "cv": StratifiedKFold(3), "scoring": "neg_log_loss"},
        **{"max_iter": 2000, "l1_ratios": (0,), "use_legacy_attributes": False},
    )
    # The folds are standardised together, which does not matter to the strength chosen here.
    model.fit((fitted - mean) / spread, labels[::2])
    return int((model.predict((told - mean) / spread) == labels[1::2]).sum())


def test_a_probe_counts_what_it_was_not_fitted_to():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 3, 301)
    features = blobs(rng, labels, 1.5)
    found = probe.counted(features, labels, 1)
    assert found == {"task": "linear_probe", "right": probed(features, labels), "images": 150}
    assert 75 < found["right"] < 149
    # What half fits tells nothing of labels that mean nothing.
    noise = probe.counted(features, rng.permutation(labels), 1)
    assert noise["right"] < 75


def test_a_probe_takes_each_image_once_in_the_order_of_the_keyed_hash():
    ids = [f"{number}" for number in range(40)]
    images = [f"{number // 2}.jpg" for number in range(40)]
    labels = [number // 2 % 4 for number in range(40)]
    frame = pl.DataFrame({"id": ids, "image": images, "label": labels})
    hashes = keyed_hash(ids, 7, "probe")
    order = sorted(range(40), key=lambda row: hashes[row])
    expected = list(dict.fromkeys(images[row] for row in order))[:12]
    for sizes in ([40], [10, 30], [1] * 40):
        ends = np.cumsum([0, *sizes]).tolist()
        shards = [frame[start:end] for start, end in pairwise(ends)]
        found = probe.chosen(shards, 12, 7, "vlm")
        assert found["image"].to_list() == expected
        assert found["label"].to_list() == [int(image[:-4]) % 4 for image in expected]
    for shards in ([], [frame.filter(label=2)]):
        with pytest.raises(InputError, match=r"two labels .* leave vlm.utility out"):
            probe.chosen(shards, 12, 7, "vlm")


@pytest.mark.parametrize("other", [False, True])
def test_embeddings_of_images_of_one_class_are_probed(tmp_path, other):
    rng = np.random.default_rng(3)
    samples, embeddings, known = [], [], {}
    for shard in range(2):
        labels = rng.integers(0, 4, 150)
        features = blobs(rng, labels, 1.5)
        numbers = 1000 * shard + np.arange(150)
        names = np.array(["car", "bus", "cow", "tree"])[labels]
        ids = [f"{number}" for number in numbers]
        # A car beside an apple is of two classes, a tree of none, but of one beside an apple.
        objects = [[name, "apple"] if row % 3 == 0 else [name] for row, name in enumerate(names)]
        columns = {"sample": numbers, "id": ids, "image": ids, "objects": objects}
        samples.append(str(tmp_path / f"{shard}.parquet"))
        embeddings.append(str(tmp_path / f"clip/{shard}.parquet"))
        write_parquet(samples[-1], pa.table(columns))
        facts = {"model": "clip", "fingerprint": f"{shard * other}", "versions": {}}
        write_embeddings(embeddings[-1], numbers, features, {**facts, "normalised": True})
        for row in range(150):
            classes = [0, 0, 1, None] if row % 3 else [None, None, None, 2]
            if classes[labels[row]] is not None:
                known[ids[row]] = features[row], classes[labels[row]]
    params = {"classes": CLASSES, "images": 150, "seed": 4, "threads": 1, "name": "clip"}
    job = SimpleNamespace(
        input=SimpleNamespace(samples=samples, embeddings=embeddings),
        output=[str(tmp_path / "probe.json")],
        params=SimpleNamespace(**params),
    )
    if other:
        with pytest.raises(InputError, match="made by another model"):
            probe_embeddings.main(job)
        return
    probe_embeddings.main(job)
    ids = list(known)
    hashes = keyed_hash(ids, 4, "probe")
    order = sorted(range(len(ids)), key=lambda row: hashes[row])[:150]
    features, labels = (np.array([known[ids[row]][each] for row in order]) for each in range(2))
    assert read_json(tmp_path / "probe.json") == {
        **{"domain": "vlm", "model": "clip", "task": "linear_probe"},
        **{"right": probed(features, labels), "images": 75},
    }
