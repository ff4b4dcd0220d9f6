"""Finished runs, read back to be compared: who they are, and what their tests found."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from dejavu.config import plan, plan_vision, plan_vlm
from dejavu.config.domains import DOMAINS
from dejavu.config.replicates import Plan
from dejavu.errors import InputError
from dejavu.files import csvw, facts, seals
from dejavu.files.csv import read_csv, scan_csv
from dejavu.report import verdict
from dejavu.samples.texts import escaped

Row = dict[str, Any]
# A judged test: its name, target model and reference model.
Names = tuple[str, str, str]

# Of runs.csv.
COLUMNS = {
    **dict.fromkeys(("run", "version", "commit"), pl.String),
    "clean": pl.Boolean,
    "date": pl.String,
    "seed": pl.Int64,
    **dict.fromkeys(("domain", "config", "measured"), pl.String),
    **dict.fromkeys((*verdict.PAIR, "replicate", "score"), pl.String),
    "samples": pl.Int64,
    **dict.fromkeys(("value", "value_low", "value_high"), pl.Float64),
    "outcome": pl.String,
}
# The column of the table of scores that tells how many samples a row is about.
COUNTED = {"vlm": "targets", "vision": "crops"}


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        name: its folder, as it was given.
        folder: where its results lie.
        facts: of its run.json.
        tests: rows of runs.csv by domain and names of the test.
    """

    name: str
    folder: Path
    facts: Mapping[str, Any]
    tests: Mapping[tuple[str, Names], Row]

    @classmethod
    def read(cls, given: str) -> "Run":
        """Read a run's identity and what its verdicts judge.

        Raises:
            InputError: it is no finished run, or its tables are not those that its run.json tells
                of.
        """
        folder, name = Path(given), escaped(given)
        path = folder / "results/run.json"
        if not path.is_file():
            raise InputError(
                f"{name} has no results/run.json: give folders of finished runs, in which their"
                " results lie."
            )
        told = facts.read_json(path)
        try:
            tests = {
                (domain, names): row
                for domain in plan.configured(told["config"])
                for names, row in _tests(name, folder, told, domain).items()
            }
        except KeyError as error:
            raise InputError(
                f"{escaped(str(path))} lacks {error}, so that another version of the workflow made"
                " it: run that one again with this version."
            ) from None
        return cls(name, folder, told, tests)

    def settings(self, domain: str) -> Mapping[str, Any]:
        """The config of a domain."""
        found: Mapping[str, Any] = self.facts["config"][domain]
        return found

    def content(self, domain: str, name: str) -> str | None:
        """The hash of the samples of a set; None where the run has no such set."""
        sets = (each for each in self.facts["sets"] if each["domain"] == domain)
        return next((each["content"] for each in sets if each["set"] == name), None)

    def table(self, name: str) -> tuple[Path, str]:
        """Where a table lies, and the digest of the config that must have made it."""
        return self.folder / f"results/tables/{name}.csv", self.facts["digests"][name]

    def plan(self, domain: str, names: Names) -> Plan:
        """What a test compares, as the point of a contrast."""
        return _plans(domain, self.settings(domain))[names]


def _tests(name: str, folder: Path, told: Mapping[str, Any], domain: str) -> dict[Names, Row]:
    """Rows of runs.csv of one run and domain."""
    config, digests = told["config"], told["digests"]
    settings = config[domain]
    paths = {
        table: folder / f"results/tables/{table}.csv"
        for table in (f"{domain}_checks", f"{domain}_{DOMAINS[domain].tables[0]}")
    }
    for table, path in paths.items():
        csvw.description(path, digests[table])
        if csvw.sha256(path) != told["tables"][path.name]:
            raise InputError(
                f"{escaped(str(path))} is not the table that results/run.json there tells of: run"
                " again what makes run.json."
            )
    measured = [
        [each["set"], each["content"]]
        for each in told["sets"]
        if each["domain"] == domain and each["set"] in DOMAINS[domain].measured
    ]
    identity = {
        "run": name,
        **{key: told[key] for key in ("version", "commit", "clean", "date")},
        "seed": config["seed"],
        "domain": domain,
        "config": digests[f"{domain}_checks"],
        "measured": seals.digest(seals.canonical(sorted(measured))),
    }
    judged, scores = paths
    rows = read_csv(paths[judged], digests[judged]).filter(check=verdict.VERDICT).to_dicts()
    of_sets = _scored(scan_csv(paths[scores], digests[scores]), domain, settings)
    found = {}
    for row in rows:
        names: Names = (row["test"], row["target_model"], row["reference_model"])
        of_test = [each for each in of_sets if names == tuple(each[key] for key in verdict.PAIR)]
        two_model = any(each["set"] == "symmetric" for each in of_test)
        scored = verdict.row_of(of_test, set="symmetric" if two_model else "calibrated") or {}
        own = verdict.row_of(of_test, set="target") or {}
        found[names] = {
            **identity,
            **dict(zip(verdict.PAIR, names, strict=True)),
            **{key: row[key] for key in ("score", "value", "value_low", "value_high", "outcome")},
            "replicate": scored.get("replicate"),
            "samples": scored.get(COUNTED[domain]) or own.get(COUNTED[domain]),
        }
    return found


def _scored(table: pl.LazyFrame, domain: str, settings: Mapping[str, Any]) -> list[Row]:
    """The rows of a table of scores at the setting that verdicts judge."""
    at: Mapping[str, Any] = {"confident": 1, "top": 1}
    if domain == "vlm":
        at = plan_vlm.headline(settings)
    asked = [pl.col(key) == value for key, value in at.items()]
    sets = pl.col("set").is_in(["target", "symmetric", "calibrated"])
    return table.filter(*asked, sets).collect().to_dicts()


def _plans(domain: str, settings: Mapping[str, Any]) -> dict[Names, Plan]:
    """What each test compares, with the `setting` of captions and the `fraction` that is measured.

    Like points of sweeps, of which it has none.
    """
    found = {}
    compared = {"vlm": plan_vlm.at_headline, "vision": plan_vision.compared_sets}[domain]
    for each in compared(settings):
        names = (each["test"], each["target_model"], each["reference_model"])
        found[names] = {**each, "kind": each.get("kind", each["test"]), "fraction": 1}
        if domain == "vlm":
            headline = plan_vlm.headline(settings)
            found[names]["setting"] = {key: headline[key] for key in ("k", "predict", "objects")}
    return found
