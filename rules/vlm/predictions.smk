"""Predictions: the objects that neighbours vote for, counted against those that are there.

In: neighbours of a shard, samples of that shard, the list of public's samples. Out:
results/vlm/recovered/{model}/{query}/{set}/{shard}.parquet.
"""


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
