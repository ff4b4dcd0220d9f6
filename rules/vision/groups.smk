"""Groups: which crops are memorized more.

In: results/vision/predictions/. Out: results/tables/vision_groups.csv.
"""


rule vision_groups:
    """Adjusted gaps of the levels of every group of crops."""
    input:
        predictions=predicted(plan_vision.compared_sets(config["vision"]), ["A", "control"]),
        records=lambda wildcards: image_records("A", "control"),
        copies=lambda wildcards: found_copies("vision"),
        odds=lambda wildcards: odds_of_groups("vision"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_groups.csv",
            caption="../legends/groups.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_groups.csv-metadata.json",
    log:
        "results/logs/vision_groups/vision.log",
    benchmark:
        "results/benchmarks/vision_groups/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=plan_vision.compared_sets(config["vision"]),
        groups=config["vision"]["groups"],
        sets=["A", "control"],
        digest=digest_of("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_groups.py"),
    script:
        "../../scripts/vision_groups.py"
