"""The whole vision-language measurement at smoke-test size, checked from its files alone."""

import json
import shutil
from collections import Counter
from itertools import product

import numpy as np
import open_clip
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
from scipy.stats import binomtest

from dejavu.sources.images import open_image
from tests.conftest import SMOKE, jobs_of, snakemake

SETS = ("target", "reference", "public", "control")
CONTRACT = {
    "vlm_ppg": (
        "test target_model reference_model replicate query k predict objects set targets excluded"
        " contaminated ppg ppg_low ppg_high prg prg_low prg_high aucg aucg_low aucg_high"
        " precision_target precision_reference recall_target recall_reference predicted_target"
        " predicted_reference p_value p_family adjusted_precision adjusted_precision_low"
        " adjusted_precision_high adjusted_precision_beta adjusted_recall adjusted_recall_low"
        " adjusted_recall_high adjusted_recall_beta simultaneous_low simultaneous_high"
        " adjusted_shift adjusted_shift_low adjusted_shift_high adjusted_shift_recall"
        " adjusted_shift_recall_low adjusted_shift_recall_high bias_bound bias_bound_recall"
        " shift_components no_interval null_model"
    ),
    "vlm_samples": (
        "test query k predict objects set order fraction top precision_gap recall_gap fscore_gap"
    ),
    "vlm_distributions": (
        "test query k predict objects recall targets at_most_target at_most_reference"
    ),
    "vlm_agreement": (
        "query k predict objects metric first second agreement both_right first_only second_only"
        " both_wrong"
    ),
    "vlm_memorized": (
        "test query k predict objects rank sample id precision_target precision_reference"
        " recall_target recall_reference expected_false"
    ),
    "vlm_rejected": "set source item reason",
    "vlm_contamination": "first_set first_sample second_set second_sample similarity",
    "vlm_checks": (
        "test target_model reference_model check score value value_low value_high bound outcome"
        " sentence"
    ),
    "vlm_power": (
        "test target_model reference_model replicate query k predict objects set score"
        " first_samples first_variance second_samples second_variance smallest_detectable asked"
        " samples_needed"
    ),
    "vlm_membership": (
        "test target_model reference_model attack members controls auc auc_low auc_high"
        " tpr_1_in_1000 tpr_1_in_1000_low tpr_1_in_1000_high tpr_1_in_100 tpr_1_in_100_low"
        " tpr_1_in_100_high"
    ),
    "vlm_groups": (
        "test target_model reference_model group level members controls precision_target"
        " precision_reference adjusted adjusted_low adjusted_high shrunk p_value q_value"
        " heterogeneity heterogeneity_p no_interval"
    ),
    "vlm_roc": "test target_model reference_model attack fpr tpr",
    "vlm_blind": ("encoder first_set second_set auc auc_low auc_high first_samples second_samples"),
    "vlm_evidence": (
        "test target_model reference_model features rank sample id score p_value q_value"
    ),
    "vlm_discoveries": (
        "test target_model reference_model features rate members teaching calibrating weighted_by"
        " listed smallest_list no_list"
    ),
    "utility": "domain model task accuracy accuracy_low accuracy_high",
}


def read(folder, pattern):
    """All shards of a pattern as one frame."""
    paths = sorted((folder / "results/vlm").glob(pattern))
    assert paths, pattern
    return pl.concat([pl.read_parquet(path) for path in paths])


def table(folder, name):
    """One of the tables."""
    types = {"replicate": pl.String, "id": pl.String}
    return pl.read_csv(folder / f"results/tables/{name}.csv", schema_overrides=types)


@pytest.fixture(scope="module")
def ppg(smoke_run):
    """The table of population scores."""
    return table(smoke_run[0], "vlm_ppg")


def row(ppg, **keys):
    """The one row with these values."""
    found = ppg.filter(*(pl.col(key) == value for key, value in keys.items()))
    assert len(found) == 1, keys
    return found.row(0, named=True)


def test_tables_have_the_columns_of_the_contract(smoke_run):
    for name, columns in CONTRACT.items():
        assert table(smoke_run[0], name).columns == columns.split()


