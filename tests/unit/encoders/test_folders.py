"""Folders of models that would run something if a library took them by their word."""

import json
import os
import pickle
import shutil

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPModel,
    Owlv2Config,
    Owlv2ForObjectDetection,
)

from dejavu.encoders import clip, detectors, folders, text, transformers
from dejavu.errors import InputError
from tests.unit.encoders.test_clip import TINY

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
VISION = {**SMALL, "image_size": 16, "patch_size": 8}
TOWERS = {
    "text_config": {**SMALL, "vocab_size": 20, "max_position_embeddings": 8},
    "vision_config": VISION,
    "projection_dim": 16,
}


class Harm:
    """What a pickle does when it is trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def edit(path, **changes):
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**content, **changes}))


def open_clip_folder(place):
    import open_clip
    from safetensors.torch import save_file

    place.mkdir()
    model = open_clip.CLIP(**TINY)
    (place / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    save_file(model.state_dict(), place / "open_clip_model.safetensors")


def transformers_folder(place):
    CLIPModel(CLIPConfig(**TOWERS)).save_pretrained(place)


def text_folder(place):
    BertModel(BertConfig(vocab_size=7, **SMALL)).save_pretrained(place)
    words = {word: n for n, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])}
    BertTokenizer(vocab=words).save_pretrained(place)
    modules = [
        {
            "idx": 0,
            "name": "0",
            "path": "",
            "type": "sentence_transformers.models.Transformer",
        },
        {
            "idx": 1,
            "name": "1",
            "path": "1_Pooling",
            "type": "sentence_transformers.models.Pooling",
        },
    ]
    (place / "modules.json").write_text(json.dumps(modules))
    (place / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True}
    (place / "1_Pooling/config.json").write_text(json.dumps(pooling))


def detector_folder(place):
    Owlv2ForObjectDetection(Owlv2Config(**TOWERS)).save_pretrained(place)


LOADERS = {
    "open_clip": (
        open_clip_folder,
        lambda p: clip.load("m", {"architecture": f"local-dir:{p}"}, CPU, False),
    ),
    "transformers": (
        transformers_folder,
        lambda p: transformers.load("m", {"model": str(p)}, CPU, False),
    ),
    "text": (text_folder, lambda p: text.load("m", {"model": str(p)}, 2, CPU, False)),
    "detector": (
        detector_folder,
        lambda p: detectors.load(
            {"model": str(p), "prompt": "a {}", "batch": 2}, ["dog"], CPU, False
        ),
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder for each loader, as its library writes it."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("made")
    for name, (make, _) in LOADERS.items():
        make(root / name)
    return root


@pytest.fixture
def folder(made, tmp_path):
    """A copy of a loader's folder, with a module beside it that leaves a mark where it is run."""

    def copied(name):
        place = tmp_path / "model"
        shutil.copytree(made / name, place)
        (place / "harmful.py").write_text(
            f"open({str(tmp_path / 'harm')!r}, 'w')\n"
            "class Config: pass\nclass Model: pass\nclass Tokenizer: pass\n"
        )
        return place

    return copied


def refused(name, place):
    with pytest.raises(InputError) as told:
        LOADERS[name][1](place)
    assert not (place.parent / "harm").exists()
    sentence = str(told.value)
    for word in ("\n", "weights_only=False", "trust_remote_code=True"):
        assert word not in sentence
    return sentence


@pytest.mark.parametrize("name", ["open_clip", "text"])
def test_folders_load_that_the_others_spoil(folder, name):
    assert LOADERS[name][1](folder(name)).encode_texts(["a"]).shape == (1, 16)


