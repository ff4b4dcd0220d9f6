"""Utility of vision-language models: zero-shot classification.

In: images' embeddings and objects of public, and a model. Out: results/vlm/utility/{model}.json.
"""


rule zero_shot:
    """Tell the class of public images by the prompt whose embedding is the nearest."""
    input:
        embeddings=of_sets(
            "vlm", "results/vlm/embeddings/{{model}}/image/{set}/{shard}.parquet", ["public"]
        ),
        samples=of_sets("vlm", "results/vlm/samples/{set}/{shard}.parquet", ["public"]),
        model=trained_weights,
    output:
        "results/vlm/utility/{model}.json",
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
