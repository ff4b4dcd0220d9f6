"""The report's page: one file that needs no network, from tables, figures and galleries.

Whatever comes from data, as labels, captions and ids, is escaped by the template, and JSON inside
scripts is written without `<`, `>`, `&` and quotes that could end them. Control characters are
shown by their codes.
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.errors import DamagedFile
from dejavu.files import seals
from dejavu.files.csvw import check_config, sha256
from dejavu.files.facts import read_json, read_noted
from dejavu.job import warn
from dejavu.report import figures, verdict
from dejavu.report.shown import shown
from dejavu.samples.checks import Matched

TEMPLATES = Path(__file__).parent / "templates"
SHOWN_ROWS = 600
GROUPS = {
    "listed": "Listed as memorized by {target_model}: of the whole list, at most {rate:.0%} are"
    " expected there by chance",
    "memorized captions": "Most memorized captions: {target_model} against {reference_model}",
    "correlated captions": "Most correlated captions, whose objects both recover: {target_model}"
    " against {reference_model}",
    "memorized": "Memorized: {target_model} is right and {reference_model} wrong, the surest first",
    "correlated": "Correlated: {target_model} and {reference_model} are both right; × tells how"
    " much more often a tag is on crops of this label than on all",
    "others right": "Where references disagree: {reference_model} is wrong and another one right",
    "neighbours right": "Where references disagree: {reference_model} is right and all others are"
    " wrong",
}


def render(content: Mapping[str, Any]) -> str:
    """Fill the template; the same content gives the same text."""
    import markupsafe
    import vl_convert

    code = {
        "js": (TEMPLATES / "page.js").read_text(encoding="utf-8"),
        "bundle": vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"),
    }
    marked = {name: markupsafe.Markup(text) for name, text in code.items()}
    return filled("page.html", {**content, **marked}, theme=figures.THEME, dark=figures.DARK)


def filled(template: str, content: Mapping[str, Any], **others: Any) -> str:
    """Fill a template of this folder, whose style is the report's; all content is escaped."""
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(
        figure=shown_number, slug=slug, heading=heading, expected=false_entries
    )
    style = markupsafe.Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(**content, **others, css=style)


def shown_number(value: float) -> str:
    """A number as the page shows it: four significant digits, whole numbers in full."""
    if isinstance(value, int) or value == int(value):
        return f"{int(value)}".replace("-", "−")
    return f"{value:.4g}".replace("-", "−")


def slug(text: str) -> str:
    """A text as the name of a class."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())


def heading(group: Mapping[str, Any], models: Mapping[str, Any], what: str) -> str:
    """What a group of a gallery shows of captions or crops; `models` are target and reference."""
    words = GROUPS.get(f"{group['group']} {what}") or GROUPS[group["group"]]
    return words.format(**{"target_model": "", **models, **group})


def false_entries(group: Mapping[str, Any]) -> str:
    """How many of a group's examples control would have given, where it lists the memorized."""
    expected = group.get("expected_false")
    if expected is None:
        return ""
    shown = len(group["examples"])
    return f"Of a list of {shown}, control, which no model saw, would have given {expected:.1f}."


def figure(specification: Path, picture: Path, legend: str, digest: str) -> dict[str, Any]:
    """A figure: its words, its picture as a data URI, and its chart without style.

    Of one that is damaged, what is wrong with it: the page does without.

    Raises:
        InputError: another config made the figure.
    """
    try:
        chart = read_noted(specification, lambda read: read["usermeta"])
        if sha256(picture) != chart["usermeta"]["svg"]:
            raise seals.spoiled(picture)
    except DamagedFile as error:
        warn(f"The page lacks a figure: {error}")
        return {"name": specification.stem, "fault": str(error)}
    check_config(specification, chart["usermeta"]["config"], digest)
    title = chart["title"]
    svg = base64.b64encode(picture.read_bytes()).decode()
    del chart["config"]
    return {
        "name": specification.stem,
        "title": title["text"],
        "fault": None,
        "subtitle": chart["usermeta"]["subtitle"],
        "description": chart["description"],
        "svg": f"data:image/svg+xml;base64,{svg}",
        "chart": chart,
        "legend": legend,
    }


