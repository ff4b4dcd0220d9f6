"""Figures of both domains: the verdicts and the trainings."""


rule figure_verdicts:
    """Primary scores of all tests with their checks and verdicts."""
    input:
        tables=[described(f"{domain}_checks")[0] for domain in plan.configured(config)],
        descriptions=[described(f"{domain}_checks")[1] for domain in plan.configured(config)],
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
        digests=[digest_of(domain) for domain in plan.configured(config)],
        digest=digest_of(None),
        versions=versions(*DRAWING),
        code=code_version("figure_verdicts.py"),
    script:
        "../scripts/figure_verdicts.py"


def histories(name):
    """Input: a file of each training of a domain."""
    return lambda wildcards: [
        f"results/{wildcards.domain}/models/{path_name}/{name}"
        for _, _, path_name in plan.trainings(wildcards.domain, config[wildcards.domain])
    ]


rule figure_training:
    """Training curves of the models that were trained."""
    input:
        histories=histories("training.csv"),
        descriptions=histories("training.csv-metadata.json"),
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
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions(*DRAWING),
        code=code_version("figure_training.py"),
    script:
        "../scripts/figure_training.py"


def drawn_sweep(wildcards):
    """Parameter: what a sweep compares."""
    return plan.drawn_sweeps(wildcards.domain, config[wildcards.domain])[wildcards.sweep]


rule figure_sweep:
    """Memorization along a sweep, and utility under it."""
    input:
        lambda wildcards: described(f"{wildcards.domain}_sweeps"),
    output:
        svg=report(
            "results/figures/{domain}_sweep_{sweep}.svg",
            caption="legends/sweep.rst",
            category="Sweeps",
        ),
        png="results/figures/{domain}_sweep_{sweep}.png",
        json="results/figures/{domain}_sweep_{sweep}.json",
    log:
        "results/logs/figure_sweep/{domain}_{sweep}.log",
    benchmark:
        "results/benchmarks/figure_sweep/{domain}_{sweep}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        sweep=drawn_sweep,
        digest=lambda wildcards: digest_of_sweeps(wildcards.domain),
        versions=versions(*DRAWING),
        code=code_version("figure_sweep.py"),
    script:
        "../scripts/figure_sweep.py"


rule figure_tradeoff:
    """Memorization against utility at the points of a sweep."""
    input:
        lambda wildcards: described(f"{wildcards.domain}_sweeps"),
    output:
        svg=report(
            "results/figures/{domain}_tradeoff_{sweep}.svg",
            caption="legends/tradeoff.rst",
            category="Sweeps",
        ),
        png="results/figures/{domain}_tradeoff_{sweep}.png",
        json="results/figures/{domain}_tradeoff_{sweep}.json",
    log:
        "results/logs/figure_tradeoff/{domain}_{sweep}.log",
    benchmark:
        "results/benchmarks/figure_tradeoff/{domain}_{sweep}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        sweep=drawn_sweep,
        digest=lambda wildcards: digest_of_sweeps(wildcards.domain),
        versions=versions(*DRAWING),
        code=code_version("figure_tradeoff.py"),
    script:
        "../scripts/figure_tradeoff.py"
