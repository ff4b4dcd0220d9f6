"""Input functions and parameters of the rules: from wildcards to files and settings."""


def all_rejected():
    """Rejected items of every source and, duplicates, of every shard."""
    return of_sources(
        "results/vlm/sources/{source}/{part}.rejected.parquet", sources_of("vlm")
    ) + of_sets("results/vlm/records/{set}/{shard}.rejected.parquet", sets_of("vlm"))


def scene_tars(wildcards):
    """A generated source's tar; other sources lie outside the workflow."""
    if config["vlm"]["sources"][wildcards.source]["kind"] == "scenes":
        return ["results/vlm/scenes/{source}/{part}.tar"]
    return []


def scene_settings(wildcards):
    """What a generated source draws."""
    source = config["vlm"]["sources"][wildcards.source]
    return {key: value for key, value in source.items() if key != "annotations"}


def source_settings(wildcards):
    """A source's settings, with the path as seen from the working directory."""
    source = dict(config["vlm"]["sources"][wildcards.source])
    for key in ("path", "images"):
        if key in source:
            source[key] = from_base(source[key])
    if source["kind"] == "scenes":
        # What is drawn is the input's business.
        source = {"kind": "scenes", "parts": source["parts"], "objects": "objects"}
    if annotations_of(wildcards.source):
        # Labels of the samples themselves are not read, and annotations by other rules.
        source.pop("annotations", None)
        source.pop("objects", None)
        if "columns" in source:
            source["columns"] = {
                role: name for role, name in source["columns"].items() if role != "objects"
            }
    return source


def source_megabytes(wildcards, attempt):
    """Memory for a part of a source, or for its whole file of captions."""
    source = config["vlm"]["sources"][wildcards.source]
    if source["kind"] in ("coco", "flickr"):
        return whole_file_megabytes(source["path"], attempt)
    return int(2000 * 1.5 ** (attempt - 1))


def source_content(wildcards):
    """What tells that an external source has changed: names and sizes of shards, or the table."""
    source = config["vlm"]["sources"][wildcards.source]
    if source["kind"] == "img2dataset":
        tars = sorted((BASE / source["path"]).glob("*.tar"))
        return [
            f"{tar.name} {tar.stat().st_size}"
            for tar in tars[int(wildcards.part) :: source["parts"]]
        ]
    if "images" in source:
        return [content_of(source["path"]), listing_of(source["images"])]
    return content_of(source["path"]) if "path" in source else None


def sources_of_kinds(kinds):
    """A wildcard constraint: the sources of some kinds."""
    sources = config["vlm"]["sources"]
    return "|".join(name for name in sources if sources[name]["kind"] in kinds) or "(?!)"


def in_stored_order(source):
    """Whether a folder of embeddings keeps its order: where one set takes the whole of it."""
    takers = [each for each in config["vlm"]["sets"].values() if each["source"] == source]
    return len(takers) == 1 and takers[0]["fraction"] == 1


def metadata_content(wildcards):
    """What tells that the metadata of embeddings have changed: names and sizes of their files."""
    return listing_of(os.path.join(config["vlm"]["sources"][wildcards.source]["path"], "metadata"))


def has_own_folder(wildcards):
    """Whether embeddings lie in a folder of the model, and not in that of the samples."""
    return "path" in model_settings(wildcards.model)


def imported_folder(wildcards):
    """The folder of a model's embeddings of a set's samples."""
    name = source_of_set(wildcards.set)
    if has_own_folder(wildcards):
        return model_settings(wildcards.model)["path"].replace("{source}", name)
    return config["vlm"]["sources"][name]["path"]


def imported_columns(wildcards):
    """What the metadata of imported embeddings call ids and captions."""
    source = config["vlm"]["sources"][source_of_set(wildcards.set)]
    is_imported = source["kind"] == kinds.IMPORTED
    named = source["columns"] if is_imported else {"id": "image_path", "caption": "caption"}
    return {role: named[role] for role in ("id", "caption")}


def imported_content(wildcards):
    """What tells that imported embeddings have changed: of the files that a shard's rows are in."""
    folder = BASE / imported_folder(wildcards)
    kind = {"image": "img_emb", "caption": "text_emb"}[wildcards.input]
    # Numbers may be padded with zeros or not.
    files = sorted(folder.glob(f"{kind}/*.npy"), key=lambda file: (len(file.name), file.name))
    settings = config["vlm"]["sets"][wildcards.set]
    if has_own_folder(wildcards):
        # Which of them holds a sample is not known before it is looked for.
        files += sorted(folder.glob("metadata/*.parquet"))
    elif in_stored_order(settings["source"]):
        files = ranges.covering(files, int(wildcards.shard), settings["shards"])
    return [content_of(file) for file in files]


