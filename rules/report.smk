"""Report: what tells this run from another, and the page, from tables, figures and galleries.

In: everything that the config asks for. Out: results/run.json, results/report/index.html. Times are
read from results/benchmarks as far as they are there, and are no input: they change from run to
run. So are date and commit no parameters: they tell when, and from what, a table was last made.
"""


rule describe_run:
    """Tell what the tables were made from, with what and when."""
    input:
        tables=expand("results/tables/{table}.csv", table=asked_tables()),
        samples=[
            path
            for domain in domains.SETS
            if domain in config
            for path in of_sets(
                f"results/{domain}/samples/{{set}}/{{shard}}.parquet", sets_of(domain), domain
            )
        ],
        models=measured_models(),
    output:
        "results/run.json",
    log:
        "results/logs/describe_run/run.log",
    benchmark:
        "results/benchmarks/describe_run/run.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        runtime=minutes(10, 10),
    params:
        # Whether weights may be fetched changes no result.
        config={key: value for key, value in config.items() if key != "allow_download"},
        sets=[
            (domain, name, config[domain]["sets"][name]["source"], len(shards(domain, name)))
            for domain in domains.SETS
            if domain in config
            for name in sets_of(domain)
        ],
        versions=versions(
            "altair",
            "jinja2",
            FAISS,
            "numpy",
            "polars",
            "pillow",
            "scipy",
            "scikit-learn",
            "snakemake",
            "torch",
            "torchvision",
            "vl-convert-python",
        ),
        code=code_version("describe_run.py"),
    script:
        "../scripts/describe_run.py"


rule report_page:
    """Tell in one page what was measured, how sure it is, and from what."""
    input:
        tables=expand("results/tables/{table}.csv", table=asked_tables()),
        charts=expand("results/figures/{figure}.json", figure=asked_figures()),
        pictures=expand("results/figures/{figure}.svg", figure=asked_figures()),
        galleries=[
            f"results/galleries/{domain}.json" for domain in domains.SETS if domain in config
        ],
        run="results/run.json",
    output:
        report("results/report/index.html", caption="captions/page.rst", category="Page"),
    log:
        "results/logs/report_page/page.log",
    benchmark:
        "results/benchmarks/report_page/page.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 20),
        runtime=minutes(10),
    params:
        # Whether weights may be fetched changes no result.
        config={key: value for key, value in config.items() if key != "allow_download"},
        headline=plan_vlm.headline(config["vlm"]) if "vlm" in config else {},
        captions=captions(asked_tables() + asked_figures()),
        footer="Snakemake workflow for déjà vu memorization. Glyphs of generated worlds: OpenMoji,"
        " CC BY-SA 4.0.",
        templates=content_of("scripts/dejavu/report/templates"),
        versions=versions("jinja2", "polars", "vl-convert-python"),
        code=code_version("report_page.py"),
    script:
        "../scripts/report_page.py"
