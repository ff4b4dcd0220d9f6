"""The whole vision measurement at smoke-test size, checked from its files alone."""

import copy
import itertools
import json
import math
import re
from collections import Counter

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import ImageEnhance
from scipy.stats import binomtest

from dejavu.audits import blind
from dejavu.encoders import ssl
from dejavu.files.facts import read_json
from dejavu.files.parquet import read_provenance
from dejavu.sources.images import open_available, open_image
from tests.conftest import VISION_SMOKE, and_shown, jobs_of, snakemake, written

SHARDS = {"A": 2, "B": 1, "public": 2, "control": 1}
CONTRACT = {
    "vision_correlation": (
        "reference_model replicate on crops accuracy_top1 accuracy_top1_low accuracy_top1_high"
        " accuracy_top5 accuracy_top5_low accuracy_top5_high optimum no_interval"
    ),
    "vision_dejavu": (
        "test target_model reference_model replicate top confident set crops unmatched dejavu"
        " dejavu_low dejavu_high accuracy_target accuracy_reference p_value p_family"
        " adjusted_accuracy adjusted_accuracy_low adjusted_accuracy_high adjusted_accuracy_beta"
        " simultaneous_low simultaneous_high adjusted_shift adjusted_shift_low adjusted_shift_high"
        " bias_bound shift_components no_interval null_model"
    ),
    "vision_quadrants": (
        "test target_model reference_model replicate set top crops memorized correlated"
        " misrepresented unassociated expected_false"
    ),
    "vision_classes": "reference_model rank label crops percent",
    "vision_tags": "label tag crops p_tag_given_label lift",
    "vision_agreement": "first second agreement",
    "vision_memorized": (
        "test target_model reference_model rank sample id label confidence expected_false"
    ),
    "vision_correlated": (
        "test target_model reference_model rank sample id label quadrant prediction_target"
        " confidence_target confidence_reference"
    ),
    "vision_confidence": "test target_model reference_model low high crops expected_false",
    "vision_crops": "set crop_status images",
    "vision_rejected": "set source item reason",
    "vision_contamination": "first_set first_sample second_set second_sample similarity",
    "vision_checks": (
        "test target_model reference_model check score value value_low value_high bound outcome"
        " sentence"
    ),
    "vision_power": (
        "test target_model reference_model replicate set score first_samples first_variance"
        " second_samples second_variance smallest_detectable asked samples_needed"
    ),
    "vision_membership": (
        "test target_model reference_model attack members controls auc auc_low auc_high"
        " tpr_1_in_1000 tpr_1_in_1000_low tpr_1_in_1000_high tpr_1_in_100 tpr_1_in_100_low"
        " tpr_1_in_100_high"
    ),
    "vision_groups": (
        "test target_model reference_model group level members controls accuracy_target"
        " accuracy_reference adjusted adjusted_low adjusted_high shrunk p_value q_value"
        " heterogeneity heterogeneity_p no_interval"
    ),
    "vision_roc": "test target_model reference_model attack fpr tpr",
    "vision_blind": (
        "encoder first_set second_set auc auc_low auc_high first_samples second_samples"
    ),
    "vision_evidence": (
        "test target_model reference_model features rank sample id score p_value q_value"
    ),
    "vision_discoveries": (
        "test target_model reference_model features rate members teaching calibrating weighted_by"
        " listed smallest_list no_list"
    ),
    "utility": "domain model task accuracy accuracy_low accuracy_high",
}
PREDICTORS = ("vicreg_a", "vicreg_b", "resnet", "naive_bayes@1", "naive_bayes@3")
TABLES = {f"vision_{name}" for name in ("dejavu", "correlation", "quadrants", "classes")}
TABLES |= {
    "vision_agreement",
    "vision_memorized",
    "vision_correlated",
    "vision_confidence",
    "vision_power",
    "membership",
}
TABLES |= {"vision_groups"}
BAYES = {"predict_naive_bayes", "vision_tags", *TABLES}


@pytest.fixture(scope="module")
def samples(vision_smoke_run):
    """Samples by set."""
    return {name: read(vision_smoke_run, f"samples/{name}/*.parquet") for name in SHARDS}