def test_every_row_of_every_set_is_there_and_fills_what_it_should(ppg):
    kinds = {
        "one_model": {"target", "control", "calibrated", "placebo", "nonmember"},
    }
    kinds["two_model"] = {*kinds["one_model"], "reference", "symmetric"}
    settings = product(("t2i", "t2t"), (1, 10, 100), ("top1", "top10", "all"), ("all", "unnamed"))
    for query, k, predict, objects in settings:
        for test, sets in kinds.items():
            rows = ppg.filter(
                query=query, k=k, predict=predict, objects=objects, test=test, replicate="0"
            )
            assert set(rows["set"]) == sets and len(rows) == len(sets)
    differences = pl.col("set").is_in(["calibrated", "placebo", "nonmember"])
    scores = [f"{score}{end}" for score in ("ppg", "prg", "aucg") for end in ("", "_low", "_high")]
    kinds_of_gap = ("adjusted_precision", "adjusted_recall")
    adjusted = [column for column in ppg.columns if column.startswith(kinds_of_gap)]
    shifted = [column for column in ppg.columns if "shift" in column or "bound" in column]
    plain = ppg.columns[9:12] + ppg.columns[21:27]
    # Where the reference learned the samples, the target is looked at alone.
    alone = (pl.col("set") == "nonmember") & (pl.col("test") == "two_model")
    raw = pl.col("set").is_in(["target", "control"]) & (pl.col("test") == "one_model")
    family = pl.col("set").is_in(["symmetric", "calibrated"])
    ends = ["simultaneous_low", "simultaneous_high"]
    for rows, filled, empty in (
        (ppg.filter(differences & ~alone), scores + adjusted, plain),
        (ppg.filter(alone), adjusted, scores + plain),
        (ppg.filter(~differences), scores + plain, adjusted),
        (ppg.filter(raw), [], ["p_value"]),
        (ppg.filter(~raw), ["p_value"], ["no_interval"]),
        (ppg.filter(family), ["p_family"], []),
        (ppg.filter(~family), [], ["p_family"]),
        (ppg.filter(set="calibrated"), [*ends, *shifted], ["null_model"]),
        (ppg.filter(pl.col("set") != "calibrated"), [], [*shifted, "null_model"]),
        (ppg.filter(pl.col("set") != "calibrated"), [], ends),
    ):
        if not filled or not empty:
            assert rows.height
        assert all(rows[name].null_count() == 0 for name in filled)
        assert all(rows[name].null_count() == rows.height for name in empty)


def test_listed_captions_follow_from_the_scores_of_all(smoke_run):
    folder, _ = smoke_run
    lists, lengths = table(folder, "vlm_evidence"), table(folder, "vlm_discoveries")
    scored = {
        shard: set(
            read(folder, f"recovered/clip_a_s0/t2i/{shard}/*.parquet").filter(
                (pl.col("truth.all") > 0) | (pl.col("truth.unnamed") > 0)
            )["sample"]
        )
        for shard in ("target", "control")
    }
    assert max(lengths["listed"]) > 0
    for test, features in product(("two_model", "one_model"), ("objects", "any")):
        members, control = (
            read(folder, f"evidence/{test}/{features}/{name}/*.parquet")
            for name in ("target", "control")
        )
        assert set(members["sample"]) == scored["target"]
        assert set(control["sample"]) == scored["control"]
        calibrating = control.filter(~pl.col("teaches"))
        scores = members["score"].to_numpy()[:, None]
        above = (calibrating["score"].to_numpy() >= scores).sum(axis=1)
        # Nothing tells the world's sets apart, so that no sample weighs more than another.
        p = (1 + above) / (1 + len(calibrating))
        assert members["p"].to_numpy() == pytest.approx(p)
        asked = {"test": test, "features": features}
        listed = lists.filter(**asked)
        assert listed["rank"].to_list() == list(range(1, len(listed) + 1))
        for length in lengths.filter(**asked).iter_rows(named=True):
            ranked = np.sort(p)
            passed = np.flatnonzero(
                ranked * len(p) <= length["rate"] * np.arange(1, len(p) + 1) * (1 + 1e-12)
            )
            assert length["listed"] == (passed[-1] + 1 if len(passed) else 0)
            assert (length["members"], length["calibrating"]) == (len(p), len(calibrating))
            assert length["teaching"] == len(control) - len(calibrating)
            assert (length["no_list"] is None) == bool(length["listed"])
        most = max(lengths.filter(**asked)["listed"])
        assert len(listed) == most
        assert set(listed["sample"]) == set(members.filter(pl.col("q") <= 0.3)["sample"])


