"""What the tables were made from, with what and when: results/run.json."""

import hashlib
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dejavu import __version__
from dejavu.files import seals
from dejavu.files.facts import write_json
from dejavu.files.parquet import column_strings, read_parquet, read_provenance
from dejavu.job import run
from dejavu.report import checkout
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Gather what tells this run from another."""
    params = job.params
    samples = iter(job.input.samples)
    sets = [
        {
            "domain": domain,
            "set": name,
            "source": source,
            **fingerprint([next(samples) for _ in range(shards)]),
        }
        for domain, name, source, shards in params.sets
    ]
    facts = {
        "version": __version__,
        **checkout.facts(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": params.config,
        "versions": {"python": platform.python_version(), **params.versions},
        "sets": sets,
        "models": [model(path) for path in job.input.models],
        "tables": {Path(path).name: sha256(path) for path in job.input.tables},
    }
    write_json(job.output[0], facts)


def fingerprint(shards: list[str]) -> dict[str, Any]:
    """How many samples a set has, and a hash of their ids that their order does not change."""
    total = samples = 0
    for path in shards:
        hashed = keyed_hash(column_strings(read_parquet(path, ["id"]), "id"), 0, "run")
        total = (total + int(hashed.sum())) % 2**64
        samples += len(hashed)
    return {"samples": samples, "ids": f"{total:016x}"}


def model(path: str) -> dict[str, Any]:
    """What a model's embeddings or, of a classifier, its weights tell of it."""
    place = Path(path)
    if place.suffix == ".parquet":
        facts = read_provenance(path)
        told = {key: facts[key] for key in ("fingerprint", "dimension", "versions")}
        return {"domain": place.parts[1], "name": facts["model"], **told}
    weights = seals.digest(place.read_bytes())
    told = {"fingerprint": weights, "dimension": None, "versions": {}}
    return {"domain": place.parts[1], "name": place.parent.name, **told}


def sha256(path: str) -> str:
    """Hash a file as `sha256sum` does."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


run(main)
