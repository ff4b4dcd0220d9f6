"""The command that compares finished runs: `python -m dejavu.compare`."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from dejavu import compare
from dejavu.config import layout
from dejavu.files import csvw
from dejavu.files.csv import read_csv, write_csv
from dejavu.files.facts import write_json
from dejavu.files.parquet import write_parquet
from dejavu.report import verdict
from dejavu.scores import recovered
from dejavu.scores.families import holm
from tests.unit.scores.regressions import explicit

SETTING = recovered.Setting(10, "top10", "all")
HOSTILE = "<script>alert('1')</script>=1+1"
VLM_SETS = {"target": 90, "reference": 80, "control": 70}
VISION_SETS = {"A": 60, "B": 50, "control": 55}
SCORES = {
    "vlm": ("vlm_ppg", {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}, "targets"),
    "vision": ("vision_dejavu", {"confident": 1.0, "top": 1}, "crops"),
}
NAMES = ("test", "target_model", "reference_model")
TESTS = {
    "vlm": {"two": ("clip_a", "clip_b"), "one": ("clip_a", "minilm")},
    "vision": {"two_model": ("ssl_a", "ssl_b"), "one_model": ("ssl_a", "naive_bayes@1")},
}


def config_of(target="clip_a"):
    clips = {
        name: {"kind": "clip", "train_on": name[-1], "seeds": [0]} for name in (target, "clip_b")
    }
    ssl = {f"ssl_{name}": {"kind": "ssl", "train_on": name.upper(), "seeds": [0]} for name in "ab"}
    return {
        "seed": 0,
        "vlm": {
            "headline": {}, "queries": ["t2i"], "k": [10], "predict": ["top10"], "objects": ["all"],
            "exclude_contaminated": False,
            "sets": {name: {"shards": 2} for name in VLM_SETS},
            "models": {**clips, "minilm": {"kind": "sentence_transformers"}},
            "tests": {
                "two": {"kind": "two_model", "target": target, "reference": "clip_b"},
                "one": {"kind": "one_model", "target": target, "reference": "minilm"},
            },
        },
        "vision": {
            "k": 50, "exclude_contaminated": False,
            "sets": {name: {"shards": 1} for name in VISION_SETS},
            "models": ssl,
            "tests": {
                "two_model": [{"target": "ssl_a", "reference": "ssl_b"}],
                "one_model": {"targets": ["ssl_a"], "references": ["naive_bayes@1"]},
            },
        },
    }  # fmt: skip


def made(folder, seed, target="clip_a", ids="", reference_seed=0):
    """A finished run in a folder: what its models get right depends on the seed.

    Returns the samples' own results, by domain, model and set.
    """
    config, known = config_of(target), {}
    rng = np.random.default_rng(seed)
    fixed = np.random.default_rng(99)
    at_reference = np.random.default_rng(reference_seed)
    for place, (name, size) in enumerate(VLM_SETS.items()):
        truth, predicted = fixed.integers(0, 4, size), fixed.integers(2, 5, size)
        for model in (target, "clip_b", "minilm"):
            source = at_reference if model == "minilm" else rng
            correct = source.integers(0, np.minimum(truth, predicted) + 1)
            known["vlm", model, name] = (correct / predicted)[truth > 0]
            path_name, query = (model, "t2t") if model == "minilm" else (f"{model}_s0", "t2i")
            for shard, rows in enumerate(np.array_split(np.arange(size), 2)):
                half = rows % 2 == 0 if name == "control" else None
                recovered.write(
                    str(folder / layout.recovered_path(path_name, query, name, shard)),
                    place * 1000 + rows, half, np.zeros(len(rows), np.float32),
                    {"all": truth[rows]}, {SETTING: predicted[rows]}, {SETTING: correct[rows]},
                )  # fmt: skip
                sample_table(folder, "vlm", "samples", name, shard, place * 1000 + rows, ids)
    for place, (name, size) in enumerate(VISION_SETS.items()):
        samples = place * 1000 + np.arange(size)
        for kind in ("samples", "records"):
            sample_table(folder, "vision", kind, name, 0, samples, ids)
        for model in ("ssl_a", "ssl_b", "naive_bayes@1"):
            source = at_reference if model.startswith("naive") else rng
            right = known["vision", model, name] = source.random(size) < 0.5
            path_name = model if model.startswith("naive") else f"{model}_s0"
            columns = {"sample": samples, "correct": right}
            columns |= dict.fromkeys(("confidence", "tiebreak", "entropy"), np.zeros(size))
            write_parquet(str(folder / layout.prediction_path(path_name, name)), pa.table(columns))
    tables(folder, config, known, ids)
    return known


def sample_table(folder, domain, kind, name, shard, samples, ids):
    path = folder / f"results/{domain}/{kind}/{name}/{layout.shard_name(shard)}.parquet"
    texts = [f"{ids}{sample}" for sample in samples]
    box = [{"xmin": 0}] * len(samples)
    columns = {"sample": samples, "id": texts, "image": texts, "label": ["c"] * len(samples)}
    write_parquet(str(path), pa.table({**columns, "crop": box}))


def value_of(known, domain, test, target, reference):
    """The primary score, by loops over samples."""
    members, twins = {"vlm": ("target", "reference"), "vision": ("A", "B")}[domain]

    def own(model, name):
        return 1.0 * known[domain, model, name]

    if test.startswith("one"):
        return explicit(
            *((own(target, name), own(reference, name)) for name in (members, "control")), (-1, 1)
        )[0]
    gaps = [own(target, members) - own(reference, members), own(reference, twins)]
    gaps[1] = gaps[1] - own(target, twins)
    return np.mean([np.mean(np.sign(gap) if domain == "vlm" else gap) for gap in gaps])


def tables(folder, config, known, ids):
    """What the run tells of itself, and its tables of scores and verdicts."""
    digests, hashes, sets = {}, {}, []
    for domain, of_domain in (("vlm", VLM_SETS), ("vision", VISION_SETS)):
        sets += [
            {"domain": domain, "set": name, "content": f"{ids}{name}", "samples": size}
            for name, size in of_domain.items()
        ]
        table, at, counted = SCORES[domain]
        judged, scored = [], []
        models = config[domain]["models"]
        for test, (target, reference) in TESTS[domain].items():
            target = next(iter(models)) if domain == "vlm" else target
            value = value_of(known, domain, test, target, reference)
            names = dict(zip(NAMES, (test, target, reference), strict=True))
            ends = {"value": value, "value_low": value - 0.1, "value_high": value + 0.1}
            facts = {"check": "verdict", "score": f"{test} score", "outcome": "memorizes"}
            judged.append({**names, **facts, **ends, "sentence": "It does."})
            judged.append({**names, "check": "blind", "score": "blind", "value": 0.5})
            found = "symmetric" if test.startswith("two") else "calibrated"
            for name in ("target", found):
                scored.append({**names, **at, "replicate": "0", "set": name, counted: 7})
        columns = dict.fromkeys((*NAMES, "replicate", "set", "no_interval"), pl.String)
        columns |= {key: pl.Series([value]).dtype for key, value in {**at, counted: 7}.items()}
        written = {f"{domain}_checks": (judged, verdict.COLUMNS), table: (scored, columns)}
        for name, (rows, kinds) in written.items():
            path = folder / f"results/tables/{name}.csv"
            digests[name] = f"digest {domain}"
            write_csv(path, rows, kinds, digests[name])
            hashes[path.name] = csvw.sha256(path)
    facts = {
        "version": "0.1.0", "commit": "c" * 40, "clean": True, "date": "2026-11-26T00:00:00+00:00",
        "config": config, "sets": sets, "tables": hashes, "digests": digests,
    }  # fmt: skip
    write_json(folder / "results/run.json", facts)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Three runs: two of the same samples and reference, and one of other samples."""
    folder = tmp_path_factory.mktemp("runs")
    known = [made(folder / name, seed) for seed, name in enumerate(("a", "b"))]
    made(folder / "other", 2, ids="x")
    return SimpleNamespace(folder=folder, known=known)