def read(folder, pattern):
    """All shards of a pattern as one frame."""
    paths = sorted((folder / "results/vision").glob(pattern))
    assert paths, pattern
    return pl.concat([pl.read_parquet(path) for path in paths])


def table(folder, name):
    """One of the tables."""
    types = {"replicate": pl.String, "id": pl.String}
    return pl.read_csv(folder / f"results/tables/{name}.csv", schema_overrides=types)


def predictions(folder, predictor, name):
    """Predictions of one predictor on the crops of a set."""
    place = predictor if predictor.startswith("naive_bayes@") else f"{predictor}_s0"
    return pl.read_parquet(folder / f"results/vision/predictions/{place}/{name}.parquet")


def row(frame, **keys):
    """The one row with these values."""
    found = frame.filter(*(pl.col(key) == value for key, value in keys.items()))
    assert len(found) == 1, keys
    return found.row(0, named=True)


def test_tables_have_the_columns_of_the_contract(vision_smoke_run):
    for name, columns in CONTRACT.items():
        assert table(vision_smoke_run, name).columns == columns.split()


def test_samples_are_numbered_disjoint_and_balanced(vision_smoke_run, samples):
    for name, shards in SHARDS.items():
        files = sorted((vision_smoke_run / f"results/vision/samples/{name}").iterdir())
        assert [path.name for path in files] == [f"{n:04d}.parquet" for n in range(shards)]
    whole = pl.concat(samples.values())
    assert whole["sample"].is_unique().all() and whole["id"].is_unique().all()
    assert len(whole) == 2400
    for name in ("A", "B", "control"):
        assert set(samples[name]["label"].value_counts()["count"]) == {30}
    image = open_image(whole["image"][0].replace("results/", f"{vision_smoke_run}/results/", 1))
    assert image.size == (whole["width"][0], whole["height"][0])


def test_crops_are_the_best_strips_beside_the_box(samples):
    for sample in pl.concat(samples.values()).iter_rows(named=True):
        (box,) = sample["boxes"]
        left, top, right, bottom = (box[side] for side in ("xmin", "ymin", "xmax", "ymax"))
        width, height = sample["width"], sample["height"]
        strips = [
            (0, 0, left, height),
            (right, 0, width, height),
            (left, 0, right, top),
            (left, bottom, right, height),
        ]

        def preference(strip):
            x, y, w, h = strip[0], strip[1], strip[2] - strip[0], strip[3] - strip[1]
            return (min(w, h), w * h, -x, -y)

        assert sample["crop_status"] == "ok"
        assert tuple(sample["crop"].values()) == max(strips, key=preference)
        scores = [(-tag["score"], tag["tag"]) for tag in sample["tags"]]
        assert scores == sorted(scores)


@pytest.mark.parametrize("model", ["vicreg_a", "vicreg_b"])
def test_neighbours_are_those_of_the_embeddings(vision_smoke_run, samples, model):
    public = read(vision_smoke_run, f"embeddings/{model}_s0/image/public/*.parquet")
    assert public["sample"].to_list() == samples["public"]["sample"].to_list()
    vectors = public["embedding"].to_numpy().astype(np.float64)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for name in ("A", "B", "control"):
        queries = read(vision_smoke_run, f"embeddings/{model}_s0/crop/{name}/*.parquet")
        assert queries["sample"].to_list() == samples[name]["sample"].to_list()
        found = read(vision_smoke_run, f"neighbors/{model}_s0/crop/{name}/*.parquet")
        similar = queries["embedding"].to_numpy().astype(np.float64) @ vectors.T
        numbers = public["sample"].to_numpy()
        for sample, scores in zip(found.iter_rows(named=True), similar, strict=True):
            order = np.lexsort((numbers, -scores))[: 50 + 20]
            runs = np.cumsum(np.diff(scores[order], prepend=np.inf) <= -1e-6)
            order = order[np.lexsort((numbers[order], runs))][:50]
            assert sample["neighbors"] == numbers[order].tolist()
            np.testing.assert_allclose(sample["score"], scores[order], atol=1e-6)


