"""Audits: near-duplicates between sets, and whether sets differ without any model.

In: embeddings under an encoder other than the audited ones. Out: results/{domain}/duplicates/,
results/tables/{domain}_contamination.csv, results/tables/{domain}_blind.csv.
"""


def embedded_for_duplicates(domain, sets):
    """Embeddings of sets under the encoder that tells duplicates."""
    settings = audit(domain, "contamination")
    return embedded(domain, settings["model"], settings.get("input", "image"), sets)


def audited_shard(wildcards):
    """Embeddings of the shard whose duplicates are looked for."""
    return embedded_for_duplicates(wildcards.domain, [wildcards.set])[int(wildcards.shard)]


def searched_lists(wildcards):
    """Lists of the embeddings of the sets in which a set's duplicates are looked for."""
    domain = wildcards.domain
    searched = plan.searched_for_duplicates(domain, config[domain]["sets"])[wildcards.set]
    folders = dict.fromkeys(
        os.path.dirname(path) for path in embedded_for_duplicates(domain, searched)
    )
    return [
        f"results/{domain}/lists/{os.path.relpath(folder, f'results/{domain}')}.json"
        for folder in folders
    ]


def found_duplicates(wildcards):
    """Duplicates of all shards of all measured sets."""
    domain = wildcards.domain
    audit(domain, "contamination")
    measured = plan.searched_for_duplicates(domain, config[domain]["sets"])
    return of_sets(domain, f"results/{domain}/duplicates/{{set}}/{{shard}}.parquet", measured)


def blind_sets(domain):
    """The sets that the blind baseline tells apart, each once."""
    pairs = plan.told_apart(domain, config[domain])
    return list(dict.fromkeys(name for pair in pairs for name in pair))


def told_apart(wildcards):
    """Input: embeddings of the sets that the blind baseline tells apart."""
    domain = domains.DOMAINS[wildcards.domain]
    model = audit(domain.key, "blind")["model"]
    return embedded(domain.key, model, domain.asks, blind_sets(domain.key))


def records_told_apart(wildcards):
    """Input: records of the sets that the blind baseline tells apart."""
    pattern = f"results/{wildcards.domain}/records/{{set}}/{{shard}}.parquet"
    return of_sets(wildcards.domain, pattern, blind_sets(wildcards.domain))


rule find_duplicates:
    """Find the near-duplicates of one shard of measured samples in the other sets."""
    input:
        samples=audited_shard,
        searched=searched_lists,
    output:
        "results/{domain}/duplicates/{set}/{shard}.parquet",
    log:
        "results/logs/find_duplicates/{domain}.{set}.{shard}.log",
    benchmark:
        "results/benchmarks/find_duplicates/{domain}.{set}.{shard}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_of_pairs(1000, "samples", "searched"),
        runtime=minutes_of_pairs(30, "samples", "searched"),
    params:
        threshold=lambda wildcards: audit(wildcards.domain, "contamination")["threshold"],
        versions=versions("numpy"),
        code=code_version("find_duplicates.py"),
    script:
        "../scripts/find_duplicates.py"


rule contamination:
    """List the near-duplicates between the sets of a domain."""
    input:
        found_duplicates,
    output:
        report(
            "results/tables/{domain}_contamination.csv",
            caption="legends/contamination.rst",
            category="Audits",
            subcategory="Tables",
        ),
        "results/tables/{domain}_contamination.csv-metadata.json",
    log:
        "results/logs/contamination/{domain}.log",
    benchmark:
        "results/benchmarks/contamination/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1000, 5),
        runtime=minutes(10, 10),
    params:
        sets=lambda wildcards: list(domains.DOMAINS[wildcards.domain].sets),
        digest=lambda wildcards: digest_of(wildcards.domain),
        code=code_version("contamination.py"),
    script:
        "../scripts/contamination.py"


rule blind:
    """Try to tell sets apart by an encoder that saw neither."""
    input:
        embeddings=told_apart,
        records=records_told_apart,
        left_out=lambda wildcards: left_out(wildcards.domain),
    output:
        report(
            "results/tables/{domain}_blind.csv",
            caption="legends/blind.rst",
            category="Audits",
            subcategory="Tables",
        ),
        "results/tables/{domain}_blind.csv-metadata.json",
        odds="results/{domain}/blind.parquet",
    log:
        "results/logs/blind/{domain}.log",
    benchmark:
        "results/benchmarks/blind/{domain}.jsonl"
    conda:
        "../envs/dejavu.yaml"
    # The sums of a regression depend on it.
    threads: 1
    resources:
        mem_mb=megabytes_a_file(3000, 5),
        runtime=minutes(240),
    params:
        model=lambda wildcards: audit(wildcards.domain, "blind")["model"],
        pairs=lambda wildcards: plan.told_apart(wildcards.domain, config[wildcards.domain]),
        shards=lambda wildcards: {
            name: len(shards(wildcards.domain, name)) for name in blind_sets(wildcards.domain)
        },
        samples=lambda wildcards: audit(wildcards.domain, "blind")["samples"],
        seed=config["seed"],
        digest=lambda wildcards: digest_of(wildcards.domain),
        versions=versions("scikit-learn", "numpy", "scipy"),
        code=code_version("blind.py"),
    script:
        "../scripts/blind.py"
