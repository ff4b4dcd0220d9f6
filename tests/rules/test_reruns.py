"""Which rules run again after one key of the config has changed, and that nothing else does."""

import copy
import shutil

import pytest

from tests.conftest import SMOKE, and_shown, jobs_of, snakemake, written

SAMPLES = {"check_source", "split_source", "check_sets", "name_objects"}
SCORES = {
    *("vlm_ppg", "vlm_samples", "vlm_distributions", "vlm_agreement", "vlm_memorized"),
    *("vlm_power", "membership", "vlm_groups"),
}
NEIGHBORS = {"build_index", "list_shards", "find_neighbors", "recover_objects"}
CLIP = {"train_clip", "embed_clip", *NEIGHBORS, *SCORES}
TEXT = {"embed_text", *NEIGHBORS, *SCORES}
USEFUL = {"zero_shot", "probe_embeddings", "utility"}
AUDITS = {"find_duplicates", "contamination", "blind"}
SWEEPS = {"vlm_sweeps", "vlm_contrasts"}
# Every table and figure carries the digest of its domain's config.
TABLES = {*SCORES, "contamination", "blind", "utility", "vlm_rejected"}
# Weighed evidence does, too, for each test and kind of features.
TABLES |= {"weigh_captions", "evidence", "discoveries", *SWEEPS}
WEIGHED = {"weigh_captions": 4}
EVERYTHING = {
    "scan_source",
    "collect_vocabulary",
    *SAMPLES,
    *CLIP,
    *TEXT,
    *USEFUL,
    *AUDITS,
    "vlm_rejected",
}

# No job at all: not even the page, which shows the config. Or the page alone: no digest changes.
NOTHING, PAGE = object(), object()
# Key, new value, and the rules that run again with, where it matters, the number of their jobs.
MATRIX = [
    ("seed", 7, EVERYTHING),
    ("allow_download", True, NOTHING),
    ("vlm.sources.world.pictures", 3001, EVERYTHING | {"generate_scenes"}),
    ("vlm.sources.world.seed", 1, EVERYTHING | {"generate_scenes"}),
    ("vlm.sources.world.mislabelled", 0.1, EVERYTHING | {"generate_scenes"}),
    ("vlm.sources.world.correlation", 0.5, EVERYTHING | {"generate_scenes"}),
    ("vlm.sources.world.parts", 3, EVERYTHING | {"generate_scenes"}),
    (
        "vlm.sets.control.fraction",
        0.16,
        {
            "split_source": 1,
            "check_sets": 1,
            "name_objects": 1,
            "embed_clip": 2,
            "embed_text": 1,
            "list_shards": 1,
            "find_neighbors": 5,
            "recover_objects": 5,
            "find_duplicates": 4,
            **dict.fromkeys([*SCORES, "contamination", "blind", "vlm_rejected"], 1),
        },
    ),
    ("vlm.max_rejected", 0.02, PAGE),
    ("vlm.headline", {"k": 1}, set()),
    ("smallest.gap", 0.5, set()),
    ("false_discovery_rates", [0.2], set()),
    (
        "vlm.synonyms",
        {"car": ["automobile"]},
        {"name_objects", "list_shards", "recover_objects", *SCORES, *USEFUL},
    ),
    (
        "vlm.models.clip_b.epochs",
        1,
        {
            "train_clip": 1,
            "embed_clip": 8,
            "build_index": 4,
            "list_shards": 2,
            "find_neighbors": 8,
            "recover_objects": 8,
            **dict.fromkeys([*SCORES, *USEFUL], 1),
        },
    ),
    (
        # The seed that was there is not trained again.
        "vlm.models.clip_b.seeds",
        [0, 1],
        {
            "train_clip": 1,
            "embed_clip": 8,
            "build_index": 4,
            "list_shards": 2,
            "find_neighbors": 8,
            "recover_objects": 8,
            **dict.fromkeys(SCORES, 1),
        },
    ),
    ("vlm.models.clip_b.learning_rate", 0.001, CLIP | USEFUL),
    ("vlm.models.clip_b.batch", 64, CLIP | USEFUL),
    ("vlm.models.clip_b.text_mask", 0.3, CLIP | USEFUL),
    ("vlm.models.clip_b.preprocess_cfg", {"size": 40}, CLIP | USEFUL),
    ("vlm.models.clip_b.model_cfg.embed_dim", 64, CLIP | USEFUL),
    (
        "vlm.models.minilm.prompt",
        "query: ",
        {
            "embed_text": 6,
            "build_index": 2,
            "list_shards": 4,
            "find_neighbors": 4,
            "recover_objects": 4,
            "find_duplicates": 4,
            **dict.fromkeys([*SCORES, "contamination", "blind"], 1),
        },
    ),
    ("vlm.embedding", {"batch": 128}, (CLIP | TEXT | USEFUL | AUDITS) - {"train_clip"}),
    (
        "vlm.embedding",
        {"precision": "bf16"},
        (CLIP | TEXT | USEFUL | AUDITS) - {"train_clip"},
    ),
    ("vlm.queries", ["t2i"], SCORES),
    ("vlm.k", [1, 10], {"check_sets", "find_neighbors", "recover_objects", *SCORES}),
    ("vlm.k", [1, 5, 10, 100], {"recover_objects", *SCORES}),
    (
        "vlm.index.factory",
        "IVF8,Flat",
        {
            "train_index",
            "build_index",
            "list_shards",
            "find_neighbors",
            "measure_recall",
            "recall",
            "recover_objects",
            *SCORES,
        },
    ),
    ("vlm.index.recall_queries", 10, set()),
    ("vlm.index.train_samples", 10, set()),
    ("vlm.predict", ["top10"], {"recover_objects", *SCORES}),
    ("vlm.objects", ["all"], {"recover_objects", *SCORES}),
    ("vlm.memorized", 5, {"vlm_memorized"}),
    ("vlm.groups", ["rarity"], set()),
    ("vlm.membership.similarity", True, {"embed_clip"}),
    ("vlm.contamination.threshold", 0.9, {"find_duplicates", "contamination"}),
    ("vlm.exclude_contaminated", True, SCORES | {"blind"}),
    ("vlm.blind.samples", 100, {"blind"}),
    ("vlm.blind.shift_components", 5, set()),
    ("vlm.utility.templates", ["a {}"], USEFUL - {"probe_embeddings"}),
    ("vlm.utility.classes.car", ["car", "taxi"], USEFUL),
    ("vlm.utility.images", 300, {"probe_embeddings", "utility"}),
    ("vlm.tests.one_model.reference", "clip_b", None),
]


