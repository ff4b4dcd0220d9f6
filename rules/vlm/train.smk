"""Training: CLIP models on one set of the measurement.

In: the records of the set. Out: results/vlm/models/{model}/, a folder that OpenCLIP loads by
`local-dir:`. A checkpoint beside the weights lets a killed job go on; it is no output, because
Snakemake removes outputs before it runs a job again. No more are the states after those epochs that
a sweep measures: the job of such a point begins with what was kept, or else trains to its epoch.
"""


def training_records(wildcards):
    """Records of the set that a model is trained on."""
    trained_on = model_settings("vlm", wildcards)["train_on"]
    return of_sets("vlm", "results/vlm/records/{set}/{shard}.parquet", [trained_on])


def extra_records(wildcards):
    """Records of the set `extra`, for a model that is trained on more than its set."""
    named = ["extra"] if model_settings("vlm", wildcards)["extra"] else []
    return of_sets("vlm", "results/vlm/records/{set}/{shard}.parquet", named)


def training_settings(wildcards):
    """A trained model's settings, but for the list of its seeds, and what it is trained on."""
    left_out = ("seeds", *plan.TAKEN, *sweeps.MARKS)
    settings = model_settings("vlm", wildcards)
    return {key: value for key, value in settings.items() if key not in left_out}


rule train_clip:
    """Train a CLIP model from scratch, going on from its checkpoint if there is one."""
    input:
        records=training_records,
        extra=extra_records,
        kept_by=kept_by("vlm", "open_clip_model.safetensors"),
    output:
        weights="results/vlm/models/{model}/open_clip_model.safetensors",
        config="results/vlm/models/{model}/open_clip_config.json",
        history="results/vlm/models/{model}/training.csv",
        history_description="results/vlm/models/{model}/training.csv-metadata.json",
    log:
        "results/logs/train_clip/{model}.log",
    benchmark:
        "results/benchmarks/train_clip/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vlm", "train_clip"),
    priority: 10
    conda:
        "../../envs/dejavu.yaml"
    # One thread each, trainings side by side, is the fastest, and the weights depend on it.
    threads: 1
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(720),
    params:
        model=training_settings,
        taken=taken("vlm"),
        keep=kept_epochs("vlm"),
        until=until("vlm"),
        seed=training_seed("vlm"),
        versions=versions("torch", "torchvision", "open_clip_torch", "timm", "pillow"),
        code=code_version("train_clip.py"),
    script:
        "../../scripts/train_clip.py"
