"""What the tables were made from, with what and when: results/run.json."""

import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dejavu.files import csvw, seals
from dejavu.files.facts import write_json
from dejavu.files.fingerprints import check_same_model
from dejavu.files.parquet import read_parquet, read_provenance
from dejavu.files.weights import weights_fingerprint
from dejavu.job import run
from dejavu.report import checkout
from dejavu.samples.hashes import keyed_hash


def main(job: Any) -> None:
    """Gather what tells this run from another."""
    params = job.params
    tables = [Path(path) for path in job.input.tables]
    for path in tables:
        csvw.description(path, params.digests[path.stem])
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
    models = {path: model(path, params.preprocessing.get(path)) for path in job.input.models}
    check_answers(job.input.answers, models)
    facts = {
        "version": checkout.VERSION,
        **checkout.facts(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": params.config,
        "versions": {"python": platform.python_version(), **params.versions},
        "sets": sets,
        "unlike_pixels": params.unlike_pixels,
        "models": distinct(models.values()),
        "tables": {path.name: csvw.sha256(path) for path in tables},
        "digests": params.digests,
    }
    write_json(job.output[0], facts)


def fingerprint(shards: list[str]) -> dict[str, Any]:
    """How many samples a set has, and a hash of all that they hold but pixels.

    Neither their order nor where images lie changes it.
    """
    total = samples = 0
    for path in shards:
        table = read_parquet(path)
        told = [name for name in table.column_names if name not in ("sample", "image")]
        rows = table.select(told).to_pylist()
        hashed = keyed_hash([seals.canonical(row).decode() for row in rows], 0, "run")
        total = (total + int(hashed.sum())) % 2**64
        samples += len(hashed)
    return {"samples": samples, "content": f"{total:016x}"}


def distinct(models: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each model once, of which several inputs may tell."""
    keys = ("domain", "name", "fingerprint")
    return list({tuple(each[key] for key in keys): each for each in models}.values())


def check_answers(paths: list[str], models: dict[str, dict[str, Any]]) -> None:
    """Raise `InputError` unless what tables are made from comes from the models that are told.

    Args:
        paths: recovered objects and predictions; those of no configured model are not looked at.
        models: of each file that tells of a model, what it tells.
    """
    known = {(told["domain"], told["name"]): (told, path) for path, told in models.items()}
    for path in paths:
        found = read_provenance(path)
        key = Path(path).parts[1], found["model"]
        if key in known:
            told, first = known[key]
            check_same_model({**told, "model": told["name"]}, first, found, path)


def model(path: str, preprocessing: dict[str, Any] | None) -> dict[str, Any]:
    """What a model's embeddings or, of a classifier, its weights and preprocessing tell of it."""
    place = Path(path)
    if place.suffix == ".parquet":
        facts = read_provenance(path)
        told = {"fingerprint": facts["fingerprint"], "dimension": facts.get("dimension")}
        told["versions"] = facts.get("versions", {})
        return {"domain": place.parts[1], "name": facts["model"], **told}
    assert preprocessing is not None, path
    told = {"fingerprint": weights_fingerprint(place, preprocessing), "dimension": None}
    return {"domain": place.parts[1], "name": place.parent.name, **told, "versions": {}}


run(main)
