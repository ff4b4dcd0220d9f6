"""Neighbours: the nearest public samples of every query.

In: embeddings of queries, the list of public's indexes; or a file that has them already. Out:
results/{domain}/neighbors/{model}/{query}/{set}/{shard}.parquet.
"""


def query_embeddings(wildcards):
    """Embeddings of what a query asks with: captions or crops."""
    asks = domains.DOMAINS[wildcards.domain].asks
    pattern = "results/{0.domain}/embeddings/{0.model}/{1}/{0.set}/{0.shard}.parquet"
    return pattern.format(wildcards, asks)


def list_of_indexes(wildcards):
    """The list of the indexes of all public shards, of what the query searches."""
    searched = domains.DOMAINS[wildcards.domain].queries[wildcards.query]
    return f"results/{wildcards.domain}/lists/index/{wildcards.model}/{searched}.json"


# Where neighbours are given, nothing is searched.
ruleorder: import_neighbors > find_neighbors


rule find_neighbors:
    """Rank the public samples for every caption or crop of one shard."""
    input:
        queries=query_embeddings,
        indexes=list_of_indexes,
    output:
        "results/{domain}/neighbors/{model}{votes}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/find_neighbors/{domain}.{model}{votes}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/find_neighbors/{domain}.{model}{votes}.{query}.{set}.{shard}.jsonl"
    wildcard_constraints:
        query=queries(),
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_pairs(1500, "queries", "indexes"),
        runtime=minutes_of_pairs(30, "queries", "indexes"),
    params:
        k=lambda wildcards: votes_of(wildcards) or max(all_neighbors(wildcards)),
        metric=metric_of,
        approximate=lambda wildcards: plan.is_approximate(config[wildcards.domain]),
        search=index_setting("search"),
        versions=versions(FAISS, "numpy"),
        code=code_version("find_neighbors.py"),
    script:
        "../scripts/find_neighbors.py"


rule import_neighbors:
    """Take the nearest public samples of every caption or crop of one shard from a file."""
    input:
        records="results/{domain}/records/{set}/{shard}.parquet",
        public=lambda wildcards: of_sets(
            wildcards.domain,
            f"results/{wildcards.domain}/records/{{set}}/{{shard}}.parquet",
            ["public"],
        ),
    output:
        "results/{domain}/neighbors/{model}{votes}/{query}/{set}/{shard}.parquet",
    log:
        "results/logs/import_neighbors/{domain}.{model}{votes}.{query}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/import_neighbors/{domain}.{model}{votes}.{query}.{set}.{shard}.jsonl"
    wildcard_constraints:
        domain=domains_with_models("import_neighbors"),
        query=queries(),
    priority: told_early
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 3),
        runtime=minutes(30, 30),
    params:
        # It asks for the output to rerun nothing where the file has moved.
        file=lambda wildcards, output: from_base(
            given_file(wildcards.domain, wildcards.query, wildcards)
        ),
        content=lambda wildcards: given_content(wildcards.domain, wildcards.query, wildcards),
        k=lambda wildcards: votes_of(wildcards) or max(all_neighbors(wildcards)),
        versions=versions("numpy", "polars"),
        code=code_version("import_neighbors.py"),
    script:
        "../scripts/import_neighbors.py"
