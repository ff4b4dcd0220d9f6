"""Evidence in tables: the samples that are listed as memorized, and how many are at each rate.

In: results/{domain}/evidence/. Out: results/tables/{domain}_evidence.csv and
results/tables/{domain}_discoveries.csv.
"""


def weighed_sets(place):
    """Input: weighed evidence of the members of all tests of a domain (0), or of control (-1)."""

    def paths(wildcards):
        domain, settings = domains.DOMAINS[wildcards.domain], config[wildcards.domain]
        if "control" not in settings["sets"]:
            raise WorkflowError(
                f"Config key {domain.key}.sets.control is missing: add it, as evidence is weighed"
                " against samples that no model saw."
            )
        tests = plan.weighed_tests(domain.key, settings)
        return weighed(domain.key, tests, domain.features, domain.measured[place])

    return paths


rule evidence:
    """List the samples that were memorized, at the highest rate of false discoveries."""
    input:
        members=weighed_sets(0),
        samples=lambda wildcards: of_sets(
            wildcards.domain,
            f"results/{wildcards.domain}/samples/{{set}}/{{shard}}.parquet",
            [domains.DOMAINS[wildcards.domain].measured[0]],
        ),
    output:
        report(
            "results/tables/{domain}_evidence.csv",
            caption="legends/evidence.rst",
            category="Evidence",
            subcategory="Tables",
        ),
        "results/tables/{domain}_evidence.csv-metadata.json",
    log:
        "results/logs/evidence/{domain}.log",
    benchmark:
        "results/benchmarks/evidence/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(30, 30),
    params:
        rate=max(config["false_discovery_rates"]),
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions("polars"),
        code=code_version("evidence.py"),
    script:
        "../scripts/evidence.py"


rule discoveries:
    """Count the listed samples at every rate, and tell below which length no list can be made."""
    input:
        members=weighed_sets(0),
        control=weighed_sets(-1),
    output:
        report(
            "results/tables/{domain}_discoveries.csv",
            caption="legends/discoveries.rst",
            category="Evidence",
            subcategory="Tables",
        ),
        "results/tables/{domain}_discoveries.csv-metadata.json",
    log:
        "results/logs/discoveries/{domain}.log",
    benchmark:
        "results/benchmarks/discoveries/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(30, 30),
    params:
        rates=config["false_discovery_rates"],
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions("numpy", "polars"),
        code=code_version("discoveries.py"),
    script:
        "../scripts/discoveries.py"
