"""Experiments in words: each sentence says what the rows say, and no more."""

import pytest

from dejavu.report import curves, experiments
from dejavu.report.figures import save
from dejavu.scores.contrasts import ENDS, NEIGHBOURS, TREND

ASKED = {"target": "clip_a", "reference": "clip_b"}
VALUES = (0, 0.3, 0.5)


def plan(values=VALUES, fraction=1, key="text_mask"):
    points = [
        {
            "point": {key: value}, "kind": "two_model", "fraction": fraction,
            "target_model": f"clip_a_{value}", "reference_model": f"clip_b_{value}",
        }
        for value in values
    ]  # fmt: skip
    return {"sweep": "masking", "varied": [key], "points": points}


def point(value, score, replicate="0", **columns):
    ends = {"ppg_low": score - 0.02, "ppg_high": score + 0.02}
    facts = {"sweep": "masking", "kind": "two_model", "replicate": replicate}
    return {**facts, "point": f"text_mask={value}", "ppg": score, **ends, **columns}


def contrast(name, first, last, value, p_family, replicate="0", half=0.01):
    return {
        "sweep": "masking", "kind": "two_model", "contrast": name, "along": "text_mask",
        "from": f"text_mask={first}", "to": f"text_mask={last}", "replicate": replicate,
        "score": "ppg", "difference": value, "difference_low": value - half,
        "difference_high": value + half, "p_family": p_family, "no_interval": None,
    }  # fmt: skip


ROWS = [
    contrast(NEIGHBOURS, 0, 0.3, -0.05, 0.0002),
    contrast(NEIGHBOURS, 0.3, 0.5, -0.005, 0.4),
    contrast(ENDS, 0, 0.5, -0.055, 0.0001),
    contrast(TREND, 0, 0.5, -0.027, 0.02),
]


def test_what_was_varied_names_keys_values_and_models():
    told = experiments.varied(plan(), ASKED)
    assert told == (
        "Varied: text_mask (0, 0.3 and 0.5) of clip_a and of its reference clip_b alike."
    )
    assert experiments.varied(plan(), {"target": "clip_a"}).endswith("of clip_a.")
    assert "0.25, that every point was trained on" in experiments.varied(plan(fraction=0.25), ASKED)
    pair = {**plan((1, 2)), "varied": []}
    assert experiments.varied(pair, None) == "Two models are compared: clip_a_1 and clip_a_2."


def test_what_happened_is_every_points_score_with_its_interval_and_utility():
    told = experiments.values([point(0, 0.3, zero_shot=0.4), point(0.3, 0.2)])
    assert told == (
        "Symmetric PPG at text_mask=0: 0.300, 95 % interval 0.280 to 0.320; zero-shot accuracy"
        " 0.400. At text_mask=0.3: 0.200, 95 % interval 0.180 to 0.220."
    )


def test_a_point_without_a_score_is_told_and_drawn_as_one():
    # Of a very small part of a set nothing may be left to score.
    ends = dict.fromkeys(("ppg", "ppg_low", "ppg_high"))
    rows = [{**point(0, 0.3), **ends, "adjusted_precision": None}, point(0.3, 0.2)]
    assert experiments.values(rows).startswith(
        "Symmetric PPG at text_mask=0: no score. At text_mask=0.3: 0.200"
    )
    drawn = curves.rows_of(rows, plan((0, 0.3)))
    assert [each["value"] for each in drawn] == [None, 0.2]


def test_a_difference_is_called_real_only_where_its_corrected_p_value_says_so():
    trend, ends, neighbours, seeds = experiments.answers(ROWS)
    assert trend == (
        "The symmetric PPG falls with text_mask: −0.027, 95 % interval −0.037 to −0.017 a step"
        " (corrected p = 0.020)."
    )
    assert ends == (
        "From text_mask=0 to text_mask=0.5 the symmetric PPG falls: −0.055, 95 % interval −0.065"
        " to −0.045 (corrected p < 0.001)."
    )
    assert neighbours == (
        "1 of 2 neighbouring pairs differs, corrected for their number: text_mask=0 to"
        " text_mask=0.3 (−0.050)."
    )
    assert seeds.startswith("One training a point")
    unsure = [{**row, "p_family": 0.06} for row in ROWS]
    trend, ends, neighbours, _ = experiments.answers(unsure)
    assert trend.startswith("No trend of the symmetric PPG over text_mask is shown: −0.027")
    assert ends.startswith("From text_mask=0 to text_mask=0.5 no difference of the symmetric PPG")
    assert neighbours == "None of 2 neighbouring pairs differs, corrected for their number."
    for told in (trend, ends, neighbours):
        assert "falls" not in told


def test_a_rise_is_no_fall_and_two_points_are_told_by_their_difference():
    [told, _] = experiments.answers([contrast(NEIGHBOURS, 0, 0.3, 0.05, 0.001)])
    assert told == (
        "From text_mask=0 to text_mask=0.3 the symmetric PPG rises: +0.050, 95 % interval 0.040 to"
        " 0.060 (corrected p = 0.001)."
    )


