"""Embeddings: one file for each model, input, set and shard, with its provenance.

In: the records of a shard, and the weights. Out:
results/vlm/embeddings/{model}/{input}/{set}/{shard}.parquet.
"""


rule embed_clip:
    """Embed the images or captions of a shard with a CLIP model."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
        model=trained_weights,
    output:
        "results/vlm/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_clip/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_clip/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=one_of("vlm", ["clip", "open_clip"]),
        input="image|caption",
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=encoder_settings,
        content=weights_content,
        batch=config["vlm"]["embedding"]["batch"],
        threads=config["vlm"]["embedding"]["threads"],
        precision=config["vlm"]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "open_clip_torch", "timm", "pillow"),
        code=code_version("embed_clip.py"),
    script:
        "../../scripts/embed_clip.py"


rule embed_transformers:
    """Embed the images or captions of a shard with a CLIP or SigLIP model of Transformers."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
    output:
        "results/vlm/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/embed_transformers/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_transformers/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=one_of("vlm", ["transformers"]),
        input="image|caption",
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=encoder_settings,
        content=weights_content,
        batch=config["vlm"]["embedding"]["batch"],
        threads=config["vlm"]["embedding"]["threads"],
        precision=config["vlm"]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "transformers", "tokenizers", "pillow"),
        code=code_version("embed_transformers.py"),
    script:
        "../../scripts/embed_transformers.py"


rule embed_text:
    """Embed the captions of a shard with a general text encoder."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
    output:
        "results/vlm/embeddings/{model}/caption/{set}/{shard}.parquet",
    log:
        "results/logs/embed_text/{model}.caption.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/embed_text/{model}.caption.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=one_of("vlm", ["sentence_transformers"]),
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=encoder_settings,
        content=weights_content,
        batch=config["vlm"]["embedding"]["batch"],
        threads=config["vlm"]["embedding"]["threads"],
        precision=config["vlm"]["embedding"]["precision"],
        versions=versions("torch", "sentence-transformers", "transformers", "tokenizers"),
        code=code_version("embed_text.py"),
    script:
        "../../scripts/embed_text.py"


rule import_embeddings:
    """Take the embeddings of a shard from where clip-retrieval wrote them."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
    output:
        "results/vlm/embeddings/{model}/{input}/{set}/{shard}.parquet",
    log:
        "results/logs/import_embeddings/{model}.{input}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/import_embeddings/{model}.{input}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=one_of("vlm", ["clip_retrieval"]),
        input="image|caption",
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000, 10),
        runtime=minutes(60, 60),
    params:
        folder=lambda wildcards: from_base(imported_folder(wildcards)),
        own_folder=has_own_folder,
        content=imported_content,
        columns=imported_columns,
        encoder=lambda wildcards: model_settings(wildcards.model)["encoder"],
        stored_order=lambda wildcards: in_stored_order(
            config["vlm"]["sets"][wildcards.set]["source"]
        ),
        shards=lambda wildcards: config["vlm"]["sets"][wildcards.set]["shards"],
        versions=versions("numpy", "polars"),
        code=code_version("import_embeddings.py"),
    script:
        "../../scripts/import_embeddings.py"
