"""Figures, galleries and the page of the smoke-test runs, compared with the tables they show."""

import base64
import io
import json
import re
import shutil
import zipfile

import polars as pl
import pytest
from PIL import Image

from tests.conftest import SMOKE, snakemake, written
from tests.unit.report.test_page import ARGUMENTS, CHROMIUM, needs_chromium

HEADLINE = {"query": "t2i", "k": 10, "predict": "top10", "objects": "all"}
ENDS = ("", "_low", "_high")


def table(folder, name):
    """One of the tables."""
    types = {"replicate": pl.String, "id": pl.String}
    return pl.read_csv(folder / f"results/tables/{name}.csv", schema_overrides=types)


def chart_rows(folder, name):
    """The data of a figure's chart."""
    chart = json.loads((folder / f"results/figures/{name}.json").read_text())
    [rows] = chart["datasets"].values()
    return rows


def gallery(folder, domain):
    """What a gallery holds."""
    return json.loads((folder / f"results/galleries/{domain}.json").read_text())


def one(frame, **keys):
    """The one row with these values."""
    found = frame.filter(*(pl.col(key) == value for key, value in keys.items()))
    assert len(found) == 1, keys
    return found.row(0, named=True)


def of(row, *names):
    """Some of a row's values."""
    return {name: row[name] for name in names}


def picture(uri):
    """A data URI as an image."""
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_vision_language_scores_in_figures_are_those_of_the_table(smoke_run):
    folder, _ = smoke_run
    ppg = table(folder, "vlm_ppg")
    rows = chart_rows(folder, "vlm_population")
    assert len(rows) == 2 * 2 * 2 * 3 * 3 * 2
    assert {(row["test"], row["set"]) for row in rows} == {
        ("two_model", "symmetric"),
        ("one_model", "calibrated"),
    }
    for row in rows:
        held = one(ppg, **of(row, "test", "query", "k", "predict", "objects", "set"))
        measure = row["panel"][:3].lower()
        assert [row[f"score{end}"] for end in ENDS] == [held[f"{measure}{end}"] for end in ENDS]
    rows = chart_rows(folder, "vlm_sets")
    assert len(rows) == 12
    for row in rows:
        held = one(ppg, **of(row, "test", "set"), **HEADLINE)
        measure = "ppg" if row["what"].startswith("PPG") else "adjusted_precision"
        assert [row[f"score{end}"] for end in ENDS] == [held[f"{measure}{end}"] for end in ENDS]
    judged = table(folder, "vlm_checks").filter(check="verdict")
    primary = [row for row in rows if row["role"] == "primary score"]
    assert [row["score"] for row in primary] == judged["value"].to_list()


def test_gaps_and_agreement_in_figures_are_those_of_the_tables(smoke_run):
    folder, _ = smoke_run
    samples = table(folder, "vlm_samples")
    columns = {"precision": "precision_gap", "recall": "recall_gap", "F-score": "fscore_gap"}
    rows = chart_rows(folder, "vlm_records")
    assert len(rows) == 2 * 3 * 3 * 22 * 3 * 2
    sets = {"training captions": "target", "control": "control"}
    known = {
        tuple(row[key] for key in ("test", "k", "order", "set", "top")): row
        for row in samples.filter(
            *(pl.col(key) == HEADLINE[key] for key in ("query", "predict", "objects"))
        ).to_dicts()
    }
    for row in rows:
        held = known[row["test"], row["k"], row["order"], sets[row["set"]], row["top"]]
        assert row["gap"] == held[columns[row["panel"].partition(": ")[2]]]
    agreement = table(folder, "vlm_agreement")
    for row in chart_rows(folder, "vlm_agreement"):
        if row["first"] == row["second"]:
            assert row["agreement"] == 1
        else:
            pair = dict(
                zip(("first", "second"), sorted((row["first"], row["second"])), strict=True)
            )
            held = one(agreement, metric=row["metric"], **pair, **HEADLINE)
            assert row["agreement"] == held["agreement"]


