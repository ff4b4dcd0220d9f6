"""Models: self-supervised ones, trained or published, and classifiers of crops.

In: records of the training set, or a published file. Out: results/vision/models/{model}/. Beside
the weights a checkpoint lets a killed training go on; it is no output, because Snakemake
removes outputs before it runs a job again.
"""


rule train_ssl:
    """Train a self-supervised model from scratch, going on from its checkpoint if there is one."""
    input:
        records=trained_images,
    output:
        weights="results/vision/models/{model}/model.safetensors",
        settings="results/vision/models/{model}/model.json",
        history="results/vision/models/{model}/training.csv",
    log:
        "results/logs/train_ssl/{model}.log",
    benchmark:
        "results/benchmarks/train_ssl/{model}.jsonl"
    wildcard_constraints:
        model=one_of("vision", ["ssl"]),
    priority: longest_first
    # One thread each, trainings side by side, is the fastest, and the weights depend on it.
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(2880),
    params:
        model=vision_training,
        seed=vision_seed,
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
    log:
        "results/logs/train_classifier/{model}.log",
    benchmark:
        "results/benchmarks/train_classifier/{model}.jsonl"
    wildcard_constraints:
        model=one_of("vision", ["classifier"]),
    priority: longest_first
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(720),
    params:
        model=vision_training,
        seed=vision_seed,
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
        model=one_of("vision", ["checkpoint"]),
    priority: 200
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(6000),
        runtime=minutes(30),
    params:
        file=lambda wildcards: from_base(vision_model(wildcards)["checkpoint"]),
        content=lambda wildcards: content_of(vision_model(wildcards)["checkpoint"]),
        model=checkpoint_layout,
        versions=versions("torch", "torchvision", "timm", "safetensors"),
        code=code_version("import_checkpoint.py"),
    script:
        "../../scripts/import_checkpoint.py"
