"""Tables: the scores, from the counts of recovered objects.

In: results/vlm/recovered/. Out: results/tables/vlm_*.csv, as the README describes them.
"""

comparisons = list(plan_vlm.comparisons(config["vlm"]))
agreements = plan_vlm.references_to_agree(config["vlm"])


def recovered_by_pairs(pairs):
    """Files of recovered objects, on target, of the references that are compared."""
    sides = [
        (pair[role]["model"], pair[role]["query"], "target")
        for pair in pairs
        for role in ("first", "second")
    ]
    return recovered_files(sides)


rule vlm_ppg:
    """Population scores of every test, setting and set, with their intervals."""
    input:
        recovered=lambda wildcards: recovered_by(comparisons),
        blind=lambda wildcards: blind_vectors("vlm"),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_ppg.csv",
            caption="../legends/vlm_ppg.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_ppg.csv-metadata.json",
    log:
        "results/logs/vlm_ppg/vlm.log",
    benchmark:
        "results/benchmarks/vlm_ppg/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        comparisons=comparisons,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        shift_components=shift_components("vlm"),
        digest=digest_of("vlm"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vlm_ppg.py"),
    script:
        "../../scripts/vlm_ppg.py"


rule vlm_checks:
    """The verdict of every test, and the checks that it rests on."""
    input:
        scores=described("vlm_ppg"),
        blind=described("vlm_blind") if "blind" in config["vlm"] else [],
    output:
        report(
            "results/tables/vlm_checks.csv",
            caption="../legends/checks.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_checks.csv-metadata.json",
    log:
        "results/logs/vlm_checks/vlm.log",
    benchmark:
        "results/benchmarks/vlm_checks/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(10, 10),
    params:
        tests=config["vlm"]["tests"],
        headline=plan_vlm.headline(config["vlm"]),
        sources={name: each["source"] for name, each in config["vlm"]["sets"].items()},
        smallest=config["smallest"],
        digest=digest_of("vlm"),
        versions=versions("polars"),
        code=code_version("vlm_checks.py"),
    script:
        "../../scripts/vlm_checks.py"


rule vlm_samples:
    """Gaps over the first records, ordered by how memorized they look."""
    input:
        recovered=lambda wildcards: recovered_by(comparisons, ["target", "control"]),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_samples.csv",
            caption="../legends/vlm_samples.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_samples.csv-metadata.json",
    log:
        "results/logs/vlm_samples/vlm.log",
    benchmark:
        "results/benchmarks/vlm_samples/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        comparisons=comparisons,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        digest=digest_of("vlm"),
        code=code_version("vlm_samples.py"),
    script:
        "../../scripts/vlm_samples.py"


rule vlm_distributions:
    """Distributions of recall of target and reference."""
    input:
        recovered=lambda wildcards: recovered_by(comparisons, ["target"]),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_distributions.csv",
            caption="../legends/vlm_distributions.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_distributions.csv-metadata.json",
    log:
        "results/logs/vlm_distributions/vlm.log",
    benchmark:
        "results/benchmarks/vlm_distributions/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        comparisons=comparisons,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        digest=digest_of("vlm"),
        code=code_version("vlm_distributions.py"),
    script:
        "../../scripts/vlm_distributions.py"


rule vlm_agreement:
    """How often two references are right or wrong on the same targets."""
    input:
        recovered=lambda wildcards: recovered_by_pairs(agreements),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_agreement.csv",
            caption="../legends/vlm_agreement.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_agreement.csv-metadata.json",
    log:
        "results/logs/vlm_agreement/vlm.log",
    benchmark:
        "results/benchmarks/vlm_agreement/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        pairs=agreements,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        digest=digest_of("vlm"),
        code=code_version("vlm_agreement.py"),
    script:
        "../../scripts/vlm_agreement.py"


rule vlm_memorized:
    """The targets with the largest surplus of recovered objects."""
    input:
        recovered=lambda wildcards: recovered_by(comparisons, ["target", "control"]),
        samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["target"]
        ),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_memorized.csv",
            caption="../legends/vlm_memorized.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_memorized.csv-metadata.json",
    log:
        "results/logs/vlm_memorized/vlm.log",
    benchmark:
        "results/benchmarks/vlm_memorized/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        comparisons=comparisons,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        memorized=config["vlm"]["memorized"],
        digest=digest_of("vlm"),
        code=code_version("vlm_memorized.py"),
    script:
        "../../scripts/vlm_memorized.py"


rule vlm_rejected:
    """Every item of the sources that was left out, and why."""
    input:
        lambda wildcards: all_rejected("vlm"),
    output:
        report(
            "results/tables/vlm_rejected.csv",
            caption="../legends/vlm_rejected.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_rejected.csv-metadata.json",
    log:
        "results/logs/vlm_rejected/vlm.log",
    benchmark:
        "results/benchmarks/vlm_rejected/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 30),
    params:
        sets=sets_with_sources("vlm"),
        ranges=hash_ranges_of_sources(),
        parts={name: config["vlm"]["sources"][name]["parts"] for name in sources_of("vlm")},
        digest=digest_of("vlm"),
        code=code_version("vlm_rejected.py"),
    script:
        "../../scripts/vlm_rejected.py"
