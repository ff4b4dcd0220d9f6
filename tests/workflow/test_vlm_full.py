"""The default vision-language measurement and its scientific gates (`make test-full`)."""

import polars as pl
import pytest

from tests.certify import trained
from tests.conftest import ROOT, snakemake

pytestmark = pytest.mark.full
TABLES = ("vlm_ppg", "vlm_samples", "vlm_agreement", "vlm_memorized", "vlm_rejected")
HEADLINE = {"query": "t2i", "k": 10, "predict": "top10"}


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """The tables of the default config, made from scratch."""
    folder = tmp_path_factory.mktemp("default")
    targets = [f"results/tables/{name}.csv" for name in (*TABLES, "vlm_discoveries")]
    snakemake(folder, *targets, config=ROOT / "config.yaml")
    return folder


@pytest.fixture(scope="module")
def ppg(default_run):
    """The table of population scores, rows of the headline setting."""
    table = pl.read_csv(
        default_run / "results/tables/vlm_ppg.csv", schema_overrides={"replicate": pl.String}
    )
    return table.filter(*(pl.col(key) == value for key, value in HEADLINE.items()))


@pytest.mark.parametrize("objects", ["all", "unnamed"])
def test_two_models_show_memorization(ppg, objects):
    [row] = ppg.filter(test="two_model", set="symmetric", objects=objects).rows(named=True)
    assert row["ppg"] >= 0.15
    assert row["ppg_low"] > 0.10


@pytest.mark.parametrize("objects", ["all", "unnamed"])
def test_one_model_shows_memorization(ppg, objects):
    [row] = ppg.filter(test="one_model", set="calibrated", objects=objects).rows(named=True)
    assert row["ppg_low"] > 0
    assert row["adjusted_precision_low"] > 0


@pytest.mark.parametrize(
    ("test", "name"),
    [
        ("two_model", "placebo"),
        ("two_model", "nonmember"),
        ("one_model", "placebo"),
        ("one_model", "nonmember"),
    ],
)
def test_nothing_shows_where_nothing_is(ppg, test, name):
    [row] = ppg.filter(test=test, set=name, objects="all").rows(named=True)
    assert row["p_value"] > 0.01


def test_a_target_that_is_its_own_twin_would_list_what_is_listed(default_run):
    lengths = pl.read_csv(default_run / "results/tables/vlm_discoveries.csv")
    for features in trained.FEATURES:
        own = trained.realized(default_run, "target", ("clip_a_s0", "clip_a_s0"), features, key=0)
        listed = lengths.filter(test="one_model", features=features)["listed"]
        assert max(listed) > 0
        assert own == [[length] * 3 for length in listed]


def test_another_number_of_cores_gives_the_same_bytes(default_run, tmp_path):
    targets = [f"results/tables/{name}.csv" for name in TABLES]
    snakemake(tmp_path, *targets, config=ROOT / "config.yaml", cores=1)
    for target in targets:
        assert (tmp_path / target).read_bytes() == (default_run / target).read_bytes()
