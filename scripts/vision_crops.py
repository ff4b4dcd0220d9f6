"""Images with and without a background crop, by reason: results/tables/vision_crops.csv."""

from collections import Counter
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from dejavu.audits import duplicates
from dejavu.files.csv import write_csv
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run

# The status of a crop that scores leave out, because its image has a near-duplicate.
CONTAMINATED = "contaminated"
COLUMNS = {"set": pl.String, "crop_status": pl.String, "images": pl.Int64}


def main(job: Any) -> None:
    """Count the images of every set by the status of their crop."""
    left_out = duplicates.contaminated(job.input.left_out, job.params.digest)
    remaining = iter(job.input.records)
    rows = []
    for name, shards in job.params.shards.items():
        counts: Counter[str] = Counter()
        for _ in range(shards):
            records = read_parquet(next(remaining), ["sample", "crop_status"])
            is_left_out = np.isin(records["sample"].to_numpy(), left_out)
            is_left_out &= pc.equal(records["crop_status"], "ok").to_numpy()
            counts[CONTAMINATED] += int(is_left_out.sum())
            kept = records.filter(pa.array(~is_left_out))
            counts.update(column_strings(kept, "crop_status"))
        for status, images in sorted((+counts).items()):
            rows.append({"set": name, "crop_status": status, "images": images})
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


run(main)
