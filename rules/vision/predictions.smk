"""Predictions: what each predictor says of the crops of a set.

In: neighbours, or crops and a classifier, or tags, or a file that has them already. Out:
results/vision/predictions/{predictor}/{set}.parquet.
"""


def records_of_set(wildcards):
    """Records of all shards of a set."""
    return image_records(wildcards.set)


def neighbors_to_vote(wildcards):
    """Ranks of neighbours of a set: the domain's, or those of the one search for larger numbers."""
    k, own = votes_of(wildcards), config["vision"]["k"]
    name = wildcards.model
    if k is not None and k > own:
        name = plan_vision.at_votes(name, plan_vision.most_votes(config["vision"]))
    pattern = f"results/vision/neighbors/{name}/crop/{{set}}/{{shard}}.parquet"
    return of_sets("vision", pattern, [wildcards.set])


rule vote_labels:
    """Let the public neighbours of every crop of a set vote for its label."""
    input:
        neighbors=neighbors_to_vote,
        records=records_of_set,
        public=lambda wildcards: image_records("public"),
    output:
        "results/vision/predictions/{model}{votes}/{set}.parquet",
    log:
        "results/logs/vote_labels/{model}{votes}.{set}.log",
    benchmark:
        "results/benchmarks/vote_labels/{model}{votes}.{set}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "vote_labels"),
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 3),
        runtime=minutes(30, 30),
    params:
        k=votes_of,
        versions=versions("numpy", "scipy"),
        code=code_version("vote_labels.py"),
    script:
        "../../scripts/vote_labels.py"


rule classify_crops:
    """Classify the crops of a set."""
    input:
        records=records_of_set,
        weights="results/vision/models/{model}/model.safetensors",
        settings="results/vision/models/{model}/model.json",
    output:
        "results/vision/predictions/{model}/{set}.parquet",
    log:
        "results/logs/classify_crops/{model}.{set}.log",
    benchmark:
        "results/benchmarks/classify_crops/{model}.{set}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "classify_crops"),
    conda:
        "../../envs/dejavu.yaml"
    threads: config["vision"]["embedding"]["threads"]
    resources:
        mem_mb=megabytes(3000, 2),
        runtime=minutes(240),
    params:
        preprocessing=lambda wildcards: model_settings("vision", wildcards)["preprocessing"],
        batch=config["vision"]["embedding"]["batch"],
        threads=config["vision"]["embedding"]["threads"],
        versions=versions("torch", "torchvision", "timm", "pillow"),
        code=code_version("classify_crops.py"),
    script:
        "../../scripts/classify_crops.py"


rule predict_naive_bayes:
    """Predict the labels of the crops of a set from their tags."""
    input:
        fitted_on=lambda wildcards: image_samples(config["vision"]["naive_bayes"]["fit_on"]),
        samples=lambda wildcards: image_samples(wildcards.set),
    output:
        "results/vision/predictions/naive_bayes@{tags}/{set}.parquet",
    log:
        "results/logs/predict_naive_bayes/{tags}.{set}.log",
    benchmark:
        "results/benchmarks/predict_naive_bayes/{tags}.{set}.jsonl"
    wildcard_constraints:
        tags=r"\d+",
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 3),
        runtime=minutes(30, 30),
    params:
        versions=versions("scikit-learn", "polars"),
        code=code_version("predict_naive_bayes.py"),
    script:
        "../../scripts/predict_naive_bayes.py"


rule import_predictions:
    """Take the predicted labels of the crops of a set from a file."""
    input:
        records=records_of_set,
    output:
        "results/vision/predictions/{model}/{set}.parquet",
    log:
        "results/logs/import_predictions/{model}.{set}.log",
    benchmark:
        "results/benchmarks/import_predictions/{model}.{set}.jsonl"
    wildcard_constraints:
        model=served_by("vision", "import_predictions"),
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 3),
        runtime=minutes(30, 30),
    params:
        # It asks for the output to rerun nothing where the file has moved.
        file=lambda wildcards, output: from_base(given_file("vision", "crop", wildcards)),
        content=lambda wildcards: given_content("vision", "crop", wildcards),
        needs_confidence=min(config["vision"]["confident"]) < 1,
        versions=versions("numpy", "polars"),
        code=code_version("import_predictions.py"),
    script:
        "../../scripts/import_predictions.py"
