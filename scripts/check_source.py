"""Facts of a whole source, and every reason why its sets could not give a measurement."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dejavu.config import ranges
from dejavu.files.facts import write_json
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run, warn
from dejavu.samples import checks, fractions
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Check rejected items, and count samples and objects of the sets that share the source."""
    vlm = job.params.limits
    source = job.wildcards.source
    hashes_of = ranges.ranges_of_sets(job.params.order, vlm["sets"], source)
    samples = dict.fromkeys(hashes_of, 0)
    objects = dict.fromkeys(hashes_of, 0)
    kept = 0
    samples_of: Counter[str] = Counter()
    identities = []
    for path in job.input.records:
        part = read_parquet(path, ["hash", "id", "objects"])
        hashes = part["hash"].to_numpy()
        # Of ids: captions of an image share its hash, and embeddings may be in stored order.
        identities.append(keyed_hash(column_strings(part, "id"), 0, "overlap"))
        samples_of.update(checks.samples_of_labels(part["objects"]))
        lengths = pc.list_value_length(part["objects"]).to_numpy()
        kept += len(part)
        for name, (low, high) in hashes_of.items():
            inside = slice(
                np.searchsorted(hashes, np.uint64(low), side="left"),
                np.searchsorted(hashes, np.uint64(high - 1), side="right"),
            )
            samples[name] += int(inside.stop - inside.start)
            objects[name] += int(lengths[inside].sum())
    rejected = pa.concat_tables(read_parquet(path) for path in job.input.rejected)
    reasons, items = (column_strings(rejected, name) for name in ("reason", "item"))
    for identifier, image in repeated(job.input.records, identities):
        reasons.append(f"duplicate id: {identifier}")
        items.append(image)
    kept -= len(reasons) - len(rejected)
    checks.check_rejected(source, kept, reasons, items, vlm["max_rejected"])
    for name in samples:
        # Annotations come later, and are counted by `check_sets`.
        found = None if "annotations" in vlm["sources"][source] else objects[name]
        checks.check_set(name, source, samples[name], found, max(vlm["k"]))
        for model, settings in vlm["models"].items():
            if settings.get("train_on") == name:
                fraction, further = settings["train_fraction"], settings["extra"]
                learned = fractions.part_of(samples[name], fraction) + int(further * samples[name])
                fractions.check_batch(f"Model {model}", fraction, learned, settings["batch"])
    doubt = checks.doubt_about_labels(samples_of)
    if doubt is not None:
        warn(f"Source {source}: {doubt}")
    write_json(job.output[0], {"kept": kept, "rejected": len(reasons)})


def repeated(
    paths: Sequence[str], identities: Sequence[NDArray[np.uint64]]
) -> Iterator[tuple[str, str]]:
    """Id and image of every record whose id an earlier one has, in whatever part that is."""
    places = checks.repeats(np.concatenate(identities))
    start = 0
    for path, part in zip(paths, identities, strict=True):
        mine = places[(places >= start) & (places < start + len(part))] - start
        start += len(part)
        if len(mine):
            rows = read_parquet(path, ["id", "image"]).take(mine)
            yield from zip(column_strings(rows, "id"), column_strings(rows, "image"), strict=True)


run(main)
