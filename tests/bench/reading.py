"""Embeddings read and checked against PyArrow alone, which checks nothing: seconds in turns."""

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from dejavu.files.embeddings import read_embeddings, write_embeddings
from tests.bench.pairs import timed

ROWS, DIMENSION, PAIRS = 400_000, 512, 11


def main() -> None:
    """Write one shard and read it both ways."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((ROWS, DIMENSION), dtype=np.float32)
    facts = {"model": "bench", "fingerprint": "0" * 32, "normalised": False}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "0000.parquet"
        write_embeddings(path, np.arange(ROWS), vectors, facts)
        del vectors
        # So that no writing is going on, and memory has been touched.
        os.sync()
        for _ in range(2):
            pq.read_table(path)
            read_embeddings(path)
        taken = timed(
            lambda: pq.read_table(path),
            lambda: read_embeddings(path),
            PAIRS,
            time.perf_counter,
        )
    gigabytes = ROWS * DIMENSION * 4 / 1e9
    print(f"{gigabytes:.2f} GB: {taken.line('PyArrow', 'ours, hash and all')}")
