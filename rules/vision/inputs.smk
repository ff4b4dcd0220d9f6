"""Input functions and parameters of the vision rules: from wildcards to files and settings."""


def vision_model(wildcards):
    """The config of the model that a path name stands for."""
    return model_settings(wildcards.model, "vision")


def vision_seed(wildcards):
    """The training seed that a path name stands for."""
    return replicates.seed_of(wildcards.model, config["vision"]["models"])


def foreground_tars(wildcards):
    """A generated source's tar; other sources lie outside the workflow."""
    if config["vision"]["sources"][wildcards.source]["kind"] == "foregrounds":
        return ["results/vision/pictures/{source}/{part}.tar"]
    return []


def image_source(wildcards):
    """A source's settings, with paths as seen from the working directory."""
    source = dict(config["vision"]["sources"][wildcards.source])
    if source["kind"] == "foregrounds":
        # What is drawn is the input's business.
        return {"kind": "foregrounds", "parts": source["parts"]}
    for key in ("path", "annotations"):
        if key in source:
            source[key] = from_base(source[key])
    # Who gets which image, and how classes are called, is the business of later rules.
    return {key: value for key, value in source.items() if key not in ("split", "class_names")}


def image_source_content(wildcards):
    """What tells that an external source has changed: names and sizes of its files."""
    source = config["vision"]["sources"][wildcards.source]
    if source["kind"] == "foregrounds":
        return None
    places = [source[key] for key in ("path", "annotations") if key in source]
    folders = [place for place in places if (BASE / place).is_dir()]
    return [listing_of(*folders), *(content_of(place) for place in places if place not in folders)]


def sets_of_source(name):
    """The sets that a source gives."""
    return [each for each in sets_of("vision") if config["vision"]["sets"][each]["source"] == name]


def source_images(wildcards):
    """All parts of the source of a set."""
    source = config["vision"]["sets"][wildcards.set]["source"]
    return of_sources("results/vision/sources/{source}/{part}.parquet", [source], "vision")


def source_split(wildcards):
    """The split of the source of a set."""
    return f"results/vision/splits/{config['vision']['sets'][wildcards.set]['source']}.parquet"


def parts_of_source(wildcards):
    """Images of all parts of a source."""
    return of_sources(
        "results/vision/sources/{source}/{part}.parquet", [wildcards.source], "vision"
    )


def rejected_of_source(wildcards):
    """Rejected images of all parts of a source."""
    pattern = "results/vision/sources/{source}/{part}.rejected.parquet"
    return of_sources(pattern, [wildcards.source], "vision")


def images_per_class(wildcards):
    """How many images a class gives to control, and to A and B each, where sets share a source."""
    sets = sets_of_source(wildcards.source)
    if len(sets) == 1 or "split" in config["vision"]["sources"][wildcards.source]:
        return None
    counts = {"control": "control_per_class", "A": "n_per_class"}
    return {name: config["vision"][key] for name, key in counts.items() if name in sets}


def index_lists(wildcards):
    """The lists of images that a source's sets are made of, where there are any."""
    lists = config["vision"]["sources"][wildcards.source].get("split", {})
    return {name: from_base(path) for name, path in lists.items()}


def index_lists_content(wildcards):
    """What tells that the lists have changed."""
    lists = config["vision"]["sources"][wildcards.source].get("split", {})
    return [content_of(path) for path in lists.values()]


def class_name_files():
    """Files with readable names of the class folders of the sources in use."""
    sources = config["vision"]["sources"]
    names = [sources[name].get("class_names") for name in sources_of("vision")]
    return list(dict.fromkeys(path for path in names if path))


def vision_hashes(wildcards):
    """First hash of a shard and the first one after it."""
    shard_count = config["vision"]["sets"][wildcards.set]["shards"]
    return list(ranges.shard_range((0, ranges.HASHES), int(wildcards.shard), shard_count))


def first_image(wildcards):
    """Number of a shard's first sample."""
    return ranges.first_number(domains.SETS["vision"].index(wildcards.set), int(wildcards.shard))