def drawn_anew(rules):
    """Rules with what shows their results, all figures among it."""
    return and_shown(rules) | {"figure_training"}


def changed(config, key, value):
    """A copy of the config with one key changed."""
    config = copy.deepcopy(config)
    place = config
    *parents, last = key.split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return config


@pytest.mark.parametrize(("key", "value", "expected"), MATRIX, ids=[row[0] for row in MATRIX])
def test_a_changed_key_reruns_what_it_touches(
    smoke_run, smoke_config, tmp_path, key, value, expected
):
    folder, _ = smoke_run
    config = written(tmp_path / "changed.yaml", changed(smoke_config, key, value))
    done = snakemake(folder, "-n", config=config, check=False)
    if expected is None:
        assert "kind: two_model" in done.stdout + done.stderr
        return
    jobs = jobs_of(done)
    if expected in (NOTHING, PAGE):
        assert set(jobs) == (and_shown(set()) if expected is PAGE else set())
    elif isinstance(expected, dict):
        assert jobs == {**dict.fromkeys(drawn_anew(TABLES), 1), **WEIGHED, **expected}
    else:
        assert set(jobs) == drawn_anew(TABLES | expected)


def of_sweeps(smoke_run, smoke_config, tmp_path, **sweeps):
    """Jobs that are to do where a config has other sweeps."""
    config = copy.deepcopy(smoke_config)
    config["vlm"]["sweeps"] |= sweeps
    done = snakemake(smoke_run[0], "-n", config=written(tmp_path / "changed.yaml", config))
    jobs = jobs_of(done)
    # Their tables, and what shows them or all results, whatever else.
    for rule in and_shown(SWEEPS):
        assert jobs.pop(rule) >= 1
    return jobs