AUTO_MAP = {"AutoConfig": "harmful.Config", "AutoTokenizer": ["harmful.Tokenizer", None]}
# For each loader: the file, what it says, and the key that the sentence names.
SPOILT = [
    ("open_clip", "tokenizer_config.json", {"auto_map": AUTO_MAP}, "auto_map"),
    ("transformers", "config.json", {"auto_map": AUTO_MAP}, "auto_map"),
    ("transformers", "config.json", {"trust_remote_code": True}, "trust_remote_code"),
    ("transformers", "config.json", {"attn_implementation": "some/kernel"}, "attn_implementation"),
    ("transformers", "processor_config.json", {"auto_map": AUTO_MAP}, "auto_map"),
    ("text", "config.json", {"auto_map": AUTO_MAP}, "auto_map"),
    (
        "text",
        "sentence_bert_config.json",
        {"model_args": {"trust_remote_code": True}},
        "model_args.trust_remote_code",
    ),
    (
        "text",
        "sentence_bert_config.json",
        {"model_args": {"weights_only": False}},
        "model_args.weights_only",
    ),
    ("text", "sentence_bert_config.json", {"model_args": {"subfolder": ".."}}, "model_args"),
    ("text", "1_Pooling/config.json", {"activation_function": "harmful.Model"}, "activation"),
    ("text", "1_Pooling/router_config.json", {"types": {"a": "harmful.Model"}}, "types"),
    ("text", "1_Pooling/config.json", {"tokenizer_class": "harmful.Model"}, "tokenizer_class"),
    ("detector", "config.json", {"auto_map": AUTO_MAP}, "auto_map"),
    ("detector", "config.json", {"backbone": "some/model"}, "backbone"),
    ("detector", "config.json", {"use_pretrained_backbone": True}, "use_pretrained_backbone"),
    ("detector", "adapter_config.json", {"base_model_name_or_path": "a/b"}, "base_model"),
]


@pytest.mark.parametrize(("name", "file", "changes", "key"), SPOILT)
def test_settings_that_name_code_hubs_or_trust_are_refused(folder, name, file, changes, key):
    place = folder(name)
    edit(place / file, **changes)
    assert key in refused(name, place)


@pytest.mark.parametrize(
    ("part", "changes", "key"),
    [
        (
            "text_cfg",
            {"hf_tokenizer_name": ".", "tokenizer_kwargs": {"trust_remote_code": True}},
            "trust_remote_code",
        ),
        ("text_cfg", {"hf_model_name": "roberta-base"}, "text_cfg.hf_model_name"),
        ("text_cfg", {"tokenizer_kwargs": {"use_fast": False}}, "tokenizer_kwargs.use_fast"),
        ("vision_cfg", {"timm_model_name": "hf-hub:some/model"}, "hf-hub:some/model"),
        ("vision_cfg", {"timm_model_name": "local-dir:."}, "local-dir:."),
        (None, {"pretrained_image_path": "x.pt"}, "pretrained_image_path"),
    ],
)
def test_of_open_clips_config_the_architecture_alone_is_taken(folder, part, changes, key):
    place = folder("open_clip")
    config = {**TINY, **(changes if part is None else {part: {**TINY[part], **changes}})}
    edit(place / "open_clip_config.json", model_cfg=config)
    if "trust" in key:
        # What it would be trusted for.
        edit(place / "tokenizer_config.json", tokenizer_class="Tokenizer", auto_map=AUTO_MAP)
    assert key in refused("open_clip", place)


def test_modules_of_others_are_not_imported(folder):
    place = folder("text")
    modules = json.loads((place / "modules.json").read_text())
    modules[1]["type"] = "harmful.Model"
    (place / "modules.json").write_text(json.dumps(modules))
    assert "to import 'harmful.Model'" in refused("text", place)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("open_clip", "open_clip_pytorch_model.bin"),
        ("transformers", "pytorch_model.bin"),
        ("text", "pytorch_model.bin"),
        ("detector", "pytorch_model.bin"),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_pickled_weights_of_a_folder_are_not_run(folder, name, file, plain):
    place = folder(name)
    for weights in place.glob("*.safetensors"):
        weights.unlink()
    harmful = {"weight": Harm(place.parent / "harm")}
    if plain:
        (place / file).write_bytes(pickle.dumps(harmful))
    else:
        torch.save(harmful, place / file)
    refused(name, place)


@pytest.mark.parametrize("name", LOADERS)
def test_pipes_and_devices_in_a_folder_do_not_block(folder, name):
    place = folder(name)
    os.mkfifo(place / "generation_config.json")
    assert "it is not a regular file" in refused(name, place)


def test_vocabularies_may_hold_any_word(tmp_path):
    (tmp_path / "vocab.json").write_text(json.dumps({"auto_map": 3}))
    (tmp_path / "config.json").write_text(json.dumps({"trust_remote_code": False}))
    (tmp_path / "broken.json").write_text("{")
    folders.check(tmp_path, "Model m")
