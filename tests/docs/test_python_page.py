"""What docs/python.md shows runs, and Polars and pandas read one and the same table."""

import polars as pl
import pytest

from tests.docs.test_documentation import blocks

[CAPTIONS, CROPS, POLARS, PANDAS] = [
    text for page, text in blocks("python") if page == "docs/python.md"
]


@pytest.fixture
def run_block(tmp_path, monkeypatch):
    """A function that runs a block in a folder of its own and gives the names it leaves."""
    monkeypatch.chdir(tmp_path)

    def run(text):
        names = {}
        exec(compile(text, "docs/python.md", "exec"), names)
        return names

    return run


def test_captions_give_a_table_and_random_neighbours_no_score(run_block, tmp_path, capsys):
    rows = {row["set"]: row for row in run_block(CAPTIONS)["table"].to_dicts()}
    assert list(rows) == ["target", "control", "calibrated"]
    assert rows["calibrated"]["ppg_low"] < 0 < rows["calibrated"]["ppg_high"]
    assert rows["target"]["targets"] == 300
    assert "ppg_low" in capsys.readouterr().out
    assert pl.read_csv(tmp_path / "ppg.csv")["set"].to_list() == list(rows)


def test_crops_give_a_table_and_random_neighbours_no_score(run_block, capsys):
    rows = {row["set"]: row for row in run_block(CROPS)["table"].to_dicts()}
    assert list(rows) == ["target", "control", "calibrated"]
    assert rows["calibrated"]["dejavu_low"] < 0 < rows["calibrated"]["dejavu_high"]
    assert rows["target"]["crops"] == 200
    assert "dejavu_low" in capsys.readouterr().out


def test_polars_and_pandas_read_what_the_table_says(run_block, tmp_path):
    pytest.importorskip("pandas")
    (tmp_path / "results/tables").mkdir(parents=True)
    (tmp_path / "results/tables/vlm_ppg.csv").write_text(
        "replicate,set,ppg,p_value\n0,target,0.25,\n0,null,-0.5,0.125\npooled,calibrated,,1.0\n"
    )
    said = [
        {"replicate": "0", "set": "target", "ppg": 0.25, "p_value": None},
        {"replicate": "0", "set": "null", "ppg": -0.5, "p_value": 0.125},
        {"replicate": "pooled", "set": "calibrated", "ppg": None, "p_value": 1.0},
    ]
    assert run_block(POLARS)["table"].to_dicts() == said
    frame = run_block(PANDAS)["table"]
    assert frame.astype(object).where(frame.notna(), None).to_dict("records") == said
