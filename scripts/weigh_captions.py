"""What speaks for captions having been memorized: results/vlm/evidence/."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from dejavu.audits import blind, duplicates, evidence
from dejavu.audits.evidence import Shard
from dejavu.config import layout
from dejavu.files.embeddings import read_embeddings
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.samples.hashes import row_of
from dejavu.samples.texts import image_ids
from dejavu.scores import recovered
from dejavu.scores.families import benjamini_hochberg


def main(job: Any) -> None:
    """Learn from members and control, then score the captions of every shard."""
    params = job.params
    is_shifted = blind.tells_apart(job.input.blind, params.digest, "target", "control")
    with threadpool_limits(job.threads):
        members, control = evidence.weigh(
            partial(shards, job, "target"),
            partial(shards, job, "control"),
            params.limit if is_shifted else None,
        )
    facts = {
        **{key: params.comparisons[0][key] for key in ("test", "target_model", "reference_model")},
        "features": job.wildcards.features,
        "weighted_by": "blind" if is_shifted else None,
    }
    p = evidence.member_p_values(members, control)
    evidence.write(job.output.members, members, facts, p=p, q=benjamini_hochberg(p))
    evidence.write(job.output.control, control, facts, teaches=control.teaches)


def shards(job: Any, name: str, blinded: bool) -> Iterator[Shard]:
    """The captions of a set that have objects, as their models see them."""
    params = job.params
    settings = recovered.settings(params.k, params.predict, params.objects)
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    files = layout.shards_of(job.input.recovered)
    samples, embeddings = (job.input[f"{name}_{kind}"] for kind in ("samples", "embeddings"))
    for place, sides in enumerate(sides_of(params.comparisons, name, files, left_out)):
        chosen = np.any([sides[0].scored(setting) for setting in settings], axis=0)
        numbers = sides[0].samples[chosen]
        ids = column_strings(read_parquet(samples[place], ["id"]).take(row_of(numbers)), "id")
        of_images = image_ids(pl.lit(pl.Series(ids, dtype=pl.String)), params.captions[name])
        familiar = job.wildcards.features == "any"
        yield Shard(
            numbers,
            evidence.image_hashes(pl.select(of_images).to_series().to_list(), params.seed),
            evidence.own_hashes(ids, params.seed),
            evidence.caption_features(sides, settings, familiar)[chosen],
            blind=read_embeddings(embeddings[place]).of_samples(numbers) if blinded else None,
        )


def sides_of(
    comparisons: list[dict[str, Any]], name: str, files: recovered.Files, left_out: np.ndarray
) -> Iterator[list[recovered.Recovered]]:
    """A shard under the target and the reference of every query, each once, shard by shard."""
    streams = [recovered.pairs_of(each["tallies"][name], files, left_out) for each in comparisons]
    asked = [
        (side["models"][0], side["query"])
        for each in comparisons
        for side in (each["tallies"][name][role] for role in ("target", "reference"))
    ]
    for pairs in zip(*streams, strict=True):
        sides = (side for pair in pairs for side in pair)
        yield list(dict(zip(asked, sides, strict=True)).values())


run(main)