def test_memorization_of_the_embedded_world_shows(ppg):
    setting = {"query": "t2i", "k": 10, "predict": "top10"}
    for objects in ("all", "unnamed"):
        symmetric = row(ppg, test="two_model", set="symmetric", objects=objects, **setting)
        calibrated = row(ppg, test="one_model", set="calibrated", objects=objects, **setting)
        assert symmetric["ppg_low"] > 0.10
        assert calibrated["ppg_low"] > 0
        assert calibrated["adjusted_precision_low"] > 0


def test_sets_hold_distinct_samples_in_at_least_the_configured_shards(smoke_run):
    folder, _ = smoke_run
    samples = {name: read(folder, f"samples/{name}/*.parquet") for name in SETS}
    for column in ("sample", "id"):
        everything = pl.concat([frame[column] for frame in samples.values()])
        assert everything.is_unique().all()
    assert sum(map(len, samples.values())) == 3000
    assert len(list((folder / "results/vlm/samples/public").iterdir())) == 2
    for frame in samples.values():
        assert frame["sample"].is_sorted()
        assert all(labels == sorted(set(labels)) for labels in frame["objects"].to_list())
        assert all(
            set(named) <= set(labels) for named, labels in frame.select("named", "objects").rows()
        )


def test_nothing_but_the_contract_lies_in_its_folders(smoke_run):
    folder, _ = smoke_run
    for name, suffix in (
        ("samples", ".parquet"),
        ("embeddings", ".parquet"),
        ("index", ".faiss"),
        ("neighbors", ".parquet"),
    ):
        files = [path for path in (folder / "results/vlm" / name).rglob("*") if path.is_file()]
        assert files
        for path in files:
            assert path.suffix == suffix and len(path.stem) == 4 and path.stem.isdigit()


def vectors(folder, model, kind, name):
    """Sample numbers and float64 vectors of a set."""
    frame = read(folder, f"embeddings/{model}/{kind}/{name}/*.parquet")
    return frame["sample"].to_numpy(), frame["embedding"].to_numpy().astype(np.float64)


@pytest.mark.parametrize(
    ("model", "query"),
    [("clip_a_s0", "t2i"), ("clip_a_s0", "t2t"), ("clip_b_s0", "t2i"), ("minilm", "t2t")],
)
@pytest.mark.parametrize("name", ["target", "reference", "control"])
def test_neighbors_are_those_of_a_float64_brute_force(smoke_run, model, query, name):
    folder, _ = smoke_run
    numbers, public = vectors(folder, model, {"t2i": "image", "t2t": "caption"}[query], "public")
    samples, queries = vectors(folder, model, "caption", name)
    found = read(folder, f"neighbors/{model}/{query}/{name}/*.parquet")
    assert found["sample"].to_list() == samples.tolist()
    scores = queries @ public.T
    place = {number: column for column, number in enumerate(numbers)}
    for row_scores, ranked, stored in zip(
        scores, found["neighbors"].to_list(), found["score"].to_list(), strict=True
    ):
        got = row_scores[[place[number] for number in ranked]]
        assert np.allclose(got, stored, atol=1e-6)
        steps = np.diff(got)
        assert (steps < 1e-6).all()
        tied = np.abs(steps) < 1e-6
        assert (np.diff(ranked)[tied] > 0).all()
        left_out = np.delete(row_scores, [place[number] for number in ranked])
        assert left_out.max() < got.min() + 1e-6


def recover(folder, model, query, name, k, objects):
    """Ranked objects of each sample by plain Python, and the truth."""
    public = dict(read(folder, "samples/public/*.parquet").select("sample", "objects").rows())
    found = read(folder, f"neighbors/{model}/{query}/{name}/*.parquet")["neighbors"].to_list()
    samples = read(folder, f"samples/{name}/*.parquet")
    ranked, truths = [], []
    columns = (samples[name].to_list() for name in ("objects", "named"))
    for neighbors, labels, named in zip(found, *columns, strict=True):
        hidden = set(named) if objects == "unnamed" else set()
        votes, nearest = Counter(), {}
        for rank, number in enumerate(neighbors[:k]):
            for label in set(public[number]) - hidden:
                votes[label] += 1
                nearest.setdefault(label, rank)
        ranked.append(sorted(votes, key=lambda label: (-votes[label], nearest[label], label)))
        truths.append(set(labels) - hidden)
    return ranked, truths


