"""Samples, embeddings and rankings of any size in the contract's files, without any model.

Every sample has a topic. Objects are drawn from the topic's labels, and an embedding is the topic's
direction and noise, so that neighbours share objects, as they do under a trained model. A model
that memorizes has more noise on control. All bulk work is done shard by shard.
"""

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from dejavu.config import layout, ranges
from dejavu.config.domains import DOMAINS
from dejavu.files import embeddings, neighbors
from dejavu.files.facts import write_json
from dejavu.files.parquet import write_parquet
from dejavu.samples.schemas import RECORDS, VLM_SAMPLES
from dejavu.scores import recovered
from dejavu.scores.recovered import Setting

LABELS = 600
TOPICS = 500
POOL = 60
LARGEST = 40
NAMED = 2
# Where there are more dimensions, more noise leaves as many neighbours of other topics.
DIMENSION = 16
CAPTIONS = pa.array([" ".join(["word"] * words) for words in range(1, 21)])


@dataclass(frozen=True)
class Model:
    """A model that is made up.

    Attributes:
        name: in paths.
        dimension: of its embeddings.
        query: what it is asked.
        noise: the less, the sharper it is; at `DIMENSION` that of a component, beside topics' 1.
        noise_of_control: the same of samples of control; as that of all others, if None.
    """

    name: str
    dimension: int
    query: str
    noise: float = 1.0
    noise_of_control: float | None = None

    @property
    def searched(self) -> str:
        """What its query searches."""
        return DOMAINS["vlm"].queries[self.query]

    def noise_of(self, set_name: str) -> float:
        """How sharp it is on a set."""
        if set_name == "control" and self.noise_of_control is not None:
            return self.noise_of_control
        return self.noise


