"""Faults that no job can tell of."""

import os
from types import SimpleNamespace

import polars as pl
import pytest

from dejavu.config import faults
from dejavu.errors import InputError
from dejavu.files.csvw import write_frames

# As Snakemake 9.27 writes them: a killed process, a killed shell, SLURM's word, an ordinary error.
LOG = """\
RuleException:
CalledProcessError in file "rules/vlm/train.smk", line 4:
Command 'set -euo pipefail;  python train_clip.py' died with <Signals.SIGKILL: 9>.
[Tue Nov 24 10:09:09 2026]
Error in rule train_clip:
    message: None
    jobid: 0
    output: results/vlm/models/clip_a_s0/open_clip_model.safetensors
    log: results/logs/train_clip/clip_a_s0.log (check log file(s) for error details)

RuleException:
CalledProcessError in file "rules/vlm/embed.smk", line 9:
Command 'set -euo pipefail;  python embed_text.py' returned non-zero exit status 1.
[Tue Nov 24 10:09:10 2026]
Error in rule embed_text:
    message: None
    log: results/logs/embed_text/minilm.log (check log file(s) for error details)

Error in rule find_neighbors:
    message: SLURM-job '12' failed, SLURM status is: 'OUT_OF_MEMORY'. For further error details see
    log: results/logs/find_neighbors/vlm.log (check log file(s) for error details), slurm/12.log

Command 'set -euo pipefail;  python build_index.py' returned non-zero exit status 137.
Error in rule build_index:
    log: results/logs/build_index/vlm.log (check log file(s) for error details)
"""


def test_killed_jobs_are_told_by_rule_and_log_and_others_are_not():
    told = faults.killed_jobs(LOG)
    assert [sentence.split(" was killed")[0] for sentence in told] == [
        "A job of the rule train_clip (results/logs/train_clip/clip_a_s0.log)",
        "A job of the rule find_neighbors (results/logs/find_neighbors/vlm.log)",
        "A job of the rule build_index (results/logs/build_index/vlm.log)",
    ]
    assert "--set-resources train_clip:mem_mb=N" in told[0]
    assert not any("\n" in sentence for sentence in told)
    assert faults.killed_jobs("") == []


def test_a_job_killed_at_each_attempt_is_told_once():
    assert faults.killed_jobs(LOG * 3) == faults.killed_jobs(LOG)


@pytest.mark.parametrize("place", ["", "results"])
def test_a_folder_that_takes_no_files_is_one_sentence(tmp_path, monkeypatch, place):
    faults.check_folder(tmp_path)
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    faults.check_folder(tmp_path)
    # Root may write wherever the disk allows it: the system's answer is played.
    with monkeypatch.context() as patched:
        patched.setattr("os.access", lambda path, mode: path != folder)
        with pytest.raises(InputError, match=f"The folder {folder} can't be written to"):
            faults.check_folder(tmp_path)
    free = os.statvfs

    def full(path):
        return SimpleNamespace(f_bavail=0) if path == folder else free(path)

    monkeypatch.setattr("os.statvfs", full)
    with pytest.raises(InputError, match=f"The disk of {folder} is full"):
        faults.check_folder(tmp_path)


def test_an_emptied_table_is_one_sentence(tmp_path):
    table = tmp_path / "results/tables/vlm_ppg.csv"
    table.parent.mkdir(parents=True)
    table.write_text("test,ppg\n")
    table.with_name(".vlm_ppg.csv.partial").touch()
    faults.check_tables(tmp_path)
    table.write_text("")
    with pytest.raises(InputError, match=r"vlm_ppg.csv is empty, and was not when it was made"):
        faults.check_tables(tmp_path)


@pytest.mark.parametrize("name", ["tables/vlm_ppg.csv", "vlm/models/clip_a_s0/training.csv"])
def test_a_table_that_a_person_edited_is_one_sentence(tmp_path, name):
    table = tmp_path / "results" / name
    write_frames(table, [pl.DataFrame({"ppg": [0.5]})], "config")
    faults.check_tables(tmp_path)
    table.write_text("ppg\n0.9\n")
    with pytest.raises(InputError, match=r"csv was edited, or damaged, since it was made: move"):
        faults.check_tables(tmp_path)
    # Without a whole description there is no telling; jobs that read the table stop.
    for left in ("", "{", "[]", '{"notes": []}', '{"notes": 3}'):
        table.with_name(f"{table.name}-metadata.json").write_text(left)
        faults.check_tables(tmp_path)


def test_an_emptied_figure_is_told_and_stops_nothing(tmp_path):
    figures = tmp_path / "results/figures"
    figures.mkdir(parents=True)
    (figures / "a.svg").write_text("<svg/>")
    (figures / "b.png").touch()
    (figures / ".c.svg.partial").touch()
    faults.check_folder(tmp_path)
    faults.check_tables(tmp_path)
    [told] = faults.emptied_figures(tmp_path)
    assert told.startswith(f"{figures}/b.png is empty") and "\n" not in told


@pytest.mark.parametrize("flag", ["-t", "--touch", "--tou"])
def test_touch_is_refused_with_its_reason(flag):
    faults.check_options(["snakemake", "--cores", "2", "-n", "target"])
    with pytest.raises(InputError, match="--touch would have the results taken for current"):
        faults.check_options(["snakemake", "--cores", "2", flag])


def test_looking_after_a_folder_is_no_planning():
    assert faults.only_tends(["snakemake", "--unlock"])
    assert not faults.only_tends(["snakemake", "-n", "--cores", "2", "results/run.json"])