def measures(ranked, truths, predict):
    """Precision, recall and number of predictions of each sample whose truth is not empty."""
    size = {"top1": 1, "top10": 10, "all": None}[predict]
    results = []
    for labels, truth in zip(ranked, truths, strict=True):
        if truth:
            right = len(set(labels[:size]) & truth)
            count = len(labels[:size])
            results.append((right / count if count else 0, right / len(truth), count))
    return np.array(results).T


@pytest.mark.parametrize("objects", ["all", "unnamed"])
@pytest.mark.parametrize(("k", "predict"), [(1, "all"), (10, "top1"), (10, "top10"), (100, "all")])
def test_scores_are_those_of_plain_sets(smoke_run, ppg, objects, k, predict):
    folder, _ = smoke_run

    def side(model, query, name):
        return measures(*recover(folder, model, query, name, k, objects), predict)

    keys = {"query": "t2i", "k": k, "predict": predict, "objects": objects}
    members = {}
    for name, target, reference in (
        ("target", "clip_a_s0", "clip_b_s0"),
        ("reference", "clip_b_s0", "clip_a_s0"),
        ("control", "clip_a_s0", "clip_b_s0"),
    ):
        t, g = side(target, "t2i", name), side(reference, "t2i", name)
        members[name] = (t, g)
        expected = row(ppg, test="two_model", set=name, **keys)
        wins, losses = (t[0] > g[0]).sum(), (t[0] < g[0]).sum()
        assert expected["targets"] == t.shape[1]
        assert expected["ppg"] == pytest.approx((wins - losses) / t.shape[1])
        assert expected["prg"] == pytest.approx(np.sign(t[1] - g[1]).mean())
        assert expected["aucg"] == pytest.approx(t[1].mean() - g[1].mean())
        assert expected["precision_target"] == pytest.approx(t[0].mean())
        assert expected["recall_reference"] == pytest.approx(g[1].mean())
        assert expected["predicted_target"] == pytest.approx(t[2].mean())
        assert expected["p_value"] == pytest.approx(binomtest(int(wins), int(wins + losses)).pvalue)
    symmetric = row(ppg, test="two_model", set="symmetric", **keys)
    signs = [np.sign(members[name][0][0] - members[name][1][0]) for name in ("target", "reference")]
    assert symmetric["ppg"] == pytest.approx(np.mean([each.mean() for each in signs]))
    # A plain bootstrap of either direction.
    rng = np.random.default_rng(0)
    draws = sum(rng.choice(each, (4000, len(each))).mean(axis=1) for each in signs) / 2
    low, high = np.quantile(draws, [0.025, 0.975])
    assert symmetric["ppg_low"] == pytest.approx(low, abs=0.01)
    assert symmetric["ppg_high"] == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize("kind", ["precision", "recall"])
def test_adjusted_gap_is_the_regression_on_the_reference(smoke_run, ppg, kind):
    folder, _ = smoke_run
    place = ("precision", "recall").index(kind)
    sides = {
        (model, name): measures(*recover(folder, model, query, name, 10, "all"), "top10")[place]
        for model, query in (("clip_a_s0", "t2i"), ("minilm", "t2t"))
        for name in ("target", "control")
    }
    found = row(
        ppg, test="one_model", set="calibrated", query="t2i", k=10, predict="top10", objects="all"
    )
    beta, base = np.polyfit(sides["minilm", "control"], sides["clip_a_s0", "control"], 1)
    gap = np.mean(sides["clip_a_s0", "target"] - base - beta * sides["minilm", "target"])
    assert found[f"adjusted_{kind}"] == pytest.approx(gap)
    assert found[f"adjusted_{kind}_beta"] == pytest.approx(beta)
    # In large samples the interval is about that of the residuals' means.
    variance = sum(
        (sides["clip_a_s0", name] - beta * sides["minilm", name]).var(ddof=1)
        / len(sides["clip_a_s0", name])
        for name in ("target", "control")
    )
    half = (found[f"adjusted_{kind}_high"] - found[f"adjusted_{kind}_low"]) / 2
    assert half == pytest.approx(1.96 * np.sqrt(variance), rel=0.1)


