"""Snakemake's own reading of configs, and ours of the same files, before anything else is done."""

import pytest

from tests.conftest import SMALL, jobs_of, snakemake

pytestmark = pytest.mark.slow


def told(done):
    """Everything that Snakemake printed."""
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("seed: 3\nseed: 4\n", "the key seed stands there for a second time, after line"),
        ("seed: .inf\n", "the value .inf of the key seed is no finite number"),
    ],
)
def test_a_trap_in_a_config_file_is_told_with_its_line(tmp_path, written, sentence):
    path = tmp_path / "config.yaml"
    path.write_text(SMALL.read_text() + written)
    line = path.read_text().count("\n")
    done = snakemake(tmp_path, "-n", config=path, check=False)
    assert done.returncode
    assert f"{path}, line {line}: {sentence}" in told(done)


def test_every_given_file_is_read_strictly_and_they_are_merged_as_ever(tmp_path):
    more = tmp_path / "more.yaml"
    more.write_text("vlm: {k: [1]}\n")
    merged = snakemake(tmp_path, "-n", "--configfile", SMALL, more)
    assert jobs_of(merged)["vlm_ppg"] == 1
    more.write_text("vlm: {k: [1], k: [2]}\n")
    done = snakemake(tmp_path, "-n", "--configfile", SMALL, more, check=False)
    assert f"{more}, line 1: the key vlm.k stands" in told(done)


def test_values_of_the_command_line_are_taken_as_ever(tmp_path):
    done = snakemake(tmp_path, "-n", "--config", "seed=7", "--configfile", SMALL)
    assert jobs_of(done)["vlm_ppg"] == 1
    done = snakemake(tmp_path, "-n", "--config", "seed=7.5", "--configfile", SMALL, check=False)
    assert "Config key seed: 7.5 is not of type 'integer'" in told(done)


def test_anchors_and_merge_keys_are_good(tmp_path):
    text = SMALL.read_text()
    shared = text.replace("\nvlm:", "\nvlm:\n  synonyms: {car: &names [auto], bus: *names}", 1)
    path = tmp_path / "config.yaml"
    path.write_text(shared)
    assert "*names" in shared and jobs_of(snakemake(tmp_path, "-n", config=path))["vlm_ppg"] == 1
