"""Embeddings: one file for each model, input, set and shard, with its provenance.

In: the records of a shard, and the weights. Out:
results/vlm/embeddings/{model}/{input}/{set}/{shard}.parquet.
"""


def has_own_folder(wildcards):
    """Whether embeddings lie in a folder of the model, and not in that of the samples."""
    return "path" in model_settings("vlm", wildcards)


def imported_folder(wildcards):
    """The folder with a model's embeddings of a set's samples."""
    source = source_of_set("vlm", wildcards.set)
    return plan_vlm.imported_folder(config["vlm"], model_settings("vlm", wildcards), source, BASE)


def imported_columns(wildcards):
    """What the metadata of imported embeddings call ids and captions."""
    source = config["vlm"]["sources"][source_of_set("vlm", wildcards.set)]
    kind = kinds.MODELS[model_settings("vlm", wildcards)["kind"]].source
    named = source["columns"] if source["kind"] == kind else {}
    return {role: named.get(role, name) for role, name in clip_retrieval.COLUMNS.items()}


def imported_content(wildcards):
    """What tells that imported embeddings have changed: of the files that a shard's rows are in."""
    folder = BASE / imported_folder(wildcards)
    numbers = clip_retrieval.numbers(folder)
    files = [clip_retrieval.vectors_file(folder, wildcards.input, number) for number in numbers]
    settings = config["vlm"]["sets"][wildcards.set]
    if has_own_folder(wildcards):
        # Which of them holds a sample is not known before it is looked for.
        files += [clip_retrieval.metadata_file(folder, number) for number in numbers]
    elif in_stored_order(settings["source"]):
        files = ranges.covering(files, int(wildcards.shard), settings["shards"])
    return [content_of(file) for file in files]


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
        model=served_by("vlm", "embed_clip"),
        input="image|caption",
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=located(encoder),
        content=told(encoder),
        batch=config["vlm"]["embedding"]["batch"],
        threads=config["vlm"]["embedding"]["threads"],
        precision=config["vlm"]["embedding"]["precision"],
        versions=versions("torch", "torchvision", "open_clip_torch", "timm", "pillow"),
        code=code_version("embed_clip.py"),
    script:
        "../../scripts/embed_clip.py"


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
        model=served_by("vlm", "embed_text"),
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240, 60),
    params:
        model=located(encoder),
        content=told(encoder),
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
        model=served_by("vlm", "import_embeddings"),
        input="image|caption",
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000, 10),
        runtime=minutes(60, 60),
    params:
        # It asks for the output to rerun nothing where the folder has moved.
        folder=lambda wildcards, output: from_base(imported_folder(wildcards)),
        own_folder=has_own_folder,
        content=imported_content,
        columns=imported_columns,
        encoder=lambda wildcards: model_settings("vlm", wildcards)["encoder"],
        stored_order=lambda wildcards: in_stored_order(source_of_set("vlm", wildcards.set)),
        shards=lambda wildcards: config["vlm"]["sets"][wildcards.set]["shards"],
        versions=versions("numpy", "polars"),
        code=code_version("import_embeddings.py"),
    script:
        "../../scripts/import_embeddings.py"
