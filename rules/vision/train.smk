"""Models: self-supervised ones, trained or published, and classifiers of crops.

In: records of the training set, or a published file. Out: results/vision/models/{model}/. Beside
the weights a checkpoint lets a killed training go on; it is no output, because Snakemake
removes outputs before it runs a job again. No more are the states after those epochs that a sweep
measures: the job of such a point begins with what was kept, or else trains to its epoch.
"""


def trained_images(wildcards):
    """Records of the set that a self-supervised model is trained on."""
    return image_records(model_settings("vision", wildcards)["train_on"])


def shared_images(wildcards):
    """Records of the further images that a self-supervised model is trained on."""
    return [] if model_settings("vision", wildcards).get("extra") == 0 else image_records("shared")


def trained_crops(wildcards):
    """Records of the images whose crops a classifier is trained on."""
    return image_records(model_settings("vision", wildcards)["train_on"])


def training_of(wildcards):
    """What a training depends on: not the seeds, nor how the model is used."""
    left_out = ("kind", "seeds", "train_on", "representation", "preprocessing")
    left_out += (*plan.TAKEN, *sweeps.MARKS)
    settings = model_settings("vision", wildcards)
    kept = {key: value for key, value in settings.items() if key not in left_out}
    channels = {key: settings["preprocessing"][key] for key in ("mean", "std")}
    return {**kept, "preprocessing": channels}


def checkpoint_layout(wildcards):
    """How a published checkpoint is read, and the sides of the images that it must take."""
    settings = model_settings("vision", wildcards)
    used = settings["preprocessing"]
    sides = [used["image_side"], used["crop_side"]]
    layout = {key: settings[key] for key in ("format", "backbone", "state_key", "prefix")}
    return {**layout, "network": settings.get("network"), "sides": sides}


def longest_first(wildcards):
    """Priority of a training: before all that waits for one, the longest before the others."""
    return 11 - 1 / model_settings("vision", wildcards)["epochs"]


rule train_ssl:
    """Train a self-supervised model from scratch, going on from its checkpoint if there is one."""
    input:
        records=trained_images,
        extra=shared_images,
        kept_by=kept_by("vision", "model.safetensors"),
    output:
        weights="results/vision/models/{model}/model.safetensors",
        settings="results/vision/models/{model}/model.json",
        history="results/vision/models/{model}/training.csv",
        history_description="results/vision/models/{model}/training.csv-metadata.json",
    log:
        "results/logs/train_ssl/{model}.log",
    benchmark:
        "results/benchmarks/train_ssl/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "train_ssl"),
    priority: longest_first
    # One thread each, trainings side by side, is the fastest, and the weights depend on it.
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(2880),
    params:
        model=training_of,
        taken=taken("vision"),
        keep=kept_epochs("vision"),
        until=until("vision"),
        seed=training_seed("vision"),
        versions=versions("torch", "torchvision", "lightly", "timm", "pillow"),
        code=code_version("train_ssl.py"),
    script:
        "../../scripts/train_ssl.py"


rule train_classifier:
    """Train a classifier from crops to labels, going on from its checkpoint if there is one."""
    input:
        records=trained_crops,
    output:
        weights="results/vision/models/{model}/model.safetensors",
        settings="results/vision/models/{model}/model.json",
        history="results/vision/models/{model}/training.csv",
        history_description="results/vision/models/{model}/training.csv-metadata.json",
    log:
        "results/logs/train_classifier/{model}.log",
    benchmark:
        "results/benchmarks/train_classifier/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "train_classifier"),
    priority: longest_first
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(720),
    params:
        model=training_of,
        taken=taken("vision"),
        seed=training_seed("vision"),
        versions=versions("torch", "torchvision", "timm", "pillow"),
        code=code_version("train_classifier.py"),
    script:
        "../../scripts/train_classifier.py"


rule import_checkpoint:
    """Read a published checkpoint and check that it fits, before anything else takes its time."""
    output:
        weights="results/vision/models/{model}/model.safetensors",
        settings="results/vision/models/{model}/model.json",
    log:
        "results/logs/import_checkpoint/{model}.log",
    benchmark:
        "results/benchmarks/import_checkpoint/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "import_checkpoint"),
    priority: 200
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        runtime=minutes(30),
    params:
        # It asks for the output to rerun nothing where the file has moved.
        file=lambda wildcards, output: from_base(model_settings("vision", wildcards)["checkpoint"]),
        content=lambda wildcards: content_of(model_settings("vision", wildcards)["checkpoint"]),
        model=checkpoint_layout,
        versions=versions("torch", "torchvision", "timm", "safetensors"),
        code=code_version("import_checkpoint.py"),
    script:
        "../../scripts/import_checkpoint.py"