def test_embeddings_carry_their_provenance(vision_smoke_run):
    fingerprints = {}
    for path in (vision_smoke_run / "results/vision/embeddings").rglob("*.parquet"):
        facts = json.loads(pq.read_schema(path).metadata[b"dejavu"])
        assert facts["model"] == path.parts[-4] and facts["input"] == path.parts[-3]
        assert facts["normalised"] is True
        assert facts["dimension"] == (336 if facts["model"] == "pixels" else 256)
        fingerprints.setdefault(facts["model"], set()).add(facts["fingerprint"])
    assert all(len(each) == 1 for each in fingerprints.values())
    assert len(set.union(*fingerprints.values())) == 3


@pytest.mark.parametrize("model", ["vicreg_a", "vicreg_b"])
@pytest.mark.parametrize("name", ["A", "B", "control"])
def test_votes_are_counted_as_the_method_says(vision_smoke_run, samples, model, name):
    label_of = dict(zip(samples["public"]["sample"], samples["public"]["label"], strict=True))
    truth = dict(zip(samples[name]["sample"], samples[name]["label"], strict=True))
    found = predictions(vision_smoke_run, model, name)
    ranked = read(vision_smoke_run, f"neighbors/{model}_s0/crop/{name}/*.parquet")
    assert found["sample"].to_list() == ranked["sample"].to_list()
    pairs = zip(found.iter_rows(named=True), ranked.iter_rows(named=True), strict=True)
    for answer, ranking in pairs:
        labels = [label_of[number] for number in ranking["neighbors"]]
        votes = Counter(labels)
        order = sorted(votes, key=lambda label: (-votes[label], labels.index(label)))
        assert answer["prediction"] == order[0]
        assert answer["top5"] == order[:5]
        parts = [count / 50 for count in votes.values()]
        entropy = -sum(p * math.log(p) for p in parts)
        assert answer["entropy"] == pytest.approx(entropy, abs=1e-9)
        assert answer["confidence"] == -answer["entropy"]
        mean_distance = sum(1 - score for score in ranking["score"]) / 50
        assert answer["tiebreak"] == pytest.approx(-mean_distance, abs=1e-9)
        assert answer["correct"] == (order[0] == truth[answer["sample"]])


@pytest.mark.parametrize("tags", [1, 3])
def test_naive_bayes_is_the_textbooks(vision_smoke_run, samples, tags):
    def chosen(sample):
        return {
            tag["tag"]
            for tag in sorted(sample["tags"], key=lambda tag: (-tag["score"], tag["tag"]))[:tags]
        }

    fitted = [(chosen(sample), sample["label"]) for sample in samples["B"].iter_rows(named=True)]
    vocabulary = sorted({tag for found, _ in fitted for tag in found})
    labels = sorted({label for _, label in fitted})
    counts = {label: Counter() for label in labels}
    for found, label in fitted:
        counts[label].update(found)
    prior = Counter(label for _, label in fitted)
    for name in ("A", "control"):
        answers = predictions(vision_smoke_run, f"naive_bayes@{tags}", name)
        for sample, answer in zip(
            samples[name].iter_rows(named=True), answers.iter_rows(named=True), strict=True
        ):
            logs = []
            for label in labels:
                total = sum(counts[label].values()) + len(vocabulary)
                known = chosen(sample) & set(vocabulary)
                terms = [math.log((counts[label][tag] + 1) / total) for tag in known]
                logs.append(math.log(prior[label] / len(fitted)) + sum(terms))
            posterior = np.exp(np.array(logs) - np.logaddexp.reduce(logs))
            assert posterior[labels.index(answer["prediction"])] == pytest.approx(posterior.max())
            entropy = -(posterior * np.log(posterior)).sum()
            assert answer["confidence"] == pytest.approx(posterior.max(), abs=1e-9)
            assert answer["entropy"] == pytest.approx(entropy, abs=1e-9)
            assert answer["tiebreak"] == -answer["entropy"]
            assert answer["correct"] == (answer["prediction"] == sample["label"])
            assert len(answer["top5"]) == 5 and answer["top5"][0] == answer["prediction"]


