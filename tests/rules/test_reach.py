"""What an edit of the core runs again, and what the long jobs may reach."""

import shutil

import pytest

from dejavu.config import reruns
from tests.rules.test_conventions import ROOT, RULES

SCRIPTS = ROOT / "scripts"
MODELS = ("clip", "ssl", "classifier")
TRAININGS = {f"train_{model}" for model in MODELS}
IMPORTS = {"import_embeddings", "import_vectors"}
EMBEDDINGS = {name for name in RULES if name.startswith("embed_")} | IMPORTS
ALL, NONE = "all", "none"

# An edited module; of trainings and embeddings those that run again; and how many other rules.
REACH = [
    ("errors", ALL, ALL, 98),
    ("job", ALL, ALL, 98),
    ("config.kinds", NONE, NONE, 0),
    ("config.domains", NONE, NONE, 0),
    ("config.plan", NONE, NONE, 0),
    ("config.ranges", NONE, IMPORTS, 54),
    ("files.parquet", ALL, ALL, 70),
    ("files.csv", NONE, NONE, 59),
    ("files.csvw", ALL, NONE, 61),
    ("files.arrays", NONE, ALL, 20),
    ("files.lists", NONE, NONE, 6),
    ("files.neighbors", NONE, NONE, 7),
    ("samples.naming", NONE, NONE, 1),
    ("samples.hashes", NONE, NONE, 54),
    ("sources.coco", NONE, NONE, 5),
    ("sources.img2dataset", NONE, NONE, 1),
    ("encoders.text", NONE, {"embed_text"}, 0),
    (
        "encoders.preparing",
        NONE,
        {"embed_clip", "embed_random", "embed_timm", "embed_transformers"},
        3,
    ),
    ("encoders.transformers", NONE, {"embed_transformers"}, 1),
    ("encoders.detectors", NONE, NONE, 1),
    ("labels.world", NONE, NONE, 2),
    ("training.clip", {"train_clip"}, NONE, 0),
    ("training.loop", ALL, NONE, 1),
    ("search.exact", NONE, NONE, 2),
    ("predictions.label_votes", NONE, NONE, 5),
    ("predictions.object_votes", NONE, NONE, 4),
    ("scores.intervals", NONE, NONE, 27),
    ("scores.vlm", NONE, NONE, 5),
    ("audits.blind", NONE, NONE, 6),
    ("report.archive", NONE, NONE, 1),
    ("report.figures", NONE, NONE, 19),
    ("report.shown", NONE, NONE, 21),
    ("report.verdict", NONE, NONE, 4),
    ("report.checkout", NONE, NONE, 1),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach") / "scripts"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


PARSED = {}
UNCACHED = reruns._parsed.__wrapped__


def versions(folder):
    """The version of each rule's code, of files as they are now."""
    reruns.code_version.cache_clear()
    reruns.reached.cache_clear()
    now = {}

    def parsed(folder, path):
        """As `reruns._parsed`, which takes a file for the same throughout; here one is edited."""
        if path not in now:
            key = folder, path, path.read_text()
            if key not in PARSED:
                PARSED[key] = UNCACHED(folder, path)
            now[path] = PARSED[key]
        return now[path]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reruns, "_parsed", parsed)
        return {rule: reruns.code_version(folder, f"{rule}.py") for rule in RULES}


@pytest.fixture(scope="module")
def before(copy):
    return versions(copy)


def named(changed, of):
    """Which of some rules changed."""
    found = changed & of
    return ALL if found == of else found or NONE


@pytest.mark.parametrize(("module", "trainings", "embeddings", "others"), REACH)
def test_an_edit_runs_again_what_it_can_change(copy, before, module, trainings, embeddings, others):
    path = copy / f"dejavu/{module.replace('.', '/')}.py"
    text = path.read_text()
    path.write_text(f"{text}\n\nX = 1\n")
    after = versions(copy)
    path.write_text(text)
    changed = {rule for rule in RULES if after[rule] != before[rule]}
    told = named(changed, TRAININGS), named(changed, EMBEDDINGS)
    assert (*told, len(changed - TRAININGS - EMBEDDINGS)) == (trainings, embeddings, others)


# What the long jobs run: packages, and of `files` modules.
COMMON = {"errors", "job", "__init__"}
STORED = {"__init__", "facts", "fingerprints", "parquet", "seals"}
VECTORS = {*STORED, "arrays", "embeddings"}
ALLOWED = {
    **dict.fromkeys(
        sorted(TRAININGS),
        ({"files", "samples", "sources", "encoders", "training"}, {*STORED, "csvw", "weights"}),
    ),
    **dict.fromkeys(
        sorted(EMBEDDINGS - IMPORTS),
        ({"files", "samples", "sources", "encoders"}, {*VECTORS, "weights"}),
    ),
    **dict.fromkeys(sorted(IMPORTS), ({"config", "files", "samples", "sources"}, VECTORS)),
    "train_index": ({"files", "search"}, VECTORS),
    "find_neighbors": ({"files", "search"}, {*VECTORS, "lists", "neighbors"}),
}


@pytest.mark.parametrize("rule", ALLOWED)
def test_long_jobs_reach_what_they_use(rule):
    packages, files = ALLOWED[rule]
    core = SCRIPTS / "dejavu"
    reached = [
        path.relative_to(core).with_suffix("").parts
        for path in reruns.reached(SCRIPTS, f"{rule}.py")
        if path.is_relative_to(core)
    ]
    assert {parts[0] for parts in reached} <= packages | COMMON
    assert {parts[1] for parts in reached if parts[0] == "files"} <= files


def test_every_training_and_embedding_is_held_to_it():
    assert {name for name in RULES if name.startswith(("train_", "embed_"))} <= set(ALLOWED)
