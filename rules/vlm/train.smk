"""Training: CLIP models on one set of the measurement.

In: the records of the set. Out: results/vlm/models/{model}/, a folder that OpenCLIP loads by
`local-dir:`. A checkpoint beside the weights lets a killed job go on; it is no output, because
Snakemake removes outputs before it runs a job again.
"""


rule train_clip:
    """Train a CLIP model from scratch, going on from its checkpoint if there is one."""
    input:
        records=training_records,
    output:
        weights="results/vlm/models/{model}/open_clip_model.safetensors",
        config="results/vlm/models/{model}/open_clip_config.json",
        history="results/vlm/models/{model}/training.csv",
    log:
        "results/logs/train_clip/{model}.log",
    benchmark:
        "results/benchmarks/train_clip/{model}.jsonl"
    wildcard_constraints:
        model=one_of("vlm", ["clip"]),
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
        seed=lambda wildcards: replicates.seed_of(wildcards.model, config["vlm"]["models"]),
        versions=versions("torch", "torchvision", "open_clip_torch", "timm", "pillow"),
        code=code_version("train_clip.py"),
    script:
        "../../scripts/train_clip.py"