def shard_sizes(samples: int, shards: int) -> list[int]:
    """Rows of each shard, as even as can be."""
    bounds = [samples * shard // shards for shard in range(shards + 1)]
    return [high - low for low, high in pairwise(bounds)]


def vocabulary(labels: int = LABELS) -> list[str]:
    """Names of labels, sorted."""
    return sorted(f"object {code:05d}" for code in range(labels))


def topics(set_name: str, shard: int, rows: int) -> np.ndarray:
    """The topic of each sample of a shard, int64 [rows]."""
    return _generator("topics", set_name, shard).integers(0, TOPICS, rows)


def write_vocabulary(folder: Path, labels: int = LABELS) -> None:
    """Write the labels of the world."""
    write_json(folder / "results/vlm/vocabulary.json", {"labels": vocabulary(labels)})


def captions(set_name: str, shard: int, rows: int) -> pa.Array:
    """The caption of each sample of a shard."""
    lengths = _generator("captions", set_name, shard).integers(0, len(CAPTIONS), rows)
    return CAPTIONS.take(pa.array(lengths))


def sample_numbers(set_name: str, shard: int, rows: int) -> np.ndarray:
    """The numbers of a shard's samples, int64 [rows]."""
    first = ranges.first_number(DOMAINS["vlm"].sets.index(set_name), shard)
    return np.arange(rows, dtype=np.int64) + first


def write_records(folder: Path, set_name: str, shards: list[int]) -> None:
    """Write the records of a set, as of a source that is annotated apart."""
    for shard, rows in enumerate(shards):
        ids = pa.array(sample_numbers(set_name, shard, rows)).cast(pa.string())
        hashes = _generator("hashes", set_name, shard).integers(0, 2**64, rows, np.uint64)
        nothing = pa.ListArray.from_arrays(np.zeros(rows + 1, np.int32), pa.array([], pa.string()))
        columns = [np.sort(hashes), ids, ids, captions(set_name, shard, rows), nothing]
        path = folder / f"results/vlm/records/{set_name}/{layout.shard_name(shard)}.parquet"
        write_parquet(path, pa.table(columns, schema=RECORDS))


def write_samples(
    folder: Path, set_name: str, shards: list[int], objects: float = 20, labels: int = LABELS
) -> None:
    """Write the samples of a set: so many objects on average, of which the caption names two."""
    names = pa.array(vocabulary(labels))
    pools = np.argsort(_generator("pools").random((TOPICS, labels)), axis=1)[:, :POOL]
    for shard, rows in enumerate(shards):
        rng = _generator("objects", set_name, shard)
        keys = rng.random((rows, POOL)) ** np.linspace(0.4, 1.6, POOL)
        places = np.argpartition(-keys, LARGEST - 1, axis=1)[:, :LARGEST]
        chosen = np.take_along_axis(pools[topics(set_name, shard, rows)], places, axis=1)
        count = np.clip(rng.poisson(objects, rows), NAMED, LARGEST)
        chosen[np.arange(LARGEST) >= count[:, None]] = labels
        chosen.sort(axis=1)
        numbers = sample_numbers(set_name, shard, rows)
        ids = pa.array(numbers).cast(pa.string())
        table = pa.table(
            {
                "sample": numbers,
                "id": ids,
                "image": ids,
                "caption": captions(set_name, shard, rows),
                "objects": _lists(chosen, count, names),
                "named": _lists(chosen, np.full(rows, NAMED), names),
            },
            schema=VLM_SAMPLES,
        )
        path = folder / f"results/vlm/samples/{set_name}/{layout.shard_name(shard)}.parquet"
        write_parquet(path, table)


def _lists(codes: np.ndarray, lengths: np.ndarray, names: pa.Array) -> pa.Array:
    """The first labels of each row as lists of names."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    flat = codes[np.arange(codes.shape[1]) < lengths[:, None]].astype(np.int32)
    values = pa.DictionaryArray.from_arrays(pa.array(flat), names).cast(pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets), values)


def write_embeddings(
    folder: Path, model: Model, kind: str, set_name: str, shards: list[int]
) -> None:
    """Write a set's embeddings: unit vectors, float32."""
    directions = _generator("directions", model.name).standard_normal(
        (TOPICS, model.dimension), np.float32
    )
    facts = {
        "model": model.name,
        "fingerprint": f"made up {model}",
        "input": kind,
        "normalised": True,
        "versions": {},
    }
    for shard, rows in enumerate(shards):
        rng = _generator("noise", model.name, kind, set_name, shard)
        vectors = rng.standard_normal((rows, model.dimension), np.float32)
        vectors *= np.float32(model.noise_of(set_name) * (model.dimension / DIMENSION) ** 0.25)
        vectors += directions[topics(set_name, shard, rows)]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        name = f"{model.name}/{kind}/{set_name}/{layout.shard_name(shard)}.parquet"
        numbers = sample_numbers(set_name, shard, rows)
        embeddings.write_embeddings(
            folder / f"results/vlm/embeddings/{name}", numbers, vectors, facts
        )


def write_neighbors(
    folder: Path, model: Model, set_name: str, shards: list[int], public: list[int], k: int
) -> None:
    """Write rankings without a search: k distinct public samples, two in three of the topic."""
    numbers = np.concatenate([sample_numbers("public", n, rows) for n, rows in enumerate(public)])
    of_public = np.concatenate([topics("public", n, rows) for n, rows in enumerate(public)])
    order = np.argsort(of_public, kind="stable")
    starts = np.searchsorted(of_public[order], np.arange(TOPICS + 1))
    for shard, rows in enumerate(shards):
        rng = _generator("neighbors", model.name, set_name, shard)
        topic = topics(set_name, shard, rows)
        sizes = (starts[topic + 1] - starts[topic])[:, None]
        # Steps through the topic's samples, and through all, from a random start: all distinct.
        steps = np.arange(k)
        alike = starts[topic][:, None] + (rng.integers(0, sizes) + steps) % sizes
        other = (rng.integers(0, len(order), (rows, 1)) + 7 * steps) % len(order)
        chosen = np.where((steps % 3 < 2) & (steps < sizes), order[alike], order[other])
        scores = np.sort(rng.random((rows, k), np.float32), axis=1)[:, ::-1]
        facts = {"model": model.name, "fingerprint": "made up", "metric": "cosine"}
        facts["query"] = model.query
        name = f"{model.name}/{model.query}/{set_name}/{layout.shard_name(shard)}.parquet"
        ranking = neighbors.Neighbors(
            sample_numbers(set_name, shard, rows), numbers[chosen], scores, facts
        )
        neighbors.write_neighbors(folder / f"results/vlm/neighbors/{name}", ranking)


def write_recovered(
    folder: Path,
    model: Model,
    set_name: str,
    shards: list[int],
    settings: list[Setting],
    objects: float = 20,
) -> None:
    """Write counts of recovered objects without neighbours, for rehearsals of tables alone."""
    for shard, rows in enumerate(shards):
        common = _generator("truth", set_name, shard)
        all_objects = np.clip(common.poisson(objects, rows), NAMED, LARGEST)
        truth = {"all": all_objects, "unnamed": all_objects - NAMED}
        rng = _generator("recovered", model.name, set_name, shard)
        predicted, correct = {}, {}
        for each in settings:
            size = {"top1": 1, "top10": 10}.get(each.predict, 20 + 5 * each.k)
            predicted[each] = np.minimum(size, LABELS - rng.poisson(3, rows)).astype(np.int16)
            right = rng.binomial(truth[each.objects], 0.5 / model.noise_of(set_name))
            correct[each] = np.minimum(right, predicted[each]).astype(np.int16)
        recovered.write(
            str(folder / layout.recovered_path(model.name, model.query, set_name, shard)),
            samples=sample_numbers(set_name, shard, rows),
            first_half=common.random(rows) < 0.5,
            distance=rng.random(rows, np.float32),
            truth={name: counts.astype(np.int16) for name, counts in truth.items()},
            predicted=predicted,
            correct=correct,
        )


def _generator(*names: object) -> np.random.Generator:
    """Random numbers that depend on what they are for."""
    digest = hashlib.blake2b("|".join(map(str, names)).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))