def test_embeddings_are_those_of_the_saved_weights(smoke_run):
    folder, _ = smoke_run
    name = f"local-dir:{folder / 'results/vlm/models/clip_a_s0'}"
    torch.set_num_threads(1)
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    model.eval()
    samples = pl.read_parquet(folder / "results/vlm/samples/public/0001.parquet").head(20)
    stored = pl.read_parquet(folder / "results/vlm/embeddings/clip_a_s0/image/public/0001.parquet")
    with torch.inference_mode():
        images = [preprocess(open_image(str(folder / reference))) for reference in samples["image"]]
        found = model.encode_image(torch.stack(images), normalize=True).numpy()
    assert np.abs(found - stored["embedding"].to_numpy()[:20]).max() < 1e-5
    metadata = pq.read_schema(
        folder / "results/vlm/embeddings/clip_a_s0/image/public/0001.parquet"
    ).metadata
    facts = json.loads(metadata[b"dejavu"])
    assert facts["model"] == "clip_a_s0" and facts["normalised"] and facts["dimension"] == 128


def test_near_duplicates_are_those_of_a_brute_force(smoke_run):
    folder, _ = smoke_run
    found = table(folder, "vlm_contamination").rows()
    expected = []
    for first, second in (
        *(("target", other) for other in ("reference", "public", "control")),
        *(("reference", other) for other in ("public", "control")),
        ("control", "public"),
    ):
        one, other = (vectors(folder, "minilm", "caption", name) for name in (first, second))
        similarities = one[1] @ other[1].T
        for row, column in zip(*np.nonzero(similarities >= 0.95), strict=True):
            pair = (first, one[0][row], second, other[0][column], similarities[row, column])
            expected.append(pair)
    expected.sort(key=lambda pair: (pair[1], pair[3]))
    assert [pair[:4] for pair in found] == [pair[:4] for pair in expected]
    assert [pair[4] for pair in found] == pytest.approx([pair[4] for pair in expected], abs=1e-6)


def test_the_captions_of_target_and_control_look_alike(smoke_run):
    folder, _ = smoke_run
    [found] = table(folder, "vlm_blind").iter_rows(named=True)
    assert found["encoder"] == "minilm"
    counts = [len(read(folder, f"samples/{name}/*.parquet")) for name in ("target", "control")]
    assert [found["first_samples"], found["second_samples"]] == counts
    assert (found["first_set"], found["second_set"]) == ("target", "control")
    assert found["auc_low"] < 0.5 < found["auc_high"] < 0.65


def test_zero_shot_accuracy_is_that_of_the_nearest_prompt(smoke_run):
    folder, _ = smoke_run
    found = table(folder, "utility").filter(task="zero_shot")
    assert found["model"].to_list() == ["clip_a", "clip_b"]
    torch.set_num_threads(1)
    name = f"local-dir:{folder / 'results/vlm/models/clip_a_s0'}"
    model, _, _ = open_clip.create_model_and_transforms(name)
    tokenizer = open_clip.get_tokenizer(name)
    classes = ["apple", "car", "laptop", "bed"]
    with torch.inference_mode():
        prompts = [
            model.eval().encode_text(
                tokenizer([f"a photo of a {each}.", f"a picture of a {each}."]), normalize=True
            )
            for each in classes
        ]
    means = torch.nn.functional.normalize(torch.stack([each.mean(dim=0) for each in prompts]))
    objects = read(folder, "samples/public/*.parquet")["objects"].to_list()
    _, images = vectors(folder, "clip_a_s0", "image", "public")
    right = []
    for labels, image in zip(objects, images, strict=True):
        shown = [place for place, each in enumerate(classes) if each in labels]
        if len(shown) == 1:
            right.append(int((means.numpy() @ image).argmax()) == shown[0])
    assert found["task"][0] == "zero_shot"
    assert found["accuracy"][0] == pytest.approx(np.mean(right), abs=1.5 / len(right))
    assert found["accuracy_low"][0] < found["accuracy"][0] < found["accuracy_high"][0]
    # Chance is 0.25.
    assert (found["accuracy_low"] > 0.3).all()
    probed = table(folder, "utility").filter(task="linear_probe")
    assert probed["model"].to_list() == ["clip_a", "clip_b"]
    assert (probed["accuracy_low"] > 0.3).all()


def test_every_job_leaves_a_log_and_a_benchmark(smoke_run):
    folder, _ = smoke_run
    for kind, suffix in (("logs", ".log"), ("benchmarks", ".jsonl")):
        files = list((folder / "results" / kind).rglob(f"*{suffix}"))
        assert len({path.parent.name for path in files}) >= 15


def test_a_finished_run_has_nothing_to_do_even_after_files_were_touched(smoke_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run[0], folder, symlinks=True)
    for path in (folder / "results/vlm").rglob("*.json"):
        path.touch()
    assert jobs_of(snakemake(folder, "-n", config=SMOKE)) == {}
