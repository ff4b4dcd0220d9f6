"""Sweeps: the scores of models at several points.

In: predictions of the points, their utility and trainings. Out: results/tables/vision_sweeps.csv.
"""

vision_sweeps = plan.sweeps("vision", config["vision"])


rule vision_sweeps:
    """Primary scores of every point, with what the model is good for and how its training ended."""
    input:
        predictions=predicted(points_of(vision_sweeps)),
        utility=utility_of_points(vision_sweeps),
        histories=histories_of_points(vision_sweeps, "training.csv"),
        descriptions=histories_of_points(vision_sweeps, "training.csv-metadata.json"),
        A=lambda wildcards: image_records("A"),
        B=lambda wildcards: image_records("B"),
        control=lambda wildcards: image_records("control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_sweeps.csv",
            caption="../legends/sweeps.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_sweeps.csv-metadata.json",
    log:
        "results/logs/vision_sweeps/vision.log",
    benchmark:
        "results/benchmarks/vision_sweeps/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        plans=vision_sweeps,
        tables_digest=digest_of("vision"),
        digest=digest_of_sweeps("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_sweeps.py"),
    script:
        "../../scripts/vision_sweeps.py"
