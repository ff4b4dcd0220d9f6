"""Splits by class, against a loop written from the definition."""

from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.samples.class_splits import SETS, assign, by_lists
from dejavu.samples.hashes import keyed_hash


def folder(classes):
    """Rows of classes given as label -> (boxed images, images without boxes)."""
    rows = [
        (f"{label}_{number}", label, number < boxed)
        for label, (boxed, others) in classes.items()
        for number in range(boxed + others)
    ]
    return pl.DataFrame(rows, schema=["id", "label", "boxed"], orient="row")


def loop(images, n_per_class, control_per_class, seed):
    """The method's sentences, one after the other."""
    result = {}
    for label in images["label"].unique():
        rows = images.filter(pl.col("label") == label)
        order = sorted(
            rows.rows(), key=lambda row: int(keyed_hash([row[0]], seed, "class_splits")[0])
        )
        boxed = [row[0] for row in order if row[2]]
        others = [row[0] for row in order if not row[2]]
        result |= dict.fromkeys(boxed[:control_per_class], "control")
        trained = {"A": 0, "B": 0}
        for turn, identifier in enumerate(boxed[control_per_class:]):
            name = "AB"[turn % 2]
            if trained[name] < n_per_class:
                result[identifier] = name
                trained[name] += 1
            else:
                result[identifier] = "public"
        for identifier in others:
            if min(trained.values()) < n_per_class:
                result[identifier] = "shared"
                trained = {name: count + 1 for name, count in trained.items()}
            else:
                result[identifier] = "public"
    return [result[identifier] for identifier in images["id"]]


settings_of_splits = {
    "n_per_class": st.integers(1, 6),
    "control_per_class": st.integers(0, 4),
    "seed": st.integers(0, 2**31),
}


@st.composite
def sufficient_folders(draw):
    n, control, seed = (draw(strategy) for strategy in settings_of_splits.values())
    classes = {}
    for label in "xyz"[: draw(st.integers(1, 3))]:
        boxed = control + draw(st.integers(2, 2 * n + 4))
        missing = max(0, n - (boxed - control) // 2)
        classes[label] = boxed, missing + draw(st.integers(0, 4))
    return folder(classes), n, control, seed


@settings(deadline=None, max_examples=60)
@given(sufficient_folders(), st.randoms())
def test_sets_are_the_definitions_whatever_the_order_of_rows(example, random):
    images, n, control, seed = example
    options = {"n_per_class": n, "control_per_class": control, "seed": seed}
    sets = assign(images, **options)
    assert sets.name == "set"
    assert set(sets) <= set(SETS)
    assert sets.to_list() == loop(images, n, control, seed)
    order = list(range(len(images)))
    random.shuffle(order)
    assert assign(images[order], **options).to_list() == sets[order].to_list()


def test_sizes_are_those_asked_for():
    images = folder({"x": (50, 30), "y": (21, 30)})
    assigned = images.with_columns(assign(images, n_per_class=15, control_per_class=10, seed=3))
    count = Counter(zip(assigned["label"], assigned["set"], strict=True))
    assert [count["x", name] for name in SETS] == [15, 15, 0, 40, 10]
    # 11 boxed images are left for A and B: six and five, and ten others to fill B.
    assert [count["y", name] for name in SETS] == [6, 5, 10, 20, 10]


def test_another_seed_gives_other_sets_and_one_class_does_not_touch_another():
    images = folder({"x": (40, 0), "y": (40, 0)})
    options = {"n_per_class": 10, "control_per_class": 10}
    first = assign(images, seed=0, **options)
    assert first.to_list() != assign(images, seed=1, **options).to_list()
    assert first[:40].to_list() == assign(images[:40], seed=0, **options).to_list()


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (
            {"big": (40, 0), "few": (6, 50)},
            r"Class few has 6 images with .*takes 5 .*: lower",
        ),
        ({"none": (0, 50), "one": (1, 0)}, r"Class none has 0 .*\(2 classes are short\)"),
        ({"big": (40, 0), "small": (13, 3)}, r"Class small has 16 images, 13 .*7 instead of 10"),
    ],
)
def test_classes_that_are_too_small_are_named(classes, words):
    with pytest.raises(InputError, match=words):
        assign(folder(classes), n_per_class=10, control_per_class=5, seed=0)


def listed(tmp_path, **lists):
    paths = {}
    for name, places in lists.items():
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], places)
    return paths


def test_lists_of_places_say_which_image_is_in_which_set(tmp_path):
    images = pl.DataFrame({"position": [4, 0, 3, 6, 1]})
    lists = listed(
        tmp_path, A=np.array([6, 0, 5]), B=np.array([4]), shared=[], public=np.int32([3])
    )
    sets = by_lists(images, lists, rejected=2)
    assert sets.to_list() == ["B", "A", "public", "A", None]
    lists |= listed(tmp_path, A=np.array([6.0, 0.0, 5.0]))
    assert by_lists(images, lists, rejected=2).to_list() == sets.to_list()


@pytest.mark.parametrize(
    ("lists", "told"),
    [
        ({"A": [0, 1], "B": [2, 1]}, "lists of A and B share 1 images, as 1"),
        ({"A": [0], "B": [9]}, r"B\.npy names the image 9, and the folder has at most 9"),
        ({"A": [-1]}, r"A\.npy names the image -1"),
        ({"A": [0.5]}, "is not a list of whole numbers"),
        ({"A": [np.inf]}, "is not a list of whole numbers"),
        ({"A": ["0"]}, "is not a list of whole numbers"),
        ({"A": [[0]]}, "is not a list of whole numbers"),
        ({"A": np.array([{}], dtype=object)}, r"A\.npy cannot be read as \.npy: Object arrays"),
    ],
)
def test_lists_that_fit_no_folder_are_one_sentence(tmp_path, lists, told):
    images = pl.DataFrame({"position": [4, 0, 3, 6, 1]})
    with pytest.raises(InputError, match=told):
        by_lists(images, listed(tmp_path, **lists), rejected=2)
