"""Near-duplicates of one shard of measured samples in the other sets."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from dejavu import duplicates, provenance, tables
from dejavu.job import Progress, job_log

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Compare the shard with the shards of the other sets, one after the other."""
    threshold = job.params.threshold
    own = tables.read_embeddings(job.input.samples)
    vectors = duplicates.unit_rows(own.vectors)
    columns: dict[str, list[np.ndarray]] = {
        name: [np.empty(0, tables.DUPLICATES.field(name).type.to_pandas_dtype())]
        for name in tables.DUPLICATES.names
    }
    found = 0
    for searched_list in job.input.searched:
        with tables.listed(searched_list) as shards:
            progress = Progress("comparing", len(shards), "shards")
            for path in shards:
                other = tables.read_embeddings(path)
                provenance.check_same_model(own.metadata, job.input.samples, other.metadata, path)
                second = duplicates.unit_rows(other.vectors)
                for here, there, similarity in duplicates.similar_pairs(vectors, second, threshold):
                    found += len(here)
                    duplicates.check_number(found, len(own.samples), threshold)
                    columns["first_sample"].append(own.samples[here])
                    columns["second_sample"].append(other.samples[there])
                    columns["similarity"].append(similarity)
                progress.advance(1)
    table = pa.table(
        {name: np.concatenate(parts) for name, parts in columns.items()}, schema=tables.DUPLICATES
    )
    order = [("first_sample", "ascending"), ("second_sample", "ascending")]
    tables.write_parquet(job.output[0], table.sort_by(order))


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
