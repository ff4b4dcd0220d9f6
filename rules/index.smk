"""Indexes: one FAISS index for each public shard, and what approximate ones miss.

In: embeddings of public; for recall also embeddings and neighbours of the measured set. Out:
results/{domain}/index/{model}/{input}/{shard}.faiss and, where the index is approximate,
results/{domain}/trained_index/, results/{domain}/recall/ and results/tables/{domain}_recall.csv.
"""


def public_embeddings(domain, model, part):
    """Embeddings of all public shards."""
    pattern = f"results/{domain}/embeddings/{model}/{part}/{{set}}/{{shard}}.parquet"
    return of_sets(domain, pattern, ["public"])


def trained_index(wildcards):
    """The trained index that a shard's is made from, where it is approximate."""
    path = "results/{0.domain}/trained_index/{0.model}/{0.input}.faiss"
    return path.format(wildcards) if plan.is_approximate(config[wildcards.domain]) else []


def measured_files(wildcards, stage, part):
    """A stage's files of all shards of the set whose memorization is measured."""
    domain = wildcards.domain
    pattern = f"results/{domain}/{stage}/{wildcards.model}/{part}/{{set}}/{{shard}}.parquet"
    return of_sets(domain, pattern, domains.DOMAINS[domain].measured[:1])


def searched_by(domain, query):
    """What a query searches."""
    return domains.DOMAINS[domain].queries[query]


rule train_index:
    """Train an approximate index on a sample of the public vectors."""
    input:
        lambda wildcards: public_embeddings(wildcards.domain, wildcards.model, wildcards.input),
    output:
        "results/{domain}/trained_index/{model}/{input}.faiss",
    log:
        "results/logs/train_index/{domain}.{model}.{input}.log",
    benchmark:
        "results/benchmarks/train_index/{domain}.{model}.{input}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 2),
        runtime=minutes(60, 60),
    params:
        factory=index_setting("factory"),
        train_samples=index_setting("train_samples"),
        metric=metric_of,
        seed=config["seed"],
        versions=versions(FAISS, "numpy"),
        code=code_version("train_index.py"),
    script:
        "../scripts/train_index.py"


rule build_index:
    """Put one public shard into an index whose ids are sample numbers."""
    input:
        public="results/{domain}/embeddings/{model}/{input}/public/{shard}.parquet",
        trained=trained_index,
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
        factory=index_setting("factory"),
        versions=versions(FAISS),
        code=code_version("build_index.py"),
    script:
        "../scripts/build_index.py"


rule measure_recall:
    """Search a sample of the measured set exactly and compare with the neighbours found."""
    input:
        queries=lambda wildcards: measured_files(
            wildcards, "embeddings", domains.DOMAINS[wildcards.domain].asks
        ),
        neighbors=lambda wildcards: measured_files(wildcards, "neighbors", wildcards.query),
        public=lambda wildcards: public_embeddings(
            wildcards.domain, wildcards.model, searched_by(wildcards.domain, wildcards.query)
        ),
    output:
        "results/{domain}/recall/{model}/{query}.json",
    log:
        "results/logs/measure_recall/{domain}.{model}.{query}.log",
    benchmark:
        "results/benchmarks/measure_recall/{domain}.{model}.{query}.jsonl"
    wildcard_constraints:
        query=queries(),
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(2000, 2),
        runtime=minutes(60, 60),
    params:
        k=all_neighbors,
        queries=index_setting("recall_queries"),
        metric=metric_of,
        seed=config["seed"],
        versions=versions(FAISS, "numpy"),
        code=code_version("measure_recall.py"),
    script:
        "../scripts/measure_recall.py"


rule recall:
    """What the approximate indexes find of the exact neighbours."""
    input:
        lambda wildcards: [
            f"results/{wildcards.domain}/recall/{each['name']}/{each['query']}.json"
            for each in plan.searches(wildcards.domain, config[wildcards.domain])
        ],
    output:
        "results/tables/{domain}_recall.csv",
        "results/tables/{domain}_recall.csv-metadata.json",
    log:
        "results/logs/recall/{domain}.log",
    benchmark:
        "results/benchmarks/recall/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(10),
    params:
        searched=lambda wildcards: [
            {"model": each["model"], "input": searched_by(wildcards.domain, each["query"])}
            for each in plan.searches(wildcards.domain, config[wildcards.domain])
        ],
        index=index_setting("factory"),
        digest=lambda wildcards: digest_of(wildcards.domain),
        code=code_version("recall.py"),
    script:
        "../scripts/recall.py"
