"""Utility: what the measured models are good for, beside what they memorize.

Out: results/{domain}/utility/{task}/{model}.json, results/tables/utility.csv.
"""


rule utility:
    """List the accuracy of every measured model at its task."""
    input:
        [
            path
            for domain in plan.configured(config)
            for path in plan.utilities(domain, config[domain])
        ],
    output:
        report(
            "results/tables/utility.csv",
            caption="legends/utility.rst",
            category="Audits",
            subcategory="Tables",
        ),
        "results/tables/utility.csv-metadata.json",
    log:
        "results/logs/utility/all.log",
    benchmark:
        "results/benchmarks/utility/all.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(10),
    params:
        digest=digest_of(None),
        code=code_version("utility.py"),
    script:
        "../scripts/utility.py"
