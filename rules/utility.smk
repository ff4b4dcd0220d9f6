"""Utility: what the measured models are good for, beside what they memorize.

Out: results/{domain}/utility/{model}.json, results/tables/utility.csv.
"""


def utility_facts():
    """How well each measured model does what it is for, in the domains that ask for it."""
    return [
        f"results/{domain}/utility/{replicates.path_names(model, config[domain]['models'][model])[0]}.json"
        for domain in plan.configured(config)
        if "utility" in config[domain]
        for model in plan.useful_models(domain, config[domain])
    ]


rule utility:
    """List the accuracy of every measured model at its task."""
    input:
        utility_facts(),
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
