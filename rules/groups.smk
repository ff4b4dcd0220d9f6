"""Groups: copies of members inside their own set, and the figure of all groups.

In: embeddings under the encoder that tells duplicates. Out: results/{domain}/copies/{shard}.parquet.
"""


def members_of(domain):
    """The set whose samples the targets have learned."""
    return domains.DOMAINS[domain].measured[0]


def member_shard(wildcards):
    """Embeddings of the members' shard whose copies are looked for."""
    shards = embedded_for_duplicates(wildcards.domain, [members_of(wildcards.domain)])
    return shards[int(wildcards.shard)]


def member_list(wildcards):
    """The list of the embeddings of all members."""
    domain = wildcards.domain
    folder = os.path.dirname(embedded_for_duplicates(domain, [members_of(domain)])[0])
    return f"results/{domain}/lists/{os.path.relpath(folder, f'results/{domain}')}.json"


def found_copies(domain):
    """How often each member stands in its set, where groups ask for it."""
    if "copies" not in config[domain]["groups"]:
        return []
    names = shards(domain, members_of(domain))
    return [f"results/{domain}/copies/{shard}.parquet" for shard in names]


def odds_of_groups(domain):
    """The blind baseline's odds, where groups ask for them."""
    is_asked = "typicality" in config[domain]["groups"]
    return [f"results/{domain}/blind.parquet"] if is_asked else []


rule find_copies:
    """Count the copies of each picture of one shard of members in their own set."""
    input:
        samples=member_shard,
        searched=member_list,
    output:
        "results/{domain}/copies/{shard}.parquet",
    log:
        "results/logs/find_copies/{domain}.{shard}.log",
    benchmark:
        "results/benchmarks/find_copies/{domain}.{shard}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_pairs(1000, "samples", "searched"),
        runtime=minutes_of_pairs(30, "samples", "searched"),
    params:
        threshold=lambda wildcards: audit(wildcards.domain, "contamination")["threshold"],
        versions=versions("numpy"),
        code=code_version("find_copies.py"),
    script:
        "../scripts/find_copies.py"


rule figure_groups:
    """Adjusted gaps of the levels of every group."""
    input:
        lambda wildcards: described(f"{wildcards.domain}_groups"),
    output:
        svg=report(
            "results/figures/{domain}_groups.svg",
            caption="legends/groups.rst",
            category="Audits",
            subcategory="Figures",
        ),
        png="results/figures/{domain}_groups.png",
        json="results/figures/{domain}_groups.json",
    log:
        "results/logs/figure_groups/{domain}.log",
    benchmark:
        "results/benchmarks/figure_groups/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 20),
        runtime=minutes(10),
    params:
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions(*DRAWING),
        code=code_version("figure_groups.py"),
    script:
        "../scripts/figure_groups.py"
