"""Tables: the scores, from predictions.

In: results/vision/predictions/. Out: results/tables/vision_*.csv, as the README describes them.
"""

pairs_of_predictors = list(plan_vision.comparisons(config["vision"]))
nulls = list(plan_vision.null_comparisons(config["vision"]))
references = plan_vision.references(config["vision"])
most_tags = plan_vision.most_tags(config["vision"])


def predicted(comparisons, sides=None):
    """Predictions that comparisons read, each file once; of some sides, or of all."""
    files = [
        layout.prediction_path(name, side["set"])
        for comparison in comparisons
        for key, side in comparison["sides"].items()
        if sides is None or key in sides
        for name in (*side["targets"], *side["references"])
    ]
    return list(dict.fromkeys(files))


def predicted_alone(references, first=False):
    """Predictions of references on A's crops, of all replicates or the first."""
    return [
        layout.prediction_path(name, "A")
        for reference in references
        for name in reference["alone"]["predictors"][: 1 if first else None]
    ]


def preferred_labels():
    """How strongly the embedded world of A's images prefers labels; None for other sources."""
    return config["vision"]["sources"][source_of_set("vision", "A")].get("preferred")


def tilt_of_scenes():
    """How often the embedded world of A's images draws its scenes; nothing for other sources."""
    return config["vision"]["sources"][source_of_set("vision", "A")].get("tilt", [])


