"""Sweeps: the scores of models at several points.

In: recovered objects of the points, their utility and trainings. Out:
results/tables/vlm_sweeps.csv.
"""

vlm_sweeps = plan.sweeps("vlm", config["vlm"])


rule vlm_sweeps:
    """Primary scores of every point, with what the model is good for and how its training ended."""
    input:
        recovered=lambda wildcards: recovered_by(points_of(vlm_sweeps)),
        utility=utility_of_points(vlm_sweeps),
        histories=histories_of_points(vlm_sweeps, "training.csv"),
        descriptions=histories_of_points(vlm_sweeps, "training.csv-metadata.json"),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_sweeps.csv",
            caption="../legends/sweeps.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_sweeps.csv-metadata.json",
    log:
        "results/logs/vlm_sweeps/vlm.log",
    benchmark:
        "results/benchmarks/vlm_sweeps/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        plans=vlm_sweeps,
        tables_digest=digest_of("vlm"),
        digest=digest_of_sweeps("vlm"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vlm_sweeps.py"),
    script:
        "../../scripts/vlm_sweeps.py"
