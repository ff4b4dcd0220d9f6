"""Gallery: a few crops of every target model with pictures, for the page.

In: neighbours, predictions, samples and the tables of memorized crops, of evidence and of tags. Out:
results/galleries/vision.json.
"""

shown_predictors = {
    name: replicates.path_names(name, config["vision"]["models"].get(name, {}))[0]
    for name in plan_vision.predictors_in_tests(config["vision"])
}
shown_references = plan_vision.references(config["vision"])
shown_models = [
    name
    for name in plan.models_in_tests("vision", config["vision"])
    if name in plan.served_by("vote_labels", config["vision"])
]


rule vision_gallery:
    """Show listed, memorized and correlated crops of every target, and where references disagree."""
    input:
        memorized=described("vision_memorized"),
        evidence=(
            described("vision_evidence") if plan.weighed_tests("vision", config["vision"]) else []
        ),
        tags=described("vision_tags") if plan_vision.most_tags(config["vision"]) else [],
        predictions=[layout.prediction_path(name, "A") for name in shown_predictors.values()],
        neighbors=[
            f"results/vision/neighbors/{shown_predictors[name]}/crop/A/{shard}.parquet"
            for name in shown_models
            for shard in shards("vision", "A")
        ],
        samples=lambda wildcards: image_samples("A"),
        public=lambda wildcards: image_records("public"),
        left_out=left_out("vision"),
    output:
        "results/galleries/vision.json",
    log:
        "results/logs/vision_gallery/vision.log",
    benchmark:
        "results/benchmarks/vision_gallery/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(30, 10),
    params:
        rates=config["false_discovery_rates"],
        pairs=plan_vision.shown_pairs(config["vision"]),
        predictors=shown_predictors,
        references=[each["name"] for each in shown_references],
        two_model=[each["name"] for each in shown_references if each["two_model"]],
        digest=digest_of("vision"),
        versions=versions("pillow"),
        code=code_version("vision_gallery.py"),
    script:
        "../../scripts/vision_gallery.py"
