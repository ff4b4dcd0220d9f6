"""The crops that each target model memorized: results/tables/vision_memorized.csv."""

from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import duplicates, judged, tables
from dejavu.job import job_log
from dejavu.vision_scores import memorized

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


COLUMNS = {
    "target_model": pl.String,
    "reference": pl.String,
    "rank": pl.Int64,
    "sample": pl.Int64,
    "id": pl.String,
    "label": pl.String,
    "confidence": pl.Float64,
}


def main(job: Any) -> None:
    """List A's memorized crops, the highest memorization confidence first."""
    left_out = duplicates.contaminated(job.input.left_out)
    images = duplicates.without(tables.read_crops(job.input.records), left_out)
    crops = images.select("sample", "id", "label").rows()
    rows = []
    for each in job.params.comparisons:
        comparison = judged.comparison(each["sides"]["A"], left_out)
        found, confidence = memorized(comparison.targets[0], comparison.references[0])
        pairs = zip(found[: job.params.memorized], confidence, strict=False)
        for rank, (position, sure) in enumerate(pairs, 1):
            sample, identifier, label = crops[position]
            rows.append(
                {
                    "target_model": each["target_model"],
                    "reference": each["reference"],
                    "rank": rank,
                    "sample": sample,
                    "id": identifier,
                    "label": label,
                    "confidence": sure,
                }
            )
    tables.write_csv(job.output[0], rows, COLUMNS)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