def test_a_sweep_computes_its_points_and_another_point_that_alone(
    smoke_run, smoke_config, tmp_path
):
    both = {"target": "clip_a", "reference": "clip_b"}
    asked = smoke_run, smoke_config, tmp_path
    # In each place of a pair: public's two shards, and four of the sets that are measured.
    point = {"train_clip": 2, "embed_clip": 12, "build_index": 4, "list_shards": 2}
    point |= {"find_neighbors": 8, "recover_objects": 8}
    for epochs in ([10, 20], [5, 10, 20]):
        # The last epoch is the model itself. A point's usefulness is its target's.
        points = {rule: count * (len(epochs) - 1) for rule, count in point.items()}
        points |= dict.fromkeys(("zero_shot", "probe_embeddings"), len(epochs) - 1)
        assert of_sweeps(*asked, epochs={**both, "checkpoints": epochs}) == points
    grid = {**both, "vary": {"weight_decay": [0.05, 1], "batch": [128, 64]}}
    points = {
        **{rule: 3 * count for rule, count in point.items()},
        "zero_shot": 3,
        "probe_embeddings": 3,
    }
    assert of_sweeps(*asked, grid=grid) == points
    # The same points under another name, and other numbers of neighbours, compute nothing.
    assert of_sweeps(*asked, grid=grid, again=grid) == points
    assert of_sweeps(*asked, votes={**both, "k": [1, 100]}) == {}


def test_a_set_keeps_its_range_whatever_anothers_fraction(smoke_run, smoke_config, tmp_path):
    config = changed(smoke_config, "vlm.sets.target.fraction", 0.1)
    done = snakemake(smoke_run[0], "-n", config=written(tmp_path / "changed.yaml", config))
    jobs = [job for job in done.stdout.split("\nrule ")[1:] if "wildcards:" in job]
    assert any("set=target" in job for job in jobs)
    for job in jobs:
        # But for the model that learns from target, they are what they were.
        is_of_others = any(f"set={name}" in job for name in ("public", "control", "reference"))
        assert not is_of_others or "model=clip_a" in job, job


def test_a_new_test_computes_what_is_new_and_the_tables(smoke_run, smoke_config, tmp_path):
    folder, _ = smoke_run
    mirrored = {"kind": "one_model", "target": "clip_b", "reference": "minilm"}
    smoke_config["vlm"]["models"]["clip_b"]["train_on"] = "reference"
    smoke_config["vlm"]["tests"]["same_again"] = {**mirrored, "target": "clip_a"}
    done = snakemake(folder, "-n", config=written(tmp_path / "changed.yaml", smoke_config))
    assert set(jobs_of(done)) == drawn_anew(TABLES)


def test_changing_one_model_leaves_the_files_of_the_others_alone(smoke_run, smoke_config, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run[0], folder, symlinks=True)
    before = {
        path: path.stat().st_mtime_ns for path in folder.rglob("results/vlm/**/*") if path.is_file()
    }
    config = written(
        tmp_path / "changed.yaml", changed(smoke_config, "vlm.models.clip_b.epochs", 1)
    )
    snakemake(folder, config=config)
    rewritten = {
        path.relative_to(folder / "results/vlm")
        for path, time in before.items()
        if path.stat().st_mtime_ns != time
    }
    # These carry the digest of the config, as tables do.
    rewritten -= {path for path in rewritten if path.name == "blind.parquet"}
    rewritten -= {path for path in rewritten if path.parts[0] == "evidence"}
    assert rewritten and all("clip_b" in path.as_posix() for path in rewritten)
    assert jobs_of(snakemake(folder, "-n", config=config)) == {}
    assert jobs_of(snakemake(folder, "-n", config=SMOKE))["train_clip"] == 1


def test_the_order_in_which_settings_are_written_reruns_nothing(smoke_run, smoke_config, tmp_path):
    vlm = smoke_config["vlm"]
    for group in ("sources", "models", "tests", "sets", "sweeps"):
        for name, settings in vlm[group].items():
            vlm[group][name] = dict(reversed(settings.items()))
    for name in ("clip_a", "clip_b"):
        model = vlm["models"][name]["model_cfg"]
        model["text_cfg"] = dict(reversed(model["text_cfg"].items()))
        vlm["models"][name]["model_cfg"] = dict(reversed(model.items()))
    config = dict(reversed([("vlm", dict(reversed(vlm.items()))), *smoke_config.items()]))
    done = snakemake(smoke_run[0], "-n", config=written(tmp_path / "changed.yaml", config))
    assert jobs_of(done) == {}