def confident(answers, fraction):
    """Accuracy on the most confident crops, by a plain sort."""
    order = sorted(
        answers.iter_rows(named=True),
        key=lambda each: (-round(each["confidence"], 9), -each["tiebreak"], each["sample"]),
    )
    chosen = order[: math.floor(fraction * len(order) + 1e-9)]
    return sum(each["correct"] for each in chosen) / len(chosen)


def with_labels(answers, crops):
    """The label of each crop and the five best that were predicted for it."""
    return answers.join(crops.select("sample", "label"), on="sample").select("label", "top5").rows()


def by_class(answers, crops):
    """Whether each crop's label was inferred, by label."""
    joined = answers.join(crops.select("sample", "label"), on="sample")
    return {
        label: group["correct"].to_numpy().astype(float)
        for (label,), group in joined.sort("sample").group_by("label", maintain_order=True)
    }


def test_scores_follow_from_the_predictions(vision_smoke_run, samples):
    scores, quadrants = (
        table(vision_smoke_run, "vision_dejavu"),
        table(vision_smoke_run, "vision_quadrants"),
    )
    # Over all crops five sets with one model's reference and seven with the two-model one, in
    # confident subsets those but non-members; for the best label and the five best.
    assert len(scores) == 2 * (7 + 3 * 5 + 2 * (6 + 3 * 4))
    of_five = scores.filter(top=5)
    right = predictions(vision_smoke_run, "vicreg_a", "A")
    among = [label in best for label, best in with_labels(right, samples["A"])]
    found = row(of_five, set="target", confident=1.0, reference_model="vicreg_b")
    assert found["accuracy_target"] == pytest.approx(np.mean(among))
    assert found["accuracy_target"] > right["correct"].mean()
    scores, quadrants = scores.filter(top=1), quadrants.filter(top=1)
    for reference in PREDICTORS[1:]:
        keys = {"target_model": "vicreg_a", "reference_model": reference, "replicate": "0"}
        for name, group in (("A", "target"), ("control", "control")):
            target, other = (
                predictions(vision_smoke_run, each, name) for each in ("vicreg_a", reference)
            )
            for fraction in (1.0, 0.2, 0.05):
                found = row(scores, set=group, confident=fraction, **keys)
                accuracies = [confident(each, fraction) for each in (target, other)]
                assert found["accuracy_target"] == pytest.approx(accuracies[0])
                assert found["accuracy_reference"] == pytest.approx(accuracies[1])
                assert found["dejavu"] == pytest.approx(accuracies[0] - accuracies[1])
                assert found["dejavu_low"] <= found["dejavu"] <= found["dejavu_high"]
            right, wrong = target["correct"].to_numpy(), other["correct"].to_numpy()
            wins, losses = (right & ~wrong).sum(), (wrong & ~right).sum()
            found = row(scores, set=group, confident=1.0, **keys)
            if reference != "vicreg_b":
                assert found["p_value"] is None
            elif wins + losses:
                assert found["p_value"] == pytest.approx(binomtest(wins, wins + losses).pvalue)
            if group == "target":
                quadrant = row(quadrants, set="target", **keys)
                assert quadrant["memorized"] == pytest.approx(wins / 300)
                assert quadrant["misrepresented"] == pytest.approx(losses / 300)
                assert quadrant["correlated"] == pytest.approx((right & wrong).mean())
                assert quadrant["unassociated"] == pytest.approx((~right & ~wrong).mean())
        groups = [
            [
                by_class(predictions(vision_smoke_run, each, name), samples[name])
                for each in ("vicreg_a", reference)
            ]
            for name in ("A", "control")
        ]
        sizes = {label: len(right) for label, right in groups[0][0].items()}
        gap = sum(
            size * np.mean(target[label] - other[label]) * sign
            for (target, other), sign in zip(groups, (1, -1), strict=True)
            for label, size in sizes.items()
        ) / sum(sizes.values())
        assert row(scores, set="calibrated", confident=1.0, **keys)["dejavu"] == pytest.approx(gap)


