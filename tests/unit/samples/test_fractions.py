"""Parts of sets: nested, class by class, and the same that is measured."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.samples import fractions


@given(st.integers(1, 300), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_smaller_part_lies_within_a_larger_one(samples, one, other):
    smaller, larger = (fractions.first_samples(samples, each) for each in sorted((one, other)))
    assert smaller.sum() >= 1 and not (smaller & ~larger).any()
    assert fractions.first_samples(samples, 1).all()
    assert smaller.sum() == pytest.approx(min(one, other) * samples, abs=1)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_part_has_its_share_of_every_class(labels, fraction):
    chosen = fractions.first_of_classes(labels, fraction)
    for label in set(labels):
        places = np.flatnonzero(np.array(labels) == label)
        count = max(1, int(fraction * len(places) + 1e-9))
        assert (
            np.flatnonzero(chosen & (np.array(labels) == label)).tolist() == places[:count].tolist()
        )


def test_a_part_is_the_decimal_that_it_is_written_as():
    assert [fractions.part_of(30, each) for each in (0.1, 0.3, 0.7)] == [3, 9, 21]


@pytest.fixture
def shards(tmp_path):
    """Records of a set in two shards, and of a further set in one."""
    sizes = {"a0": 6, "a1": 4, "more": 7}
    for name, size in sizes.items():
        table = pa.table(
            {
                "sample": np.arange(size) + 100 * len(name) + (10 if name == "a1" else 0),
                "image": [f"{name}.{row}" for row in range(size)],
                "caption": [f"of {name}.{row}" for row in range(size)],
                "label": [("x", "y")[row % 2] for row in range(size)],
            }
        )
        write_parquet(tmp_path / f"{name}.parquet", table)
    return [str(tmp_path / f"{name}.parquet") for name in ("a0", "a1")], [
        str(tmp_path / "more.parquet")
    ]


def test_a_part_in_which_a_class_has_no_share_is_told_with_its_size(shards):
    labels = ["x"] * 20 + ["y"] * 5
    fractions.check_classes("The model", 0.2, labels)
    told = r"The model's `train_fraction` is 0.19, and the class 'y' has 5 of the 25 images"
    with pytest.raises(InputError, match=told):
        fractions.check_classes("The model", 0.19, labels)
    with pytest.raises(InputError, match="has 5 of the 10 images"):
        fractions.read_images(shards[0], 1e-9, [], None)


def test_a_part_that_is_less_than_a_batch_is_told_with_its_size(capsys):
    fractions.check_batch("Model a", 0.1, 64, 64)
    # The whole of a small set is one batch, as ever.
    fractions.check_batch("Model a", 1, 10, 64)
    assert capsys.readouterr().err == ""
    fractions.check_batch("Model a", 0.1, 63, 64)
    told = "Warning: Model a's `train_fraction` is 0.1, for which it is trained on 63 samples, less"
    assert capsys.readouterr().err.startswith(told)
    with pytest.raises(InputError, match=r"trained on 15 samples: raise it, for at least 16"):
        fractions.check_batch("Model a", 0.1, 15, 64)


def test_pairs_are_the_first_of_the_set_and_so_many_times_its_size_of_the_further_one(shards):
    images, captions = fractions.read_pairs(*shards[:1], 0.7, shards[1], 0.3)
    assert images == [*(f"a0.{row}" for row in range(6)), "a1.0", "more.0", "more.1", "more.2"]
    assert captions == [f"of {image}" for image in images]
    whole = [*(f"a0.{row}" for row in range(6)), *(f"a1.{row}" for row in range(4))]
    assert fractions.read_pairs(shards[0], 1, [], 0)[0] == whole
    with pytest.raises(InputError, match=r"`extra` is 0\.8, for which 8 samples .* holds 7"):
        fractions.read_pairs(shards[0], 1, shards[1], 0.8)


def test_images_are_drawn_class_by_class_and_all_of_shared_is_taken_unless_told(shards):
    images, labels = fractions.read_images(shards[0], 1, shards[1], None)
    assert len(images) == 17 and labels[-3:] == ["x", "y", "x"]
    assert fractions.read_images(shards[0], 0.5, shards[1], 0)[0] == [
        "a0.0",
        "a0.1",
        "a0.2",
        "a0.3",
    ]
    found, _ = fractions.read_images(shards[0], 1, shards[1], 0.2)
    assert len(found) == 12 and found[-2:] == ["more.0", "more.1"]
    half, _ = fractions.read_images(shards[0], 0.5, shards[1], None)
    assert half[4:] == ["more.0", "more.1", "more.2"]


def test_what_is_not_measured_is_what_was_not_learned(shards):
    everything = [*range(200, 206), *range(210, 214)]
    assert fractions.beyond(shards[0], 0.7).tolist() == everything[7:]
    assert fractions.beyond(shards[0], 1).tolist() == []
    assert fractions.beyond_of_classes(shards[0], 0.5).tolist() == everything[4:]
