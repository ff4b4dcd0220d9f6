"""Evidence: what speaks for each training caption having been memorized.

In: results/vlm/recovered/, and embeddings of the blind baseline. Out: results/vlm/evidence/.
"""


def weighed_comparisons(wildcards):
    """What a test compares, for each query."""
    return [each for each in plan_vlm.comparisons(config["vlm"]) if each["test"] == wildcards.test]


def recovered_first(wildcards):
    """Files of recovered objects of the first replicates of a test, on target and control."""
    return recovered_files(
        (side["models"][0], side["query"], tally["set"])
        for comparison in weighed_comparisons(wildcards)
        for name, tally in comparison["tallies"].items()
        if name in ("target", "control")
        for side in (tally["target"], tally["reference"])
    )


rule weigh_captions:
    """Weigh what speaks for each caption having been memorized."""
    input:
        recovered=recovered_first,
        target_samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["target"]
        ),
        control_samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["control"]
        ),
        target_embeddings=lambda wildcards: blind_vectors("vlm", "target"),
        control_embeddings=lambda wildcards: blind_vectors("vlm", "control"),
        blind=described("vlm_blind") if "blind" in config["vlm"] else [],
        left_out=left_out("vlm"),
    output:
        members=weighed("vlm", ["{test}"], ["{features}"], "target"),
        control=weighed("vlm", ["{test}"], ["{features}"], "control"),
    log:
        "results/logs/weigh_captions/{test}.{features}.log",
    benchmark:
        "results/benchmarks/weigh_captions/{test}.{features}.jsonl"
    wildcard_constraints:
        test="|".join(plan.weighed_tests("vlm", config["vlm"])),
        features="|".join(domains.DOMAINS["vlm"].features),
    conda:
        "../../envs/dejavu.yaml"
    # The sums of a regression depend on it.
    threads: 1
    resources:
        # Of all samples the score, weight and p-value are held, of one shard all else.
        mem_mb=megabytes_a_file(2500, 8, "recovered", 3),
        runtime=minutes(30, 60),
    params:
        comparisons=weighed_comparisons,
        k=config["vlm"]["k"],
        predict=config["vlm"]["predict"],
        objects=config["vlm"]["objects"],
        captions={
            name: config["vlm"]["sources"][each["source"]].get("captions", "one")
            for name, each in config["vlm"]["sets"].items()
        },
        limit=config["vlm"].get("blind", {}).get("samples"),
        seed=config["seed"],
        digest=digest_of("vlm"),
        versions=versions("scikit-learn", "numpy", "scipy"),
        code=code_version("weigh_captions.py"),
    script:
        "../../scripts/weigh_captions.py"
