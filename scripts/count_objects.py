"""Objects that are predicted already for every sample of one shard, counted."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dejavu.errors import InputError
from dejavu.files.facts import read_json
from dejavu.files.parquet import read_parquet, read_provenance
from dejavu.job import run
from dejavu.predictions import object_votes
from dejavu.predictions.object_votes import LabelLists, label_codes
from dejavu.samples.clusters import clusters_of, image_ids_of
from dejavu.samples.hashes import in_first_half
from dejavu.samples.schemas import LABEL_LEAVES
from dejavu.scores import recovered


def main(job: Any) -> None:
    """Count the right ones for every setting."""
    params = job.params
    found = read_parquet(job.input.predictions)
    vocabulary = read_json(job.input.vocabulary)["labels"]
    columns = ["sample", "id", "objects", "named"]
    samples = read_parquet(job.input.samples, columns, read_dictionary=LABEL_LEAVES)
    if not np.array_equal(samples["sample"].to_numpy(), found["sample"].to_numpy()):
        raise InputError(
            f"{job.input.predictions} has other samples than {job.input.samples} holds: delete it"
            " and run again."
        )
    truth, named = (
        LabelLists(*label_codes(samples, name, vocabulary)) for name in ("objects", "named")
    )
    labels = [*vocabulary, *others(found, vocabulary)]
    hidden = {"all": object_votes.nothing(len(samples)), "unnamed": named}
    counts = object_votes.count_given(
        LabelLists(*label_codes(found, "prediction", labels)),
        truth,
        {objects: hidden[objects] for objects in params.objects},
        len(labels),
        params.k,
        params.predict,
    )
    images = image_ids_of(samples, params.captions)
    is_control = job.wildcards.set == "control"
    settings = recovered.settings(params.k, params.predict, params.objects)
    recovered.write(
        job.output[0],
        samples=samples["sample"].to_numpy(),
        first_half=in_first_half(images.to_list(), params.seed) if is_control else None,
        distance=found["distance"].to_numpy(),
        truth={objects: counted.truth for objects, counted in counts.items()},
        predicted={each: counts[each.objects].predicted[each.k, each.predict] for each in settings},
        correct={each: counts[each.objects].correct[each.k, each.predict] for each in settings},
        clusters=clusters_of(images) if params.captions == "each" else None,
        provenance=read_provenance(job.input.predictions),
    )


def others(found: pa.Table, vocabulary: list[str]) -> list[str]:
    """Labels that are predicted and that no object has, sorted: they are wrong everywhere."""
    predicted = pc.unique(pc.list_flatten(found["prediction"])).to_pylist()
    return sorted(set(predicted) - set(vocabulary))


run(main)
