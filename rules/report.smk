"""Report: what tells this run from another, and the page, from tables, figures and galleries.

In: everything that the config asks for. Out: results/run.json, results/report/index.html. Times are
read from results/benchmarks as far as they are there, and are no input: they change from run to
run. So are date and commit no parameters: they tell when, and from what, a table was last made.
"""


def legends(names):
    """What tables and figures show, in words, by name."""
    folder = BASE / "rules/legends"
    texts = {}
    for name in names:
        path = folder / f"{name}.rst"
        if not path.is_file():
            _, kind, *_ = name.split("_")
            # All sweeps' figures have one legend.
            kind = kind if kind in ("sweep", "tradeoff") else name.partition("_")[2]
            path = folder / f"{kind}.rst"
        texts[name] = " ".join(path.read_text(encoding="utf-8").split())
    return texts


def embedded_by(domain, model, part, set_name):
    """A file that tells the fingerprint of each replicate of a model that embeds."""
    return [
        f"results/{domain}/embeddings/{name}/{part}/{set_name}/0000.parquet"
        for name in replicates.path_names(model, config[domain]["models"][model])
    ]


def weights_of(domain, model):
    """The weights of each replicate of a model that does not embed, a classifier."""
    names = replicates.path_names(model, config[domain]["models"][model])
    return [f"results/{domain}/models/{name}/model.safetensors" for name in names]


def answers_of(domain, model):
    """A file that tells the fingerprint of a model whose answers are given."""
    query, name = plan.answered(domain, config[domain])[model][0]
    stage = kinds.MODELS[config[domain]["models"][model]["kind"]].answers
    if (domain, stage) == ("vision", "predictions"):
        return [layout.prediction_path(model, name)]
    return [f"results/{domain}/{stage}/{model}/{query}/{name}/0000.parquet"]


def preprocessing_of_classifiers():
    """What classifiers see of crops, by the files of their weights."""
    models = config.get("vision", {}).get("models", {})
    return {
        path: settings["preprocessing"]
        for model, settings in models.items()
        if settings["kind"] == "classifier"
        for path in weights_of("vision", model)
    }


def models_of_run():
    """For each model of tests and audits a file that tells its fingerprint: embeddings or weights."""
    files = []
    for key in plan.configured(config):
        domain, settings = domains.DOMAINS[key], config[key]
        searches = {each["model"]: each["query"] for each in plan.searches(key, settings)}
        for model in plan.models_in_tests(key, settings):
            if model in searches:
                searched = domain.queries[searches[model]]
                files += embedded_by(key, model, searched, "public")
            elif kinds.MODELS[settings["models"][model]["kind"]].answers:
                files += answers_of(key, model)
            else:
                files += weights_of(key, model)
        query = plan_vlm.headline(settings)["query"] if key == "vlm" else domain.asks
        for model in points_models(key):
            if kinds.MODELS[settings["models"][model]["kind"]].embeds:
                files += embedded_by(key, model, domain.queries[query], "public")
        audits = {
            "contamination": settings.get("contamination", {}).get("input", "image"),
            "blind": domain.asks,
        }
        for audit, part in audits.items():
            if audit in settings:
                files += embedded_by(key, settings[audit]["model"], part, domain.measured[0])[:1]
    return list(dict.fromkeys(files))


def samples_of_run():
    """Samples of all sets of all domains."""
    return [
        path
        for domain in plan.configured(config)
        for path in of_sets(
            domain, f"results/{domain}/samples/{{set}}/{{shard}}.parquet", sets_of(domain)
        )
    ]


def answers_of_tests():
    """What the tests' tables are made from: recovered objects and predictions of the models."""
    files = []
    if "vlm" in config:
        files += recovered_by([*comparisons, *points_of(vlm_sweeps)])
    if "vision" in config:
        files += predicted([*pairs_of_predictors, *points_of(vision_sweeps)])
    return list(dict.fromkeys(files))


def digests_of(names):
    """By name the digest that a table, figure or gallery must carry."""
    domain_of = {name: name.partition("_")[0] for name in names}
    return {
        name: (
            digest_of_sweeps(domain)
            if plan.is_of_sweeps(name)
            else digest_of(domain if domain in domains.DOMAINS else None)
        )
        for name, domain in domain_of.items()
    }


rule describe_run:
    """Tell what the tables were made from, with what and when."""
    input:
        tables=expand("results/tables/{table}.csv", table=plan.tables(config)),
        descriptions=expand("results/tables/{table}.csv-metadata.json", table=plan.tables(config)),
        samples=lambda wildcards: samples_of_run(),
        models=lambda wildcards: models_of_run(),
        answers=lambda wildcards: answers_of_tests(),
    output:
        "results/run.json",
    log:
        "results/logs/describe_run/run.log",
    benchmark:
        "results/benchmarks/describe_run/run.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500),
        runtime=minutes(10, 10),
    params:
        # Whether weights may be fetched changes no result.
        config={key: value for key, value in written.items() if key != "allow_download"},
        digests=digests_of(plan.tables(config)),
        sets=[
            (domain, name, config[domain]["sets"][name]["source"], len(shards(domain, name)))
            for domain in plan.configured(config)
            for name in sets_of(domain)
        ],
        preprocessing=preprocessing_of_classifiers(),
        unlike_pixels=plan_vision.unlike_pixels(config["vision"]) if "vision" in config else [],
        versions=versions(
            "altair",
            "jinja2",
            FAISS,
            "numpy",
            "polars",
            "pillow",
            "scipy",
            "scikit-learn",
            "snakemake",
            "torch",
            "torchvision",
            "vl-convert-python",
        ),
        code=code_version("describe_run.py"),
    script:
        "../scripts/describe_run.py"


rule report_page:
    """Tell in one page what was measured, how sure it is, and from what."""
    input:
        tables=expand("results/tables/{table}.csv", table=plan.tables(config)),
        descriptions=expand("results/tables/{table}.csv-metadata.json", table=plan.tables(config)),
        charts=expand("results/figures/{figure}.json", figure=plan.figures(config)),
        pictures=expand("results/figures/{figure}.svg", figure=plan.figures(config)),
        galleries=[f"results/galleries/{domain}.json" for domain in plan.configured(config)],
        data=[f"results/{domain}/data.json" for domain in plan.configured(config)],
        run="results/run.json",
    output:
        report("results/report/index.html", caption="legends/page.rst", category="Page"),
    log:
        "results/logs/report_page/page.log",
    benchmark:
        "results/benchmarks/report_page/page.jsonl"
    conda:
        "../envs/dejavu.yaml"
    threads: 1
    resources:
        mem_mb=megabytes(1500, 20),
        runtime=minutes(10),
    params:
        domains={key: domains.DOMAINS[key].name for key in plan.configured(config)},
        # Whether weights may be fetched changes no result.
        config={key: value for key, value in written.items() if key != "allow_download"},
        digests=digests_of([*plan.tables(config), *plan.figures(config), *plan.configured(config)]),
        sweeps={key: plan.contrasted(key, config[key]) for key in plan.configured(config)},
        headline=plan_vlm.headline(config["vlm"]) if "vlm" in config else {},
        legends=legends(plan.tables(config) + plan.figures(config)),
        footer="Snakemake workflow for déjà vu memorization. Glyphs of generated worlds: OpenMoji,"
        " CC BY-SA 4.0.",
        templates=lambda wildcards: content_of("scripts/dejavu/report/templates"),
        versions=versions("jinja2", "polars", "vl-convert-python"),
        code=code_version("report_page.py"),
    script:
        "../scripts/report_page.py"
