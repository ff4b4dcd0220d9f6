"""Embeddings: one file for each model, input, set and shard, with its provenance.

In: the records of a shard, and the weights. Out:
results/vision/embeddings/{model}/{input}/{set}/{shard}.parquet.
"""


rule embed_ssl:
    """Embed the images or background crops of a shard with a self-supervised model."""
    input:
        records="results/vision/records/{set}/{shard}.parquet",
        weights=weights_file("vision", "model.safetensors"),
        settings=weights_file("vision", "model.json"),
    output:
        "results/vision/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_ssl/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_ssl/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "embed_ssl"),
        input="image|crop",
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vision"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(2000, 2),
        runtime=minutes(240, 60),
    params:
        model=representation,
        metric=config["vision"]["metric"],
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        precision=config["vision"]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "timm", "lightly", "pillow"),
        code=code_version("embed_ssl.py"),
    script:
        "../../scripts/embed_ssl.py"


rule embed_timm:
    """Embed the images or background crops of a shard with a model of timm."""
    input:
        records="results/vision/records/{set}/{shard}.parquet",
    output:
        "results/vision/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_timm/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_timm/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "embed_timm"),
        input="image|crop",
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vision"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=located(published_encoder),
        content=told(published_encoder),
        metric=config["vision"]["metric"],
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        precision=config["vision"]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "timm", "pillow"),
        code=code_version("embed_timm.py"),
    script:
        "../../scripts/embed_timm.py"
