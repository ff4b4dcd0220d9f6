"""Lists: the shards of a folder as one small file, for jobs that read all of them.

In: the shards. Out: results/{domain}/lists/{folder}.json. With an edge from each of many jobs to
each of many shards, planning a run would take longer than the run; and a list whose content is what
it was, by the hashes of the shards, reruns nothing.
"""


def shards_of_folder(wildcards):
    """The shards of a folder of samples, embeddings or indexes, or the parts of a source."""
    kind, *_, last = wildcards.folder.split("/")
    if kind == "sources":
        folder = f"results/{wildcards.domain}/sources/{{source}}"
        return of_sources(wildcards.domain, f"{folder}/{{part}}.parquet", [last])
    set_name, suffix = ("public", "faiss") if kind == "index" else (last, "parquet")
    folder = f"results/{wildcards.domain}/{wildcards.folder}"
    return [f"{folder}/{shard}.{suffix}" for shard in shards(wildcards.domain, set_name)]


rule list_shards:
    """List the shards of a folder with their sizes and the hashes of their content."""
    input:
        shards_of_folder,
    output:
        "results/{domain}/lists/{folder}.json",
    log:
        "results/logs/list_shards/{domain}/{folder}.log",
    benchmark:
        "results/benchmarks/list_shards/{domain}/{folder}.jsonl"
    wildcard_constraints:
        folder=r"sources/\w+|samples/\w+|index/\w+/\w+|embeddings/\w+/\w+/\w+",
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(10, 2),
    params:
        code=code_version("list_shards.py"),
    script:
        "../scripts/list_shards.py"
