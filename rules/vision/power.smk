"""Power: what the tests can tell with so many crops.

In: results/vision/predictions/. Out: results/tables/vision_power.csv.
"""


rule vision_power:
    """The smallest score that each test can tell, and the crops that a score asks for."""
    input:
        predictions=predicted(plan_vision.compared_sets(config["vision"])),
        records=lambda wildcards: image_records("A", "B", "control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_power.csv",
            caption="../legends/power.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_power.csv-metadata.json",
    log:
        "results/logs/vision_power/vision.log",
    benchmark:
        "results/benchmarks/vision_power/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=plan_vision.compared_sets(config["vision"]),
        smallest=config["smallest"]["gap"],
        digest=digest_of("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_power.py"),
    script:
        "../../scripts/vision_power.py"