def test_the_area_between_the_curves_of_recall_is_the_aucg(smoke_run):
    folder, _ = smoke_run
    ppg = table(folder, "vlm_ppg").filter(pl.col("set") == "target")
    curves = table(folder, "vlm_distributions")
    keys = ["test", "query", "k", "predict", "objects"]
    for key, curve in curves.group_by(keys):
        curve = curve.sort("recall")
        widths = curve["recall"].diff().drop_nulls()
        gap = (curve["at_most_reference"] - curve["at_most_target"]).head(len(widths))
        held = one(ppg, **dict(zip(keys, key, strict=True)))
        assert (gap * widths).sum() == pytest.approx(held["aucg"], abs=1e-9)
        assert curve["recall"].to_list()[:: len(curve) - 1] == [0, 1]
        assert curve["at_most_target"][-1] == curve["at_most_reference"][-1] == 1
    shown = chart_rows(folder, "vlm_distributions")
    for row in shown:
        test, k = re.fullmatch(r"(\w+), k = (\d+)", row["panel"]).groups()
        settings = {**HEADLINE, "k": int(k)}
        held = one(curves, test=test, recall=row["recall"], **settings)
        assert row["at_most"] == held[f"at_most_{row['role']}"]


def test_vision_scores_in_figures_are_those_of_the_tables(vision_smoke_run):
    folder = vision_smoke_run
    dejavu = table(folder, "vision_dejavu").filter(top=1)
    scores = ("dejavu", "dejavu_low", "dejavu_high")
    rows = chart_rows(folder, "vision_dejavu")
    assert len(rows) == 3 * (1 + 3)
    for row in rows:
        held = one(dejavu, **of(row, "target_model", "reference_model", "confident", "set"))
        assert of(row, *scores) == of(held, *scores)
    rows = chart_rows(folder, "vision_sets")
    # Six scores of the two-model test and six of each of three references.
    assert len(rows) == 6 + 3 * 6
    for row in rows:
        held = one(dejavu, **of(row, "target_model", "reference_model", "set"), confident=1.0)
        gap = row["what"] in ("adjusted gap ★", "non-members")
        gap |= row["test"] == "one_model" and row["what"] == "placebo"
        measure = "adjusted_accuracy" if gap else "dejavu"
        assert [row[f"score{end}"] for end in ENDS] == [held[f"{measure}{end}"] for end in ENDS]
    quadrants = table(folder, "vision_quadrants").filter(top=1)
    for row in chart_rows(folder, "vision_quadrants"):
        held = one(quadrants, **of(row, "target_model", "reference_model", "set"))
        assert row["fraction"] == held[row["quadrant"]]
        assert (row["set"] == "symmetric") == (row["reference_model"] == "vicreg_b")


def test_what_references_infer_is_shown_as_the_tables_have_it(vision_smoke_run):
    folder = vision_smoke_run
    correlation = table(folder, "vision_correlation")
    for row in chart_rows(folder, "vision_correlation"):
        held = one(correlation, **of(row, "reference_model", "on"))
        column = "accuracy_top1" if row["panel"].startswith("top 1") else "accuracy_top5"
        assert [row[f"accuracy{end}"] for end in ENDS] == [held[f"{column}{end}"] for end in ENDS]
    assert chart_rows(folder, "vision_classes") == table(folder, "vision_classes").to_dicts()
    agreement = table(folder, "vision_agreement")
    values = {(row["first"], row["second"]): row for row in agreement.to_dicts()}
    cells = chart_rows(folder, "vision_agreement")
    assert len(cells) == 4 * 4
    for row in cells:
        pair = (row["first"], row["second"])
        held = values.get(pair) or values.get(pair[::-1]) or {"agreement": 1}
        assert row["agreement"] == held["agreement"]


def test_the_histogram_counts_all_memorized_crops(vision_smoke_run):
    folder = vision_smoke_run
    bins = table(folder, "vision_confidence")
    shown = [of(row, *bins.columns) for row in chart_rows(folder, "vision_confidence")]
    assert shown == bins.to_dicts()
    quadrants = table(folder, "vision_quadrants").filter(set="target", top=1)
    for (reference,), group in bins.group_by("reference_model"):
        memorized = one(quadrants, reference_model=reference)
        assert group["crops"].sum() == round(memorized["memorized"] * memorized["crops"])
        assert group.sort("low")["low"].to_list()[1:] == group.sort("low")["high"].to_list()[:-1]


