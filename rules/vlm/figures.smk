"""Figures: each from one table, as SVG, PNG and the Vega-Lite specification that the page embeds.

In: results/tables/vlm_*.csv. Out: results/figures/vlm_*.svg, .png and .json.
"""


rule figure_vlm_population:
    """Population scores of every test, one-model against two-model."""
    input:
        described("vlm_ppg"),
    output:
        svg=report(
            "results/figures/vlm_population.svg",
            caption="../legends/vlm_population.rst",
            category="Vision–language",
            subcategory="Figures",
        ),
        png="results/figures/vlm_population.png",
        json="results/figures/vlm_population.json",
    log:
        "results/logs/figure_vlm_population/vlm.log",
    benchmark:
        "results/benchmarks/figure_vlm_population/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        headline=plan_vlm.headline(config["vlm"]),
        sets={
            name: plan.headline_sets(config["vlm"])[test["kind"]]
            for name, test in config["vlm"]["tests"].items()
        },
        digest=digest_of("vlm"),
        versions=versions(*DRAWING),
        code=code_version("figure_vlm_population.py"),
    script:
        "../../scripts/figure_vlm_population.py"


rule figure_vlm_sets:
    """Scores beside their controls, placebo and non-member check."""
    input:
        described("vlm_ppg"),
    output:
        svg=report(
            "results/figures/vlm_sets.svg",
            caption="../legends/vlm_sets.rst",
            category="Vision–language",
            subcategory="Figures",
        ),
        png="results/figures/vlm_sets.png",
        json="results/figures/vlm_sets.json",
    log:
        "results/logs/figure_vlm_sets/vlm.log",
    benchmark:
        "results/benchmarks/figure_vlm_sets/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        headline=plan_vlm.headline(config["vlm"]),
        kinds={name: test["kind"] for name, test in config["vlm"]["tests"].items()},
        digest=digest_of("vlm"),
        versions=versions(*DRAWING),
        code=code_version("figure_vlm_sets.py"),
    script:
        "../../scripts/figure_vlm_sets.py"


rule figure_vlm_records:
    """Gaps over the first records, for each number of neighbours."""
    input:
        described("vlm_samples"),
    output:
        svg=report(
            "results/figures/vlm_records.svg",
            caption="../legends/vlm_records.rst",
            category="Vision–language",
            subcategory="Figures",
        ),
        png="results/figures/vlm_records.png",
        json="results/figures/vlm_records.json",
    log:
        "results/logs/figure_vlm_records/vlm.log",
    benchmark:
        "results/benchmarks/figure_vlm_records/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        headline=plan_vlm.headline(config["vlm"]),
        digest=digest_of("vlm"),
        versions=versions(*DRAWING),
        code=code_version("figure_vlm_records.py"),
    script:
        "../../scripts/figure_vlm_records.py"


rule figure_vlm_distributions:
    """Distributions of recall of target and reference."""
    input:
        described("vlm_distributions"),
    output:
        svg=report(
            "results/figures/vlm_distributions.svg",
            caption="../legends/vlm_distributions.rst",
            category="Vision–language",
            subcategory="Figures",
        ),
        png="results/figures/vlm_distributions.png",
        json="results/figures/vlm_distributions.json",
    log:
        "results/logs/figure_vlm_distributions/vlm.log",
    benchmark:
        "results/benchmarks/figure_vlm_distributions/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        headline=plan_vlm.headline(config["vlm"]),
        digest=digest_of("vlm"),
        versions=versions(*DRAWING),
        code=code_version("figure_vlm_distributions.py"),
    script:
        "../../scripts/figure_vlm_distributions.py"


rule figure_vlm_agreement:
    """Agreement of the references as a heat map."""
    input:
        described("vlm_agreement"),
    output:
        svg=report(
            "results/figures/vlm_agreement.svg",
            caption="../legends/vlm_agreement.rst",
            category="Vision–language",
            subcategory="Figures",
        ),
        png="results/figures/vlm_agreement.png",
        json="results/figures/vlm_agreement.json",
    log:
        "results/logs/figure_vlm_agreement/vlm.log",
    benchmark:
        "results/benchmarks/figure_vlm_agreement/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        headline=plan_vlm.headline(config["vlm"]),
        digest=digest_of("vlm"),
        versions=versions(*DRAWING),
        code=code_version("figure_vlm_agreement.py"),
    script:
        "../../scripts/figure_vlm_agreement.py"
