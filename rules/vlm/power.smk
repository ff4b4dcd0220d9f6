"""Power: what the tests can tell with so many samples.

In: results/vlm/recovered/. Out: results/tables/vlm_power.csv.
"""


rule vlm_power:
    """The smallest score that each test can tell, and the samples that a score asks for."""
    input:
        recovered=lambda wildcards: recovered_by(plan_vlm.at_headline(config["vlm"])),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_power.csv",
            caption="../legends/power.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_power.csv-metadata.json",
    log:
        "results/logs/vlm_power/vlm.log",
    benchmark:
        "results/benchmarks/vlm_power/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_a_file(1500, 4),
        runtime=minutes(30, 30),
    params:
        comparisons=plan_vlm.at_headline(config["vlm"]),
        headline=plan_vlm.headline(config["vlm"]),
        smallest=config["smallest"],
        digest=digest_of("vlm"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vlm_power.py"),
    script:
        "../../scripts/vlm_power.py"
