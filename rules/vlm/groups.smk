"""Groups: which captions are memorized more.

In: results/vlm/recovered/, results/vlm/samples/. Out: results/tables/vlm_groups.csv.
"""


def samples_of(set_name, is_needed=True):
    """Samples of a set, where it is there and they are needed."""
    asked = [set_name] if is_needed and set_name in config["vlm"]["sets"] else []
    return of_sets("vlm", "results/vlm/samples/{set}/{shard}.parquet", asked)


def records_with_columns():
    """Records of both sets, members first, where samples are grouped by a column."""
    if not plan.columns_grouped_by("vlm", config["vlm"]):
        return []
    return of_sets("vlm", "results/vlm/records/{set}/{shard}.parquet", grouped_sets())


rule vlm_groups:
    """Adjusted gaps of the levels of every group of captions."""
    input:
        recovered=lambda wildcards: recovered_by(
            plan_vlm.at_headline(config["vlm"]), ["target", "control"]
        ),
        members=lambda wildcards: samples_of("target"),
        controls=lambda wildcards: samples_of("control"),
        public=lambda wildcards: samples_of("public", "rarity" in config["vlm"]["groups"]),
        records=lambda wildcards: records_with_columns(),
        copies=lambda wildcards: found_copies("vlm"),
        odds=lambda wildcards: odds_of_groups("vlm"),
        checked="results/vlm/sets.json",
        left_out=left_out("vlm"),
    output:
        report(
            "results/tables/vlm_groups.csv",
            caption="../legends/groups.rst",
            category="Vision–language",
            subcategory="Tables",
        ),
        "results/tables/vlm_groups.csv-metadata.json",
    log:
        "results/logs/vlm_groups/vlm.log",
    benchmark:
        "results/benchmarks/vlm_groups/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes_a_file(1500, 16),
        runtime=minutes(60, 60),
    params:
        comparisons=plan_vlm.at_headline(config["vlm"]),
        headline=plan_vlm.headline(config["vlm"]),
        groups=[group for group in config["vlm"]["groups"] if isinstance(group, str)],
        columns=plan.columns_grouped_by("vlm", config["vlm"]),
        sets=["target", "control"],
        digest=digest_of("vlm"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vlm_groups.py"),
    script:
        "../../scripts/vlm_groups.py"