def compared(folder, *names, output="comparison"):
    compare.main([*(str(folder / name) for name in names), "--output", str(folder / output)])
    return (read_csv(folder / output / f"{table}.csv", None) for table in ("runs", "differences"))


def test_differences_are_those_of_the_scores_sample_by_sample(finished):
    runs, found = compared(finished.folder, "a", "b")
    assert runs.height == 8
    assert found["no_pairing"].to_list() == [None] * 4
    for row in found.to_dicts():
        values = [value_of(each, row["domain"], *(row[key] for key in NAMES)) for each in
                  finished.known]  # fmt: skip
        assert row["difference"] == pytest.approx(values[1] - values[0], abs=1e-9)
        assert row["difference_low"] < row["difference"] < row["difference_high"]
        assert (row["p_value"] < 0.05) == (row["difference_low"] > 0 or row["difference_high"] < 0)
    assert found["p_family"].to_list() == pytest.approx(list(holm(found["p_value"].to_list())))


def test_an_interval_knows_that_samples_are_shared(finished):
    _, found = compared(finished.folder, "a", "b")
    first, second = finished.known
    [row] = found.filter(domain="vision", test="two_model").to_dicts()
    changes = []
    for name, (own, twin) in (("A", ("ssl_a", "ssl_b")), ("B", ("ssl_b", "ssl_a"))):
        gaps = [1.0 * each["vision", own, name] - each["vision", twin, name] for each in
                (first, second)]  # fmt: skip
        changes.append(gaps[1] - gaps[0])
    error = np.sqrt(sum(each.var() / len(each) for each in changes)) / 2
    width = row["difference_high"] - row["difference_low"]
    assert width == pytest.approx(2 * 1.96 * error, rel=0.05)


def test_a_run_less_itself_is_nothing(finished):
    folder = finished.folder
    shutil.copytree(folder / "a", folder / "a2", dirs_exist_ok=True)
    _, found = compared(folder, "a", "a2")
    assert found["difference"].to_list() == [0] * 4


