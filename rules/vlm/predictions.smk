"""Predictions: the objects that neighbours vote for, counted against those that are there.

In: neighbours of a shard, samples of that shard, the list of public's samples; or a file that has
predictions already. Out: results/vlm/recovered/{model}/{query}/{set}/{shard}.parquet.
"""


# Where predictions are given, no neighbour votes.
ruleorder: count_objects > recover_objects


rule recover_objects:
    """Predict the objects of every sample of one shard and count the right ones."""
    input:
        neighbors="results/vlm/neighbors/{model}/{query}/{set}/{shard}.parquet",
        samples="results/vlm/samples/{set}/{shard}.parquet",
        public="results/vlm/lists/samples/public.json",
        vocabulary="results/vlm/vocabulary.json",
    output:
        "results/vlm/recovered/{model}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/recover_objects/{model}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/recover_objects/{model}.{query}.{set}.{shard}.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_a_file(1500, 16),
        runtime=minutes(30, 10),
    params:
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        seed=config["seed"],
        captions=captions_of_set,
        versions=versions("numpy"),
        code=code_version("recover_objects.py"),
    script:
        "../../scripts/recover_objects.py"


rule import_objects:
    """Take the objects that are predicted for the samples of one shard from a file."""
    input:
        samples="results/vlm/samples/{set}/{shard}.parquet",
        vocabulary="results/vlm/vocabulary.json",
    output:
        "results/vlm/predictions/{model}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/import_objects/{model}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/import_objects/{model}.{query}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=served_by("vlm", "import_objects"),
    priority: told_early
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 8),
        runtime=minutes(30, 10),
    params:
        # It asks for the output to rerun nothing where the file has moved.
        file=lambda wildcards, output: from_base(given_file("vlm", wildcards.query, wildcards)),
        content=lambda wildcards: given_content("vlm", wildcards.query, wildcards),
        versions=versions("numpy", "polars"),
        code=code_version("import_objects.py"),
    script:
        "../../scripts/import_objects.py"


rule count_objects:
    """Count the right ones of the objects that are predicted already for one shard."""
    input:
        predictions="results/vlm/predictions/{model}/{query}/{set}/{shard}.parquet",
        samples="results/vlm/samples/{set}/{shard}.parquet",
        vocabulary="results/vlm/vocabulary.json",
    output:
        "results/vlm/recovered/{model}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/count_objects/{model}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/count_objects/{model}.{query}.{set}.{shard}.jsonl"
    wildcard_constraints:
        model=served_by("vlm", "count_objects"),
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 8),
        runtime=minutes(30, 10),
    params:
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        seed=config["seed"],
        captions=captions_of_set,
        versions=versions("numpy"),
        code=code_version("count_objects.py"),
    script:
        "../../scripts/count_objects.py"
