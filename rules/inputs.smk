"""Lists of files and settings that both domains ask for: from sets and models to paths."""


def shards(domain, set_name):
    """Names of a set's shards."""
    return [layout.shard_name(shard) for shard in range(config[domain]["sets"][set_name]["shards"])]


def of_sets(pattern, sets, domain="vlm"):
    """The files of a pattern for every shard of some sets."""
    return [
        pattern.format(set=name, shard=shard) for name in sets for shard in shards(domain, name)
    ]


def sets_of(domain):
    """The configured sets, in the order that hash ranges and sample numbers follow."""
    return domains.in_order(domain, config[domain]["sets"])


def sources_of(domain):
    """The sources that some set takes its samples from."""
    used = {settings["source"] for settings in config[domain]["sets"].values()}
    return [name for name in config[domain]["sources"] if name in used]


def of_sources(pattern, sources, domain="vlm"):
    """The files of a pattern for every part of some sources."""
    return [
        pattern.format(source=name, part=layout.shard_name(part))
        for name in sources
        for part in range(config[domain]["sources"][name]["parts"])
    ]


def one_of(domain, kinds):
    """A wildcard constraint: the path names of all models of some kinds."""
    names = [
        name
        for model, settings in config[domain]["models"].items()
        if settings["kind"] in kinds
        for name in replicates.path_names(model, settings)
    ]
    return "|".join(names) or "(?!)"


def model_settings(path_name, domain="vlm"):
    """The config of the model that a path name stands for."""
    models = config[domain]["models"]
    return models[replicates.model_of(path_name, models)]


def with_local_paths(model):
    """Settings of an OpenCLIP model, with paths as seen from the working directory."""
    model = dict(model)
    if "checkpoint" in model:
        model["checkpoint"] = from_base(model["checkpoint"])
    if model["architecture"].startswith("local-dir:"):
        folder = model["architecture"].removeprefix("local-dir:")
        model["architecture"] = f"local-dir:{from_base(folder)}"
    return model


def shards_of_folder(wildcards):
    """The shards of a folder of samples, embeddings or indexes."""
    kind, *_, last = wildcards.folder.split("/")
    set_name, suffix = ("public", "faiss") if kind == "index" else (last, "parquet")
    folder = f"results/{wildcards.domain}/{wildcards.folder}"
    return [f"{folder}/{shard}.{suffix}" for shard in shards(wildcards.domain, set_name)]


def list_of_indexes(wildcards):
    """The list of the indexes of all public shards, of what the query searches."""
    searched = domains.QUERY_INPUTS[wildcards.query]
    return f"results/{wildcards.domain}/lists/index/{wildcards.model}/{searched}.json"


def megabytes_of_pairs(base, asking, searched):
    """Memory where one shard meets listed ones, two of them at a time."""
    return lambda wildcards, input, attempt: int(
        (
            base
            + 2 * os.path.getsize(getattr(input, asking)) / 1e6
            + 4 * max(listed_megabytes(getattr(input, searched)))
        )
        * 1.5 ** (attempt - 1)
    )


def minutes_of_pairs(base, asking, searched):
    """Time where one shard meets listed ones: it grows with the product of their sizes."""
    return lambda wildcards, input, attempt: int(
        (
            base
            + os.path.getsize(getattr(input, asking))
            / 1e6
            * sum(listed_megabytes(getattr(input, searched)))
            / 5000
        )
        * 2 ** (attempt - 1)
    )


def listed_megabytes(lists):
    """Megabytes of each shard that one or several lists name; 0 for none."""
    paths = [lists] if isinstance(lists, str) else lists
    listed = [
        shard
        for path in paths
        for shard in json.loads(Path(path).read_text(encoding="utf-8"))["shards"]
    ]
    return [shard["bytes"] / 1e6 for shard in listed] or [0]


def query_embeddings(wildcards):
    """Embeddings of what a query asks with: captions or crops."""
    asking = "crop" if wildcards.query == "crop" else "caption"
    pattern = "results/{0.domain}/embeddings/{0.model}/{1}/{0.set}/{0.shard}.parquet"
    return pattern.format(wildcards, asking)


def index_settings(wildcards, key):
    """A setting of a domain's indexes."""
    return config[wildcards.domain]["index"][key]


def is_approximate(domain):
    """Whether a domain's index may miss neighbours."""
    return config[domain]["index"]["factory"] != kinds.EXACT_INDEX


def trained_index(wildcards):
    """The trained index that a shard's is made from, where it is approximate."""
    path = "results/{0.domain}/trained_index/{0.model}/{0.input}.faiss"
    return path.format(wildcards) if is_approximate(wildcards.domain) else []


def public_embeddings(domain, model, part):
    """Embeddings of all public shards."""
    pattern = f"results/{domain}/embeddings/{model}/{part}/{{set}}/{{shard}}.parquet"
    return of_sets(pattern, ["public"], domain)


def measured_files(wildcards, stage, part):
    """A stage's files of all shards of the set whose memorization is measured."""
    pattern = (
        f"results/{wildcards.domain}/{stage}/{wildcards.model}/{part}/{{set}}/{{shard}}.parquet"
    )
    measured = {"vlm": "target", "vision": "A"}[wildcards.domain]
    return of_sets(pattern, [measured], wildcards.domain)


def all_neighbors(domain):
    """The numbers of neighbours that vote in a domain."""
    k = config[domain]["k"]
    return k if isinstance(k, list) else [k]


def metric_of(wildcards):
    """How a domain measures nearness."""
    return config[wildcards.domain].get("metric", "cosine")


