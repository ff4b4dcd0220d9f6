"""Embeddings by encoders that both domains have, published ones and those that learned nothing.

In: the records of a shard. Out: results/{domain}/embeddings/{model}/{input}/{set}/{shard}.parquet.
"""


def domains_with_models(rule):
    """A constraint on `domain` where a model that a rule serves follows in a path.

    A name may stand for a model of another kind in the other domain.
    """
    return "|".join(
        rf"{domain}(?=/(?:embeddings|neighbors)/(?:{served_by(domain, rule)})(?:@\d+)?/)"
        for domain in plan.configured(config)
    )


rule embed_transformers:
    """Embed a shard with a model of Transformers: images, and captions or background crops."""
    input:
        records="results/{domain}/records/{set}/{shard}.parquet",
    output:
        "results/{domain}/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_transformers/{domain}.{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_transformers/{domain}.{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        domain=domains_with_models("embed_transformers"),
        input="image|caption|crop",
    priority: told_early
    conda:
        "../envs/dejavu.yaml"
    threads: lambda wildcards: config[wildcards.domain]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=located(published_encoder),
        content=told(published_encoder),
        metric=metric_of,
        batch=lambda wildcards: config[wildcards.domain]["embedding"]["batch"],
        threads=lambda wildcards: config[wildcards.domain]["embedding"]["threads"],
        precision=lambda wildcards: config[wildcards.domain]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "transformers", "tokenizers", "pillow"),
        code=code_version("embed_transformers.py"),
    script:
        "../scripts/embed_transformers.py"


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
        domain=domains_with_models("embed_pixels"),
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


rule embed_random:
    """Embed the images, captions or background crops of a shard with random weights."""
    input:
        records="results/{domain}/records/{set}/{shard}.parquet",
    output:
        "results/{domain}/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_random/{domain}.{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_random/{domain}.{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        domain=domains_with_models("embed_random"),
        input="image|caption|crop",
    conda:
        "../envs/dejavu.yaml"
    threads: lambda wildcards: config[wildcards.domain]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=lambda wildcards: model_settings(wildcards.domain, wildcards),
        metric=metric_of,
        batch=lambda wildcards: config[wildcards.domain]["embedding"]["batch"],
        threads=lambda wildcards: config[wildcards.domain]["embedding"]["threads"],
        precision=lambda wildcards: config[wildcards.domain]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "open_clip_torch", "timm", "lightly", "pillow"),
        code=code_version("embed_random.py"),
    script:
        "../scripts/embed_random.py"
