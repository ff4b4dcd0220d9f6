"""The rehearsal of a size runs the workflow over made-up embeddings."""

import subprocess
import sys

import numpy as np
import polars as pl
import yaml

from dejavu.files.embeddings import read_embeddings
from dejavu.files.neighbors import read_neighbors
from dejavu.files.parquet import read_parquet
from tests.conftest import ROOT, SMALL, jobs_of, snakemake, written


def rehearsed(folder, *asked):
    """The jobs of each rule of a rehearsal, as it sums them up."""
    command = [sys.executable, "-m", "tests.scale", "--directory", str(folder), *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # After the header.
    lines = done.stdout.partition("peak MB\n")[2].splitlines()[:-1]
    return {line.split()[0]: int(line.split()[1]) for line in lines}


def read_table(folder, name):
    return pl.read_csv(folder / f"results/tables/vlm_{name}.csv", infer_schema_length=None)


def check_evidence(folder, members, controls):
    """Tables from the files that they are made of, and the memory that is made up."""
    [verdict] = read_table(folder, "checks").filter(check="verdict").to_dicts()
    assert verdict["value_low"] > 0
    for name, known in (("target", members), ("control", controls)):
        frames = [
            pl.DataFrame(pl.from_arrow(read_parquet(path)))
            for path in sorted((folder / f"results/vlm/samples/{name}").glob("*.parquet"))
        ]
        samples = pl.concat(frames)
        assert len(samples) == known
        groups = read_table(folder, "groups")
        column = "members" if name == "target" else "controls"
        by_label = samples["objects"].list.explode().value_counts().sort("count").tail(1)
        if name == "target":
            [label], [count] = by_label["objects"], by_label["count"]
        else:
            count = samples["objects"].list.contains(label).sum()
        assert groups.filter(group="object", level=label)[column].item() == count
        # Levels without members have no row.
        words = samples["caption"].str.split(" ").list.len()
        of_lengths = groups.filter(group="caption_length")
        assert of_lengths[column].sum() == known
        first = of_lengths["level"][0]
        assert of_lengths[column][0] == (words <= int(first.removeprefix("up to "))).sum()
    discoveries = read_table(folder, "discoveries")
    assert len(discoveries) == 2 * 3 and (discoveries["members"] == members).all()
    assert (discoveries["teaching"] + discoveries["calibrating"] == controls).all()
    listed = read_table(folder, "evidence")
    for features in ("objects", "any"):
        own = listed.filter(features=features)
        counted = discoveries.filter(features=features, rate=0.2)["listed"].item()
        assert len(own) == counted > members / 10
        assert own["rank"].to_list() == list(range(1, counted + 1))
        assert own["score"].is_sorted(descending=True)
        assert own["id"].cast(pl.Int64).to_list() == own["sample"].to_list()


def test_a_rehearsal_builds_the_tables_and_sums_up_its_jobs(tmp_path):
    sizes = ["--targets", "400", "--controls", "400", "--public", "3000", "--dimension", "256"]
    jobs = rehearsed(tmp_path, *sizes, "--k", "20", "--target-shards", "1", "--public-shards", "2")
    searching = ("build_index", "find_neighbors", "recover_objects", "weigh_captions")
    assert [jobs[rule] for rule in searching] == [4, 4, 4, 2]
    vlm = tmp_path / "results/vlm"
    queries = read_embeddings(vlm / "embeddings/made_up/caption/target/0000.parquet")
    shards = [
        read_embeddings(vlm / f"embeddings/made_up/image/public/{shard:04d}.parquet")
        for shard in range(2)
    ]
    numbers = np.concatenate([shard.samples for shard in shards])
    products = queries.vectors @ np.concatenate([shard.vectors for shard in shards]).T
    nearest = numbers[np.argsort(-products, axis=1)[:, :20]]
    found = read_neighbors(vlm / "neighbors/made_up/t2i/target/0000.parquet")
    assert np.mean(found.neighbors == nearest) > 0.99
    ppg = read_table(tmp_path, "ppg")
    assert ppg.filter(set="target")["targets"].to_list() == [400] * 18
    # The target model is the sharper one, and on targets the sharpest.
    at = {"k": 20, "predict": "top10", "objects": "all"}
    scores = dict(ppg.filter(**at).select("set", "ppg").iter_rows())
    assert scores["target"] > 1.5 * scores["control"] > 0
    check_evidence(tmp_path, members=400, controls=400)


def test_tables_and_evidence_alone_follow_from_made_up_predictions(tmp_path):
    sizes = ["--targets", "1200", "--public", "500", "--dimension", "16"]
    jobs = rehearsed(tmp_path, *sizes, "--k", "10", "--tables-only", "--target-shards", "3")
    assert "find_neighbors" not in jobs and jobs["weigh_captions"] == 2
    # Controls are a tenth, in a shard.
    assert [path.name for path in (tmp_path / "results/vlm/samples/control").iterdir()] == [
        "0000.parquet"
    ]
    check_evidence(tmp_path, members=1200, controls=120)


def test_a_shard_of_very_many_is_gathered_from_its_source_with_others(tmp_path):
    config = yaml.safe_load(SMALL.read_text())
    config["vlm"]["sets"]["control"]["shards"] = 5000
    # One that holds two records.
    asked = "results/vlm/records/control/0566.parquet"
    done = snakemake(tmp_path, asked, config=written(tmp_path / "config.yaml", config))
    jobs = jobs_of(done)
    assert [jobs[rule] for rule in ("list_shards", "gather_shards", "split_source")] == [1, 1, 1]
    source = read_parquet(tmp_path / "results/vlm/sources/world/0000.parquet")
    # Control begins at .8 and has a fifth of all hashes.
    places = np.floor((source["hash"].to_numpy() / 2**64 - 0.8) / 0.2 * 5000)
    own = source.filter(places == 566)["id"].to_pylist()
    assert len(own) == 2 and read_parquet(tmp_path / asked)["id"].to_pylist() == own
