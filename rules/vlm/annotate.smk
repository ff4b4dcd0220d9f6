"""Annotations: the objects of samples whose source does not name them itself.

In: the annotation file of a source, or the images of a shard of records. Out:
results/vlm/objects/{set}/{shard}.parquet. Records go on without objects, so that another threshold
trains and embeds nothing again.
"""


def annotation_of_set(wildcards):
    """The annotations of the source of a set."""
    return annotations_of(source_of_set("vlm", wildcards.set))


def annotated_by(annotations):
    """Where labels and scores come from, and the files that it names."""
    # The threshold is the business of the rule that applies it.
    settings = {key: value for key, value in annotations.items() if key != "min_score"}
    return settings, kinds.ANNOTATIONS[settings["kind"]].files


def file_of_labels(wildcards):
    """The annotations of a source, and the files that they name."""
    return annotated_by(annotations_of(wildcards.source))


def detector(wildcards):
    """What looks for the objects of a set, and the files that it names."""
    return annotated_by(annotation_of_set(wildcards))


def annotation_megabytes(wildcards, attempt):
    """Memory for a source's annotation file."""
    return whole_file_megabytes(annotations_of(wildcards.source)["path"], attempt)


def labels_of_shard(wildcards):
    """Labels and scores of the images of a shard: its source's file's, or a detector's."""
    if kinds.ANNOTATIONS[annotation_of_set(wildcards)["kind"]].detects:
        return "results/vlm/detections/{set}/{shard}.parquet"
    return f"results/vlm/annotations/{source_of_set('vlm', wildcards.set)}.parquet"


def hashes_of_labels(wildcards):
    """Between which hashes a file has the labels of a shard; None where it must be read whole."""
    source = source_of_set("vlm", wildcards.set)
    is_detected = kinds.ANNOTATIONS[annotation_of_set(wildcards)["kind"]].detects
    # Where embeddings keep their stored order, hashes tell it, and not the ids.
    is_embedded = "read_metadata" in kinds.SOURCES[config["vlm"]["sources"][source]["kind"]].rules
    if is_detected or (is_embedded and in_stored_order(source)):
        return None
    return shard_hashes(wildcards)


rule read_annotations:
    """Read the annotation file of a source once: best score of every label in every image."""
    output:
        "results/vlm/annotations/{source}.parquet",
    log:
        "results/logs/read_annotations/{source}.log",
    benchmark:
        "results/benchmarks/read_annotations/{source}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=annotation_megabytes,
        runtime=minutes(120),
    params:
        annotations=located(file_of_labels),
        content=told(file_of_labels),
        seed=config["seed"],
        versions=versions("numpy", "polars"),
        code=code_version("read_annotations.py"),
    script:
        "../../scripts/read_annotations.py"


rule detect_objects:
    """Ask a detector, or CLIP, for the best score of every label in the images of one shard."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
    output:
        "results/vlm/detections/{set}/{shard}.parquet",
    log:
        "results/logs/detect_objects/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/detect_objects/{set}.{shard}.jsonl"
    # After the first shards of the encoders, whose names are told sooner than it is done.
    priority: 40
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vlm"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(6000, 2),
        runtime=minutes(720, 600),
    params:
        annotations=located(detector),
        content=told(detector),
        captions=captions_of_set,
        seed=config["seed"],
        threads=config["vlm"]["embedding"]["threads"],
        versions=versions("torch", "transformers", "open_clip_torch", "pillow"),
        code=code_version("detect_objects.py"),
    script:
        "../../scripts/detect_objects.py"


rule annotate_objects:
    """Give the samples of one shard the labels whose score reaches the threshold."""
    input:
        records="results/vlm/records/{set}/{shard}.parquet",
        labels=labels_of_shard,
    output:
        "results/vlm/objects/{set}/{shard}.parquet",
    log:
        "results/logs/annotate_objects/{set}.{shard}.log",
    benchmark:
        "results/benchmarks/annotate_objects/{set}.{shard}.jsonl"
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 2),
        runtime=minutes(10, 20),
    params:
        hashes=hashes_of_labels,
        min_score=lambda wildcards: annotation_of_set(wildcards)["min_score"],
        captions=captions_of_set,
        versions=versions("polars"),
        code=code_version("annotate_objects.py"),
    script:
        "../../scripts/annotate_objects.py"