def gallery(path: str, digest: str) -> dict[str, Any]:
    """A gallery; raises `InputError` where another config made it."""
    found = read_json(path)
    check_config(path, found["config"], digest)
    return found


def table(name: str, rows: pl.LazyFrame, legend: str) -> dict[str, Any]:
    """A table: its first rows, and how many there are in all."""
    first = rows.head(SHOWN_ROWS).collect()
    return {
        "name": name,
        "legend": legend,
        "columns": first.columns,
        "rows": [[shown(value) for value in row] for row in first.rows()],
        "rows_in_all": int(rows.select(pl.len()).collect().item()),
    }


def counted(rows: pl.LazyFrame, *columns: str) -> list[dict[str, Any]]:
    """How many rows of a table have each value of some columns, in the order of the values."""
    counts = rows.group_by(columns).agg(rows=pl.len())
    return counts.sort(columns).collect().to_dicts()


def lead(key: str, config: Mapping[str, Any]) -> str:
    """What was measured, in a sentence or two."""
    if key == "vlm":
        several = "" if len(config["tests"]) == 1 else "s"
        return (
            "Can the objects of a training image be recovered from its caption alone, better than"
            f" by a reference that never saw it? {len(config['tests'])} test{several} of"
            " vision–language models."
        )
    methods = dict.fromkeys(model.get("method") for model in config["models"].values())
    named = ", ".join(method for method in methods if method)
    return (
        "Can the label of a training picture’s foreground be inferred from a crop of its background"
        " alone, better than by a reference that never saw it? Tests of image models"
        + (f" ({named})." if named else ".")
    )


def facts(
    key: str,
    asked: Mapping[str, pl.LazyFrame],
    rows: Mapping[str, Any],
    data: Mapping[str, Any],
) -> list[str]:
    """What the verdicts of a domain rest on.

    Args:
        key: of the domain.
        asked: the tables by name.
        rows: of vlm_ppg, at the headline setting alone, of the table of power, and of utility,
            where they are.
        data: what was found of the labels of each source, and of annotations that match samples.
    """
    found = []
    if key == "vlm":
        first = {row["set"]: row for row in rows["vlm_ppg"] if row["targets"] is not None}
        for name in ("target", "reference", "control"):
            if name in first:
                row = first[name]
                told = f"{name}: {row['targets']:,} captions are scored"
                told += f", {row['excluded']:,} without objects are left out"
                if row["contaminated"]:
                    told += f", and {row['contaminated']:,} near-duplicates"
                found.append(f"{told}.")
        if "control" not in first:
            found.append("There is no control set: one-model scores are raw, not calibrated.")
    else:
        found += _crops(asked["vision_crops"])
    found.append(_rejected(asked[f"{key}_rejected"]))
    found += _labels(data.get("labels", {}))
    found += [
        f"{source}: {Matched(**numbers).told('samples' if key == 'vlm' else 'crops')}."
        for source, numbers in data["matched"].items()
    ]
    if f"{key}_contamination" in asked:
        found += _contaminated(asked[f"{key}_contamination"])
    found += _power(rows[f"{key}_power"])
    if f"{key}_recall" in asked:
        worst = asked[f"{key}_recall"].sort("recall").head(1).collect().to_dicts()
        found += [
            f"Neighbours come from an approximate index ({row['index']}); the lowest recall against"
            f" exact search is {verdict.number(row['recall'])}, for {row['model']}, k = {row['k']}."
            for row in worst
        ]
    found += [
        f"{row['model']}: accuracy {verdict.Score.of(row, 'accuracy')} in"
        f" {row['task'].replace('_', ' ')}."
        for row in rows.get("utility", [])
        if row["domain"] == key
    ]
    return found


def _crops(table: pl.LazyFrame) -> list[str]:
    told = []
    counts = table.collect()
    for (name,), group in counts.group_by("set", maintain_order=True):
        if name in ("A", "B", "control"):
            good = int(group.filter(pl.col("crop_status") == "ok")["images"].sum())
            told.append(f"{name}: {good:,} of {group['images'].sum():,} images have a crop.")
    if not counts.filter(pl.col("set") == "control").height:
        told.append("There is no control set: one-model scores are raw, not calibrated.")
    return told


