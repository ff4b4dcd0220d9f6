"""Facts of a whole source, and every reason why its sets could not give a measurement."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dejavu.config import ranges
from dejavu.files.facts import write_json
from dejavu.files.parquet import column_strings, read_parquet
from dejavu.job import run
from dejavu.samples import checks


def main(job: Any) -> None:
    """Check rejected items, and count samples and objects of the sets that share the source."""
    # Limits change no result: they are read from the config and are no parameters, so that
    # changing one reruns nothing that has passed.
    vlm = job.config["vlm"]
    source = job.wildcards.source
    hashes_of = ranges.ranges_of_sets(job.params.order, vlm["sets"], source)
    samples = dict.fromkeys(hashes_of, 0)
    objects = dict.fromkeys(hashes_of, 0)
    kept = 0
    for path in job.input.records:
        part = read_parquet(path, ["hash", "objects"])
        hashes = part["hash"].to_numpy()
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
    checks.check_rejected(source, kept, reasons, items, vlm["max_rejected"])
    for name in samples:
        # Annotations come later, and are counted by `check_sets`.
        found = None if "annotations" in vlm["sources"][source] else objects[name]
        checks.check_set(name, source, samples[name], found, max(vlm["k"]))
    write_json(job.output[0], {"kept": kept, "rejected": len(reasons)})


run(main)
