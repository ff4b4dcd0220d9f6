"""Audits: near-duplicates between sets, and whether target and control differ without any model.

In: embeddings under an encoder other than the audited ones. Out: results/{domain}/duplicates/,
results/tables/{domain}_contamination.csv, results/tables/{domain}_blind.csv.
"""


rule embed_pixels:
    """Embed the images or background crops of a shard with the fixed encoder of pixels."""
    input:
        records="results/{domain}/records/{set}/{shard}.parquet",
    output:
        "results/{domain}/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_pixels/{domain}.{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_pixels/{domain}.{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        domain=domains_with_models([kinds.PIXELS]),
        input="image|crop",
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 2),
        runtime=minutes(60, 60),
    params:
        batch=lambda wildcards: config[wildcards.domain]["embedding"]["batch"],
        versions=versions("pillow", "numpy"),
        code=code_version("embed_pixels.py"),
    script:
        "../scripts/embed_pixels.py"


rule find_duplicates:
    """Find the near-duplicates of one shard of measured samples in the other sets."""
    input:
        samples=audited_shard,
        searched=searched_lists,
    output:
        "results/{domain}/duplicates/{set}/{shard}.parquet",
    log:
        "results/logs/find_duplicates/{domain}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/find_duplicates/{domain}.{set}.{shard}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_pairs(1000, "samples", "searched"),
        runtime=minutes_of_pairs(30, "samples", "searched"),
    params:
        threshold=lambda wildcards: audit(wildcards.domain, "contamination")["threshold"],
        versions=versions("numpy"),
        code=code_version("find_duplicates.py"),
    script:
        "../scripts/find_duplicates.py"


rule contamination:
    """List the near-duplicates between the sets of a domain."""
    input:
        found_duplicates,
    output:
        report(
            "results/tables/{domain}_contamination.csv",
            caption="captions/contamination.rst",
            category="Audits",
            subcategory="Tables",
        ),
    log:
        "results/logs/contamination/{domain}.log",
    benchmark:
        "results/benchmarks/contamination/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 5),
        runtime=minutes(10, 10),
    params:
        code=code_version("contamination.py"),
    script:
        "../scripts/contamination.py"


rule blind:
    """Try to tell the measured samples from control by an encoder that saw neither."""
    input:
        target=lambda wildcards: embedded_for_blind(wildcards.domain, 0),
        target_records=lambda wildcards: records_for_blind(wildcards.domain, 0),
        control=lambda wildcards: embedded_for_blind(wildcards.domain, 1),
        control_records=lambda wildcards: records_for_blind(wildcards.domain, 1),
        left_out=lambda wildcards: left_out(wildcards.domain),
    output:
        report(
            "results/tables/{domain}_blind.csv",
            caption="captions/blind.rst",
            category="Audits",
            subcategory="Tables",
        ),
    log:
        "results/logs/blind/{domain}.log",
    benchmark:
        "results/benchmarks/blind/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    # The sums of a regression depend on it.
    threads: 1
    resources:
        mem_mb=megabytes_a_file(3000, 5),
        runtime=minutes(240),
    params:
        model=lambda wildcards: audit(wildcards.domain, "blind")["model"],
        samples=lambda wildcards: audit(wildcards.domain, "blind")["samples"],
        seed=config["seed"],
        versions=versions("scikit-learn", "numpy", "scipy"),
        code=code_version("blind.py"),
    script:
        "../scripts/blind.py"