def _rejected(table: pl.LazyFrame) -> str:
    counts = counted(table, "set")
    if not counts:
        return "No item of the sources was rejected."
    total = sum(row["rows"] for row in counts)
    by_set = ", ".join(f"{row['set'] or 'no set'} {row['rows']:,}" for row in counts)
    return f"{total:,} items of the sources were rejected ({by_set}); the table says why."


def _commonest(source: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The commonest labels of a source with their numbers, the commonest first."""
    return sorted(source["commonest"].items(), key=lambda each: (-each[1], each[0]))


def _labels(sources: Mapping[str, Any]) -> list[str]:
    """The vocabulary of each source: its size and its commonest labels."""
    return [
        f"{source}: {each['labels']:,} different labels, {each['once']:,} of them in one sample"
        " alone; the commonest are "
        + ", ".join(f"{label} ({count:,})" for label, count in _commonest(each))
        + "."
        for source, each in sources.items()
    ]


def _contaminated(table: pl.LazyFrame) -> list[str]:
    """How many samples of a set have near-duplicates in another, by pair of sets."""
    pairs = table.group_by("first_set", "second_set")
    counts = pairs.agg(samples=pl.col("first_sample").n_unique()).sort("first_set", "second_set")
    return [
        f"{row['first_set']}: {row['samples']:,} with a near-duplicate in {row['second_set']}."
        for row in counts.collect().to_dicts()
    ] or ["No near-duplicates between the sets were found."]


def _power(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What each test could find, by the score that its verdict judges; first replicates."""
    first: dict[tuple[str, ...], Mapping[str, Any]] = {}
    # A test with a symmetric score is judged by it.
    for name, score in (("symmetric", ""), ("calibrated", "adjusted")):
        for row in rows:
            if row["set"] == name and row["score"].startswith(score):
                first.setdefault(tuple(row[key] for key in verdict.PAIR), row)
    return [
        f"{row['test']}, {row['target_model']} against {row['reference_model']}: a {row['set']}"
        f" {row['score'].replace('_', ' ')} of {verdict.number(row['smallest_detectable'])} is"
        f" found in 80 % of measurements of this size; {row['asked']:g} asks for"
        f" {row['samples_needed']:,} samples of each set."
        for row in first.values()
        if row["smallest_detectable"] is not None
    ]


def cards(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each target model its tests: verdict, checks and what stands beside, from a checks table.

    Args:
        rows: of {domain}_checks.csv.
    """
    found: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
    for row in rows:
        pair = tuple(row[name] for name in verdict.PAIR)
        tests = found.setdefault(row["target_model"], {})
        test = tests.setdefault(pair, {"checks": [], "beside": []})
        if row["check"] == verdict.VERDICT:
            test.update(row)
        elif row["check"] == verdict.BESIDE:
            test["beside"].append({"score": row["score"], "told": verdict.Score.of(row, "value")})
        else:
            test["checks"].append(row)
    return [{"target": target, "tests": list(tests.values())} for target, tests in found.items()]


def times(folder: Path) -> list[dict[str, Any]]:
    """Time and memory by rule, as far as Snakemake's benchmarks are there and whole."""
    found = []
    for rule in sorted(path for path in folder.glob("*") if path.is_dir()):
        jobs = [job for path in sorted(rule.glob("*.jsonl")) for job in _benchmarks(path)]
        if jobs:
            found.append(
                {
                    "rule": rule.name,
                    "jobs": len(jobs),
                    "seconds": _sum(jobs, "s"),
                    "cpu_seconds": _sum(jobs, "cpu_time"),
                    "memory": max((_measured(job, "max_rss") for job in jobs), default=0.0),
                }
            )
    return found


def _benchmarks(path: Path) -> list[dict[str, Any]]:
    """What a benchmark's lines tell; those that can't be read are left out."""
    found = []
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
    return [job for job in found if isinstance(job, dict)]


def _sum(jobs: Sequence[Mapping[str, Any]], key: str) -> float:
    return round(sum(_measured(job, key) for job in jobs), 1)


def _measured(job: Mapping[str, Any], key: str) -> float:
    """A measurement; 0 where a job was too short to be measured."""
    value = job.get(key)
    return round(float(value), 1) if isinstance(value, int | float) else 0.0
