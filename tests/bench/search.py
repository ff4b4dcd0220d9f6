"""Exact search against its limit, the products alone, and against FAISS's flat index, in turns.

Products are taken where the search takes them, on the processor or on a GPU, in the search's own
precision and in the blocks in which they are fastest. Then on a part of the rows, as on a machine
without bfloat16; and over the files of several shards against shards in memory: what reading and
checking them costs.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest import mock

import faiss
import numpy as np
import torch

from dejavu.search import gpu, reduced
from dejavu.search.exact import top_k
from dejavu.search.indexes import PublicIndex, build_index, read_index, write_index
from tests.bench.pairs import timed

QUERIES, ROWS, DIMENSION, THREADS = 4096, 1_000_000, 512, 2
# Of the rows, the part that is searched without bfloat16, and from files.
PART = 4
SHARDS, K = 8, 10
# Fastest of the blocks of 1,024 to 8,192 rows.
ROWS_OF_PRODUCTS = 4096
OWN_BLOCK = faiss.cvar.distance_compute_blas_database_bs


def unit_vectors(rng: np.random.Generator, rows: int, d: int) -> np.ndarray:
    """Random directions, float32 [rows, d]."""
    vectors = rng.standard_normal((rows, d), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def products_alone(queries: np.ndarray, public: np.ndarray, threads: int) -> Callable[[], None]:
    """All products of the search, and nothing else."""
    on = gpu.device()
    if on is None:
        reduce, rows = reduced.is_fast(), ROWS_OF_PRODUCTS
        parts = [part.copy() for part in np.array_split(queries, threads)]
    else:
        reduce, rows = True, gpu.Sizes.slab
        size = gpu.sizes_for(on, queries.shape[1]).queries
        parts = [queries[start : start + size] for start in range(0, len(queries), size)]
    kind = torch.bfloat16 if reduce else torch.float32
    asked = [torch.from_numpy(part).to(on or "cpu", kind) for part in parts]
    vectors = torch.from_numpy(public).to(on or "cpu", kind).split(rows)

    def multiply(part: torch.Tensor) -> None:
        if on is None:
            torch.set_num_threads(1)
        out = torch.empty(len(part) * rows, dtype=kind, device=part.device)
        for some in vectors:
            torch.mm(part, some.T, out=out[: len(part) * len(some)].view(len(part), len(some)))

    def work() -> None:
        if on is None:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(multiply, asked))
        else:
            for part in asked:
                multiply(part)
            torch.cuda.synchronize(on)

    return work


def limit(flat: PublicIndex, queries: np.ndarray, threads: int) -> None:
    """Print which part of the rate of products alone the search reaches."""
    alone = products_alone(queries, flat.vectors, threads)
    alone()
    operations = 2.0 * len(queries) * flat.vectors.size
    for k in (10, 100):
        taken = timed(
            alone,
            lambda k=k: top_k(queries, [lambda: flat], k, threads=threads),
            clock=time.perf_counter,
        )
        rate = operations / statistics.median(taken.first) / 1e9
        print(
            f"k = {k}: {taken.line('products alone', 'ours')} of their {rate:.0f} GFLOP/s",
            flush=True,
        )


def compare(flat: PublicIndex, queries: np.ndarray, k: int, threads: int) -> None:
    """Print how long both take, and how their neighbours differ."""
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["ours"], found["scores"] = top_k(queries, [lambda: flat], k, threads=threads)

    def of_faiss() -> None:
        faiss.omp_set_num_threads(threads)
        faiss.cvar.distance_compute_blas_database_bs = OWN_BLOCK
        found["faiss"] = flat.index.search(queries, k)[1]

    ours()
    taken = timed(of_faiss, ours, clock=time.perf_counter)
    print(f"k = {k}: {taken.line('FAISS', 'ours')}", flush=True)
    differ = found["ours"] != found["faiss"]
    rows, places = np.nonzero(differ)
    theirs = flat.vectors[np.searchsorted(flat.numbers, found["faiss"][rows, places])]
    exact = np.einsum("pd,pd->p", theirs.astype(np.float64), queries[rows].astype(np.float64))
    apart = np.abs(exact - found["scores"][rows, places]).max(initial=0)
    print(f"places that differ: {differ.mean():.2e}, by scores {apart:.1e} apart at most")


def reading(flat: PublicIndex, queries: np.ndarray, threads: int) -> None:
    """Print how much longer a search takes that reads its shards."""
    numbers = np.array_split(flat.numbers, SHARDS)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{shard:04d}.index" for shard in range(SHARDS)]
        for path, some in zip(paths, numbers, strict=True):
            index = build_index(some, flat.vectors[some])
            write_index(path, index, {"model": "bench"})
            del index
        read = [partial(read_index, path) for path in paths]
        held = [partial(lambda shard: shard, read_index(path)) for path in paths]
        taken = timed(
            lambda: top_k(queries, read, K, threads=threads),
            lambda: top_k(queries, held, K, threads=threads),
            clock=time.perf_counter,
        )
    asked = f"{len(queries)} queries, {SHARDS} shards of {len(numbers[0])} rows"
    print(f"{asked}: {taken.line('from files', 'from memory')}", flush=True)


def main() -> None:
    """Search once at each k and time both in turns."""
    known = argparse.ArgumentParser()
    for name, size in (("queries", QUERIES), ("rows", ROWS), ("threads", THREADS)):
        known.add_argument(f"--{name}", type=int, default=size)
    sizes = known.parse_args(sys.argv[1:] if __name__ == "__main__" else [])
    rng = np.random.default_rng(0)
    public = unit_vectors(rng, sizes.rows, DIMENSION)
    queries = unit_vectors(rng, sizes.queries, DIMENSION)
    flat, part = (
        PublicIndex(build_index(np.arange(rows), public[:rows]), {})
        for rows in (sizes.rows, sizes.rows // PART)
    )
    del public
    print(f"{sizes.queries} queries, {sizes.rows} rows, {DIMENSION} dimensions", flush=True)
    limit(flat, queries, sizes.threads)
    for k in (10, 100):
        compare(flat, queries, k, sizes.threads)
    print(f"without bfloat16, {sizes.rows // PART} rows")
    with (
        mock.patch.object(reduced, "is_fast", return_value=False),
        mock.patch.object(gpu, "device", return_value=None),
    ):
        limit(part, queries, sizes.threads)
        for k in (10, 100):
            compare(part, queries, k, sizes.threads)
    del flat
    # The more queries a shard has, the less its files cost.
    for times in (1, PART):
        reading(part, unit_vectors(rng, times * sizes.queries, DIMENSION), sizes.threads)


if __name__ == "__main__":
    main()
