"""A CLIP model trained from scratch on one set."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dejavu import tables
from dejavu.encoders import prepare_torch
from dejavu.job import discard, job_log, whole_file
from dejavu.training import clip

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake


def main(job: Any) -> None:
    """Train the model, or go on from its checkpoint."""
    device = prepare_torch(threads=1)
    settings, seed = job.params.model, job.params.seed
    records = [tables.read_parquet(path, ["image", "caption"]) for path in job.input.records]
    images = [image for table in records for image in tables.column_strings(table, "image")]
    captions = [caption for table in records for caption in tables.column_strings(table, "caption")]
    model = clip.build(settings["model_cfg"], seed)
    checkpoint = Path(job.output.weights).with_name("checkpoint.pt")
    history = clip.train(
        model,
        images,
        captions,
        preprocessing=settings["preprocess_cfg"],
        settings=settings,
        seed=seed,
        checkpoint=checkpoint,
        device=device,
    )
    with whole_file(job.output.history) as partial:
        pl.DataFrame(history).write_csv(partial)
    clip.save(
        model,
        settings["model_cfg"],
        settings["preprocess_cfg"],
        weights_path=job.output.weights,
        config_path=job.output.config,
    )
    discard(checkpoint)


if "snakemake" in globals():
    with job_log(snakemake.log[0]):
        main(snakemake)
