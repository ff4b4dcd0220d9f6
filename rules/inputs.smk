"""Shared by rule files of both domains: from sets and models to paths and settings."""


def shards(domain, set_name):
    """Names of a set's shards."""
    return [layout.shard_name(shard) for shard in range(config[domain]["sets"][set_name]["shards"])]


def told_early(wildcards):
    """Priority of what reads a model, or its answers, from elsewhere: before trainings take hours.

    The first shard of a set tells whether it is there and fits.
    """
    return 50 if getattr(wildcards, "shard", layout.shard_name(0)) == layout.shard_name(0) else 0


def of_sets(domain, pattern, sets):
    """The files of a pattern for every shard of some sets."""
    return [
        pattern.format(set=name, shard=shard) for name in sets for shard in shards(domain, name)
    ]


def sets_of(domain):
    """The configured sets, in the order that hash ranges and sample numbers follow."""
    return domains.DOMAINS[domain].in_order(config[domain]["sets"])


def source_of_set(domain, set_name):
    """The source that a set takes its samples from."""
    return config[domain]["sets"][set_name]["source"]


def sources_of(domain):
    """The sources that some set takes its samples from."""
    used = {source_of_set(domain, name) for name in config[domain]["sets"]}
    return [name for name in config[domain]["sources"] if name in used]


def of_sources(domain, pattern, sources):
    """The files of a pattern for every part of some sources."""
    return [
        pattern.format(source=name, part=layout.shard_name(part))
        for name in sources
        for part in range(config[domain]["sources"][name]["parts"])
    ]


def source_settings(domain, wildcards):
    """A source as the config has it."""
    return config[domain]["sources"][wildcards.source]


def drawn(domain):
    """Input: the tar of a part of a generated source; other sources lie outside the workflow."""

    def tars(wildcards):
        pattern = kinds.SOURCES[source_settings(domain, wildcards)["kind"]].drawn
        return [] if pattern is None else [pattern]

    return tars


def parts_of_source(domain):
    """Input: what all parts of a source hold."""
    pattern = f"results/{domain}/sources/{{source}}/{{part}}.parquet"
    return lambda wildcards: of_sources(domain, pattern, [wildcards.source])


def parts_of_set(domain):
    """Input: what all parts of the source of a set hold."""
    pattern = f"results/{domain}/sources/{{source}}/{{part}}.parquet"
    return lambda wildcards: of_sources(domain, pattern, [source_of_set(domain, wildcards.set)])


def rejected_of_source(domain):
    """Input: rejected items of all parts of a source."""
    pattern = f"results/{domain}/sources/{{source}}/{{part}}.rejected.parquet"
    return lambda wildcards: of_sources(domain, pattern, [wildcards.source])


def all_rejected(domain):
    """Rejected items of every source and, duplicates, of every shard."""
    folder = f"results/{domain}"
    return of_sources(
        domain, f"{folder}/sources/{{source}}/{{part}}.rejected.parquet", sources_of(domain)
    ) + of_sets(domain, f"{folder}/records/{{set}}/{{shard}}.rejected.parquet", sets_of(domain))


def first_number(domain):
    """Parameter: the number of a shard's first sample."""
    order = domains.DOMAINS[domain].sets
    return lambda wildcards: ranges.first_number(order.index(wildcards.set), int(wildcards.shard))


def sets_with_sources(domain):
    """Each set in order, with its source and number of shards."""
    sets = config[domain]["sets"]
    return [[name, sets[name]["source"], sets[name]["shards"]] for name in sets_of(domain)]


def served_by(domain, rule):
    """A wildcard constraint: the path names of all models of the kinds that a rule serves."""
    models = config[domain]["models"]
    names = [
        name
        for model in plan.served_by(rule, config[domain])
        for name in replicates.path_names(model, models[model])
    ]
    return "|".join(names) or "(?!)"


def weights_name(domain, wildcards):
    """How the model whose weights a model has stands in paths: mostly itself."""
    models = config[domain]["models"]
    model = replicates.model_of(wildcards.model, models)
    owner = models[model].get(sweeps.WEIGHTS_OF, model)
    place = replicates.path_names(model, models[model]).index(wildcards.model)
    return replicates.path_names(owner, models[owner])[place]


def weights_file(domain, name):
    """Input: a file beside the weights that a model has, its own or those of a sweep's base."""
    return lambda wildcards: f"results/{domain}/models/{weights_name(domain, wildcards)}/{name}"


def kept_by(domain, name):
    """Input: the weights of the whole training of which a model is an earlier state."""

    def weights(wildcards):
        settings = model_settings(domain, wildcards)
        if sweeps.KEPT_BY not in settings:
            return []
        seed = replicates.seed_of(wildcards.model, config[domain]["models"])
        return [f"results/{domain}/models/{settings[sweeps.KEPT_BY]}_s{seed}/{name}"]

    return weights


def kept_epochs(domain):
    """Parameter: epochs after which a training keeps its state.

    It asks for the output to rerun nothing: a state that was not kept is trained to again.
    """
    return lambda wildcards, output: sweeps.kept_epochs(
        config[domain]["models"], replicates.model_of(wildcards.model, config[domain]["models"])
    )


def until(domain):
    """Parameter: the epoch that a training ends with, None for its last."""
    return lambda wildcards: model_settings(domain, wildcards).get(sweeps.UNTIL)


def taken(domain):
    """Parameter: what part of its set, and of further samples, a model is trained on."""

    def settings(wildcards):
        model = model_settings(domain, wildcards)
        return {key: model[key] for key in plan.TAKEN if key in model}

    return settings


