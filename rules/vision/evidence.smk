"""Evidence: what speaks for each of A's crops having been memorized.

In: results/vision/predictions/, and embeddings of the blind baseline. Out: results/vision/evidence/.
"""


def weighed_pairs(wildcards):
    """What compares a target model in tests of a kind, reference by reference."""
    return [
        each
        for each in plan_vision.comparisons(config["vision"])
        if plan_vision.weighed_name(each) == wildcards.test
    ]


def weighing_predictors(wildcards):
    """Path names of the first replicates of a target model and of all references of its tests."""
    pairs = [each["sides"]["A"] for each in weighed_pairs(wildcards)]
    return list(dict.fromkeys([pairs[0]["targets"][0], *(pair["references"][0] for pair in pairs)]))


rule weigh_crops:
    """Weigh what speaks for each crop having been memorized."""
    input:
        predictions=lambda wildcards: [
            layout.prediction_path(name, set_name)
            for name in weighing_predictors(wildcards)
            for set_name in ("A", "control")
        ],
        records=lambda wildcards: image_records("A", "control"),
        A_embeddings=blind_vectors("vision", "A"),
        control_embeddings=blind_vectors("vision", "control"),
        blind=described("vision_blind") if "blind" in config["vision"] else [],
        left_out=left_out("vision"),
    output:
        members=weighed("vision", ["{test}"], ["{features}"], "A"),
        control=weighed("vision", ["{test}"], ["{features}"], "control"),
    log:
        "results/logs/weigh_crops/{test}.{features}.log",
    benchmark:
        "results/benchmarks/weigh_crops/{test}.{features}.jsonl"
    wildcard_constraints:
        test="|".join(map(re.escape, plan.weighed_tests("vision", config["vision"]))),
        features="|".join(domains.DOMAINS["vision"].features),
    conda:
        "../../envs/dejavu.yaml"
    # The sums of a regression depend on it.
    threads: 1
    resources:
        mem_mb=megabytes(2500, 4),
        runtime=minutes(30, 60),
    params:
        pairs=lambda wildcards: [
            {name: each[name] for name in ("test", "target_model", "reference_model")}
            for each in weighed_pairs(wildcards)
        ],
        predictors=weighing_predictors,
        limit=config["vision"].get("blind", {}).get("samples"),
        seed=config["seed"],
        digest=digest_of("vision"),
        versions=versions("scikit-learn", "numpy", "scipy", "polars"),
        code=code_version("weigh_crops.py"),
    script:
        "../../scripts/weigh_crops.py"
