"""Indexes: one FAISS index for each public shard.

In: embeddings of public. Out: results/{domain}/index/{model}/{input}/{shard}.faiss.
"""


rule build_index:
    """Put one public shard into a flat index whose ids are sample numbers."""
    input:
        "results/{domain}/embeddings/{model}/{input}/public/{shard}.parquet",
    output:
        "results/{domain}/index/{model}/{input}/{shard}.faiss",
    log:
        "results/logs/build_index/{domain}.{model}.{input}.{shard}.log",
    benchmark:
        "results/benchmarks/build_index/{domain}.{model}.{input}.{shard}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 4),
        runtime=minutes(10, 5),
    params:
        metric=metric_of,
        versions=versions(FAISS),
        code=code_version("build_index.py"),
    script:
        "../scripts/build_index.py"
