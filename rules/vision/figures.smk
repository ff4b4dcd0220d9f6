"""Figures: each from one table, as SVG, PNG and the Vega-Lite specification that the page embeds.

In: results/tables/vision_*.csv. Out: results/figures/vision_*.svg, .png and .json.
"""


rule figure_vision_dejavu:
    """Déjà vu scores, one-model against two-model."""
    input:
        described("vision_dejavu"),
    output:
        svg=report(
            "results/figures/vision_dejavu.svg",
            caption="../legends/vision_dejavu.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_dejavu.png",
        json="results/figures/vision_dejavu.json",
    log:
        "results/logs/figure_vision_dejavu/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_dejavu/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        sets=plan.headline_sets(config["vision"]),
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_dejavu.py"),
    script:
        "../../scripts/figure_vision_dejavu.py"


rule figure_vision_sets:
    """Scores beside their control and placebo."""
    input:
        described("vision_dejavu"),
    output:
        svg=report(
            "results/figures/vision_sets.svg",
            caption="../legends/vision_sets.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_sets.png",
        json="results/figures/vision_sets.json",
    log:
        "results/logs/figure_vision_sets/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_sets/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_sets.py"),
    script:
        "../../scripts/figure_vision_sets.py"


rule figure_vision_quadrants:
    """Fractions of crops by who infers their label."""
    input:
        described("vision_quadrants"),
    output:
        svg=report(
            "results/figures/vision_quadrants.svg",
            caption="../legends/vision_quadrants.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_quadrants.png",
        json="results/figures/vision_quadrants.json",
    log:
        "results/logs/figure_vision_quadrants/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_quadrants/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_quadrants.py"),
    script:
        "../../scripts/figure_vision_quadrants.py"


rule figure_vision_confidence:
    """Histogram of memorization confidence."""
    input:
        described("vision_confidence"),
    output:
        svg=report(
            "results/figures/vision_confidence.svg",
            caption="../legends/vision_confidence.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_confidence.png",
        json="results/figures/vision_confidence.json",
    log:
        "results/logs/figure_vision_confidence/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_confidence/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_confidence.py"),
    script:
        "../../scripts/figure_vision_confidence.py"


rule figure_vision_correlation:
    """How well the references alone infer the labels."""
    input:
        described("vision_correlation"),
    output:
        svg=report(
            "results/figures/vision_correlation.svg",
            caption="../legends/vision_correlation.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_correlation.png",
        json="results/figures/vision_correlation.json",
    log:
        "results/logs/figure_vision_correlation/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_correlation/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_correlation.py"),
    script:
        "../../scripts/figure_vision_correlation.py"


rule figure_vision_classes:
    """The five classes that each reference predicts best."""
    input:
        described("vision_classes"),
    output:
        svg=report(
            "results/figures/vision_classes.svg",
            caption="../legends/vision_classes.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_classes.png",
        json="results/figures/vision_classes.json",
    log:
        "results/logs/figure_vision_classes/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_classes/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_classes.py"),
    script:
        "../../scripts/figure_vision_classes.py"


rule figure_vision_agreement:
    """Agreement of the references as a heat map."""
    input:
        described("vision_agreement"),
    output:
        svg=report(
            "results/figures/vision_agreement.svg",
            caption="../legends/vision_agreement.rst",
            category="Images",
            subcategory="Figures",
        ),
        png="results/figures/vision_agreement.png",
        json="results/figures/vision_agreement.json",
    log:
        "results/logs/figure_vision_agreement/vision.log",
    benchmark:
        "results/benchmarks/figure_vision_agreement/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=digest_of("vision"),
        versions=versions(*DRAWING),
        code=code_version("figure_vision_agreement.py"),
    script:
        "../../scripts/figure_vision_agreement.py"
