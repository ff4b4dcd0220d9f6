"""Embeddings of one shard of captions under a general text encoder."""

from typing import Any

from dejavu.encoders import precision, text
from dejavu.encoders.device import prepare_torch
from dejavu.encoders.hub import downloads_allowed
from dejavu.encoders.shards import CAPTIONS_A_CALL, embed_texts
from dejavu.files.embeddings import write_embeddings
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import Progress, run


def main(job: Any) -> None:
    """Embed the captions; the library sorts them by length and batches them."""
    device = prepare_torch(job.params.threads)
    encoder = text.load(
        job.wildcards.model, job.params.model, job.params.batch, device, downloads_allowed()
    )
    encoder = precision.applied(encoder, job.params.precision, device)
    records = read_parquet(job.input.records, ["sample", "caption"])
    captions = column_strings(records, "caption")
    progress = Progress(f"embedding with {job.wildcards.model}", len(captions), "captions")
    vectors = embed_texts(captions, encoder.encode_texts, CAPTIONS_A_CALL, progress)
    facts = {**encoder.facts, "input": "caption"}
    write_embeddings(job.output[0], records["sample"].to_numpy(), vectors, facts)


run(main)
