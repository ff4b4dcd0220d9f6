"""CLIP and SigLIP folders of Transformers: what the library's own model and processor give."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    SiglipProcessor,
)

import embed_transformers
from dejavu.encoders import clip, text, transformers
from dejavu.errors import InputError
from dejavu.files.embeddings import read_embeddings
from dejavu.files.parquet import write_parquet

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
CAPTIONS = ["a dog", "two cats on a mat beside a very long sofa in the sun", "", "été 狗"]
LAYERS = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
VISION = {**LAYERS, "image_size": 24, "patch_size": 8}
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def embedded(encoder, images):
    """Embeddings of images by an encoder."""
    return encoder.encode_images([encoder.prepare_image(image) for image in images])


def clip_folder(folder):
    """A tiny CLIP with a byte-level vocabulary and one merge."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "do", "dog</w>", BEGIN, END]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=[("d", "o"), ("do", "g</w>")])
    written = {
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 12,
        "bos_token_id": vocabulary[BEGIN],
        "eos_token_id": vocabulary[END],
        "pad_token_id": vocabulary[END],
    }
    config = CLIPConfig(text_config={**LAYERS, **written}, vision_config=VISION, projection_dim=10)
    size = {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}}
    CLIPProcessor(CLIPImageProcessor(**size), tokenizer).save_pretrained(folder)
    CLIPModel(config).save_pretrained(folder)


def siglip_folder(folder):
    """A tiny SigLIP with a unigram vocabulary."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁a", -2.0), ("▁dog", -3.0)]
    pieces += [(letter, -5.0) for letter in "▁abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("$A </s>", None, [("</s>", 1)])
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_input_names=["input_ids"],
    )
    config = SiglipConfig(
        text_config={
            **LAYERS,
            "vocab_size": len(pieces),
            "max_position_embeddings": 9,
            "projection_size": 16,
        },
        vision_config=VISION,
    )
    images = SiglipImageProcessor(size={"height": 24, "width": 24})
    SiglipProcessor(images, wrapped).save_pretrained(folder)
    SiglipModel(config).save_pretrained(folder)


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request, tmp_path_factory):
    """A tiny model's folder, as `save_pretrained` writes it."""
    torch.set_num_threads(1)
    torch.manual_seed(2)
    place = tmp_path_factory.mktemp(request.param) / "model"
    {"clip": clip_folder, "siglip": siglip_folder}[request.param](place)
    return place


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (40, 30 + n, 3), np.uint8)) for n in range(3)]


def load(model, name="m", allow_download=False):
    return transformers.load(name, {"model": str(model)}, CPU, allow_download)


def directly(folder, images):
    """What the library gives, called as its documentation does."""
    kind = folder.parent.name.rstrip("0")
    model_class, processor_class = {
        "clip": (CLIPModel, CLIPProcessor),
        "siglip": (SiglipModel, SiglipProcessor),
    }[kind]
    model = model_class.from_pretrained(folder).eval()
    processor = processor_class.from_pretrained(folder)
    texts = processor(
        text=CAPTIONS,
        padding="max_length",
        truncation=True,
        return_tensors="pt",
        max_length=model.config.text_config.max_position_embeddings,
    )
    with torch.inference_mode():
        pixels = processor(images=images, return_tensors="pt")
        found = model.get_image_features(**pixels), model.get_text_features(**texts)
    return [each.pooler_output / each.pooler_output.norm(dim=1, keepdim=True) for each in found]


def test_embeddings_are_those_of_the_library_itself_with_length_one(folder, images):
    encoder = load(folder)
    wanted_images, wanted_texts = directly(folder, images)
    found = embedded(encoder, images), encoder.encode_texts(CAPTIONS)
    for vectors, wanted in zip(found, (wanted_images, wanted_texts), strict=True):
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, wanted.numpy(), atol=1e-6)
        assert np.abs(vectors[0] - vectors[1]).max() > 1e-3


def test_a_vector_does_not_depend_on_its_batch(folder, images):
    encoder = load(folder)
    together = encoder.encode_texts(CAPTIONS)
    alone = np.concatenate([encoder.encode_texts([caption]) for caption in CAPTIONS])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    assert encoder.encode_texts([]).shape == (0, together.shape[1])


