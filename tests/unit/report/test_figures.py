"""Figures: what they choose from tables, and files that are the same for the same rows."""

import json
from types import SimpleNamespace

import altair as alt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import figure_groups
import figure_training
import figure_vision_confidence
import figure_vision_dejavu
import figure_vision_quadrants
import figure_vlm_sets
from dejavu.files.csv import write_csv
from dejavu.files.csvw import write_frames
from dejavu.report import figures

pytestmark = pytest.mark.slow


def outputs(folder):
    """Where a figure goes."""
    return SimpleNamespace(**{end: str(folder / f"figure.{end}") for end in ("svg", "png", "json")})


def contents(folder):
    """The three files."""
    return [(folder / f"figure.{end}").read_bytes() for end in ("svg", "png", "json")]


def test_pooled_rows_stand_for_their_replicates_and_single_ones_for_themselves():
    frame = pl.DataFrame(
        {
            "test": ["a", "a", "a", "b"],
            "replicate": ["0", "1", "pooled", "0"],
            "ppg": [1, 2, 3, 4],
        }
    )
    assert figures.summaries(frame, ["test"])["ppg"].to_list() == [3, 4]


@given(st.lists(st.text("abcdef", min_size=1, max_size=2), min_size=2, max_size=6, unique=True))
def test_a_mirrored_matrix_is_whole_and_symmetric(names):
    rows = [
        {"first": a, "second": b, "agreement": (i + 1) / 10, "metric": "recall"}
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
    whole = figures.mirrored(rows, "agreement")
    values = {(row["first"], row["second"]): row["agreement"] for row in whole}
    assert len(whole) == len(values) == len(names) ** 2
    assert all(values[a, b] == values[b, a] for a in names for b in names)
    assert all(values[a, a] == 1 for a in names)
    assert {row["metric"] for row in whole} == {"recall"}


def test_one_panel_needs_no_facet_and_a_choice_needs_two_values():
    chart = alt.Chart().mark_point().encode(x="a:Q")
    rows = [{"a": 1, "panel": "one"}]
    assert "facet" not in figures.panels(chart, rows, "panel", 3, ["one"]).to_dict()
    two = figures.panels(chart, [*rows, {"a": 2, "panel": "two"}], "panel", 3, ["one", "two"])
    assert two.to_dict()["columns"] == 2
    assert figures.chosen(rows, "a", 1, "a") is None
    assert figures.chosen([*rows, {"a": 2}], "a", 2, "a").to_dict() is not None


def test_a_menu_shows_the_rows_of_its_value_alone(tmp_path):
    rows = [{"a": a, "x": 10 * a} for a in (1, 2)]
    chart = alt.Chart(figures.data(rows)).mark_point().encode(x="x:Q")
    menu = {"a": figures.chosen(rows, "a", 2, "a"), "x": None}
    drawn = figures.filtered(chart, menu).to_dict()
    assert drawn["params"][0]["value"] == 2
    assert drawn["transform"] == [{"filter": "datum.a === chosen_a"}]


def test_the_same_rows_give_the_same_bytes_and_all_words_are_text(tmp_path):
    rows = [
        {
            "test": "t", "set": "target", "targets": 10, "comparison": "t: a against b",
            "score": 0.2, "score_low": 0.1, "score_high": 0.3, "what": name, "role": "raw score",
        }
        for name in ("PPG, training captions", "PPG, control")
    ]  # fmt: skip
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        chart = figure_vlm_sets.drawn(rows)
        figures.save(chart, outputs(folder), "config", "A title", "sizes", "words", "a choice")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    svg, png, chart = contents(tmp_path / "one")
    for words in ("A title", "sizes; a choice", "PPG, or gap of precision", "PPG, control"):
        assert f">{words}<" in svg.decode()
    assert png.startswith(b"\x89PNG")
    held = json.loads(chart)
    assert list(held["datasets"].values()) == [rows]
    assert held["description"] == "words" and held["usermeta"]["subtitle"] == "sizes"


@pytest.mark.parametrize("names", [["a"], ["a", "b"]])
def test_training_curves_have_every_epoch_of_every_seed(tmp_path, names):
    paths = []
    for place, name in enumerate(names):
        paths.append(str(tmp_path / f"{name}.csv"))
        history = pl.DataFrame({"epoch": [1, 2], "loss": [2.0 + place, 1.0]})
        write_frames(paths[-1], [history], None)
    job = SimpleNamespace(
        input=SimpleNamespace(histories=paths),
        output=outputs(tmp_path),
        params=SimpleNamespace(models=[[name, 0] for name in names], digest="config"),
    )
    figure_training.main(job)
    [rows] = json.loads(contents(tmp_path)[2])["datasets"].values()
    assert rows == [
        {"model": name, "seed": 0, "epoch": epoch, "loss": loss}
        for place, name in enumerate(names)
        for epoch, loss in ((1, 2.0 + place), (2, 1.0))
    ]


def test_a_figure_of_nothing_is_drawn_all_the_same(tmp_path):
    columns = ["test", "target_model", "reference_model", "low", "high", "crops", "expected_false"]
    write_csv(tmp_path / "empty.csv", [], dict.fromkeys(columns, pl.String), "config")
    figure_vision_confidence.main(
        SimpleNamespace(
            input=[str(tmp_path / "empty.csv")],
            output=outputs(tmp_path),
            params=SimpleNamespace(digest="config"),
        )
    )
    assert b"memorized crops" in contents(tmp_path)[0]


def test_scores_without_a_number_are_not_drawn():
    row = {
        "test": "two_model", "target_model": "a", "reference_model": "b", "set": "symmetric",
        "replicate": "0", "top": 1, "dejavu_low": 0.0, "dejavu_high": 0.0,
    }  # fmt: skip
    rows = [{**row, "confident": 1.0, "dejavu": 0.1}, {**row, "confident": 0.05}]
    frame = pl.DataFrame([*rows, {**rows[0], "top": 5, "dejavu": 0.9}])
    rows = figure_vision_dejavu.rows_of(frame, {"two_model": "symmetric"})
    assert [(each["panel"], each["dejavu"]) for each in rows] == [("all crops", 0.1)]


def pairs(*named):
    """Rows of some tests, targets and references."""
    names = ("test", "target_model", "reference_model")
    return [dict(zip(names, each, strict=True)) for each in named]


def test_references_of_different_targets_share_a_name_and_those_of_one_do_not():
    alone = pairs(
        ("two_model", "a", "b"), ("two_model", "c", "d"), ("one_model", "a", "resnet"),
        ("two_model", "a", "b"),
    )  # fmt: skip
    told = [row["against"] for row in figures.with_against(alone)]
    assert told == ["model trained on B", "model trained on B", "resnet", "model trained on B"]
    several = [*alone, *pairs(("two_model", "a", "e"))]
    told = [row["against"] for row in figures.with_against(several)]
    assert told == ["b", "d", "resnet", "b", "e"]


def test_bars_of_quadrants_end_at_1_whatever_the_number_of_references():
    quadrants = dict.fromkeys(figure_vision_quadrants.QUADRANTS, 0.25)
    frame = pl.DataFrame(
        [
            {
                **{**row, "replicate": "0", "set": name, "top": top, "crops": 30},
                **{**quadrants, "expected_false": 3.0},
            }
            for row in pairs(
                ("two_model", "a", "b"), ("two_model", "a", "c"), ("one_model", "a", "resnet")
            )
            for name in ("target", "reference", "symmetric")[
                : 3 if row["test"] == "two_model" else 1
            ]
            for top in (1, 5)
        ]
    )
    rows = figure_vision_quadrants.rows_of(frame)
    bars = {}
    for row in rows:
        bar = row["target_model"], row["against"]
        bars[bar] = bars.get(bar, 0) + row["fraction"]
    assert bars == {("a", "b"): 1.0, ("a", "c"): 1.0, ("a", "resnet"): 1.0}
    assert {row["set"] for row in rows if row["reference_model"] != "resnet"} == {"symmetric"}
    assert {row["false"] for row in rows if row["quadrant"] == "memorized"} == {0.1}


def test_a_level_has_its_gap_and_both_models_results_the_largest_gaps_first(tmp_path):
    table = [
        {
            **{"test": "one_model", "target_model": "a", "reference_model": "r", "group": "label"},
            **{"level": f"class {n}", "members": 30, "controls": 20, "q_value": 0.5},
            **{"accuracy_target": 0.5 + n / 64, "accuracy_reference": n / 64},
            **{"adjusted": n / 100, "shrunk": n / 200, "adjusted_high": n / 100 + 0.1},
            "adjusted_low": None if n == 19 else n / 100 - 0.1,
        }
        for n in range(20)
    ]
    rows = figure_groups.rows_of(table)
    # The last has no interval.
    assert [row["level"] for row in rows[::3]] == [f"class {n}" for n in range(18, 6, -1)]
    first, *results = rows[:3]
    assert (first["value"], first["low"], first["shrunk"]) == (0.18, pytest.approx(0.08), 0.09)
    assert [(row["panel"], row["what"], row["value"]) for row in results] == [
        ("accuracy", "target", 0.5 + 18 / 64),
        ("accuracy", "reference", 18 / 64),
    ]
    chart = figure_groups.drawn(rows)
    figures.save(chart, outputs(tmp_path), "config", "t", "s", "d")
    assert (tmp_path / "figure.svg").read_text().count("class 18") >= 1
    assert figure_groups.rows_of([]) == [] and figure_groups.drawn([]).to_dict()


def test_sample_sizes_are_told_in_words():
    rows = [{"n": 1000}, {"n": None}, {"n": 20}]
    assert figures.sizes(rows, "n", "crops") == "20 to 1,000 crops"
    assert figures.sizes(rows[:2], "n", "crops") == "1,000 crops"
    assert figures.sizes([], "n", "crops") == "no crops"
