"""Open-vocabulary detectors of random weights, against the post-processing of Transformers."""

import json
import os
import shutil
from unittest import mock

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from transformers import (
    AutoProcessor,
    BertConfig,
    BertTokenizer,
    CLIPTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    Owlv2Config,
    Owlv2ForObjectDetection,
    Owlv2ImageProcessor,
    Owlv2Processor,
    SwinConfig,
)

from dejavu.encoders import detectors
from dejavu.errors import InputError
from dejavu.labels import annotations, detection

pytestmark = pytest.mark.slow

NAMES = ["cat", "dog", "house", "red truck", "traffic light"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)) for _ in range(5)]


@pytest.fixture(scope="module")
def owl(tmp_path_factory):
    """A folder with OWLv2 of random weights, which reads letters as tokens."""
    folder = tmp_path_factory.mktemp("owl")
    letters = list("abcdefghijklmnopqrstuvwxyz.")
    tokens = ["!", *letters, *(f"{each}</w>" for each in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    places = {token: place for place, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(places))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        pad_token="!",
        model_max_length=24,
    )
    tower = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = {"vocab_size": len(tokens), "max_position_embeddings": 24, "pad_token_id": 0}
    text |= {"bos_token_id": places[tokens[-2]], "eos_token_id": places[tokens[-1]]}
    torch.manual_seed(0)
    config = Owlv2Config(
        text_config=tower | text,
        vision_config=tower | {"image_size": 64, "patch_size": 16},
        projection_dim=32,
    )
    Owlv2ForObjectDetection(config).save_pretrained(folder)
    images = Owlv2ImageProcessor(size={"height": 64, "width": 64})
    Owlv2Processor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dino(tmp_path_factory):
    """A folder with Grounding DINO of random weights, which reads words as tokens."""
    folder = tmp_path_factory.mktemp("dino")
    # The places of its special tokens are built into the model.
    tokens = [f"[unused{place}]" for place in range(1060)]
    special = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    for place, token in (special | {1012: ".", 1029: "?"}).items():
        tokens[place] = token
    tokens[1030:1038] = ["a", "cat", "dog", "house", "red", "truck", "traffic", "light"]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    torch.manual_seed(0)
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=64,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=2,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=BertConfig(
            vocab_size=len(tokens),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=20,
        max_text_len=16,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    tokenizer = BertTokenizer(vocab=str(folder / "vocab.txt"))
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def loaded(folder, names=NAMES, prompt="{}", batch=2):
    settings = {"model": str(folder), "prompt": prompt, "batch": batch}
    return detectors.load(settings, names, CPU, allow_download=False)


def test_owlv2_scores_are_those_of_its_own_post_processing(owl, pictures):
    processor = AutoProcessor.from_pretrained(owl, local_files_only=True)
    model = Owlv2ForObjectDetection.from_pretrained(owl).eval()
    texts = [[f"a {name}" for name in NAMES]] * len(pictures)
    inputs = processor(text=texts, images=pictures, return_tensors="pt", truncation=True)
    with torch.inference_mode():
        outputs = model(**inputs)
    results = processor.post_process_grounded_object_detection(
        outputs, threshold=0.0, text_labels=[NAMES] * len(pictures)
    )
    expected = np.zeros((len(pictures), len(NAMES)))
    for row, result in enumerate(results):
        for score, label in zip(result["scores"], result["text_labels"], strict=True):
            column = NAMES.index(label)
            expected[row, column] = max(expected[row, column], float(score))
    found = loaded(owl, prompt="a {}").best_scores(pictures)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (found == 0).sum() == (expected == 0).sum() > 0


def test_grounding_dino_scores_are_those_of_its_own_post_processing(dino, pictures):
    detector = loaded(dino)
    assert detector.chunks == [NAMES]
    processor = AutoProcessor.from_pretrained(dino, local_files_only=True)
    model = GroundingDinoForObjectDetection.from_pretrained(dino).eval()
    expected = np.zeros((len(pictures), len(NAMES)))
    for row, picture in enumerate(pictures):
        inputs = processor(text=". ".join(NAMES) + ".", images=picture, return_tensors="pt")
        with torch.inference_mode():
            outputs = model(**inputs)
        (kept,) = processor.post_process_grounded_object_detection(outputs, threshold=0.0)
        tokens = processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0])
        words = [place for place, token in enumerate(tokens) if token[0] not in ".["]
        for score, logits in zip(kept["scores"], outputs.logits[0], strict=True):
            # Of a text threshold that one word alone passes, the phrase is that word.
            best = tokens[max(words, key=lambda place: float(logits[place]))]
            column = next(place for place, name in enumerate(NAMES) if best in name.split())
            expected[row, column] = max(expected[row, column], float(score))
    np.testing.assert_allclose(detector.best_scores(pictures), expected, atol=1e-5)


