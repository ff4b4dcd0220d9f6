"""Embeddings of one shard of captions under a general text encoder."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dejavu import tables
from dejavu.encoders import downloads_allowed, prepare_torch, text
from dejavu.job import Progress, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

# Fixed: which captions are sorted and batched together shows in the last bits of a vector.
CAPTIONS_A_CALL = 2**14


def main(job: Any) -> None:
    """Embed the captions; the library sorts them by length and batches them."""
    device = prepare_torch(job.params.threads)
    encoder = text.load(
        job.wildcards.model, job.params.model, job.params.batch, device, downloads_allowed()
    )
    records = tables.read_parquet(job.input.records, ["sample", "caption"])
    captions = tables.column_strings(records, "caption")
    progress = Progress(f"embedding with {job.wildcards.model}", len(captions), "captions")
    vectors = []
    for start in range(0, max(1, len(captions)), CAPTIONS_A_CALL):
        some = captions[start : start + CAPTIONS_A_CALL]
        vectors.append(encoder.encode_texts(some))
        progress.advance(len(some))
    facts = {**encoder.facts, "input": "caption"}
    tables.write_embeddings(
        job.output[0], records["sample"].to_numpy(), np.concatenate(vectors), facts
    )


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
