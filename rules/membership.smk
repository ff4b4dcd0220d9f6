"""Membership: how well signals of a sample tell members from control.

In: recovered objects or predictions, the blind baseline's odds and, where asked for, embeddings of
both parts of the samples. Out: results/tables/{domain}_membership.csv, results/tables/{domain}_roc.csv.
"""


def compared_with_control(domain):
    """The two sets whose samples are told apart."""
    sets = plan.tells_members(domain, config[domain])
    if not sets:
        raise WorkflowError(
            f"Config key {domain}.sets.control is missing: membership is told from control."
        )
    return sets


def signal_answers(wildcards):
    """Input: what the targets recover or infer, of members and of control."""
    domain = wildcards.domain
    sets = compared_with_control(domain)
    attacked = plan.attacked(domain, config[domain])
    if domain == "vlm":
        return recovered_files(
            (each["target"], each["query"], name) for each in attacked for name in sets
        )
    files = [layout.prediction_path(each["target"], name) for each in attacked for name in sets]
    return list(dict.fromkeys(files))


def signal_embeddings(wildcards):
    """Input: embeddings of both parts of members and of control, where similarities are asked for."""
    domain = wildcards.domain
    if not config[domain]["membership"]["similarity"]:
        return []
    names = [
        each[role]
        for each in plan.attacked(domain, config[domain])
        for role in ("target", "reference")
        if each[role] is not None
    ]
    return [
        path
        for name in dict.fromkeys(names)
        for part in ("image", domains.DOMAINS[domain].asks)
        for path in of_sets(
            domain,
            f"results/{domain}/embeddings/{name}/{part}/{{set}}/{{shard}}.parquet",
            compared_with_control(domain),
        )
    ]


def signal_megabytes(wildcards, input, attempt):
    """A few numbers a sample, and one shard of embeddings of each model at a time."""
    held = 1500 + 3 * size_mb(input.answers)
    if input.embeddings:
        held += 8 * max(some_sizes(input.embeddings)) / 1e6
    return int(held * 1.5 ** (attempt - 1))


def signal_evidence(wildcards):
    """Input: weighed evidence of the samples of each test, members before control."""
    domain = wildcards.domain
    return [
        path
        for test in plan.weighed_tests(domain, config[domain])
        for name in compared_with_control(domain)
        for path in weighed(domain, [test], ["any"], name)
    ]


rule membership:
    """How well each signal tells members from control."""
    input:
        answers=signal_answers,
        embeddings=signal_embeddings,
        odds=lambda wildcards: (
            f"results/{wildcards.domain}/blind.parquet"
            if "blind" in config[wildcards.domain]
            else []
        ),
        evidence=signal_evidence,
        left_out=lambda wildcards: left_out(wildcards.domain),
    output:
        report(
            "results/tables/{domain}_membership.csv",
            caption="legends/membership.rst",
            category="Audits",
            subcategory="Tables",
        ),
        "results/tables/{domain}_membership.csv-metadata.json",
        roc=report(
            "results/tables/{domain}_roc.csv",
            caption="legends/roc.rst",
            category="Audits",
            subcategory="Tables",
        ),
        described="results/tables/{domain}_roc.csv-metadata.json",
    log:
        "results/logs/membership/{domain}.log",
    benchmark:
        "results/benchmarks/membership/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=signal_megabytes,
        runtime=minutes(60, 30),
    params:
        attacked=lambda wildcards: plan.attacked(wildcards.domain, config[wildcards.domain]),
        sets=lambda wildcards: compared_with_control(wildcards.domain),
        asks=lambda wildcards: domains.DOMAINS[wildcards.domain].asks,
        headline=lambda wildcards: (
            plan_vlm.headline(config["vlm"]) if wildcards.domain == "vlm" else {}
        ),
        metric=metric_of,
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions("numpy", "scipy", "polars"),
        code=code_version("membership.py"),
    script:
        "../scripts/membership.py"


rule figure_membership:
    """ROC curves of all signals on logarithmic axes."""
    input:
        lambda wildcards: described(f"{wildcards.domain}_roc"),
    output:
        svg=report(
            "results/figures/{domain}_membership.svg",
            caption="legends/membership.rst",
            category="Audits",
            subcategory="Figures",
        ),
        png="results/figures/{domain}_membership.png",
        json="results/figures/{domain}_membership.json",
    log:
        "results/logs/figure_membership/{domain}.log",
    benchmark:
        "results/benchmarks/figure_membership/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions(*DRAWING),
        code=code_version("figure_membership.py"),
    script:
        "../scripts/figure_membership.py"
