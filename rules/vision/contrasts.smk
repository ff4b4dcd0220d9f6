"""Contrasts: how the points of sweeps differ, crop by crop.

In: results/vision/predictions/. Out: results/tables/vision_contrasts.csv.
"""

contrasted_predictors = plan.contrasted("vision", config["vision"])


rule vision_contrasts:
    """Differences and trends of sweeps' scores, on the same crops."""
    input:
        predictions=predicted(
            [point for sweep in contrasted_predictors for point in sweep["points"]],
            ["A", "B", "control"],
        ),
        A=lambda wildcards: image_records("A"),
        B=lambda wildcards: image_records("B"),
        control=lambda wildcards: image_records("control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_contrasts.csv",
            caption="../legends/contrasts.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_contrasts.csv-metadata.json",
    log:
        "results/logs/vision_contrasts/vision.log",
    benchmark:
        "results/benchmarks/vision_contrasts/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(30, 30),
    params:
        plans=contrasted_predictors,
        tables_digest=digest_of("vision"),
        digest=digest_of_sweeps("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_contrasts.py"),
    script:
        "../../scripts/vision_contrasts.py"
