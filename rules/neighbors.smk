"""Neighbours: the nearest public samples of every query.

In: embeddings of queries, the list of public's indexes. Out:
results/{domain}/neighbors/{model}/{query}/{set}/{shard}.parquet.
"""


rule find_neighbors:
    """Rank the public samples for every caption or crop of one shard."""
    input:
        queries=query_embeddings,
        indexes=list_of_indexes,
    output:
        "results/{domain}/neighbors/{model}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/find_neighbors/{domain}.{model}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/find_neighbors/{domain}.{model}.{query}.{set}.{shard}.jsonl"
    wildcard_constraints:
        query="t2i|t2t|crop",
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_pairs(1500, "queries", "indexes"),
        runtime=minutes_of_pairs(30, "queries", "indexes"),
    params:
        k=most_neighbors,
        metric=metric_of,
        approximate=lambda wildcards: is_approximate(wildcards.domain),
        search=lambda wildcards: index_settings(wildcards, "search"),
        versions=versions(FAISS, "numpy"),
        code=code_version("find_neighbors.py"),
    script:
        "../scripts/find_neighbors.py"
