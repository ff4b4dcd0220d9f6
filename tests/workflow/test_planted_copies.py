"""Captions that are planted more often in training are memorized more."""

import polars as pl
import pytest
import yaml

from tests.conftest import SMALL, snakemake, written

COPIES = [1, 2, 4, 8, 16]


@pytest.mark.full
def test_gaps_rise_with_the_copies_that_are_planted(tmp_path):
    config = yaml.safe_load(SMALL.read_text())
    vlm = config["vlm"]
    vlm["sources"]["world"] |= {"pictures": 1400, "copies": COPIES}
    for name, fraction in (("target", 0.15), ("public", 0.5), ("control", 0.14)):
        vlm["sets"][name]["fraction"] = fraction
    # So short that a caption which is seen twice is not memorized yet.
    vlm["models"]["clip_a"]["epochs"] = 2
    vlm["contamination"] = {"model": "minilm", "input": "caption", "threshold": 0.999}
    vlm["groups"] = ["copies"]
    path = written(tmp_path / "config.yaml", config)
    snakemake(tmp_path, "results/tables/vlm_groups.csv", config=path)
    # Each picture is in control and public once, and in target as often as it was planted.
    read = {
        name: pl.read_parquet(tmp_path / f"results/vlm/records/{name}/0000.parquet")
        for name in ("target", "public", "control")
    }
    for name, records in read.items():
        pictures = records.group_by(pl.col("id").str.split("-").list.first()).len()
        planted = [COPIES[int(number) % len(COPIES)] for number in pictures["id"]]
        assert pictures["len"].to_list() == (planted if name == "target" else [1] * len(pictures))
    found = pl.read_csv(tmp_path / "results/tables/vlm_groups.csv")
    assert found["level"].to_list() == ["1", "2", "3 to 4", "5 to 8", "9 to 16"]
    once = read["target"].filter(~pl.col("id").str.contains("-"))
    assert found["members"].sum() == len(once)
    assert (found["controls"] == len(read["control"])).all()
    gaps = found["adjusted"].to_list()
    pairs = [(low, high) for place, low in enumerate(gaps) for high in gaps[place + 1 :]]
    assert sum(low < high for low, high in pairs) >= 8
    assert found["adjusted_low"][4] > gaps[0] and found["heterogeneity_p"][0] < 0.05
