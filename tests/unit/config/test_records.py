"""Results without Snakemake's record of what made them are not taken for current."""

import json
import os
from base64 import urlsafe_b64encode

import pytest

from dejavu.config import records
from dejavu.errors import InputError

OUTPUTS = [
    r"results/a/(?P<model>[a-z]+)/(?P<shard>\d{4})\.parquet$",
    r"results/b/(?P<model>[a-z]+)\.parquet$",
    r"results/tables/t\.csv$",
]
FIRST = [f"results/a/m/{shard:04d}.parquet" for shard in range(3)]
SECOND, TABLE = "results/b/m.parquet", "results/tables/t.csv"
MADE_OF = {**{path: ["data/x.csv"] for path in FIRST}, SECOND: FIRST, TABLE: [SECOND]}


def unrecorded(folder):
    return records.unrecorded(records.read(folder, "results", OUTPUTS))


def record(folder, path):
    return folder / ".snakemake/metadata" / urlsafe_b64encode(path.encode()).decode()


@pytest.fixture
def folder(tmp_path):
    """A finished run of three stages."""
    for time, (path, inputs) in enumerate(MADE_OF.items()):
        for file in (tmp_path / path, record(tmp_path, path)):
            file.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("result")
        told = {"rule": "r", "input": inputs, "params": ["1"], "incomplete": False}
        told |= {"starttime": time, "endtime": time + 0.5}
        record(tmp_path, path).write_text(json.dumps(told))
    return tmp_path


def test_nothing_is_wrong_with_a_finished_run_or_an_empty_folder(folder, tmp_path_factory):
    assert unrecorded(folder) == []
    assert unrecorded(tmp_path_factory.mktemp("new")) == []
    records.check(folder, "results", OUTPUTS)


def test_deleted_intermediates_are_not_asked_for(folder):
    for path in (*FIRST, SECOND):
        (folder / path).unlink()
    assert unrecorded(folder) == []


@pytest.mark.parametrize("left", [None, b"", b"{", b"\0" * 50, b"[]", b"null", b"{}"])
def test_a_record_that_is_gone_or_damaged_makes_doubtful_all_that_was_made_from_it(folder, left):
    place = record(folder, FIRST[1])
    place.unlink() if left is None else place.write_bytes(left)
    assert unrecorded(folder) == [FIRST[1], SECOND, TABLE]
    # Nor does it help to delete the file alone.
    (folder / FIRST[1]).unlink()
    assert unrecorded(folder) == [SECOND, TABLE]


def test_a_record_without_parameters_is_none(folder):
    told = json.loads(record(folder, TABLE).read_text())
    record(folder, TABLE).write_text(json.dumps({**told, "params": None}))
    assert unrecorded(folder) == [TABLE]


def test_what_snakemake_makes_again_anyway_is_left_to_it(folder):
    record(folder, SECOND).unlink()
    mark = folder / ".snakemake/incomplete" / record(folder, SECOND).name
    mark.parent.mkdir()
    mark.touch()
    assert unrecorded(folder) == []


def failed(folder, path):
    """What a job leaves that began later, and failed: no output, and a record of its own."""
    told = json.loads(record(folder, path).read_text())
    record(folder, path).write_text(json.dumps({**told, "starttime": 100, "endtime": 101}))
    (folder / path).unlink()


@pytest.mark.parametrize("gone", [[], [SECOND]])
def test_what_was_made_from_the_output_of_a_job_that_failed_since_is_made_again(folder, gone):
    for path in gone:
        (folder / path).unlink()
    failed(folder, FIRST[2])
    records.check(folder, "results", OUTPUTS)
    marks = {mark.name for mark in (folder / ".snakemake/incomplete").iterdir()}
    stale = {SECOND, TABLE}.difference(gone)
    assert marks == {record(folder, path).name for path in stale}
    # What Snakemake makes again is asked for nothing more.
    records.check(folder, "results", OUTPUTS)


def test_an_output_that_was_made_again_is_left_to_snakemake(folder):
    failed(folder, FIRST[2])
    (folder / FIRST[2]).write_text("result")
    records.check(folder, "results", OUTPUTS)
    assert not (folder / ".snakemake/incomplete").exists()


def test_files_that_no_rule_makes_need_no_record(folder):
    for path in ("results/mine.csv", "results/logs/a.log", "results/a/m/checkpoint.pt"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    assert unrecorded(folder) == []


def test_the_record_of_a_long_path_is_found(folder):
    long = f"results/a/{'m' * 240}/0000.parquet"
    name = urlsafe_b64encode(long.encode()).decode()
    place = folder / ".snakemake/metadata" / f"@{name[:254]}" / name[254:]
    for file in (folder / long, place):
        file.parent.mkdir(parents=True)
    (folder / long).touch()
    assert unrecorded(folder) == [long]
    place.write_text(json.dumps({"input": [], "params": [], "starttime": 1, "endtime": 2}))
    assert unrecorded(folder) == []


def test_the_sentence_tells_what_to_do_and_doing_so_mends_it(folder):
    record(folder, FIRST[0]).unlink()
    with pytest.raises(InputError) as stopped:
        records.check(folder, "results", OUTPUTS)
    told = str(stopped.value)
    assert told.startswith(f"Of {FIRST[0]} and 2 other files no record tells")
    assert "copy the folder .snakemake along" in told and "\n" not in told
    assert "xargs rm < .snakemake/unrecorded" in told
    for path in (folder / ".snakemake/unrecorded").read_text().splitlines():
        os.remove(folder / path)  # noqa: PTH107
    records.check(folder, "results", OUTPUTS)
    assert (folder / FIRST[1]).exists()