def source_parts(wildcards):
    """Records of all parts of a source."""
    return of_sources("results/vlm/sources/{source}/{part}.parquet", [wildcards.source])


def source_rejected(wildcards):
    """Rejected items of all parts of a source."""
    return of_sources("results/vlm/sources/{source}/{part}.rejected.parquet", [wildcards.source])


def set_parts(wildcards):
    """All parts of the source of a set."""
    source = config["vlm"]["sets"][wildcards.set]["source"]
    return of_sources("results/vlm/sources/{source}/{part}.parquet", [source])


def set_source_checked(wildcards):
    """The facts of a set's source, which are there once it has been checked."""
    return f"results/vlm/sources/{config['vlm']['sets'][wildcards.set]['source']}.json"


def sets_with_sources(domain):
    """Each set in order, with its source and number of shards."""
    sets = config[domain]["sets"]
    return [[name, sets[name]["source"], sets[name]["shards"]] for name in sets_of(domain)]


def hash_ranges_of_sources(domain):
    """For each source the ranges of hashes that belong to the sets sharing it."""
    sets = config[domain]["sets"]
    return {
        source: ranges.ranges_of_sets(domains.SETS[domain], sets, source)
        for source in sources_of(domain)
    }


def shard_hashes(wildcards):
    """First hash of a shard and the first one after it."""
    settings = config["vlm"]["sets"][wildcards.set]
    hashes = hash_ranges_of_sources("vlm")[settings["source"]][wildcards.set]
    return list(ranges.shard_range(hashes, int(wildcards.shard), settings["shards"]))


def first_sample(wildcards):
    """Number of a shard's first sample."""
    return ranges.first_number(domains.SETS["vlm"].index(wildcards.set), int(wildcards.shard))


def training_records(wildcards):
    """Records of the set that a model is trained on."""
    return of_sets(
        "results/vlm/records/{set}/{shard}.parquet", [model_settings(wildcards.model)["train_on"]]
    )


def training_settings(wildcards):
    """A trained model's settings, but for the list of its seeds."""
    settings = model_settings(wildcards.model)
    return {key: value for key, value in settings.items() if key != "seeds"}


def trained_weights(wildcards):
    """The files of a model that the workflow trains."""
    if model_settings(wildcards.model)["kind"] not in kinds.TRAINED:
        return []
    return [
        f"results/vlm/models/{wildcards.model}/open_clip_model.safetensors",
        f"results/vlm/models/{wildcards.model}/open_clip_config.json",
    ]


def encoder_settings(wildcards):
    """What an encoder is loaded from, with paths as seen from the working directory."""
    settings = dict(model_settings(wildcards.model))
    if settings["kind"] in kinds.TRAINED:
        return {"architecture": f"local-dir:results/vlm/models/{wildcards.model}"}
    if "checkpoint" in settings:
        settings["checkpoint"] = from_base(settings["checkpoint"])
    for key in ("architecture", "model"):
        prefix, _, folder = settings.get(key, "").rpartition("local-dir:")
        if (BASE / folder).is_dir() and folder:
            settings[key] = (
                f"{settings[key][: len(settings[key]) - len(folder)]}{from_base(folder)}"
            )
    return settings


def weights_content(wildcards):
    """What tells that local weights have changed, wherever they lie."""
    settings = model_settings(wildcards.model)
    paths = [
        settings.get(key, "").removeprefix("local-dir:")
        for key in ("checkpoint", "architecture", "model")
    ]
    return [content_of(path) for path in paths if path and (BASE / path).exists()]


def recovered_by(comparisons, tallies=None):
    """Files of recovered objects that comparisons read, each once."""
    sides = [
        (name, side["query"], tally["set"])
        for comparison in comparisons
        for key, tally in comparison["tallies"].items()
        if tallies is None or key in tallies
        for side in (tally["target"], tally["reference"])
        for name in side["models"]
    ]
    return recovered_files(sides)


def recovered_by_pairs(pairs):
    """Files of recovered objects, on target, of the references that are compared."""
    sides = [
        (pair[role]["model"], pair[role]["query"], "target")
        for pair in pairs
        for role in ("first", "second")
    ]
    return recovered_files(sides)