def model_settings(domain, wildcards):
    """The config of the model that a path name stands for."""
    models = config[domain]["models"]
    return models[replicates.model_of(wildcards.model, models)]


def published_encoder(wildcards):
    """What a published encoder is loaded from and how it is used, and the files that it names."""
    settings = model_settings(getattr(wildcards, "domain", "vision"), wildcards)
    record = kinds.MODELS[settings["kind"]]
    kept = {key: value for key, value in settings.items() if key != record.trained_on}
    return {key: kept[key] for key in kept if key not in sweeps.MARKS}, record.files


def given_file(domain, query, wildcards):
    """The file with the answers of a model that are given, for the samples of a set."""
    settings = model_settings(domain, wildcards)
    files = kinds.MODELS[settings["kind"]].files
    source = source_of_set(domain, wildcards.set)
    return paths.for_source(settings, files, BASE, source, query)["path"]


def given_content(domain, query, wildcards):
    """What tells that the answers of a model have changed, those for any set."""
    settings = model_settings(domain, wildcards)
    files = kinds.MODELS[settings["kind"]].files
    asked = plan.answered(domain, config[domain])[model_name(domain)(wildcards)]
    found = [
        paths.for_source(settings, files, BASE, source_of_set(domain, name), query)["path"]
        for each, name in asked
        if each == query
    ]
    return [content_of(path) for path in dict.fromkeys(found)]


def model_name(domain):
    """Parameter: the model that a path name stands for."""
    return lambda wildcards: replicates.model_of(wildcards.model, config[domain]["models"])


def training_seed(domain):
    """Parameter: the training seed that a path name stands for."""
    return lambda wildcards: replicates.seed_of(wildcards.model, config[domain]["models"])


def points_of(plans):
    """What the points of sweeps compare, as tests have it."""
    return [{"nulls": {}, **point} for each in plans for point in each["points"]]


def points_models(domain):
    """The models of a domain's sweeps that no test asks for, targets and references."""
    settings = config[domain]
    named = [
        point[role]
        for point in points_of(plan.sweeps(domain, settings))
        for role in ("target_model", "reference_model")
    ]
    known = plan.models_in_tests(domain, settings)
    return [
        name for name in dict.fromkeys(named) if name in settings["models"] and name not in known
    ]


def utility_of_points(plans):
    """Files that tell what the models of sweeps are good for, where it is asked."""
    files = [path for point in points_of(plans) for path in point["utility"]]
    return list(dict.fromkeys(files))


def histories_of_points(plans, name):
    """Files of the trainings of the models of sweeps."""
    paths = [path for point in points_of(plans) for path in point["histories"]]
    return [os.path.join(os.path.dirname(path), name) for path in dict.fromkeys(paths)]


def votes_of(wildcards):
    """The number of neighbours that a path asks for, where that is not the domain's."""
    return int(wildcards.votes[1:]) if wildcards.votes else None


def audit(domain, name):
    """The settings of an audit, which its table needs."""
    if name not in config.get(domain, {}):
        raise WorkflowError(
            f"Config key {domain}.{name} is missing: add it, as docs/audits.md says."
        )
    return config[domain][name]


def described(table):
    """Input: a table and its description, without which no job reads it."""
    return [f"results/tables/{table}.csv", f"results/tables/{table}.csv-metadata.json"]


def left_out(domain):
    """The table of those samples that scores leave out, where contaminated ones are excluded."""
    is_asked = config[domain]["exclude_contaminated"]
    return described(f"{domain}_contamination") if is_asked else []


def embedded(domain, model, part, sets):
    """Embeddings of sets under a model; of several replicates the first."""
    name = replicates.path_names(model, config[domain]["models"][model])[0]
    pattern = f"results/{domain}/embeddings/{name}/{part}/{{set}}/{{shard}}.parquet"
    return of_sets(domain, pattern, sets)


def blind_vectors(domain, *sets):
    """Embeddings by an encoder that saw neither of members and control, or of those sets named."""
    settings = config[domain]
    if "blind" not in settings or "control" not in settings["sets"]:
        return []
    record = domains.DOMAINS[domain]
    asked = sets or [record.measured[0], "control"]
    return embedded(domain, settings["blind"]["model"], record.asks, asked)


def shift_components(domain):
    """Parameter: components of the blind encoder's vectors at most; null for the default."""
    return config[domain].get("blind", {}).get("shift_components")


def weighed(domain, tests, features, set_name):
    """Files of weighed evidence for the samples of a set, test by test."""
    return [
        f"results/{domain}/evidence/{test}/{feature}/{set_name}/{shard}.parquet"
        for test in tests
        for feature in features
        for shard in shards(domain, set_name)
    ]


def index_setting(key):
    """Parameter: a setting of a domain's indexes."""
    return lambda wildcards: config[wildcards.domain]["index"][key]


def metric_of(wildcards):
    """How a domain measures nearness."""
    return config[wildcards.domain].get("metric", "cosine")


def all_neighbors(wildcards):
    """The numbers of neighbours that vote in a domain."""
    k = config[wildcards.domain]["k"]
    return k if isinstance(k, list) else [k]


def queries():
    """A wildcard constraint: the queries of all domains."""
    return "|".join(query for domain in domains.DOMAINS.values() for query in domain.queries)


def listed_megabytes(lists):
    """Megabytes of each shard that one or several lists name; 0 for none."""
    paths = [lists] if isinstance(lists, str) else lists
    listed = []
    for path in paths:
        # One that is damaged stops the job that reads it, not the planning.
        with suppress(ValueError, KeyError, TypeError):
            shards = json.loads(Path(path).read_text(encoding="utf-8"))["shards"]
            listed += [shard["bytes"] / 1e6 for shard in shards]
    return listed or [0]


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
