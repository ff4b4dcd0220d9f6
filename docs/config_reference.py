"""Write docs/config.md, the reference of every config key, from the config's schema.

Run `python docs/config_reference.py` after a change of rules/schemas.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
from dejavu.config import schema as schemas  # noqa: E402

SCHEMA = ROOT / "rules/schemas/config.schema.yaml"
PAGE = ROOT / "docs/config.md"
Schema = Mapping[str, Any]

OPENING = """# Config reference

Made from `rules/schemas` by `docs/config_reference.py`: edit the schema, not
this page. `<name>` stands for a name of yours. Keys without a default must be given where they
are marked *required*, and may otherwise be left out. Relative paths start from the folder of the
Snakefile. A config given by `--configfile` replaces `config.yaml`; it is not merged into it.
"""


def page(schema: Schema) -> str:
    """The whole page in Markdown."""
    blocks = [OPENING]
    for heading, rows in sections(schema, schema, ""):
        blocks.append(f"## {heading}\n" if heading else "## At the top\n")
        blocks.append("| key | value | default | what it is |\n| --- | --- | --- | --- |")
        blocks.append("\n".join("| " + " | ".join(map(cell, row)) + " |" for row in rows) + "\n")
    return "\n".join(blocks)


def sections(
    root: Schema, schema: Schema, path: str, of: str = ""
) -> Iterator[tuple[str, list[list[str]]]]:
    """Each mapping of the config: its dotted path, and a row a key; then those inside it.

    `of` is the condition that the mapping depends on, where others of its path depend on others.
    """
    schema = resolved(root, schema)
    keys = list(keys_of(root, schema))
    rows = [
        [
            f"`{key}`" + (f" ({condition})" if condition else ""),
            value_of(root, rules) + (", *required*" if required else ""),
            f"`{json.dumps(rules['default'], ensure_ascii=False)}`" if "default" in rules else "",
            rules.get("description", ""),
        ]
        for key, rules, required, condition in keys
    ]
    if rows:
        yield path and f"`{path}`{f' ({of})' if of else ''}", rows
    names = [key for key, *_ in keys]
    for key, rules, _, condition in keys:
        of = condition if names.count(key) > 1 else ""
        yield from sections(root, rules, f"{path}.{key}" if path else key, of)
    named = schema.get("additionalProperties")
    if isinstance(named, Mapping):
        yield from sections(root, named, f"{path}.<name>")
    if isinstance(schema.get("items"), Mapping):
        yield from sections(root, schema["items"], f"{path}[]")


def keys_of(root: Schema, schema: Schema) -> Iterator[tuple[str, Schema, bool, str]]:
    """Keys of a mapping: name, rules, whether required, and the condition that they depend on."""
    needed = set(schema.get("required", []))
    for key, rules in schema.get("properties", {}).items():
        yield key, merged(root, rules), key in needed, ""
    several: dict[tuple[str, str], tuple[Schema, bool, list[str]]] = {}
    for branch in schema.get("allOf", []):
        [(name, rule)] = branch["if"]["properties"].items()
        kinds = [rule["const"]] if "const" in rule else rule["enum"]
        common = resolved(root, branch["then"])
        needed = {*common.get("required", []), *branch["then"].get("required", [])}
        properties = {**common.get("properties", {}), **branch["then"].get("properties", {})}
        for key, rules in properties.items():
            same = json.dumps([name, rules, key in needed], sort_keys=True)
            found = several.setdefault((key, same), (rules, key in needed, [f"{name} "]))
            found[2].extend(kinds)
    for (key, _), (rules, is_needed, (name, *kinds)) in several.items():
        told = name + ", ".join(f"`{kind}`" for kind in kinds)
        yield key, merged(root, rules), is_needed, told


def resolved(root: Schema, schema: Schema) -> Schema:
    """The rules that a reference stands for."""
    while "$ref" in schema:
        place: Any = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            place = place[step]
        schema = place
    return schema


def merged(root: Schema, schema: Schema) -> Schema:
    """The rules that a reference stands for, under the description and default beside it."""
    return {**resolved(root, schema), **{k: v for k, v in schema.items() if k != "$ref"}}


def value_of(root: Schema, rules: Schema) -> str:
    """What a key may hold, in words."""
    rules = merged(root, rules)
    if "enum" in rules:
        return " or ".join(f"`{json.dumps(each)}`".replace('"', "") for each in rules["enum"])
    for several in ("anyOf", "oneOf"):
        if several in rules:
            return ", or ".join(value_of(root, each) for each in rules[several])
    if "const" in rules:
        return f"`{rules['const']}`"
    kind = rules.get("type", "anything")
    if isinstance(kind, list):
        kind = " or ".join(kind)
    if kind == "array":
        return f"list of {value_of(root, rules['items'])}" if "items" in rules else "list"
    if kind == "object":
        return "mapping"
    limits = [
        f"{sign} {rules[limit]:g}"
        for limit, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if limit in rules
    ]
    return f"{kind} {', '.join(limits)}".strip()


def cell(text: str) -> str:
    """Text that stays in its cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(schemas.read(SCHEMA)), encoding="utf-8")