def neighbors_by(comparisons):
    """Neighbours, in every shard of target, of the first replicates that comparisons speak of."""
    sides = [
        (side["models"][0], side["query"])
        for comparison in comparisons
        for side in (comparison["tallies"]["target"][role] for role in ("target", "reference"))
    ]
    return [
        f"results/vlm/neighbors/{model}/{query}/target/{shard}.parquet"
        for model, query in dict.fromkeys(sides)
        for shard in shards("vlm", "target")
    ]


def recovered_files(sides):
    """Every shard of (path name, query, set), each file once."""
    return [
        layout.recovered_path(*side, shard)
        for side in dict.fromkeys(sides)
        for shard in range(config["vlm"]["sets"][side[2]]["shards"])
    ]


def source_of_set(name):
    """The source that a set takes its samples from."""
    return config["vlm"]["sets"][name]["source"]


def annotations_of(source):
    """How a source's objects are annotated, None where its samples name them."""
    return config["vlm"]["sources"][source].get("annotations")


def annotated_sets():
    """The sets whose samples have their objects from annotations."""
    return [name for name in sets_of("vlm") if annotations_of(source_of_set(name))]


def annotation_settings(source):
    """Where labels and scores come from, with paths as seen from the working directory."""
    settings = dict(annotations_of(source))
    # The threshold is the business of the rule that applies it.
    settings.pop("min_score")
    for key in ("path", "vocabulary", "order"):
        if key in settings:
            settings[key] = from_base(settings[key])
    if settings["kind"] == "clip":
        settings["model"] = with_local_paths(settings["model"])
    elif settings["kind"] == "detector" and (BASE / settings["model"]).is_dir():
        settings["model"] = from_base(settings["model"])
    return settings


def annotation_content(source):
    """What tells that the files of annotations have changed."""
    settings = annotations_of(source)
    paths = [settings[key] for key in ("path", "vocabulary", "order") if key in settings]
    if settings["kind"] == "detector":
        paths.append(settings["model"])
    elif settings["kind"] == "clip":
        paths.append(settings["model"].get("checkpoint", ""))
        paths.append(settings["model"]["architecture"].removeprefix("local-dir:"))
    return [content_of(path) for path in paths if path and (BASE / path).exists()]


def whole_file_megabytes(path, attempt):
    """Memory for a file read whole: as Python objects it takes about eight times its size."""
    return int((2000 + 8 * (BASE / path).stat().st_size / 1e6) * 1.5 ** (attempt - 1))


def annotation_megabytes(wildcards, attempt):
    """Memory for a source's annotation file."""
    return whole_file_megabytes(annotations_of(wildcards.source)["path"], attempt)


def labels_of_shard(wildcards):
    """Labels and scores of the images of a shard: its source's file's, or a detector's."""
    if annotations_of(source_of_set(wildcards.set))["kind"] in kinds.DETECTORS:
        return "results/vlm/detections/{set}/{shard}.parquet"
    return f"results/vlm/annotations/{source_of_set(wildcards.set)}.parquet"


def hashes_of_labels(wildcards):
    """Between which hashes a file has the labels of a shard; None where it must be read whole."""
    source = source_of_set(wildcards.set)
    is_detected = annotations_of(source)["kind"] in kinds.DETECTORS
    is_imported = config["vlm"]["sources"][source]["kind"] == kinds.IMPORTED
    if is_detected or (is_imported and in_stored_order(source)):
        return None
    return shard_hashes(wildcards)


def captions_of_set(wildcards):
    """What becomes of several captions of an image."""
    return config["vlm"]["sources"][source_of_set(wildcards.set)].get("captions", "one")


def holds_one_caption(wildcards):
    """Whether a set takes one of an image's captions though its source gives each."""
    return wildcards.set == "public" and captions_of_set(wildcards) == "each"


def annotated_objects(wildcards):
    """Objects of a shard, where they are annotated."""
    is_annotated = annotations_of(source_of_set(wildcards.set))
    return ["results/vlm/objects/{set}/{shard}.parquet"] if is_annotated else []


def labelled_files():
    """Where labels are: the parts of sources that name them, and annotated shards."""
    named = [name for name in sources_of("vlm") if not annotations_of(name)]
    return of_sources("results/vlm/sources/{source}/{part}.parquet", named) + of_sets(
        "results/vlm/objects/{set}/{shard}.parquet", annotated_sets()
    )
