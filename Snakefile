"""Measure what vision and vision-language embedding models memorize of their training data."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import regex_from_filepattern
from snakemake.logging import logger
from snakemake.utils import min_version

min_version("9.27")

# Snakemake would merge a config given on the command line into this one, models and all.
if not workflow.config_settings.configfiles:

    configfile: os.path.join(workflow.basedir, "config.yaml")


# Where this file lies, also where another workflow uses it as a module.
BASE = Path(workflow.current_basedir)
sys.path.insert(0, str(BASE / "scripts"))
from dejavu.errors import InputError


include: "rules/common.smk"
include: "rules/jobs.smk"


try:
    faults.check_options(sys.argv)
    faults.check_core(BASE / "scripts")
    faults.check_folder(FOLDER)
    written, config = complete_config(config)
    # Where sources lie changes no result, as long as they hold the same.
    others = "{}" if workflow.modifier.is_main_snakefile() else os.environ.get(PICTURES, "{}")
    os.environ[PICTURES] = json.dumps(folders_of_pictures(json.loads(others)))
except InputError as error:
    raise WorkflowError(str(error)) from None


# Whether weights may be fetched changes no result, so it is no parameter of a rule.
os.environ.update(HF_HUB_OFFLINE="0" if config["allow_download"] else "1")


wildcard_constraints:
    domain="|".join(domains.DOMAINS),
    model="[a-z0-9_]+",
    source="[a-z0-9_]+",
    set="[A-Za-z]+",
    shard=r"\d{4}",
    part=r"\d{4}",
    # Of neighbours and predictions: how many vote, where it is not the domain's `k`.
    votes=r"(@\d+)?",


include: "rules/inputs.smk"


if "vlm" in config:

    include: "rules/vlm/inputs.smk"
    include: "rules/vlm/samples.smk"
    include: "rules/vlm/annotate.smk"
    include: "rules/vlm/train.smk"
    include: "rules/vlm/embed.smk"
    include: "rules/vlm/predictions.smk"
    include: "rules/vlm/tables.smk"
    include: "rules/vlm/sweeps.smk"
    include: "rules/vlm/power.smk"
    include: "rules/vlm/groups.smk"
    include: "rules/vlm/contrasts.smk"
    include: "rules/vlm/utility.smk"
    include: "rules/vlm/figures.smk"
    include: "rules/vlm/gallery.smk"


if "vision" in config:

    include: "rules/vision/inputs.smk"
    include: "rules/vision/samples.smk"
    include: "rules/vision/train.smk"
    include: "rules/vision/embed.smk"
    include: "rules/vision/predictions.smk"
    include: "rules/vision/tables.smk"
    include: "rules/vision/sweeps.smk"
    include: "rules/vision/power.smk"
    include: "rules/vision/groups.smk"
    include: "rules/vision/contrasts.smk"
    include: "rules/vision/utility.smk"
    include: "rules/vision/figures.smk"
    include: "rules/vision/gallery.smk"


if "control" in config.get("vlm", {}).get("sets", {}):

    include: "rules/vlm/evidence.smk"


if "control" in config.get("vision", {}).get("sets", {}):

    include: "rules/vision/evidence.smk"


include: "rules/embed.smk"
include: "rules/lists.smk"
include: "rules/index.smk"
include: "rules/neighbors.smk"
include: "rules/audits.smk"
include: "rules/evidence.smk"
include: "rules/membership.smk"
include: "rules/groups.smk"
include: "rules/utility.smk"
include: "rules/figures.smk"
include: "rules/report.smk"
include: "rules/archive.smk"


# Jobs check nothing again, and no more does what only tends the folder.
if workflow.is_main_process and not faults.only_tends(sys.argv):
    for sentence in faults.emptied_figures(FOLDER):
        print(f"Warning: {sentence}", file=sys.stderr)
    try:
        faults.check_tables(FOLDER)
        records.check(
            Path("."),
            RESULTS,
            [regex_from_filepattern(str(path)) for rule in workflow.rules for path in rule.output],
        )
    except InputError as error:
        raise WorkflowError(str(error)) from None


onerror:
    for path in log:
        for sentence in faults.killed_jobs(
            Path(path).read_text(encoding="utf-8", errors="replace")
        ):
            print(f"Error: {sentence}", file=sys.stderr)


# What nobody reads is left to Snakemake's log, unless somebody asks for it, or for the plan alone.
if workflow.modifier.is_main_snakefile() and not (
    workflow.output_settings.verbose or workflow.output_settings.dryrun
):
    for handler in logger.handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(endings.is_for_terminal)


onsuccess:
    # What a run was not asked for may tell of data that have changed since.
    asked = {job.rule.name for job in workflow.dag.jobs}
    for domain in plan.configured(config):
        if f"{domain}_checks" not in asked:
            continue
        tables = Path(RESULTS) / "tables"
        scores = tables / f"{domain}_{domains.DOMAINS[domain].tables[0]}.csv"
        judged = tables / f"{domain}_checks.csv"
        for line in endings.verdict_lines(judged, scores, digest_of(domain)):
            print(line)
    page = Path(RESULTS) / "report/index.html"
    if "report_page" in asked and endings.is_current(
        page, list((Path(RESULTS) / "tables").glob("*.csv"))
    ):
        print(f"The report: {page}")


# Readable names of classes, where a source of the config has some.
asked_class_names = (
    ["results/vision/class_names.json"]
    if "vision" in config and plan_vision.class_name_files(config["vision"])
    else []
)


rule all:
    """Build everything that the config asks for."""
    default_target: True
    input:
        expand("results/tables/{table}.csv", table=plan.tables(config)),
        expand("results/tables/{table}.csv-metadata.json", table=plan.tables(config)),
        expand(
            "results/figures/{figure}.{kind}",
            figure=plan.figures(config),
            kind=["svg", "png", "json"],
        ),
        "results/run.json",
        "results/report/index.html",
        asked_class_names,