def test_the_adjusted_gap_is_the_regression_of_control_with_a_level_for_each_class(
    vision_smoke_run, samples
):
    scores = table(vision_smoke_run, "vision_dejavu").filter(top=1)
    for reference in PREDICTORS[1:]:
        found = row(scores, reference_model=reference, set="calibrated", confident=1.0)
        (t, g, members), (u, h, classes) = (
            results(vision_smoke_run, samples, ("vicreg_a", reference), name)
            for name in ("A", "control")
        )
        known = np.unique(classes)
        design = np.column_stack([classes[:, None] == known, h]).astype(float)
        *bases, beta = np.linalg.lstsq(design, u, rcond=None)[0]
        expected = np.array(bases)[np.searchsorted(known, members)] + beta * g
        assert found["adjusted_accuracy"] == pytest.approx(np.mean(t - expected))
        assert found["adjusted_accuracy_beta"] == pytest.approx(beta)
        variance = sum((t - beta * g).var(ddof=1) / len(t) for t, g in ((t, g), (u, h)))
        half = (found["adjusted_accuracy_high"] - found["adjusted_accuracy_low"]) / 2
        assert half == pytest.approx(1.96 * math.sqrt(variance), rel=0.1)


def results(folder, samples, models, name):
    """Whether both models are right about a set's crops, and the crops' labels."""
    answers = [predictions(folder, each, name) for each in models]
    labels = answers[0].join(samples[name].select("sample", "label"), on="sample")["label"]
    return *(each["correct"].to_numpy().astype(float) for each in answers), labels.to_numpy()


def test_two_model_tests_have_both_models_in_both_places(vision_smoke_run):
    scores = table(vision_smoke_run, "vision_dejavu").filter(
        pl.col("confident") == 1, pl.col("reference_model") == "vicreg_b", top=1
    )
    sides = (("target", "A", "vicreg_a", "vicreg_b"), ("reference", "B", "vicreg_b", "vicreg_a"))
    for name, crops, own, other in sides:
        found = row(scores, set=name)
        means = [
            predictions(vision_smoke_run, each, crops)["correct"].mean() for each in (own, other)
        ]
        assert [found["accuracy_target"], found["accuracy_reference"]] == pytest.approx(means)
    pooled = row(scores, set="symmetric")
    assert pooled["crops"] == 600
    assert pooled["dejavu"] == pytest.approx(
        scores.filter(pl.col("set").is_in(["target", "reference"]))["dejavu"].mean()
    )


def test_memorization_shows_and_control_does_not(vision_smoke_run):
    scores = table(vision_smoke_run, "vision_dejavu").filter(confident=1, top=1)
    pair = scores.filter(pl.col("reference_model") == "vicreg_b")
    assert row(pair, set="symmetric")["dejavu_low"] >= 0.15
    assert abs(row(pair, set="control")["dejavu"]) < 0.08
    for reference in ("resnet", "naive_bayes@3"):
        found = row(scores, reference_model=reference, set="calibrated")
        assert found["dejavu_low"] > 0 and found["adjusted_accuracy_low"] > 0


def test_references_stay_below_what_the_world_allows(vision_smoke_run, samples):
    found = table(vision_smoke_run, "vision_correlation").filter(pl.col("on") == "all")
    assert found["reference_model"].to_list() == list(PREDICTORS[1:])
    assert (found["accuracy_top1_low"] <= found["optimum"]).all()
    assert found["optimum"].n_unique() == 1 and 0.19 < found["optimum"][0] < 0.22
    labels = samples["A"].select("sample", "label")
    for reference in PREDICTORS[1:]:
        answers = predictions(vision_smoke_run, reference, "A").join(labels, on="sample")
        one = row(found, reference_model=reference)
        assert one["accuracy_top1"] == pytest.approx(answers["correct"].mean())
        among = [label in best for label, best in answers.select("label", "top5").iter_rows()]
        assert one["accuracy_top5"] == pytest.approx(np.mean(among))
    both = table(vision_smoke_run, "vision_correlation").filter(pl.col("on") == "intersection")
    right = predictions(vision_smoke_run, "vicreg_b", "A").filter("correct")["sample"]
    for one in both.iter_rows(named=True):
        answers = predictions(vision_smoke_run, one["reference_model"], "A")
        inside = answers.filter(pl.col("sample").is_in(right.implode()))
        assert one["crops"] == len(right)
        assert one["accuracy_top1"] == pytest.approx(inside["correct"].mean())


