"""Contrasts: how the points of sweeps differ, sample by sample.

In: results/vlm/recovered/. Out: results/tables/vlm_contrasts.csv.
"""

contrasted_models = plan.contrasted("vlm", config["vlm"])


rule vlm_contrasts:
    """Differences and trends of sweeps' scores, on the same samples."""
    input:
        recovered=lambda wildcards: recovered_by(
            [point for sweep in contrasted_models for point in sweep["points"]],
            ["target", "reference", "control"],
        ),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_contrasts.csv",
            caption="../legends/contrasts.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_contrasts.csv-metadata.json",
    log:
        "results/logs/vlm_contrasts/vlm.log",
    benchmark:
        "results/benchmarks/vlm_contrasts/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        # A shard of every model of a sweep is there at a time.
        mem_mb=megabytes_a_file(
            1500, 8 * max((2 * len(each["points"]) for each in contrasted_models), default=0)
        ),
        runtime=minutes(30, 60),
    params:
        plans=contrasted_models,
        tables_digest=digest_of("vlm"),
        digest=digest_of_sweeps("vlm"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vlm_contrasts.py"),
    script:
        "../../scripts/vlm_contrasts.py"
