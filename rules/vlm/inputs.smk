"""Shared by the rule files of the vision-language domain: from wildcards to files and settings."""


def annotations_of(source):
    """How a source's objects are annotated, None where its samples name them."""
    return config["vlm"]["sources"][source].get("annotations")


def captions_of_set(wildcards):
    """What becomes of several captions of an image."""
    return config["vlm"]["sources"][source_of_set("vlm", wildcards.set)].get("captions", "one")


def in_stored_order(source):
    """Whether a folder of embeddings keeps its order: where one set takes the whole of it."""
    takers = [each for each in config["vlm"]["sets"].values() if each["source"] == source]
    return len(takers) == 1 and takers[0]["fraction"] == 1 and not takers[0].get("from")


def hash_ranges_of_sources():
    """For each source the ranges of hashes that belong to the sets sharing it."""
    order, sets = domains.DOMAINS["vlm"].sets, config["vlm"]["sets"]
    return {source: ranges.ranges_of_sets(order, sets, source) for source in sources_of("vlm")}


def shard_hashes(wildcards):
    """First hash of a shard and the first one after it."""
    settings = config["vlm"]["sets"][wildcards.set]
    hashes = hash_ranges_of_sources()[settings["source"]][wildcards.set]
    return list(ranges.shard_range(hashes, int(wildcards.shard), settings["shards"]))


def trained_weights(wildcards):
    """The files of a model that the workflow trains."""
    if not kinds.MODELS[model_settings("vlm", wildcards)["kind"]].trained:
        return []
    return [
        f"results/vlm/models/{wildcards.model}/open_clip_model.safetensors",
        f"results/vlm/models/{wildcards.model}/open_clip_config.json",
    ]


def encoder(wildcards):
    """What an encoder is loaded from, and the files that it names."""
    settings = model_settings("vlm", wildcards)
    record = kinds.MODELS[settings["kind"]]
    if record.trained:
        return {"architecture": f"local-dir:{RESULTS}/vlm/models/{wildcards.model}"}, ()
    return settings, record.files


def recovered_files(sides):
    """Every shard of (path name, query, set), each file once."""
    return [
        layout.recovered_path(*side, shard)
        for side in dict.fromkeys(sides)
        for shard in range(config["vlm"]["sets"][side[2]]["shards"])
    ]


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
    if tallies is None:
        sides += [
            (name, tally[role]["query"], tally["set"])
            for comparison in comparisons
            for tallied in comparison["nulls"].values()
            for tally in tallied.values()
            for role in ("target", "reference", "null")
            for name in tally[role]["models"]
        ]
    return recovered_files(sides)