def test_rows_tell_who_the_runs_are(finished):
    runs, _ = compared(finished.folder, "a", "other")
    a, other = runs.filter(domain="vlm", test="two").to_dicts()
    assert (a["run"], a["version"], a["commit"]) == (str(finished.folder / "a"), "0.1.0", "c" * 40)
    assert (a["config"], a["replicate"], a["samples"]) == ("digest vlm", "0", 7)
    assert a["measured"] != other["measured"]
    assert a["outcome"] == "memorizes"


def test_other_samples_are_not_paired(finished):
    _, found = compared(finished.folder, "a", "other", "b")
    others = found.filter(to=str(finished.folder / "other"))
    assert set(others["no_pairing"]) == {
        "the set target holds other samples", "the set A holds other samples"
    }  # fmt: skip
    assert others["difference"].is_null().all()
    assert found.filter(to=str(finished.folder / "b"))["difference"].is_not_null().all()


def test_equal_samples_in_another_order_are_not_paired_by_their_numbers(finished):
    folder = finished.folder
    shutil.copytree(folder / "b", folder / "turned", dirs_exist_ok=True)
    samples = np.arange(VISION_SETS["A"])
    sample_table(folder / "turned", "vision", "samples", "A", 0, samples, "turned")
    _, found = compared(folder, "a", "turned")
    told = found.filter(domain="vision")["no_pairing"].to_list()
    assert told == ["the samples of the set A are in another order"] * 2


def test_gaps_that_are_adjusted_for_another_reference_are_not_paired(finished):
    folder = finished.folder
    made(folder / "reference", 1, reference_seed=5)
    _, found = compared(folder, "a", "reference")
    is_one = pl.col("test").str.starts_with("one")
    assert found.filter(~is_one)["no_pairing"].is_null().all()
    assert found.filter(is_one)["no_pairing"].str.contains("the reference, which gaps").all()


def test_deleted_and_renewed_files_are_told(finished):
    folder = finished.folder
    shutil.copytree(folder / "b", folder / "less", dirs_exist_ok=True)
    shutil.rmtree(folder / "less/results/vlm/recovered")
    path = folder / "less/results/vision/predictions/ssl_a_s0"
    made(folder / "newer", 7)
    shutil.rmtree(path)
    shutil.copytree(folder / "newer/results/vision/predictions/ssl_a_s0", path)
    _, found = compared(folder, "a", "less")
    told = dict(found.select("test", "no_pairing").iter_rows())
    assert "less has no results/vlm/recovered/clip_a_s0/t2i/target/0000.parquet" in told["two"]
    assert "other scores than the tables" in told["two_model"]


def test_runs_without_a_common_test_say_so(finished):
    made(finished.folder / "named", 1, target="clip_c")
    _, found = compared(finished.folder, "a", "named")
    told = found.filter(domain="vlm")["no_pairing"].to_list()
    assert told == ["the second run has no test of these names"] * 2


def test_names_of_runs_and_models_stay_text(finished):
    folder = finished.folder / "<b>&"
    made(folder / HOSTILE.replace("/", "_"), 0, target="clip_<img src=x>")
    made(folder / "=cmd|\x1b[31m", 1, target="clip_<img src=x>")
    compared(folder, HOSTILE.replace("/", "_"), "=cmd|\x1b[31m")
    page = (folder / "comparison/index.html").read_text()
    assert "<script" not in page and "<img src=x" not in page and "\x1b" not in page
    assert "&lt;img src=x&gt;" in page
    assert len(re.findall('src="data:image/svg', page)) == 1
    assert "http" not in re.sub(r"data:[^\"]*", "", page).replace("http-equiv", "")
    assert "\x1b" not in (folder / "comparison/runs.csv").read_text()


def test_edited_tables_are_refused(finished):
    folder = finished.folder
    shutil.copytree(folder / "b", folder / "edited", dirs_exist_ok=True)
    path = folder / "edited/results/tables/vlm_checks.csv"
    path.write_text(path.read_text().replace("memorizes", "not shown"))
    with pytest.raises(SystemExit, match="is not the table that was written there"):
        compared(folder, "a", "edited")


def test_tables_that_run_json_does_not_tell_of_are_refused(finished):
    folder = finished.folder
    shutil.copytree(folder / "b", folder / "mixed", dirs_exist_ok=True)
    for end in ("csv", "csv-metadata.json"):
        shutil.copy(folder / f"a/results/tables/vlm_checks.{end}",
                    folder / f"mixed/results/tables/vlm_checks.{end}")  # fmt: skip
    with pytest.raises(SystemExit, match=r"is not the table that results/run\.json there tells of"):
        compared(folder, "a", "mixed")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "at least two runs"),
        (["a", "b/../a"], "each of them once"),
        (["a", "nowhere"], "nowhere has no results/run.json"),
    ],
)
def test_mistakes_are_told_in_a_sentence(finished, monkeypatch, capsys, words, sentence):
    monkeypatch.chdir(finished.folder)
    with pytest.raises(SystemExit) as stopped:
        compare.main([*words, "--output", "out"])
    assert sentence in capsys.readouterr().err + str(stopped.value)
    assert not (finished.folder / "out").exists()
