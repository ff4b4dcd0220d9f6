"""What speaks for crops having been memorized: results/vision/evidence/."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from dejavu.audits import blind, duplicates, evidence
from dejavu.audits.evidence import Shard
from dejavu.config import layout
from dejavu.files.embeddings import read_embeddings
from dejavu.job import run
from dejavu.samples.hashes import shard_of
from dejavu.samples.images import read_crops
from dejavu.scores.families import benjamini_hochberg
from dejavu.scores.judged import Classes, read_judged
from dejavu.scores.weighing import class_weights

SETS = ("A", "control")


def main(job: Any) -> None:
    """Learn from A's and control's crops, then score them all."""
    params = job.params
    is_shifted = blind.tells_apart(job.input.blind, params.digest, *SETS)
    known = crops_of_sets(job)
    with threadpool_limits(job.threads):
        members, control = evidence.weigh(
            partial(shards, known["A"], job.input.A_embeddings),
            partial(shards, known["control"], job.input.control_embeddings),
            params.limit if is_shifted else None,
        )
    weighted_by = "blind" if is_shifted else "classes" if known["A"].weights is not None else None
    facts = {
        **{name: params.pairs[0][name] for name in ("test", "target_model")},
        "reference_model": ", ".join(pair["reference_model"] for pair in params.pairs),
        "features": job.wildcards.features,
        "weighted_by": weighted_by,
    }
    p = evidence.member_p_values(members, control)
    evidence.write(job.output.members, members, facts, p=p, q=benjamini_hochberg(p))
    evidence.write(job.output.control, control, facts, teaches=control.teaches)


def crops_of_sets(job: Any) -> dict[str, Shard]:
    """All crops of A and of control, but for those of A's whose class control lacks."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.digest)
    crops = duplicates.without(read_crops(job.input.records), left_out)
    classes = Classes.of(crops)
    ids = dict(crops.select("sample", "id").iter_rows())
    files = layout.predictions_of(job.input.predictions)
    judged = {
        name: [read_judged(files[predictor, name], left_out) for predictor in params.predictors]
        for name in SETS
    }
    numbers = {name: classes.of_samples(judged[name][0].samples) for name in SETS}
    matched, weights = class_weights(numbers["A"], numbers["control"])
    # A control crop weighs 1 in the mean, and a crop of A as much as a control crop of its class.
    weights *= len(weights)
    by_class = np.zeros(len(classes.labels))
    by_class[numbers["control"]] = weights
    own = {"A": by_class[numbers["A"]][matched], "control": weights}
    found = {}
    for name in SETS:
        kept = matched if name == "A" else np.ones(len(weights), bool)
        shown = [each.where(kept) for each in judged[name]]
        samples = shown[0].samples
        of_crops = [ids[sample] for sample in samples.tolist()]
        found[name] = Shard(
            samples,
            evidence.image_hashes(of_crops, params.seed),
            evidence.own_hashes(of_crops, params.seed),
            evidence.crop_features(shown),
            weights=own[name] if np.ptp(weights) else None,
        )
    return found


def shards(crops: Shard, embeddings: list[str], blinded: bool) -> Iterator[Shard]:
    """A set's crops: at once, or shard by shard with their embeddings under the blind encoder."""
    if not blinded:
        yield crops
        return
    for number, path in enumerate(embeddings):
        some = crops.where(shard_of(crops.samples) == number)
        yield replace(some, blind=read_embeddings(path).of_samples(some.samples))


run(main)
