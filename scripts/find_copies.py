"""How often each sample of one shard of members stands in their set: copies of its picture."""

from typing import Any

import numpy as np
import pyarrow as pa

from dejavu.audits import duplicates
from dejavu.files import fingerprints
from dejavu.files.embeddings import read_embeddings
from dejavu.files.lists import listed
from dejavu.files.parquet import write_parquet
from dejavu.job import Progress, run


def main(job: Any) -> None:
    """Compare the shard with all shards of its set; a sample is a copy of itself."""
    own = read_embeddings(job.input.samples)
    vectors = duplicates.unit_rows(own.vectors)
    copies = np.zeros(len(own.samples), np.int64)
    first = own.samples.copy()
    with listed(job.input.searched) as shards:
        progress = Progress("comparing", len(shards), "shards")
        for path in shards:
            other = read_embeddings(path)
            fingerprints.check_same_model(own.metadata, job.input.samples, other.metadata, path)
            second = duplicates.unit_rows(other.vectors)
            pairs = duplicates.similar_pairs(vectors, second, job.params.threshold)
            for here, there, _ in pairs:
                copies += np.bincount(here, minlength=len(copies))
                np.minimum.at(first, here, other.samples[there])
            progress.advance(1)
    columns = {"sample": own.samples, "copies": np.maximum(copies, 1)}
    write_parquet(job.output[0], pa.table({**columns, "is_first": first == own.samples}))


run(main)
