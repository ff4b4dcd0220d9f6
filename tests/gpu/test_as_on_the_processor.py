"""A GPU gives what the processor gives, as far as float32 goes; skipped where there is none."""

from unittest import mock

import numpy as np
import polars as pl
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from transformers import CLIPImageProcessor

from dejavu.encoders import preparing
from dejavu.files.embeddings import read_embeddings
from dejavu.search import exact, gpu
from dejavu.search.indexes import PublicIndex, build_index
from tests.conftest import SMALL, SMALL_TABLES, snakemake

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU"),
]


def clip_steps():
    return preparing.of_transform(image_transform_v2(PreprocessCfg(size=224), is_train=False))


def processor_steps():
    return preparing.of_processor(CLIPImageProcessor())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("d", [64, 513])
def test_neighbours_are_the_same(metric, d):
    rng = np.random.default_rng(d)
    public = rng.normal(size=(150_000, d)).astype(np.float32)
    # Copies, and rows that bfloat16 does not tell apart.
    public[1000:1010] = public[0]
    public[2000:2100] = public[1] + 1e-4 * rng.normal(size=(100, d)).astype(np.float32)
    queries = np.concatenate([rng.normal(size=(20_000, d)).astype(np.float32), public[:2000]])
    parts = np.array_split(np.arange(len(public)), 3)
    shards = [
        lambda part=part: PublicIndex(build_index(part, public[part], metric), {}) for part in parts
    ]
    found, scores = exact.top_k(queries, shards, 50, metric, threads=4)
    with mock.patch.object(gpu, "device", return_value=None):
        expected, expected_scores = exact.top_k(queries, shards, 50, metric, threads=4)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_max_ulp(scores, expected_scores, maxulp=1)


@pytest.mark.parametrize("made", [clip_steps, processor_steps])
def test_batches_of_images_are_the_same_to_the_bit(made):
    preparation = made()
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (300, 400, 3), np.uint8)) for _ in range(8)]
    prepared = [preparation.alone(image) for image in images]
    found = preparation.batch(prepared, torch.device("cuda"))
    assert found.is_cuda and found.is_contiguous()
    expected = preparation.batch(prepared, torch.device("cpu"))
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of the smallest run, made with the GPU and without."""
    folders = [tmp_path_factory.mktemp(name) for name in ("with", "without")]
    snakemake(folders[0], *SMALL_TABLES, config=SMALL)
    with mock.patch.dict("os.environ", CUDA_VISIBLE_DEVICES=""):
        snakemake(folders[1], *SMALL_TABLES, config=SMALL)
    return folders


def test_embeddings_are_the_same(runs):
    for place in ("caption/target/0000", "caption/public/0000"):
        one, other = (
            read_embeddings(run / f"results/vlm/embeddings/minilm/{place}.parquet") for run in runs
        )
        np.testing.assert_array_equal(one.samples, other.samples)
        np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-3)


def test_trainings_begin_alike_and_end_as_well(runs):
    losses = [
        pl.read_csv(run / "results/vlm/models/clip_a_s0/training.csv")["loss"].to_numpy()
        for run in runs
    ]
    np.testing.assert_allclose(losses[0][:2], losses[1][:2], rtol=0.01)
    np.testing.assert_allclose(losses[0][-1], losses[1][-1], rtol=0.5, atol=0.05)
    tables = [pl.read_csv(run / SMALL_TABLES[0]) for run in runs]
    assert tables[0].columns == tables[1].columns and len(tables[0]) == len(tables[1])
