"""What a config asks of audits: encoders that can serve them, and have not seen what they judge.

Standard library only: the Snakefile imports it.
"""

from collections.abc import Mapping
from typing import Any

from dejavu.config import plan
from dejavu.config.domains import DOMAINS
from dejavu.config.kinds import MODELS, SOURCES
from dejavu.errors import InputError


def check(domain: Mapping[str, Any], where: str, targets: set[str], references: set[str]) -> None:
    """Check that the encoders of audits are there, can do it, and are not what is audited.

    Args:
        domain: its config.
        where: its name.
        targets: the models that tests take as target.
        references: the references of two-model tests, which change places with the targets.

    Raises:
        InputError: naming the key and the remedy.
    """
    first, models = DOMAINS[where].measured[0], domain["models"]
    parts = {"blind": DOMAINS[where].asks}
    if "contamination" in domain:
        parts["contamination"] = domain["contamination"].get("input", "image")
    for audit, part in parts.items():
        if audit not in domain:
            continue
        key, name = f"Config key {where}.{audit}.model", domain[audit]["model"]
        if name not in models:
            raise InputError(
                f"{key}: there is no model {name!r}; {where}.models has {', '.join(models)}."
            )
        if part not in MODELS[models[name]["kind"]].embeds:
            raise InputError(
                f"{key}: {name!r}, of kind {models[name]['kind']}, can't embed a {part}: name"
                " another model."
            )
    if "contamination" in domain and domain["contamination"]["model"] in targets | references:
        raise InputError(
            f"Config key {where}.contamination.model: {domain['contamination']['model']!r} is"
            " measured itself, and what it takes for similar may be what it memorized: name"
            " another model, as one of kind pixels."
        )
    if domain["exclude_contaminated"] and "contamination" not in domain:
        raise InputError(
            f"Config key {where}.exclude_contaminated: nothing tells what is contaminated: add"
            f" {where}.contamination."
        )
    if domain["membership"]["similarity"] and not plan.tells_members(where, domain):
        raise InputError(
            f"Config key {where}.membership.similarity: it tells members from control: add"
            f" `control` to {where}.sets, or leave it out."
        )
    if domain["membership"]["similarity"]:
        for name in sorted(targets | references):
            if not MODELS[models[name]["kind"]].embeds:
                raise InputError(
                    f"Config key {where}.membership.similarity: {name!r}, of kind"
                    f" {models[name]['kind']}, has no embeddings whose similarity it could take:"
                    " leave it out, or name a model that embeds."
                )
    for name in plan.columns_grouped_by(where, domain):
        for set_name in plan.tells_members(where, domain):
            source = domain["sources"][domain["sets"][set_name]["source"]]
            record = SOURCES[source["kind"]]
            if not record.has_columns and not (name in record.columns and source[name]):
                raise InputError(
                    f"Config key {where}.groups: samples of {set_name} have no column {name!r}, as"
                    f" a source of kind {source['kind']} gives them none: leave it out, or bring"
                    " the samples as a table."
                )
    for group, needed in (("copies", "contamination"), ("typicality", "blind")):
        if group in domain["groups"] and needed not in domain:
            raise InputError(
                f"Config key {where}.groups: `{group}` takes what {where}.{needed} finds: add that,"
                " or leave it out."
            )
    if "blind" not in domain:
        return
    pairs = plan.told_apart(where, domain)
    if not pairs:
        raise InputError(
            f"Config key {where}.blind: it tells {first} from control: add `control` to"
            f" {where}.sets, or leave `blind` out."
        )
    name = domain["blind"]["model"]
    trained_on = MODELS[models[name]["kind"]].trained_on
    seen = None if trained_on is None else models[name].get(trained_on)
    for one, other in pairs:
        known = first if name in targets else seen
        if known in (one, other):
            raise InputError(
                f"Config key {where}.blind.model: {name!r} saw {known}, and may tell {one} from"
                f" {other} by its memory: name a model that saw neither."
            )