def test_the_smaller_tables_follow_from_the_predictions(vision_smoke_run, samples):
    answers = {
        name: predictions(vision_smoke_run, name, "A").join(
            samples["A"].select("sample", "id", "label"), on="sample"
        )
        for name in PREDICTORS
    }
    agreement = table(vision_smoke_run, "vision_agreement")
    assert len(agreement) == 6
    for first, second, value in agreement.iter_rows():
        same = answers[first]["correct"] == answers[second]["correct"]
        assert value == pytest.approx(same.mean())
    classes = table(vision_smoke_run, "vision_classes")
    for reference in PREDICTORS[1:]:
        rates = {
            label: 100 * part["correct"].mean()
            for (label,), part in answers[reference].group_by("label")
        }
        best = sorted(rates, key=lambda label: (-round(rates[label], 9), label))[:5]
        found = classes.filter(pl.col("reference_model") == reference)
        assert found["label"].to_list() == best
        assert found["percent"].to_list() == pytest.approx([rates[label] for label in best])
    memorized = table(vision_smoke_run, "vision_memorized")
    for reference in PREDICTORS[1:]:
        target, other = answers["vicreg_a"], answers[reference]
        gap = other["entropy"] - target["entropy"]
        frame = target.with_columns(gap=gap).filter(target["correct"] & ~other["correct"])
        found = memorized.filter(pl.col("reference_model") == reference)
        assert len(found) == min(100, len(frame))
        assert found["confidence"].to_list() == pytest.approx(
            frame["gap"].sort(descending=True)[:100].to_list()
        )
        joined = found.join(frame, on=["sample", "id", "label"])
        assert len(joined) == len(found)
        np.testing.assert_allclose(joined["confidence"], joined["gap"])
    correlated = table(vision_smoke_run, "vision_correlated")
    for reference in PREDICTORS[1:]:
        target, other = answers["vicreg_a"], answers[reference]
        frame = target.join(other, on="sample", suffix="_reference")
        frame = frame.filter(pl.col("correct_reference"))
        found = correlated.filter(pl.col("reference_model") == reference)
        joined = found.join(frame, on=["sample", "id", "label"], maintain_order="left")
        assert len(joined) == len(found) == min(100, len(frame))
        assert joined["prediction_target"].equals(joined["prediction"])
        assert ((joined["quadrant"] == "correlated") == joined["correct"]).all()
        surest = frame["confidence_reference"].sort(descending=True)[:100]
        assert found["confidence_reference"].to_list() == pytest.approx(surest.to_list())
    tags = table(vision_smoke_run, "vision_tags")
    best = classes.filter(pl.col("reference_model") == "naive_bayes@3")["label"].to_list()
    exploded = samples["A"].select(
        "label", tag=pl.col("tags").list.eval(pl.element().struct.field("tag"))
    )
    assert tags["lift"].is_sorted(descending=True) and set(tags["label"]) <= set(best)
    for label, tag, crops, rate, lift in tags.iter_rows():
        has = exploded["tag"].list.contains(tag)
        of_label = exploded["label"] == label
        assert crops == (has & of_label).sum() >= 5
        assert rate == pytest.approx(crops / of_label.sum())
        assert lift == pytest.approx(rate / has.mean())


def test_no_two_images_of_the_world_are_near_duplicates(vision_smoke_run):
    assert len(table(vision_smoke_run, "vision_contamination")) == 0
    vectors = {
        name: read(vision_smoke_run, f"embeddings/pixels/image/{name}/*.parquet") for name in SHARDS
    }
    for first, second in itertools.combinations(SHARDS, 2):
        one, other = (vectors[name]["embedding"].to_numpy() for name in (first, second))
        assert (one @ other.T).max() < 0.85