def test_every_figure_is_there_for_the_page_for_paper_and_for_print(smoke_run, vision_smoke_run):
    for folder in (smoke_run[0], vision_smoke_run):
        charts = sorted((folder / "results/figures").glob("*.json"))
        assert len(charts) >= 6
        for chart in charts:
            assert "<text" in chart.with_suffix(".svg").read_text()
            with Image.open(chart.with_suffix(".png")) as image:
                assert image.width > 900
                assert image.info["dpi"][0] == pytest.approx(300, abs=1)


def test_examples_of_captions_have_the_numbers_of_the_table(smoke_run):
    folder, _ = smoke_run
    memorized = table(folder, "vlm_memorized")
    for test in gallery(folder, "vlm")["tests"]:
        groups = {group["group"]: group["examples"] for group in test["groups"]}
        listed = table(folder, "vlm_evidence").filter(
            (pl.col("test") == test["test"]) & (pl.col("features") == "objects")
        )
        shown = [example["sample"] for example in groups["listed"]]
        assert shown == listed["sample"].head(6).to_list()
        assert len(groups["memorized"]) == 6
        last = one(memorized, test=test["test"], rank=6, **HEADLINE)
        assert test["groups"][1]["expected_false"] == last["expected_false"]
        for rank, example in enumerate(groups["memorized"], 1):
            held = one(memorized, test=test["test"], rank=rank, **HEADLINE)
            assert (example["sample"], example["id"]) == (held["sample"], held["id"])
            for side in example["sides"]:
                for kind in ("precision", "recall"):
                    assert side[kind] == pytest.approx(held[f"{kind}_{side['role']}"])
        for example in [*groups["memorized"], *groups["correlated"]]:
            for side in example["sides"]:
                assert sorted(side["recovered"] + side["missed"]) == example["objects"]
                assert not set(side["wrong"]) & set(example["objects"])
                assert len(side["neighbors"]) == 5
                assert picture(side["neighbors"][0]["image"]).format == "WEBP"
        for example in groups["correlated"]:
            assert all(side["recovered"] for side in example["sides"])


def test_examples_of_crops_are_those_of_the_tables(vision_smoke_run):
    folder = vision_smoke_run
    memorized = table(folder, "vision_memorized")
    groups = {group["group"]: group for group in gallery(folder, "vision")["groups"]}
    others = ["memorized", "correlated", "others right", "neighbours right"]
    assert list(groups) == ["listed", *others]
    listed = table(folder, "vision_evidence").filter(pl.col("test") == groups["listed"]["test"])
    shown = [example["sample"] for example in groups["listed"]["examples"]]
    assert shown == listed["sample"].head(6).to_list()
    for rank, example in enumerate(groups["memorized"]["examples"], 1):
        held = one(memorized, target_model="vicreg_a", reference_model="vicreg_b", rank=rank)
        assert of(example, "sample", "id", "label") == of(held, "sample", "id", "label")
    wanted = {
        "listed": {},
        "memorized": {"vicreg_a": True, "vicreg_b": False},
        "correlated": {"vicreg_a": True, "vicreg_b": True},
        "others right": {"vicreg_b": False},
        "neighbours right": {"vicreg_b": True, "resnet": False, "naive_bayes@3": False},
    }
    tags = table(folder, "vision_tags")
    for name, group in groups.items():
        for example in group["examples"]:
            said = {answer["predictor"]: answer for answer in example["predictions"]}
            for predictor, right in wanted[name].items():
                assert said[predictor]["correct"] == right
            for answer in said.values():
                assert answer["correct"] == (answer["prediction"] == example["label"])
            if name == "others right":
                assert any(answer["correct"] for answer in said.values())
            box = example["crop"]
            ratio = (box["xmax"] - box["xmin"]) / (box["ymax"] - box["ymin"])
            cut = picture(example["crop_image"])
            assert cut.width / cut.height == pytest.approx(ratio, rel=0.1)
            for tag in example["tags"]:
                held = tags.filter(pl.col("label") == example["label"], pl.col("tag") == tag["tag"])
                assert tag["lift"] == (held["lift"][0] if len(held) else None)