def image_records(*sets):
    """Records of all shards of those of some sets that the config has."""
    named = [name for name in sets if name in config["vision"]["sets"]]
    return of_sets("results/vision/records/{set}/{shard}.parquet", named, "vision")


def image_samples(*sets):
    """Samples of all shards of some sets."""
    return of_sets("results/vision/samples/{set}/{shard}.parquet", sets, "vision")


def records_of_set(wildcards):
    """Records of all shards of the wildcard's set."""
    return image_records(wildcards.set)


def samples_of_set(wildcards):
    """Samples of all shards of the wildcard's set."""
    return image_samples(wildcards.set)


def rejected_images():
    """Rejected images of every source and, duplicates, of every shard."""
    return of_sources(
        "results/vision/sources/{source}/{part}.rejected.parquet", sources_of("vision"), "vision"
    ) + of_sets(
        "results/vision/records/{set}/{shard}.rejected.parquet", sets_of("vision"), "vision"
    )


def tag_settings():
    """The tagger's settings, with paths as seen from the working directory."""
    tags = dict(config["vision"]["tags"])
    for key in ("path", "vocabulary"):
        if key in tags:
            tags[key] = from_base(tags[key])
    if "model" in tags:
        tags["model"] = with_local_paths(tags["model"])
    return tags


def tag_content():
    """What tells that the tagger's files have changed."""
    tags = config["vision"]["tags"]
    paths = [tags[key] for key in ("path", "vocabulary") if key in tags]
    for key in ("checkpoint", "architecture"):
        paths.append(tags.get("model", {}).get(key, "").removeprefix("local-dir:"))
    return [content_of(path) for path in paths if path and (BASE / path).exists()]


def visual_words(wildcards):
    """The vocabulary of visual words, where crops are tagged with them."""
    is_asked = config["vision"]["tags"]["kind"] == "visual_words"
    return ["results/vision/words.npz"] if is_asked else []


def trained_images(wildcards):
    """Records of the images that a self-supervised model is trained on."""
    return image_records(vision_model(wildcards)["train_on"], "shared")


def trained_crops(wildcards):
    """Records of the images whose crops a classifier is trained on."""
    return image_records(vision_model(wildcards)["train_on"])


def vision_training(wildcards):
    """What a training depends on: not the seeds, nor how the model is used."""
    left_out = ("kind", "seeds", "train_on", "representation", "preprocessing")
    settings = vision_model(wildcards)
    kept = {key: value for key, value in settings.items() if key not in left_out}
    channels = {key: settings["preprocessing"][key] for key in ("mean", "std")}
    if settings.get("method") != "dino":
        kept.pop("dino", None)
    return {**kept, "preprocessing": channels}


def checkpoint_layout(wildcards):
    """How a published checkpoint is read, and the sides of the images that it must take."""
    settings = vision_model(wildcards)
    used = settings["preprocessing"]
    sides = [used["image_side"], used["crop_side"]]
    return {**{key: settings[key] for key in ("format", "network", "backbone")}, "sides": sides}


def longest_first(wildcards):
    """Priority of a training: before all that waits for one, the longest before the others."""
    return 11 - 1 / vision_model(wildcards)["epochs"]


def representation(wildcards):
    """How a trained model is used."""
    settings = vision_model(wildcards)
    return {key: settings[key] for key in ("preprocessing", "representation")}


def predicted(comparisons, sides=None):
    """Predictions that comparisons read, each file once; of some sides, or of all."""
    files = [
        layout.prediction_path(name, side["set"])
        for comparison in comparisons
        for key, side in comparison["sides"].items()
        if sides is None or key in sides
        for name in (*side["targets"], *side["references"])
    ]
    return list(dict.fromkeys(files))


def predicted_alone(references, first=False):
    """Predictions of references on A's crops, of all replicates or the first."""
    return [
        layout.prediction_path(name, "A")
        for reference in references
        for name in reference["alone"]["predictors"][: 1 if first else None]
    ]


def preferred_labels():
    """How strongly the embedded world of A's images prefers labels; None for other sources."""
    return config["vision"]["sources"][config["vision"]["sets"]["A"]["source"]].get("preferred")