def test_the_crops_of_target_and_control_look_alike(vision_smoke_run):
    [found] = table(vision_smoke_run, "vision_blind").iter_rows(named=True)
    assert (
        found["encoder"] == "vicreg_b" and found["first_samples"] == found["second_samples"] == 300
    )
    assert found["auc_low"] < 0.5 < found["auc_high"] < 0.65


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda crop: ImageEnhance.Brightness(crop).enhance(1.15), 0.8),
        (lambda crop: crop.resize((crop.width // 2, crop.height // 2)), 0.55),
    ],
    ids=["brightened", "reduced"],
)
def test_crops_that_were_stored_otherwise_are_told_apart(vision_smoke_run, samples, change, least):
    model = vision_smoke_run / "results/vision/models/vicreg_b_s0"
    settings = yaml.safe_load(VISION_SMOKE.read_text())["vision"]["models"]["vicreg_b"]
    channels = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    used = {**settings["preprocessing"], **channels, "interpolation": "bilinear"}
    encoder = ssl.load(
        "vicreg_b",
        model,
        {"preprocessing": used, "representation": "projector"},
        True,
        torch.device("cpu"),
    )
    sides = []
    for name in ("A", "control"):
        crops = []
        for image, crop in samples[name].select("image", "crop").iter_rows():
            path = image.replace("results/", f"{vision_smoke_run}/results/", 1)
            crops.append(open_available(path, crop))
        crops = crops if name == "A" else [change(crop) for crop in crops]
        prepared = [encoder.prepare_image(crop, "crop") for crop in crops]
        sides.append(encoder.encode_images(prepared))
    stored = read(vision_smoke_run, "embeddings/vicreg_b_s0/crop/A/*.parquet")[
        "embedding"
    ].to_numpy()
    assert sides[0] == pytest.approx(stored, abs=1e-4)
    assert blind.cross_validated_area(*sides).low > least


def test_features_tell_the_labels_of_whole_images(vision_smoke_run):
    found = table(vision_smoke_run, "utility")
    assert found["model"].to_list() == ["vicreg_a", "vicreg_b"]
    assert set(found["domain"]) == {"vision"} and set(found["task"]) == {"linear_probe"}
    # Chance is 0.1.
    assert (found["accuracy_low"] > 0.3).all()
    assert (found["accuracy"] < found["accuracy_high"]).all()


def test_nothing_is_left_to_do_and_touching_changes_nothing(vision_smoke_run):
    assert jobs_of(snakemake(vision_smoke_run, "-n", config=VISION_SMOKE)) == {}


def test_trainings_start_before_what_waits_for_them_the_longest_first(tmp_path):
    config = yaml.safe_load(VISION_SMOKE.read_text())
    config["vision"]["models"]["vicreg_a"]["epochs"] = 90
    config["vision"]["models"]["vicreg_b"]["epochs"] = 120
    told = snakemake(tmp_path, "-n", config=written(tmp_path / "config.yaml", config)).stdout
    priorities = {}
    for job in told.split("\nrule ")[1:]:
        name = re.search(r"wildcards:.*model=(\w+)", job)
        priority = re.search(r"priority: ([\d.]+)", job)
        key = job.partition(":")[0], name and name[1]
        priorities[key] = float(priority[1]) if priority else 0
    trainings = [
        ("train_ssl", "vicreg_b_s0"),
        ("train_ssl", "vicreg_a_s0"),
        ("train_classifier", "resnet_s0"),
    ]
    others = [
        ("embed_ssl", "vicreg_b_s0"),
        ("build_index", "vicreg_a_s0"),
        ("classify_crops", "resnet_s0"),
    ]
    order = [priorities[key] for key in (("tag_crops", None), *trainings, others[0])]
    assert order == sorted(order, reverse=True) and len(set(order)) == len(order)
    assert all(priorities[key] == 0 for key in others)


MATRIX = [
    ("vision.max_rejected", 0.02, None),
    ("vision.memorized", 5, {"vision_memorized", "vision_correlated"}),
    ("vision.confident", [1, 0.5], {"vision_dejavu"}),
    ("vision.naive_bayes", {"fit_on": "public"}, BAYES),
    (
        "vision.models.vicreg_b.epochs",
        3,
        {
            "train_ssl": 1,
            "embed_ssl": 6,
            "build_index": 2,
            "list_shards": 1,
            "find_neighbors": 4,
            # Of a sweep, too.
            "vote_labels": 6,
            **dict.fromkeys([*TABLES, "blind", "linear_probe", "utility"], 1),
        },
    ),
    (
        "vision.models.vicreg_b.representation",
        "backbone",
        {
            "embed_ssl": 6,
            "build_index": 2,
            "list_shards": 1,
            "find_neighbors": 4,
            # Of a sweep, too.
            "vote_labels": 6,
            **dict.fromkeys([*TABLES, "blind"], 1),
        },
    ),
    (
        "vision.models.resnet.epochs",
        3,
        {"train_classifier": 1, "classify_crops": 2, **dict.fromkeys(TABLES, 1)},
    ),
    (
        "vision.models.resnet.preprocessing.resize",
        "centre_crop",
        {"classify_crops": 2, **dict.fromkeys(TABLES, 1)},
    ),
    (
        "vision.k",
        20,
        {"find_neighbors", "vote_labels", *TABLES},
    ),
    (
        "vision.metric",
        "euclidean",
        {
            "embed_ssl",
            "build_index",
            "list_shards",
            "find_neighbors",
            "vote_labels",
            "blind",
            *TABLES,
        },
    ),
    ("vision.contamination.threshold", 0.9, {"find_duplicates", "contamination"}),
    (
        "vision.exclude_contaminated",
        True,
        {*TABLES, "vision_tags", "vision_crops", "blind"},
    ),
    ("vision.blind.samples", 100, {"blind"}),
    ("vision.utility.images", 500, {"linear_probe", "utility"}),
    ("vision.tags", {"kind": "visual_words"}, {"fit_words", "tag_crops", "check_images", *BAYES}),
]


def drawn_anew():
    """All tables, which carry the digest of the config, and what shows them."""
    others = {"vision_tags", "vision_crops", "vision_rejected", "contamination", "blind", "utility"}
    others |= {"weigh_crops", "evidence", "discoveries", "vision_sweeps", "vision_contrasts"}
    return and_shown(TABLES | others) | {"figure_training"}


@pytest.mark.parametrize(("key", "value", "expected"), MATRIX, ids=[each[0] for each in MATRIX])
def test_a_changed_key_reruns_what_it_touches(vision_smoke_run, tmp_path, key, value, expected):
    config = yaml.safe_load(VISION_SMOKE.read_text())
    place = config
    *parents, last = key.split(".")
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = copy.deepcopy(value)
    jobs = jobs_of(snakemake(vision_smoke_run, "-n", config=written(tmp_path / "new.yaml", config)))
    if expected is None:
        # No digest changes: run.json and the page have the config.
        assert set(jobs) == and_shown(set())
    elif isinstance(expected, dict):
        assert jobs == {**dict.fromkeys(drawn_anew(), 1), "weigh_crops": 2, **expected}
    else:
        assert set(jobs) == drawn_anew() | expected


def test_predictions_carry_the_fingerprints_that_the_run_tells(vision_smoke_run):
    results = vision_smoke_run / "results"
    models = {each["name"]: each for each in read_json(results / "run.json")["models"]}
    seen = set()
    for path in (results / "vision/predictions").rglob("*.parquet"):
        told = read_provenance(path)
        # Of ten neighbours as well, in a sweep.
        assert path.parent.name in (told["model"], f"{told['model']}@10")
        assert len(told["fingerprint"]) == 32
        if told["model"] in models:
            assert told["fingerprint"] == models[told["model"]]["fingerprint"]
            seen.add(told["model"])
    assert seen == {"vicreg_a_s0", "vicreg_b_s0", "resnet_s0"}
