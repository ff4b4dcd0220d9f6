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


def test_a_rehearsal_builds_the_tables_and_sums_up_its_jobs(tmp_path):
    command = [sys.executable, "-m", "tests.scale", "--targets", "150", "--public", "1500"]
    command += ["--dimension", "16", "--k", "20", "--target-shards", "1", "--public-shards", "2"]
    done = subprocess.run(
        [*command, "--directory", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line.strip()}
    assert [lines[rule][1] for rule in ("build_index", "find_neighbors", "recover_objects")] == [
        *("4", "2", "2")
    ]
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
    ppg = pl.read_csv(tmp_path / "results/tables/vlm_ppg.csv")
    assert len(ppg) == 18 and ppg["targets"].to_list() == [150] * 18
    # The target model is the sharper one.
    assert ppg.filter(k=20, predict="top10", objects="all")["ppg"].item() > 0


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