def test_a_vocabulary_that_no_text_holds_is_asked_for_in_parts(dino, pictures):
    names = [*NAMES, "cat house", "dog truck", "light house."]
    detector = loaded(dino, names)
    assert [len(chunk) for chunk in detector.chunks] == [5, 3]
    found = detector.best_scores(pictures)
    assert found.shape == (len(pictures), len(names))
    np.testing.assert_allclose(found[:, :5], loaded(dino).best_scores(pictures), atol=1e-6)
    with pytest.raises(InputError, match=r"'cat cat cat .* is too long for the detector"):
        loaded(dino, ["cat " * 20])


@pytest.mark.parametrize("folder", ["owl", "dino"])
def test_detections_are_the_same_whatever_the_order(folder, pictures, tmp_path, request):
    model = request.getfixturevalue(folder)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(str(tmp_path / f"{number}.png"))
        picture.save(paths[-1])
    images = pl.DataFrame({"id": [f"{number}" for number in range(5)], "image": paths})
    settings = {"kind": "detector", "model": str(model), "prompt": "{}", "batch": 2}
    settings |= {"vocabulary": str(tmp_path / "names.txt"), "per_image": 3}
    found = detection.detect(images, settings, threads=1)
    assert found.schema == annotations.SCHEMA
    assert found.filter(pl.col("label").is_null())["id"].to_list() == images["id"].to_list()
    scores = loaded(model).best_scores(pictures)
    for number in range(5):
        rows = found.filter(pl.col("id") == f"{number}", pl.col("label").is_not_null())
        assert len(rows) <= 3
        best = np.sort(scores[number])[::-1][: len(rows)]
        np.testing.assert_allclose(rows["score"].to_numpy(), best, atol=1e-5)
    again = detection.detect(images.reverse(), settings, threads=1)
    joined = found.drop_nulls().join(again.drop_nulls(), on=["id", "label"])
    assert len(joined) == len(found.drop_nulls())
    np.testing.assert_allclose(joined["score"], joined["score_right"], atol=1e-5)


def test_the_highest_scores_are_kept_and_none_of_nothing():
    scores = np.float32([[0.1, 0.5, 0.5, 0], [0, 0, 0, 0], [0.3, 0, 0.2, 0.4]])
    rows, columns = detection.highest(scores, 2)
    assert [*zip(rows, columns, strict=True)] == [(0, 1), (0, 2), (2, 3), (2, 0)]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (None, "it does not load .* set `allow_download: true` to fetch it"),
        ({"model_type": "detr"}, "is of the kind 'detr'; known are owlv2, grounding-dino"),
        ({"model_type": "owlv2"}, "does not load"),
    ],
)
def test_a_detector_that_is_none_is_one_sentence(tmp_path, config, told):
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=told):
        loaded(tmp_path if config else "google/owlv2-nowhere")


def test_weights_that_would_run_code_are_refused(owl, tmp_path):
    folder, mark = tmp_path / "owl", tmp_path / "mark"
    shutil.copytree(owl, folder)
    (folder / "model.safetensors").unlink()

    class Call:
        def __reduce__(self):
            return os.system, (f"touch {mark}",)

    torch.save({"logit_scale": Call()}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="it does not load"):
        loaded(folder)
    assert not mark.exists()


def test_a_hub_out_of_reach_is_told(monkeypatch):
    broken = mock.Mock(side_effect=ConnectionError("no route"))
    monkeypatch.setattr("transformers.AutoConfig.from_pretrained", broken)
    with pytest.raises(InputError, match=r"The detector .*: the hub .* can't be reached"):
        loaded("google/owlv2-nowhere")