rule vision_dejavu:
    """Déjà vu scores of every pair of predictors, with their intervals."""
    input:
        predictions=predicted([*pairs_of_predictors, *nulls]),
        blind=blind_vectors("vision"),
        records=lambda wildcards: image_records("A", "B", "control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_dejavu.csv",
            caption="../legends/vision_dejavu.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_dejavu.csv-metadata.json",
    log:
        "results/logs/vision_dejavu/vision.log",
    benchmark:
        "results/benchmarks/vision_dejavu/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=pairs_of_predictors,
        nulls=nulls,
        shift_components=shift_components("vision"),
        confident=config["vision"]["confident"],
        seed=config["seed"],
        digest=digest_of("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_dejavu.py"),
    script:
        "../../scripts/vision_dejavu.py"


rule vision_checks:
    """The verdict of every test, and the checks that it rests on."""
    input:
        scores=described("vision_dejavu"),
        blind=described("vision_blind") if "blind" in config["vision"] else [],
    output:
        report(
            "results/tables/vision_checks.csv",
            caption="../legends/checks.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_checks.csv-metadata.json",
    log:
        "results/logs/vision_checks/vision.log",
    benchmark:
        "results/benchmarks/vision_checks/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 1),
        runtime=minutes(10, 10),
    params:
        sources={name: each["source"] for name, each in config["vision"]["sets"].items()},
        smallest=config["smallest"],
        digest=digest_of("vision"),
        versions=versions("polars"),
        code=code_version("vision_checks.py"),
    script:
        "../../scripts/vision_checks.py"


rule vision_correlation:
    """How well the references infer the labels of A's crops."""
    input:
        predictions=predicted_alone(references),
        records=lambda wildcards: image_records("A"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_correlation.csv",
            caption="../legends/vision_correlation.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_correlation.csv-metadata.json",
    log:
        "results/logs/vision_correlation/vision.log",
    benchmark:
        "results/benchmarks/vision_correlation/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        references=references,
        preferred=preferred_labels(),
        tilt=tilt_of_scenes(),
        digest=digest_of("vision"),
        versions=versions("numpy", "polars", "scipy"),
        code=code_version("vision_correlation.py"),
    script:
        "../../scripts/vision_correlation.py"


rule vision_quadrants:
    """Who is right about the label of a crop, target or reference."""
    input:
        predictions=predicted(pairs_of_predictors, ["A", "B", "control"]),
        records=lambda wildcards: image_records("A", "B", "control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_quadrants.csv",
            caption="../legends/vision_quadrants.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_quadrants.csv-metadata.json",
    log:
        "results/logs/vision_quadrants/vision.log",
    benchmark:
        "results/benchmarks/vision_quadrants/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=pairs_of_predictors,
        digest=digest_of("vision"),
        code=code_version("vision_quadrants.py"),
    script:
        "../../scripts/vision_quadrants.py"


rule vision_classes:
    """The classes that each reference predicts best."""
    input:
        predictions=predicted_alone(references, first=True),
        records=lambda wildcards: image_records("A"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_classes.csv",
            caption="../legends/vision_classes.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_classes.csv-metadata.json",
    log:
        "results/logs/vision_classes/vision.log",
    benchmark:
        "results/benchmarks/vision_classes/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        references=references,
        digest=digest_of("vision"),
        code=code_version("vision_classes.py"),
    script:
        "../../scripts/vision_classes.py"


rule vision_agreement:
    """How often two references are right or wrong on the same crops."""
    input:
        predictions=predicted_alone(references, first=True),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_agreement.csv",
            caption="../legends/vision_agreement.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_agreement.csv-metadata.json",
    log:
        "results/logs/vision_agreement/vision.log",
    benchmark:
        "results/benchmarks/vision_agreement/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        references=references,
        digest=digest_of("vision"),
        code=code_version("vision_agreement.py"),
    script:
        "../../scripts/vision_agreement.py"


rule vision_memorized:
    """The crops with the largest memorization confidence."""
    input:
        predictions=predicted(pairs_of_predictors, ["A", "control"]),
        records=lambda wildcards: image_records("A", "control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_memorized.csv",
            caption="../legends/vision_memorized.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_memorized.csv-metadata.json",
    log:
        "results/logs/vision_memorized/vision.log",
    benchmark:
        "results/benchmarks/vision_memorized/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=pairs_of_predictors,
        memorized=config["vision"]["memorized"],
        digest=digest_of("vision"),
        code=code_version("vision_memorized.py"),
    script:
        "../../scripts/vision_memorized.py"


rule vision_correlated:
    """The crops whose labels a reference infers, too, and what the target says of them."""
    input:
        predictions=predicted(pairs_of_predictors, ["A"]),
        records=lambda wildcards: image_records("A"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_correlated.csv",
            caption="../legends/vision_correlated.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_correlated.csv-metadata.json",
    log:
        "results/logs/vision_correlated/vision.log",
    benchmark:
        "results/benchmarks/vision_correlated/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=pairs_of_predictors,
        memorized=config["vision"]["memorized"],
        digest=digest_of("vision"),
        code=code_version("vision_correlated.py"),
    script:
        "../../scripts/vision_correlated.py"


rule vision_confidence:
    """How many crops are memorized with which confidence."""
    input:
        predictions=predicted(pairs_of_predictors, ["A", "control"]),
        records=lambda wildcards: image_records("A", "control"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_confidence.csv",
            caption="../legends/vision_confidence.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_confidence.csv-metadata.json",
    log:
        "results/logs/vision_confidence/vision.log",
    benchmark:
        "results/benchmarks/vision_confidence/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        comparisons=pairs_of_predictors,
        digest=digest_of("vision"),
        code=code_version("vision_confidence.py"),
    script:
        "../../scripts/vision_confidence.py"


rule vision_crops:
    """How many images have a background crop, and why others have none."""
    input:
        records=lambda wildcards: image_records(*sets_of("vision")),
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_crops.csv",
            caption="../legends/vision_crops.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_crops.csv-metadata.json",
    log:
        "results/logs/vision_crops/vision.log",
    benchmark:
        "results/benchmarks/vision_crops/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        shards={name: config["vision"]["sets"][name]["shards"] for name in sets_of("vision")},
        digest=digest_of("vision"),
        code=code_version("vision_crops.py"),
    script:
        "../../scripts/vision_crops.py"


rule vision_rejected:
    """Every image of the sources that was left out, and why."""
    input:
        all_rejected("vision"),
    output:
        report(
            "results/tables/vision_rejected.csv",
            caption="../legends/vision_rejected.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_rejected.csv-metadata.json",
    log:
        "results/logs/vision_rejected/vision.log",
    benchmark:
        "results/benchmarks/vision_rejected/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        sets=sets_with_sources("vision"),
        parts={name: config["vision"]["sources"][name]["parts"] for name in sources_of("vision")},
        digest=digest_of("vision"),
        code=code_version("vision_rejected.py"),
    script:
        "../../scripts/vision_rejected.py"


rule vision_tags:
    """The tags that are the most typical of the classes predicted best."""
    input:
        predictions=[layout.prediction_path(most_tags, "A")] if most_tags else [],
        samples=lambda wildcards: image_samples("A"),
        checked="results/vision/sets.json",
        left_out=left_out("vision"),
    output:
        report(
            "results/tables/vision_tags.csv",
            caption="../legends/vision_tags.rst",
            category="Images",
            subcategory="Tables",
        ),
        "results/tables/vision_tags.csv-metadata.json",
    log:
        "results/logs/vision_tags/vision.log",
    benchmark:
        "results/benchmarks/vision_tags/vision.jsonl"
    conda:
        "../../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 2),
        runtime=minutes(60, 30),
    params:
        digest=digest_of("vision"),
        code=code_version("vision_tags.py"),
    script:
        "../../scripts/vision_tags.py"
