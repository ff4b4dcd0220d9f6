"""Utility of vision-language models: zero-shot classification, and a linear probe.

In: images' embeddings and objects of public, and a model. Out:
results/vlm/utility/{task}/{model}.json.
"""


def public_images(wildcards):
    """Embeddings of the public images by a model."""
    pattern = f"results/vlm/embeddings/{wildcards.model}/image/{{set}}/{{shard}}.parquet"
    return of_sets("vlm", pattern, ["public"])


rule zero_shot:
    """Tell the class of public images by the prompt whose embedding is the nearest."""
    input:
        embeddings=public_images,
        samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["public"]
        ),
        model=trained_weights,
    output:
        "results/vlm/utility/zero_shot/{model}.json",
    log:
        "results/logs/zero_shot/{model}.log",
    benchmark:
        "results/benchmarks/zero_shot/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vlm", "zero_shot"),
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes_a_file(3000, 5),
        runtime=minutes(60, 10),
    params:
        loader=lambda wildcards: kinds.MODELS[model_settings("vlm", wildcards)["kind"]].loader,
        model=located(encoder),
        content=told(encoder),
        name=model_name("vlm"),
        classes=lambda wildcards: audit("vlm", "utility")["classes"],
        templates=lambda wildcards: audit("vlm", "utility")["templates"],
        threads=config["vlm"]["embedding"]["threads"],
        versions=versions("torch", "open_clip_torch", "timm", "transformers", "polars"),
        code=code_version("zero_shot.py"),
    script:
        "../../scripts/zero_shot.py"


rule probe_embeddings:
    """Fit a linear classifier to embeddings of public images, and test it on others."""
    input:
        embeddings=public_images,
        samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["public"]
        ),
    output:
        "results/vlm/utility/linear_probe/{model}.json",
    log:
        "results/logs/probe_embeddings/{model}.log",
    benchmark:
        "results/benchmarks/probe_embeddings/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vlm", "probe_embeddings"),
    conda:
        "../../envs/dejavu.yaml"
    # The sums of a regression depend on it.
    threads: 1
    resources:
        mem_mb=megabytes_a_file(3000, 5),
        runtime=minutes(480),
    params:
        name=model_name("vlm"),
        classes=lambda wildcards: audit("vlm", "utility")["classes"],
        images=lambda wildcards: audit("vlm", "utility")["images"],
        seed=config["seed"],
        threads=1,
        versions=versions("numpy", "polars", "scikit-learn", "scipy"),
        code=code_version("probe_embeddings.py"),
    script:
        "../../scripts/probe_embeddings.py"
