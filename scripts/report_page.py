"""The page that tells what was measured: results/report/index.html."""

from pathlib import Path
from typing import Any

import polars as pl
import yaml

from dejavu.files import csvw
from dejavu.files.csv import scan_csv
from dejavu.files.facts import read_json
from dejavu.job import run, whole_file
from dejavu.report import experiments, page

# How names of figures of a sweep begin.
OF_SWEEPS = ("sweep", "tradeoff")


def main(job: Any) -> None:
    """Gather what the page shows and render it."""
    params = job.params
    asked = {
        Path(path).stem: scan_csv(path, params.digests[Path(path).stem])
        for path in job.input.tables
    }
    domains = [domain(key, job, asked) for key in params.domains]
    subjects = [card["target"] for each in domains for card in each["cards"]]
    pictures = {Path(path).stem: Path(path) for path in job.input.pictures}
    [verdicts] = [path for path in map(Path, job.input.charts) if path.stem == "verdicts"]
    content = {
        "title": f"{'Does' if len(subjects) == 1 else 'Do'} {listed(subjects)} memorize?",
        "lead": " ".join(each["lead"] for each in domains),
        "verdicts": page.figure(
            verdicts, pictures["verdicts"], params.legends["verdicts"], params.digests["verdicts"]
        ),
        "domains": domains,
        "tables": [page.table(name, rows, params.legends[name]) for name, rows in asked.items()],
        "run": run_facts(job),
        "config": yaml.safe_dump(params.config, sort_keys=False, allow_unicode=True),
        "times": page.times(Path(job.input.run).parent / "benchmarks"),
        "footer": params.footer,
    }
    with whole_file(job.output[0]) as partial:
        partial.write_text(page.render(content), encoding="utf-8")


def run_facts(job: Any) -> dict[str, Any]:
    """What run.json tells, which must be of this config."""
    facts = read_json(job.input.run)
    for name, made_by in facts["digests"].items():
        csvw.check_config(job.input.run, made_by, job.params.digests.get(name))
    return facts


def domain(key: str, job: Any, asked: dict[str, pl.LazyFrame]) -> dict[str, Any]:
    """One domain: verdicts, facts, figures and gallery."""
    params = job.params
    config = params.config[key]
    rows = {
        name: asked[name].collect().to_dicts()
        for name in (f"{key}_ppg", f"{key}_checks", f"{key}_power", "utility")
        if name in asked
    }
    if key == "vlm":
        rows["vlm_ppg"] = [
            row
            for row in rows["vlm_ppg"]
            if all(row[name] == value for name, value in params.headline.items())
        ]
    pictures = {Path(path).stem: Path(path) for path in job.input.pictures}
    charts = [path for path in map(Path, job.input.charts) if path.stem.startswith(f"{key}_")]
    [gallery] = [path for path in job.input.galleries if Path(path).stem == key]
    [data] = [path for path in job.input.data if Path(path).parent.name == key]
    return {
        "key": key,
        "name": params.domains[key],
        "lead": page.lead(key, config),
        "cards": page.cards(rows[f"{key}_checks"]),
        "facts": page.facts(key, asked, rows, read_json(data)),
        "figures": drawn(
            [chart for chart in charts if not is_of_sweep(key, chart)], pictures, params
        ),
        "gallery": page.gallery(gallery, params.digests[key]),
        "experiments": told_experiments(key, job, asked, charts, pictures),
    }


def told_experiments(
    key: str,
    job: Any,
    asked: dict[str, pl.LazyFrame],
    charts: list[Path],
    pictures: dict[str, Path],
) -> list[dict[str, Any]]:
    """The sweeps of a domain in words, each with its figures."""
    params, found = job.params, []
    for plan in params.sweeps[key]:
        name = plan["sweep"]
        rows = [
            asked[table].filter(pl.col("sweep") == name).collect().to_dicts()
            # Two models of `contrasts` are no sweep.
            if table in asked
            else []
            for table in (f"{key}_sweeps", f"{key}_contrasts")
        ]
        of_sweep = [f"{key}_{kind}_{name}" for kind in OF_SWEEPS]
        told = experiments.experiment(plan, params.config[key]["sweeps"].get(name), *rows)
        own = [chart for chart in charts if chart.stem in of_sweep]
        found.append({**told, "figures": drawn(own, pictures, params)})
    return found


def drawn(charts: list[Path], pictures: dict[str, Path], params: Any) -> list[dict[str, Any]]:
    """Figures as the page shows them."""
    return [
        page.figure(
            chart, pictures[chart.stem], params.legends[chart.stem], params.digests[chart.stem]
        )
        for chart in charts
    ]


def is_of_sweep(key: str, chart: Path) -> bool:
    """Whether a domain's figure stands with a sweep."""
    return chart.stem.startswith(tuple(f"{key}_{kind}_" for kind in OF_SWEEPS))


def listed(names: list[str]) -> str:
    """Names in one phrase."""
    *first, last = dict.fromkeys(names) or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


run(main)
