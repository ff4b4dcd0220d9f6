"""The default vision measurement and its scientific gates (`make test-full`)."""

import polars as pl
import pytest

from tests.conftest import ROOT, snakemake

pytestmark = pytest.mark.full
TABLES = ("vision_dejavu", "vision_correlation")


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """The tables of the default config, made from scratch."""
    folder = tmp_path_factory.mktemp("default")
    targets = [f"results/tables/{name}.csv" for name in TABLES]
    snakemake(folder, *targets, config=ROOT / "config.yaml")
    return folder


def table(folder, name):
    """One of the tables."""
    types = {"replicate": pl.String}
    return pl.read_csv(folder / f"results/tables/{name}.csv", schema_overrides=types)


@pytest.fixture(scope="module")
def vicreg(default_run):
    """Rows of VICReg over all crops, pooled over the seeds."""
    return table(default_run, "vision_dejavu").filter(
        target_model="vicreg_a", replicate="pooled", confident=1.0, top=1
    )


def test_two_models_show_memorization_and_control_none(vicreg):
    two_model = vicreg.filter(test="two_model")
    [row] = two_model.filter(set="symmetric").rows(named=True)
    assert row["dejavu_low"] >= 0.15
    [control] = two_model.filter(set="control").rows(named=True)
    assert abs(control["dejavu"]) <= 0.05


@pytest.mark.parametrize("reference", ["resnet", "naive_bayes@3"])
def test_one_model_shows_memorization(vicreg, reference):
    [row] = vicreg.filter(reference_model=reference, set="calibrated").rows(named=True)
    assert row["dejavu_low"] > 0
    assert row["adjusted_accuracy_low"] > 0


def test_no_reference_is_better_than_the_world_allows(default_run):
    found = table(default_run, "vision_correlation").filter(on="all")
    assert len(found) == 4 + 1 + 1 + 5
    assert (found["accuracy_top1_low"] <= found["optimum"]).all()
