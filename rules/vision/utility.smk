"""Utility of vision models: a linear probe.

In: the records of public, and a model. Out: results/vision/utility/linear_probe/{model}.json.
"""


rule linear_probe:
    """Fit a linear classifier to the backbone's features of public images, and test it on others."""
    input:
        records=lambda wildcards: image_records("public"),
        weights=weights_file("vision", "model.safetensors"),
        settings=weights_file("vision", "model.json"),
    output:
        "results/vision/utility/linear_probe/{model}.json",
    log:
        "results/logs/linear_probe/{model}.log",
    benchmark:
        "results/benchmarks/linear_probe/{model}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "linear_probe"),
    conda:
        "../../envs/dejavu.yaml"
    # The features depend on it.
    threads: config["vision"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(4000, 3),
        runtime=minutes(480),
    params:
        model=lambda wildcards: {**representation(wildcards), "representation": "backbone"},
        name=model_name("vision"),
        images=lambda wildcards: audit("vision", "utility")["images"],
        seed=config["seed"],
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        versions=versions("torch", "torchvision", "timm", "lightly", "pillow", "scikit-learn"),
        code=code_version("linear_probe.py"),
    script:
        "../../scripts/linear_probe.py"