@pytest.mark.parametrize(("precision", "off"), [("fp32", 1e-6), ("bf16", 0.03)])
def test_the_job_embeds_a_shard_and_writes_its_provenance(
    monkeypatch, tmp_path, folder, images, precision, off
):
    monkeypatch.chdir(tmp_path)
    for number, image in enumerate(images):
        image.save(f"{number}.png")
    count = len(images)
    records = {
        "sample": np.arange(count) + 7,
        "image": [f"{number}.png" for number in range(count)],
        "caption": CAPTIONS[:count],
    }
    write_parquet("results/vlm/records/target/0000.parquet", pa.table(records))
    wanted = directly(folder, images)
    for column, vectors in zip(("image", "caption"), wanted, strict=True):
        output = f"results/vlm/embeddings/web/{column}/target/0000.parquet"
        job = SimpleNamespace(
            input=SimpleNamespace(records="results/vlm/records/target/0000.parquet"),
            params=SimpleNamespace(
                model={"model": str(folder)}, batch=2, threads=1, precision=precision
            ),
            wildcards=SimpleNamespace(domain="vlm", model="web", input=column),
            threads=2,
            output=[output],
        )
        embed_transformers.main(job)
        found = read_embeddings(output)
        assert found.samples.tolist() == [7, 8, 9]
        same = found.metadata["fingerprint"] == load(folder).facts["fingerprint"]
        assert same == (precision == "fp32")
        np.testing.assert_allclose(found.vectors, vectors.numpy()[:count], atol=off)


def test_facts_name_the_model_and_what_its_vectors_depend_on(folder):
    facts = load(folder, "web").facts
    assert facts["model"] == "web" and facts["normalised"] is True
    assert set(facts["versions"]) == {"torch", "torchvision", "transformers", "tokenizers"}
    assert facts["fingerprint"] == load(folder).facts["fingerprint"]


CHANGES = [
    ("processor_config.json", ("image_processor", "image_mean"), [0.1, 0.2, 0.3]),
    ("config.json", ("vision_config", "layer_norm_eps"), 0.01),
    ("config.json", ("vision_config", "hidden_act"), "relu"),
]


@pytest.mark.parametrize(("file", "keys", "value"), CHANGES, ids=lambda each: str(each)[:40])
def test_what_shows_in_no_weight_changes_the_fingerprint(tmp_path, folder, file, keys, value):
    place = tmp_path / "changed"
    shutil.copytree(folder, place)
    content = json.loads((place / file).read_text())
    *parents, last = keys
    below = content
    for parent in parents:
        below = below[parent]
    assert below.get(last) != value
    below[last] = value
    (place / file).write_text(json.dumps(content))
    assert load(place).facts["fingerprint"] != load(folder).facts["fingerprint"]


def sentence(model, loader=load, **options):
    with pytest.raises(InputError) as found:
        loader(model, **options)
    assert "\n" not in str(found.value)
    return str(found.value)


def test_what_is_no_clip_is_one_sentence(tmp_path, folder):
    BertModel(BertConfig(vocab_size=9, **LAYERS)).save_pretrained(tmp_path / "bert")
    assert "it is of the type 'bert'" in sentence(tmp_path / "bert")
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    assert "does not load as a CLIP or SigLIP model" in sentence(broken)
    (broken / "model.safetensors").unlink()
    assert "does not load as a CLIP or SigLIP model" in sentence(broken)


def test_weights_that_lack_a_part_are_not_filled_at_random(tmp_path, folder):
    from safetensors.torch import load_file, save_file

    place = tmp_path / "lacking"
    shutil.copytree(folder, place)
    weights = load_file(place / "model.safetensors")
    name = next(each for each in weights if each.startswith("vision_model"))
    del weights[name]
    save_file(weights, place / "model.safetensors", metadata={"format": "pt"})
    assert f"lack 1 keys, {name} for one" in sentence(place)


def test_code_of_a_folder_is_not_run(tmp_path, folder):
    place, harm = tmp_path / "remote", tmp_path / "harm"
    shutil.copytree(folder, place)
    (place / "harmful.py").write_text(f"open({str(harm)!r}, 'w')\n")
    config = json.loads((place / "config.json").read_text())
    config |= {"model_type": "harmful", "auto_map": {"AutoConfig": "harmful.Config"}}
    (place / "config.json").write_text(json.dumps(config))
    assert "does not load" in sentence(place)
    assert not harm.exists()


def test_a_name_that_is_not_on_this_machine_is_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = sentence("openai/clip-vit-base-patch32")
    assert "`allow_download: true`" in text


def load_clip(model, allow_download):
    return clip.load(
        "m", {"architecture": "RN50-quickgelu", "pretrained": model}, CPU, allow_download
    )


def load_text(model, allow_download):
    return text.load("m", {"model": model}, 2, CPU, allow_download)


@pytest.mark.parametrize(
    ("loader", "model"),
    [
        (load, "openai/clip-vit-base-patch32"),
        (load_text, "thenlper/gte-base"),
        (load_clip, "yfcc15m"),
    ],
)
def test_a_hub_out_of_reach_is_told(monkeypatch, tmp_path, loader, model):
    """The hub is a port of this machine that nothing listens on."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name, value in (
        ("ENDPOINT", "http://127.0.0.1:9"),
        (
            "HUGGINGFACE_CO_URL_TEMPLATE",
            "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
        ),
        ("HF_HUB_CACHE", str(tmp_path)),
        ("HF_HUB_OFFLINE", False),
    ):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    told = sentence(model, loader, allow_download=True)
    assert "the hub http://127.0.0.1:9 can't be reached" in told
    assert "name the local ones" in told