def test_without_an_interval_nothing_is_said_to_differ():
    ends = dict.fromkeys(("difference_low", "difference_high", "p_family"))
    rows = [{**row, **ends, "no_interval": "two seeds"} for row in ROWS]
    trend, difference, neighbours, _ = experiments.answers(rows)
    assert trend.endswith("slope over text_mask: two seeds.")
    assert difference.endswith("difference: two seeds.")
    assert neighbours == (
        "Between neighbours there is no interval of the symmetric PPG's difference: two seeds."
    )
    assert experiments.answers([]) == [
        "The points are not compared sample by sample: their references differ."
    ]


def test_pooled_rows_count_where_they_have_an_interval_and_first_seeds_else():
    rows = [contrast(ENDS, 0, 0.5, value, 0.01, name) for name, value in
            (("0", -0.1), ("1", -0.2), ("pooled", -0.15))]  # fmt: skip
    keys = ("contrast", "along", "from", "to")
    [chosen] = curves.summaries(rows, *keys)
    assert chosen["replicate"] == "pooled"
    [chosen] = curves.summaries([*rows[:2], {**rows[2], "no_interval": "two seeds"}], *keys)
    assert chosen["difference"] == -0.1
    assert not any("One training" in told for told in experiments.answers([rows[2]]))


def test_a_sweep_has_an_answer_for_each_kind_of_test():
    other = {"kind": "one_model", "adjusted_precision": 0.1, "ppg": None}
    ends = {"adjusted_precision_low": 0.05, "adjusted_precision_high": 0.15}
    rows = [point(0, 0.3), point(0.3, 0.2), {**point(0, 0.1), **other, **ends}]
    found = experiments.experiment(plan(), ASKED, rows, ROWS)
    assert (found["name"], [each["kind"] for each in found["tests"]]) == (
        "masking", ["Two-model", "One-model"],
    )  # fmt: skip
    assert found["tests"][1]["happened"].startswith("Adjusted gap at text_mask=0: 0.100")
    assert found["tests"][1]["answers"][0].startswith("The points are not compared")


# Rows of figures


def test_figures_have_a_row_for_each_score_and_one_for_each_points_utility():
    one = {"kind": "one_model", "adjusted_precision": 0.1, "ppg": None}
    table = [point(value, 0.3, zero_shot=0.4) for value in VALUES]
    table += [{**row, **one} for row in table]
    rows = curves.rows_of(table, plan())
    panels = [row["panel"] for row in rows]
    assert {name: panels.count(name) for name in panels} == {
        "two-model: symmetric PPG": 3, "one-model: adjusted gap": 3, "zero-shot accuracy": 3,
    }  # fmt: skip
    assert [row["x"] for row in rows[:3]] == list(VALUES)
    assert len(curves.pairs_of(rows)) == 6


@pytest.mark.parametrize(
    ("values", "is_log"), [((1, 10, 100), True), ((5, 10, 40), False), ((0, 0.5, 50), False)]
)
def test_axes_are_logarithmic_where_values_span_decades(values, is_log):
    assert curves.is_logarithmic(values) == is_log


def test_of_a_grid_numbers_with_more_values_are_the_axis():
    points = [
        {"point": {"optimizer": name, "decay": decay}}
        for name in ("adamw", "lars", "sgd")
        for decay in (1, 2)
    ]
    assert curves.axes({"varied": ["optimizer", "decay"], "points": points}) == (
        "decay", "optimizer",
    )  # fmt: skip
    more = [{"point": {"a": a, "b": b}} for a in (1, 2) for b in (1, 2, 3)]
    assert curves.axes({"varied": ["a", "b"], "points": more}) == ("b", "a")


@pytest.mark.slow
@pytest.mark.parametrize("values", [VALUES, (1, 10, 100), ("adamw", "lars", "sgd")])
def test_figures_of_a_sweep_are_drawn_whatever_it_varies(tmp_path, values):
    import figure_sweep
    import figure_tradeoff
    from tests.unit.report.test_figures import contents, outputs

    sweep = plan(values)
    table = [point(value, 0.1, zero_shot=0.4 + place) for place, value in enumerate(values)]
    rows = curves.rows_of(table, sweep)
    for drawn in (
        figure_sweep.drawn(rows, sweep),
        figure_tradeoff.drawn(curves.pairs_of(rows), sweep),
    ):
        save(drawn, outputs(tmp_path), "config", "A sweep", "intervals", "words")
        assert all(contents(tmp_path))


@pytest.mark.slow
def test_a_grid_is_drawn_as_lines(tmp_path):
    import figure_sweep
    from tests.unit.report.test_figures import outputs

    sweep = plan()
    sweep["varied"].append("decay")
    points = [{**each, "point": {**each["point"], "decay": decay}}
              for each in sweep["points"] for decay in (1, 2)]  # fmt: skip
    sweep["points"] = points
    table = [{**point(0, 0.2), "point": experiments_text(each)} for each in points]
    rows = curves.rows_of(table, sweep)
    assert {row["line"] for row in rows} == {"decay 1", "decay 2"}
    chart = figure_sweep.drawn(rows, sweep)
    save(chart, outputs(tmp_path), "config", "A grid", "intervals", "words")
    assert "line" in str(chart.to_dict())


def experiments_text(each):
    return ", ".join(f"{key}={value}" for key, value in each["point"].items())
