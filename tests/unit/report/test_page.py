"""The page in a real browser: quiet, offline, narrow, sortable, and unmoved by hostile data."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
import yaml

import figure_vision_classes
import report_page
from dejavu.errors import InputError
from dejavu.files.facts import write_json
from dejavu.report import figures, page, verdict
from dejavu.report.verdict import HOLDS, MEMORIZES, Check, Primary, Score, Verdict

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium: apt-get install it"
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
HOSTILE = [
    "<script>window.hacked = 1</script>",
    '"><img src=x onerror="window.hacked = 1">',
    "</script><script>window.hacked = 1</script>",
    "'); window.hacked = 1; ('\u2028\u2029 & so on",
]
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
NUMBERS = [0.5, None, -2.0, 10.0, 1e-9]


def figure(folder):
    """A figure whose labels are hostile."""
    rows = [
        {
            "reference_model": reference,
            "label": label,
            "rank": rank,
            "crops": 30,
            "percent": 80 - rank,
        }
        for reference in ("resnet", "net_b")
        for rank, label in enumerate(HOSTILE, 1)
    ]
    paths = {end: folder / f"vision_classes.{end}" for end in ("svg", "png", "json")}
    chart = figure_vision_classes.drawn(rows)
    figures.save(chart, SimpleNamespace(**paths), "config", HOSTILE[0], HOSTILE[1], HOSTILE[2])
    return page.figure(paths["json"], paths["svg"], HOSTILE[3], "config")


def content(folder):
    """What a page shows, hostile wherever data come from outside."""
    some = pl.LazyFrame({"id": [*HOSTILE, "plain"], "value": NUMBERS})
    side = {
        "model": HOSTILE[0], "recovered": HOSTILE, "wrong": HOSTILE[:1], "missed": HOSTILE[1:2],
        "precision": 0.5, "recall": 1.0,
        "neighbors": [{"id": "1", "caption": each, "image": PIXEL} for each in HOSTILE]
        + [{"id": HOSTILE[0], "caption": None, "image": None}],
    }  # fmt: skip
    example = {
        "sample": 1, "id": HOSTILE[1], "caption": HOSTILE[0], "image": PIXEL, "objects": HOSTILE,
        "sides": [{"role": "target", **side}, {"role": "reference", **side}],
    }  # fmt: skip
    groups = [{"group": "memorized", "examples": [example] * 3, "expected_false": 0.8}]
    test = {"test": "t", "target_model": "net", "reference_model": "other", "groups": groups}
    check = Check("non-members", HOLDS, HOSTILE[0], Score(0.0, -0.1, 0.1), 0.1)
    primary = Primary(HOSTILE[1], Score(0.2, 0.1, 0.3), 100, 0.05, "")
    beside = ((HOSTILE[3], None),)
    judged = Verdict("t", "net", "other", MEMORIZES, HOSTILE[2], primary, (check,), beside)
    domain = {
        "key": "vlm", "name": "Captions", "cards": page.cards(verdict.rows_of([judged])),
        "facts": HOSTILE, "figures": [figure(folder)], "gallery": {"tests": [test]},
        "experiments": [
            {
                "name": HOSTILE[0], "varied": HOSTILE[1], "figures": [],
                "tests": [{"kind": "Two-model", "happened": HOSTILE[2], "answers": HOSTILE}],
            }
        ],
    }  # fmt: skip
    return {
        "title": HOSTILE[0], "lead": HOSTILE[1], "domains": [domain],
        "verdicts": {"name": "verdicts", "fault": HOSTILE[1]},
        "tables": [page.table("vlm_some", some, HOSTILE[2])],
        "run": {
            "version": "1.2.3", "commit": "abc123", "clean": False,
            "date": "2026-01-02T03:04:05+00:00",
            "sets": [
                {"domain": "vlm", "set": "A", "source": HOSTILE[1], "samples": 5, "content": "0f"}
            ],
            "models": [
                {"name": "net", "fingerprint": "ff", "dimension": 8, "versions": {"x": HOSTILE[0]}}
            ],
            "versions": {"numpy": "2"},
        },
        "config": f"key: {HOSTILE[2]}", "times": [], "footer": "",
    }  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The file of a page."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(page.render(content(folder)))
    return folder / "index.html"


def test_the_page_tells_how_it_is_cited(written):
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    [author] = citation["authors"]
    told = " ".join(re.sub("<[^>]*>", "", written.read_text()).split())
    assert f"{author['name']}. {citation['title']}, version 1.2.3, commit abc123; run of" in told


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def shown(browser, written):
    """The page in a window, with what it complained of and what it asked for."""
    view = browser.new_page(viewport={"width": 1100, "height": 900})
    complaints, requests = [], []
    view.on("console", lambda message: complaints.append(message.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.on("request", lambda request: requests.append(request.url))
    view.goto(written.as_uri())
    view.wait_for_selector("body[data-drawn=true]")
    yield SimpleNamespace(view=view, complaints=complaints, requests=requests)
    view.close()


@needs_chromium
def test_hostile_data_stay_text(shown, written):
    view = shown.view
    assert view.evaluate("window.hacked") is None
    assert view.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert view.inner_text("h1") == HOSTILE[0]
    assert view.inner_text("#vision_classes h3") == HOSTILE[0]
    assert view.locator(".caption").first.inner_text() == f"“{HOSTILE[0]}”"
    view.click("#table-vlm_some summary")
    ids = [
        cell.inner_text()
        for cell in view.query_selector_all("#table-vlm_some tbody td:first-child")
    ]
    assert ids == [*HOSTILE, "plain"]
    labels = view.evaluate("[...document.querySelectorAll('.chart text')].map(t => t.textContent)")
    assert any("window.hacked" in label for label in labels)
    assert (
        "\u2028"
        not in written.read_text()
        .partition('id="vision_classes-chart">')[2]
        .partition("</script>")[0]
    )


@needs_chromium
def test_the_page_is_quiet_and_asks_for_nothing_but_itself(shown, written):
    assert shown.complaints == []
    assert [url for url in shown.requests if not url.startswith("data:")] == [written.as_uri()]


@needs_chromium
@pytest.mark.parametrize("width", [400, 800, 1400])
def test_nothing_scrolls_sideways_at_any_width(shown, width):
    shown.view.set_viewport_size({"width": width, "height": 900})
    shown.view.wait_for_timeout(600)
    assert shown.view.evaluate("document.documentElement.scrollWidth") <= width
    too_wide = "[...document.querySelectorAll('.chart')].filter(c => c.scrollWidth > c.clientWidth)"
    assert shown.view.evaluate(f"{too_wide}.length") == 0


@needs_chromium
def test_a_table_sorts_by_click_and_by_keyboard_with_empty_cells_last(shown):
    view = shown.view
    view.click("#table-vlm_some summary")
    heading = view.locator("#table-vlm_some th", has_text="value")

    def values():
        return [
            cell.inner_text() for cell in view.query_selector_all("#table-vlm_some tbody td + td")
        ]

    assert heading.get_attribute("aria-sort") is None
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == ["−2", "1e−09", "0.5", "10", ""]
    heading.locator("button").focus()
    view.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == ["10", "0.5", "1e−09", "−2", ""]
    view.locator("#table-vlm_some th", has_text="id").locator("button").click()
    assert heading.get_attribute("aria-sort") is None


@needs_chromium
def test_a_table_shows_the_rows_with_some_words(shown):
    shown.view.click("#table-vlm_some summary")
    shown.view.fill("#table-vlm_some .filter", "PLAIN")
    rows = shown.view.query_selector_all("#table-vlm_some tbody tr")
    assert [row.is_visible() for row in rows] == [False] * 4 + [True]


@needs_chromium
def test_pointing_at_an_estimate_tells_its_numbers(shown):
    view = shown.view
    view.locator("#vision_classes").scroll_into_view_if_needed()
    view.locator(".chart .mark-rect path").first.hover(force=True)
    tooltip = view.wait_for_selector("#vg-tooltip-element.visible")
    assert "79.0" in tooltip.inner_text() and "% right" in tooltip.inner_text()
    assert view.evaluate("window.hacked") is None


@needs_chromium
def test_figures_have_names_and_pictures_have_words(shown):
    view = shown.view
    for figure_shown in view.query_selector_all("figure"):
        named = figure_shown.get_attribute("aria-labelledby")
        assert view.inner_text(f"#{named}")
    assert view.locator(".chart").first.get_attribute("aria-label") == HOSTILE[2]
    assert view.evaluate("[...document.images].every(image => image.hasAttribute('alt'))")


@needs_chromium
def test_print_and_a_browser_without_scripts_show_the_pictures(browser, shown, written):
    shown.view.emulate_media(media="print")
    assert shown.view.locator(".static").first.is_visible()
    assert not shown.view.locator(".chart").first.is_visible()
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(written.as_uri())
    assert plain.locator(".static").first.is_visible()
    assert plain.locator(".static").first.evaluate("image => image.naturalWidth > 0")
    plain.close()


def test_the_same_content_gives_the_same_page(tmp_path, written):
    assert page.render(content(tmp_path)) == written.read_text()


def test_a_long_table_is_cut_and_says_how_long_it_is():
    found = page.table("long", pl.LazyFrame({"replicate": ["0", "pooled"] * 500}), "")
    assert len(found["rows"]) == page.SHOWN_ROWS and found["rows_in_all"] == 1000


def test_a_list_of_memorized_examples_says_what_control_would_have_given(written):
    told = "Of a list of 3, control, which no model saw, would have given 0.8."
    assert written.read_text().count(told) == 1
    assert page.false_entries({"group": "memorized", "examples": [], "expected_false": None}) == ""
    assert page.false_entries({"group": "correlated", "examples": [1]}) == ""


def test_times_come_from_what_benchmarks_there_are(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "train/a.jsonl").write_text('{"s": 2.5, "cpu_time": 2.0, "max_rss": 100.0}\n')
    (tmp_path / "train/b.jsonl").write_text('{"s": 1.5, "cpu_time": "NA", "max_rss": null}\n')
    assert page.times(tmp_path) == [
        {"rule": "train", "jobs": 2, "seconds": 4.0, "cpu_seconds": 2.0, "memory": 100.0}
    ]
    assert page.times(tmp_path / "nowhere") == []


def test_benchmarks_that_are_cut_off_block_nothing(tmp_path):
    (tmp_path / "train").mkdir()
    whole = b'{"s": 2.5, "cpu_time": 2.0, "max_rss": 100.0}\n'
    for place in range(len(whole)):
        (tmp_path / f"train/{place}.jsonl").write_bytes(whole[:place])
    (tmp_path / "train/a.jsonl").write_bytes(b"\xff\0\n[1]\n3\n" + whole)
    (tmp_path / "train/b.jsonl").mkdir()
    [found] = page.times(tmp_path)
    assert found["seconds"] in (2.5, 5.0) and found["jobs"] in (1, 2)


@pytest.mark.parametrize("end", ["json", "svg"])
def test_a_page_does_without_a_damaged_figure_and_says_so(tmp_path, end):
    path = tmp_path / f"vision_classes.{end}"
    figure(tmp_path)
    path.write_bytes(path.read_bytes()[:-200])
    found = page.figure(path.with_suffix(".json"), path.with_suffix(".svg"), "", "config")
    assert f"vision_classes.{end}" in found["fault"]
    shown = content(tmp_path)
    shown["domains"][0]["figures"] = [found]
    assert f"vision_classes.{end} " in page.render(shown)


def test_no_page_shows_a_figure_or_gallery_of_another_config(tmp_path):
    figure(tmp_path)
    json = tmp_path / "vision_classes.json"
    with pytest.raises(InputError, match=r"vision_classes\.json was made by another config"):
        page.figure(json, json.with_suffix(".svg"), "", "other")
    write_json(tmp_path / "vlm.json", {"config": "config", "tests": []})
    assert page.gallery(str(tmp_path / "vlm.json"), "config")["tests"] == []
    with pytest.raises(InputError, match=r"vlm\.json was made by another config"):
        page.gallery(str(tmp_path / "vlm.json"), "other")


def test_control_characters_are_shown_by_their_codes(tmp_path):
    rows = [{"label": "a\x1b[31m\0b\u0085\ufffe", "percent": 5, "rank": 1, "reference_model": "n"}]
    rows[0]["crops"] = 3
    paths = {end: tmp_path / f"x.{end}" for end in ("svg", "png", "json")}
    figures.save(
        figure_vision_classes.drawn(rows), SimpleNamespace(**paths), "config", "t\x07", "s", "d"
    )
    assert r"a\x1b[31m\x00b\x85\ufffe" in paths["svg"].read_text()
    table = page.table("x", pl.LazyFrame({"id": ["\x1b[2J", None], "n": [1, 2]}), "")
    assert table["rows"] == [[r"\x1b[2J", 1], [None, 2]]


def test_cards_show_each_target_once_with_its_tests_and_their_checks():
    check = Check("non-members", HOLDS, "", Score(0.0, -0.1, 0.1), 0.1)
    primary = Primary("gap", Score(0.2, 0.1, 0.3), 100, 0.05, "")
    given = [
        Verdict("two", "net", "b", MEMORIZES, "", primary),
        Verdict("one", "other", "x", MEMORIZES, "", primary),
        Verdict("one", "net", "x", verdict.NOT_SHOWN, "", primary, (check,), (("y", None),)),
    ]
    net, other = page.cards(verdict.rows_of(given))
    assert (net["target"], other["target"]) == ("net", "other")
    assert [test["outcome"] for test in net["tests"]] == [MEMORIZES, verdict.NOT_SHOWN]
    assert [row["check"] for row in net["tests"][1]["checks"]] == ["non-members"]
    assert net["tests"][1]["beside"] == [{"score": "y", "told": None}]


def test_facts_count_samples_rejected_items_duplicates_and_use():
    tables = {
        "vlm_rejected": {"set": ["target", "target", None], "item": ["a", "b", "c"]},
        "vlm_contamination": {
            "first_set": ["control", "target", "target"],
            "second_set": ["public"] * 3,
            "first_sample": [7, 1, 1],
        },
        "vlm_recall": {
            "model": ["m"] * 2,
            "index": ["IVF8,Flat"] * 2,
            "k": [1, 9],
            "recall": [1.0, 0.9],
        },
    }
    asked = {name: pl.LazyFrame(columns) for name, columns in tables.items()}
    row = {"set": "target", "targets": 1200, "excluded": 3, "contaminated": 2}
    use = {"domain": "vlm", "model": "m", "task": "zero_shot"}
    use |= {"accuracy": 0.5, "accuracy_low": 0.4, "accuracy_high": 0.6}
    # The name stands for another model in the other domain.
    power = {"test": "two", "target_model": "m", "reference_model": "n", "score": "ppg"}
    power |= {"smallest_detectable": 0.0525, "asked": 0.05, "samples_needed": 1234}
    gap = {**power, "set": "calibrated", "score": "adjusted_precision", "smallest_detectable": 0.01}
    powers = [{**power, "set": "target"}, gap, {**power, "set": "symmetric"}]
    powers.append({**gap, "test": "one", "asked": 0.02, "samples_needed": 305})
    rows = {
        "vlm_ppg": [row],
        "vlm_power": powers,
        "utility": [{**use, "domain": "vision", "accuracy": 0.9}, use],
    }
    labels = {"labels": 1200, "once": 3, "commonest": {"cat": 20, "dog": 1100}}
    numbers = {"annotated": 1000, "strangers": 40, "samples": 900, "bare": 9}
    data = {"labels": {"s": labels}, "matched": {"s": numbers}}
    assert page.facts("vlm", asked, rows, data) == [
        "target: 1,200 captions are scored, 3 without objects are left out, and 2 near-duplicates.",
        "There is no control set: one-model scores are raw, not calibrated.",
        "3 items of the sources were rejected (no set 1, target 2); the table says why.",
        "s: 1,200 different labels, 3 of them in one sample alone; the commonest are dog (1,100),"
        " cat (20).",
        "s: 4.0% of the 1,000 annotated ids match none of the samples, and 1.0% of the 900 samples"
        " have no annotations.",
        "control: 1 with a near-duplicate in public.",
        "target: 1 with a near-duplicate in public.",
        "two, m against n: a symmetric ppg of 0.052 is found in 80 % of measurements of this"
        " size; 0.05 asks for 1,234 samples of each set.",
        "one, m against n: a calibrated adjusted precision of 0.010 is found in 80 % of"
        " measurements of this size; 0.02 asks for 305 samples of each set.",
        "Neighbours come from an approximate index (IVF8,Flat); the lowest recall against exact"
        " search is 0.900, for m, k = 9.",
        "m: accuracy 0.500, 95 % interval 0.400 to 0.600 in zero shot.",
    ]


def test_a_run_json_of_another_config_is_refused(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"digests": {"vlm_ppg": "config"}, "version": "1"})
    job = SimpleNamespace(
        input=SimpleNamespace(run=str(path)),
        params=SimpleNamespace(digests={"vlm_ppg": "config", "vlm_checks": "config"}),
    )
    assert report_page.run_facts(job)["version"] == "1"
    for digests in ({"vlm_ppg": "other"}, {}):
        job.params.digests = digests
        with pytest.raises(InputError, match=r"run\.json was made by another config"):
            report_page.run_facts(job)
