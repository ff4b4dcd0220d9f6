"""Near-duplicates of one shard of measured samples in the other sets."""

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
    """Compare the shard with the shards of the other sets, one after the other."""
    threshold = job.params.threshold
    own = read_embeddings(job.input.samples)
    vectors = duplicates.unit_rows(own.vectors)
    columns: dict[str, list[np.ndarray]] = {
        name: [np.empty(0, duplicates.DUPLICATES.field(name).type.to_pandas_dtype())]
        for name in duplicates.DUPLICATES.names
    }
    found = 0
    for searched_list in job.input.searched:
        with listed(searched_list) as shards:
            progress = Progress("comparing", len(shards), "shards")
            for path in shards:
                other = read_embeddings(path)
                fingerprints.check_same_model(own.metadata, job.input.samples, other.metadata, path)
                second = duplicates.unit_rows(other.vectors)
                for here, there, similarity in duplicates.similar_pairs(vectors, second, threshold):
                    found += len(here)
                    duplicates.check_number(found, len(own.samples), threshold)
                    columns["first_sample"].append(own.samples[here])
                    columns["second_sample"].append(other.samples[there])
                    columns["similarity"].append(similarity)
                progress.advance(1)
    table = pa.table(
        {name: np.concatenate(parts) for name, parts in columns.items()},
        schema=duplicates.DUPLICATES,
    )
    order = [("first_sample", "ascending"), ("second_sample", "ascending")]
    write_parquet(job.output[0], table.sort_by(order))


run(main)
