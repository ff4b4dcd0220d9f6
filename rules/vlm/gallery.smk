"""Gallery: a few training captions of every test with pictures, for the page.

In: neighbours, samples and the tables of memorized captions and of evidence. Out: results/galleries/vlm.json.
"""

shown_comparisons = [
    each
    for each in plan_vlm.comparisons(config["vlm"])
    if each["query"] == plan_vlm.headline(config["vlm"])["query"]
]


def answers_by(comparisons, stage):
    """What the first replicates that comparisons speak of answer, in every shard of target.

    These are their neighbours; of models whose predictions are given, these.
    """
    sides = [
        (side["models"][0], side["query"])
        for comparison in comparisons
        for side in (comparison["tallies"]["target"][role] for role in ("target", "reference"))
    ]
    given = plan.served_by("import_objects", config["vlm"])
    return [
        f"results/vlm/{stage}/{model}/{query}/target/{shard}.parquet"
        for model, query in dict.fromkeys(sides)
        if (model in given) == (stage == "predictions")
        for shard in shards("vlm", "target")
    ]


rule vlm_gallery:
    """Show listed, the most memorized and the most correlated training captions of every test."""
    input:
        memorized=described("vlm_memorized"),
        evidence=described("vlm_evidence") if plan.weighed_tests("vlm", config["vlm"]) else [],
        recovered=lambda wildcards: recovered_by(shown_comparisons, ["target"]),
        neighbors=lambda wildcards: answers_by(shown_comparisons, "neighbors"),
        predictions=lambda wildcards: answers_by(shown_comparisons, "predictions"),
        samples=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["target"]
        ),
        public=lambda wildcards: of_sets(
            "vlm", "results/vlm/samples/{set}/{shard}.parquet", ["public"]
        ),
        vocabulary="results/vlm/vocabulary.json",
        left_out=left_out("vlm"),
    output:
        "results/galleries/vlm.json",
    log:
        "results/logs/vlm_gallery/vlm.log",
    benchmark:
        "results/benchmarks/vlm_gallery/vlm.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(30, 10),
    params:
        comparisons=shown_comparisons,
        headline=plan_vlm.headline(config["vlm"]),
        rates=config["false_discovery_rates"],
        digest=digest_of("vlm"),
        versions=versions("pillow"),
        code=code_version("vlm_gallery.py"),
    script:
        "../../scripts/vlm_gallery.py"
