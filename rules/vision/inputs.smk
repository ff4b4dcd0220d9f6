"""Shared by the rule files of the vision domain: from sets and models to files and settings."""


def image_records(*sets):
    """Records of all shards of those of some sets that the config has."""
    named = [name for name in sets if name in config["vision"]["sets"]]
    return of_sets("vision", "results/vision/records/{set}/{shard}.parquet", named)


def image_samples(*sets):
    """Samples of all shards of some sets."""
    return of_sets("vision", "results/vision/samples/{set}/{shard}.parquet", sets)


def representation(wildcards):
    """How a trained model is used."""
    settings = model_settings("vision", wildcards)
    return {key: settings[key] for key in ("preprocessing", "representation")}