def most_neighbors(wildcards):
    """The largest number of neighbours that vote in a domain."""
    return max(all_neighbors(wildcards.domain))


def asked_names():
    """Readable names of classes, where a source of the config has some."""
    is_asked = "vision" in config and class_name_files()
    return ["results/vision/class_names.json"] if is_asked else []


def asked_tables():
    """The tables of the domains that the config has."""
    tables = {
        "vlm": ["ppg", "samples", "distributions", "agreement", "memorized", "rejected"],
        "vision": [
            *("correlation", "dejavu", "quadrants", "classes", "agreement", "memorized"),
            *("confidence", "crops", "rejected"),
        ],
    }
    if "vision" in config and plan_vision.most_tags(config["vision"]) is not None:
        tables["vision"].append("tags")
    for domain in tables:
        audits = ("contamination", "blind")
        tables[domain] += [name for name in audits if name in config.get(domain, {})]
        if domain in config and is_approximate(domain):
            tables[domain].append("recall")
    asked = [f"{domain}_{name}" for domain in tables if domain in config for name in tables[domain]]
    return [*asked, "utility"] if utility_facts() else asked


def domains_with_models(kinds):
    """A constraint on `domain` where `/embeddings/` and a model of some kinds follow it in a path.

    A name may stand for a model of another kind in the other domain.
    """
    asked = [domain for domain in domains.SETS if domain in config]
    return "|".join(f"{domain}(?=/embeddings/(?:{one_of(domain, kinds)})/)" for domain in asked)


def audit(domain, name):
    """The settings of an audit, which its table needs."""
    if name not in config.get(domain, {}):
        raise WorkflowError(
            f"Config key {domain}.{name} is missing: add it, as docs/audits.md says."
        )
    return config[domain][name]


def embedded(domain, model, part, sets):
    """Embeddings of sets under a model; of several replicates the first."""
    name = replicates.path_names(model, config[domain]["models"][model])[0]
    pattern = f"results/{domain}/embeddings/{name}/{part}/{{set}}/{{shard}}.parquet"
    return of_sets(pattern, sets, domain)


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
    searched = domains.searched_for_duplicates(domain, config[domain]["sets"])[wildcards.set]
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
    measured = domains.searched_for_duplicates(domain, config[domain]["sets"])
    return of_sets(f"results/{domain}/duplicates/{{set}}/{{shard}}.parquet", measured, domain)


def left_out(domain):
    """The table of those samples that scores leave out, where contaminated ones are excluded."""
    is_asked = config[domain]["exclude_contaminated"]
    return [f"results/tables/{domain}_contamination.csv"] if is_asked else []


def told_apart(domain):
    """The sets that the blind baseline tells apart: the target's, and control."""
    return domains.MEASURED[domain][0], "control"


def embedded_for_blind(domain, side):
    """Embeddings of the first or second side of the blind baseline: captions or crops."""
    part = "caption" if domain == "vlm" else "crop"
    return embedded(domain, audit(domain, "blind")["model"], part, [told_apart(domain)[side]])


def records_for_blind(domain, side):
    """Records of the first or second side of the blind baseline."""
    pattern = f"results/{domain}/records/{{set}}/{{shard}}.parquet"
    return of_sets(pattern, [told_apart(domain)[side]], domain)


def utility_facts():
    """How well each measured model does what it is for, in the domains that ask for it."""
    return [
        f"results/{domain}/utility/{replicates.path_names(model, config[domain]['models'][model])[0]}.json"
        for domain in domains.SETS
        if "utility" in config.get(domain, {})
        for model in domains.useful_models(domain, config[domain])
    ]


def trainings(domain):
    """Name, seed and path name of every training that a domain's tests ask for."""
    asked = {"vlm": plan_vlm.models_in_tests, "vision": plan_vision.predictors_in_tests}[domain]
    return replicates.trainings(config[domain]["models"], asked(config[domain]))


def asked_figures():
    """The figures of the domains that the config has."""
    figures = {
        "vlm": ["population", "checks", "records", "distributions"],
        "vision": ["dejavu", "checks", "quadrants", "confidence", "correlation", "classes"],
    }
    if "vlm" in config and plan_vlm.references_to_agree(config["vlm"]):
        figures["vlm"].append("agreement")
    if "vision" in config and len(plan_vision.references(config["vision"])) > 1:
        figures["vision"].append("agreement")
    for domain in figures:
        if domain in config and trainings(domain):
            figures[domain].append("training")
    return [
        f"{domain}_{name}" for domain in figures if domain in config for name in figures[domain]
    ]


def captions(names):
    """What tables and figures show, in words, by name."""
    folder = BASE / "rules/captions"
    texts = {}
    for name in names:
        path = folder / f"{name}.rst"
        if not path.is_file():
            path = folder / f"{name.partition('_')[2]}.rst"
        texts[name] = " ".join(path.read_text(encoding="utf-8").split())
    return texts


def measured_models():
    """For each model of the tests a file that tells its fingerprint: embeddings, or weights."""
    files = []
    for domain, asked in (
        ("vlm", plan_vlm.models_in_tests),
        ("vision", plan_vision.predictors_in_tests),
    ):
        if domain not in config:
            continue
        models = config[domain]["models"]
        for model in asked(config[domain]):
            for name in replicates.path_names(model, models[model]) if model in models else []:
                if models[model]["kind"] == "classifier":
                    files.append(f"results/{domain}/models/{name}/model.safetensors")
                    continue
                part = "caption" if models[model]["kind"] == kinds.TEXT_ONLY else "image"
                files.append(f"results/{domain}/embeddings/{name}/{part}/public/0000.parquet")
    return files
