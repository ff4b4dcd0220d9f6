"""Zero-shot tags by a real, tiny OpenCLIP model, against similarities computed with OpenCLIP."""

import json
from types import SimpleNamespace

import numpy as np
import open_clip
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import tag_crops
from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet
from dejavu.samples.schemas import VISION_RECORDS

pytestmark = pytest.mark.slow

MODEL = {
    "embed_dim": 16,
    "vision_cfg": {
        "timm_model_name": "test_resnet",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
# Not OpenCLIP's defaults: a tagger that forgot them would give other scores.
PREPROCESSING = {
    "size": [32, 32],
    "mode": "RGB",
    "mean": [0.3, 0.5, 0.6],
    "std": [0.2, 0.3, 0.4],
    "interpolation": "bilinear",
    "resize_mode": "squash",
    "fill_color": 0,
}
NAMES = ["zebra", "apple tree", "car", "dog", "bus stop", "cup"]
PROMPT = "a picture of a {}, outside."
CROPS = [(4, 0, 30, 20), None, (0, 6, 40, 36), (10, 10, 28, 40), (0, 0, 44, 12)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An OpenCLIP folder with random weights."""
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(4)
    model = open_clip.CLIP(**json.loads(json.dumps(MODEL)))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def job(folder, tmp_path):
    """A job of the rule, on pictures of which one has no crop."""
    rows = []
    for number, crop in enumerate(CROPS):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 44, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        corners = dict(zip(("xmin", "ymin", "xmax", "ymax"), crop, strict=True)) if crop else None
        rows.append(
            {
                "sample": 70 + number,
                "id": str(number),
                "image": str(tmp_path / f"{number}.png"),
                "width": 44,
                "height": 40,
                "label": "x",
                "boxes": [],
                "crop": corners,
                "crop_status": "ok" if crop else "no boxes",
                "context": [],
            }
        )
    records = tmp_path / "records.parquet"
    write_parquet(records, pa.Table.from_pylist(rows, schema=VISION_RECORDS))
    vocabulary = tmp_path / "names.txt"
    vocabulary.write_text("\n".join(NAMES) + "\n\n")
    tags = {
        "kind": "clip",
        "model": {"architecture": f"local-dir:{folder}"},
        "vocabulary": str(vocabulary),
        "prompt": PROMPT,
        "per_crop": 4,
    }
    return SimpleNamespace(
        input=SimpleNamespace(records=str(records), words=[]),
        output=[str(tmp_path / "samples.parquet")],
        params=SimpleNamespace(tags=tags, batch=2, threads=1),
    )


def similarities(folder, tmp_path):
    """Cosines [crops, names] of the crops that there are, one crop and one name at a time."""
    model, _, preprocess = open_clip.create_model_and_transforms(
        f"local-dir:{folder}", require_pretrained=True
    )
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    model.eval()
    assert list(preprocess.transforms[-1].mean) == PREPROCESSING["mean"]
    with torch.no_grad():
        texts = [model.encode_text(tokenizer([PROMPT.format(name)]))[0].double() for name in NAMES]
        images = []
        for number, crop in enumerate(CROPS):
            if crop:
                picture = Image.open(tmp_path / f"{number}.png").crop(crop)
                images.append(model.encode_image(preprocess(picture)[None])[0].double())
    return np.array(
        [[float(torch.cosine_similarity(image, text, dim=0)) for text in texts] for image in images]
    )


def test_tags_of_crops_are_the_names_most_similar_to_them(folder, job, tmp_path):
    tag_crops.main(job)
    samples = pq.read_table(job.output[0]).to_pylist()
    assert [sample["sample"] for sample in samples] == [70, 71, 72, 73, 74]
    assert samples[1]["tags"] is None
    tagged = [sample["tags"] for sample in samples if sample["crop"]]
    wanted = similarities(folder, tmp_path)
    # The model tells crops and names apart, or the order would show nothing.
    assert np.ptp(wanted, axis=0).min() > 1e-3 and np.diff(np.sort(wanted, axis=1)).min() > 1e-5
    for found, cosines in zip(tagged, wanted, strict=True):
        order = np.argsort(-cosines)[:4]
        assert [each["tag"] for each in found] == [NAMES[place] for place in order]
        scores = [each["score"] for each in found]
        np.testing.assert_allclose(scores, cosines[order], atol=1e-5)


def test_all_names_are_kept_of_a_small_vocabulary(job):
    job.params.tags["per_crop"] = 100
    tag_crops.main(job)
    tags = pq.read_table(job.output[0])["tags"].to_pylist()
    assert all(len(found) == len(NAMES) for found in tags if found is not None)


def test_a_folder_without_weights_is_one_sentence(folder, job, tmp_path):
    (tmp_path / "empty").mkdir()
    config = (folder / "open_clip_config.json").read_text()
    (tmp_path / "empty/open_clip_config.json").write_text(config)
    job.params.tags["model"] = {"architecture": f"local-dir:{tmp_path / 'empty'}"}
    with pytest.raises(InputError, match=r"of vision\.tags: the weights"):
        tag_crops.main(job)