@needs_chromium
@pytest.mark.parametrize("domain", ["vlm", "vision"])
def test_the_page_opens_offline_and_fits_a_telephone(request, domain):
    from playwright.sync_api import sync_playwright

    run = request.getfixturevalue("smoke_run" if domain == "vlm" else "vision_smoke_run")
    path = (run[0] if domain == "vlm" else run) / "results/report/index.html"
    assert path.stat().st_size < 15e6
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        view = browser.new_page(viewport={"width": 400, "height": 800})
        told = []
        view.on("console", lambda message: told.append(message.text))
        view.on("pageerror", lambda error: told.append(str(error)))
        view.on("request", lambda asked: told.append(asked.url))
        view.goto(path.as_uri())
        view.wait_for_selector("body[data-drawn=true]")
        assert [line for line in told if not line.startswith("data:")] == [path.as_uri()]
        assert view.evaluate("document.documentElement.scrollWidth") <= 400
        ids = view.evaluate("[...document.querySelectorAll('[id]')].map(each => each.id)")
        ids = [each for each in ids if not each.startswith(("gradient", "clip"))]
        assert len(ids) == len(set(ids))
        assert view.locator(".chart svg").count() == view.locator("figure").count() >= 6
        browser.close()


def test_the_verdict_is_on_the_page_with_its_number(smoke_run):
    folder, _ = smoke_run
    text = (folder / "results/report/index.html").read_text()
    held = one(table(folder, "vlm_ppg"), test="two_model", set="symmetric", **HEADLINE)
    assert f"symmetric PPG: {held['ppg']:.3f}" in text.replace("−", "-")
    assert ('<span class="badge">memorizes</span> <b>two_model</b>' in text) == (
        held["ppg_low"] > 0
    )


def test_without_control_and_two_model_tests_the_page_says_what_is_missing(
    smoke_run, smoke_config, tmp_path
):
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run[0], folder, symlinks=True)
    vlm = smoke_config["vlm"]
    del vlm["tests"]["two_model"], vlm["sets"]["control"], vlm["blind"]
    page = "results/report/index.html"
    snakemake(folder, page, config=written(tmp_path / "less.yaml", smoke_config))
    text = (folder / page).read_text()
    assert '<span class="badge">not measurable</span> <b>one_model</b>' in text
    assert "There is no control set" in text and "may reflect the reference" in text
    assert 'id="vlm_agreement"' not in text
    assert {row["set"] for row in chart_rows(folder, "vlm_population")} == {"target"}


def test_the_page_changes_with_times_alone(smoke_run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(smoke_run[0], folder, symlinks=True)
    pages = [folder / "results/report/index.html", smoke_run[0] / "results/report/index.html"]
    figure = folder / "results/figures/vlm_sets.svg"
    drawn = figure.read_bytes()
    for path in (pages[0], figure):
        path.unlink()
    snakemake(folder, config=SMOKE)
    assert figure.read_bytes() == drawn
    texts = [
        re.sub(r'(?s)<section id="times">.*?</section>', "", each.read_text()) for each in pages
    ]
    assert texts[0] == texts[1]


def test_snakemakes_own_report_has_tables_figures_and_the_page_with_captions(smoke_run, tmp_path):
    folder, _ = smoke_run
    snakemake(folder, "--report", tmp_path / "report.zip", config=SMOKE)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        held = {name.rpartition("/")[2] for name in archive.namelist()}
        text = archive.read("report/report.html").decode()
    assert {"vlm_ppg.csv", "vlm_population.svg", "index.html"} <= held
    for words in ("Vision–language", "The area between the curves is the AUCG"):
        assert words in text or json.dumps(words)[1:-1] in text
