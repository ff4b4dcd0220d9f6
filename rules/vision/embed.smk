"""Embeddings: one file for each model, input, set and shard, with its provenance.

In: the records of a shard, and the weights. Out:
results/vision/embeddings/{model}/{input}/{set}/{shard}.parquet.
"""


def file_of_vectors(wildcards, set_name=None, part=None):
    """The file with a model's embeddings of a set's images or crops."""
    settings = model_settings("vision", wildcards)
    files = kinds.MODELS[settings["kind"]].files
    source = source_of_set("vision", set_name or wildcards.set)
    own = paths.for_source(settings, files, BASE, source)
    return own["images" if (part or wildcards.input) == "image" else "crops"]


def content_of_vectors(wildcards):
    """What tells that imported embeddings, or their ids, have changed."""
    path = Path(file_of_vectors(wildcards))
    ids = [path.with_suffix(".txt")] if path.suffix == ".npy" else []
    return [content_of(each) for each in (path, *ids)]


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
    priority: told_early
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


rule import_vectors:
    """Take the embeddings of the images or background crops of a shard from a file."""
    input:
        records="results/vision/records/{set}/{shard}.parquet",
    output:
        "results/vision/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/import_vectors/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/import_vectors/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "import_vectors"),
        input="image|crop",
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000, 10),
        runtime=minutes(60, 60),
    params:
        # It asks for the output to rerun nothing where the file has moved.
        file=lambda wildcards, output: from_base(file_of_vectors(wildcards)),
        # What crops search.
        searched=lambda wildcards, output: from_base(file_of_vectors(wildcards, "public", "image")),
        content=content_of_vectors,
        encoder=lambda wildcards: model_settings("vision", wildcards)["encoder"],
        metric=config["vision"]["metric"],
        versions=versions("numpy", "polars"),
        code=code_version("import_vectors.py"),
    script:
        "../../scripts/import_vectors.py"
