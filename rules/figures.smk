"""Figures of both domains: the verdicts and the trainings."""


rule figure_verdicts:
    """Primary scores of all tests with their checks and verdicts."""
    input:
        expand("results/tables/{domain}_checks.csv", domain=plan.configured(config)),
    output:
        svg=report("results/figures/verdicts.svg", caption="legends/verdicts.rst", category="Page"),
        png="results/figures/verdicts.png",
        json="results/figures/verdicts.json",
    log:
        "results/logs/figure_verdicts/verdicts.log",
    benchmark:
        "results/benchmarks/figure_verdicts/verdicts.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        versions=versions(*DRAWING),
        code=code_version("figure_verdicts.py"),
    script:
        "../scripts/figure_verdicts.py"


rule figure_training:
    """Training curves of the models that were trained."""
    input:
        lambda wildcards: [
            f"results/{wildcards.domain}/models/{path_name}/training.csv"
            for _, _, path_name in plan.trainings(wildcards.domain, config[wildcards.domain])
        ],
    output:
        svg=report(
            "results/figures/{domain}_training.svg",
            caption="legends/training.rst",
            category="Training",
        ),
        png="results/figures/{domain}_training.png",
        json="results/figures/{domain}_training.json",
    log:
        "results/logs/figure_training/{domain}.log",
    benchmark:
        "results/benchmarks/figure_training/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        models=lambda wildcards: [
            list(each[:2]) for each in plan.trainings(wildcards.domain, config[wildcards.domain])
        ],
        versions=versions(*DRAWING),
        code=code_version("figure_training.py"),
    script:
        "../scripts/figure_training.py"
