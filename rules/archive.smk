"""Archive: a run as one file to be published.

In: report, tables, figures, results/run.json and the workflow's own files. Out:
results/archive.zip. Nobody needs it but who asks for it.
"""

# Of rules, scripts and environments: what git would hold, and nothing that Python or editors leave.
OF_WORKFLOW = (".smk", ".py", ".yaml", ".rst", ".html", ".css", ".js", ".in", ".lock")
BESIDE = ("Snakefile", "CITATION.cff", "LICENSE", "NOTICE")


def files_of_workflow():
    """The workflow's own files, from its folder."""
    folders = (BASE / name for name in ("rules", "scripts", "envs"))
    found = (path for folder in folders for path in folder.rglob("*"))
    named = [str(path.relative_to(BASE)) for path in found if path.suffix in OF_WORKFLOW]
    return sorted([*BESIDE, *named])


rule archive:
    """Put a finished run into one file, with what tells of it (a Workflow Run RO-Crate)."""
    input:
        tables=expand("results/tables/{table}.csv", table=plan.tables(config)),
        descriptions=expand("results/tables/{table}.csv-metadata.json", table=plan.tables(config)),
        charts=expand("results/figures/{figure}.json", figure=plan.figures(config)),
        pictures=expand(
            "results/figures/{figure}.{kind}", figure=plan.figures(config), kind=["svg", "png"]
        ),
        page="results/report/index.html",
        run="results/run.json",
    output:
        "results/archive.zip",
    log:
        "results/logs/archive/archive.log",
    benchmark:
        "results/benchmarks/archive/archive.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 2),
        runtime=minutes(10),
    params:
        workflow=lambda wildcards: files_of_workflow(),
        contents=lambda wildcards: [content_of(path) for path in files_of_workflow()],
        base=lambda wildcards, output: from_base("."),
        digests=digests_of([*plan.tables(config), *plan.figures(config)]),
        title="A measurement of déjà vu memorization",
        versions=versions("pyyaml", "rocrate"),
        code=code_version("archive.py"),
    script:
        "../scripts/archive.py"
