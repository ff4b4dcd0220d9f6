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


def record(folder, path):
    return folder / ".snakemake/metadata" / urlsafe_b64encode(path.encode()).decode()


@pytest.fixture
def folder(tmp_path):
    """A finished run of three stages."""
    for path, inputs in MADE_OF.items():
        for file in (tmp_path / path, record(tmp_path, path)):
            file.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("result")
        told = {"rule": "r", "input": inputs, "params": ["1"], "incomplete": False}
        record(tmp_path, path).write_text(json.dumps(told))
    return tmp_path


def test_nothing_is_wrong_with_a_finished_run_or_an_empty_folder(folder, tmp_path_factory):
    assert records.unrecorded(folder, OUTPUTS) == []
    assert records.unrecorded(tmp_path_factory.mktemp("new"), OUTPUTS) == []
    records.check(folder, OUTPUTS)


def test_deleted_intermediates_are_not_asked_for(folder):
    for path in (*FIRST, SECOND):
        (folder / path).unlink()
    assert records.unrecorded(folder, OUTPUTS) == []


@pytest.mark.parametrize("left", [None, b"", b"{", b"\0" * 50, b"[]", b"null", b"{}"])
def test_a_record_that_is_gone_or_damaged_makes_doubtful_all_that_was_made_from_it(folder, left):
    place = record(folder, FIRST[1])
    place.unlink() if left is None else place.write_bytes(left)
    assert records.unrecorded(folder, OUTPUTS) == [FIRST[1], SECOND, TABLE]
    # Nor does it help to delete the file alone.
    (folder / FIRST[1]).unlink()
    assert records.unrecorded(folder, OUTPUTS) == [SECOND, TABLE]


def test_a_record_without_parameters_is_none(folder):
    told = json.loads(record(folder, TABLE).read_text())
    record(folder, TABLE).write_text(json.dumps({**told, "params": None}))
    assert records.unrecorded(folder, OUTPUTS) == [TABLE]


def test_what_snakemake_makes_again_anyway_is_left_to_it(folder):
    record(folder, SECOND).unlink()
    mark = folder / ".snakemake/incomplete" / record(folder, SECOND).name
    mark.parent.mkdir()
    mark.touch()
    assert records.unrecorded(folder, OUTPUTS) == []


def test_files_that_no_rule_makes_need_no_record(folder):
    for path in ("results/mine.csv", "results/logs/a.log", "results/a/m/checkpoint.pt"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    assert records.unrecorded(folder, OUTPUTS) == []


def test_the_record_of_a_long_path_is_found(folder):
    long = f"results/a/{'m' * 240}/0000.parquet"
    name = urlsafe_b64encode(long.encode()).decode()
    place = folder / ".snakemake/metadata" / f"@{name[:254]}" / name[254:]
    for file in (folder / long, place):
        file.parent.mkdir(parents=True)
    (folder / long).touch()
    assert records.unrecorded(folder, OUTPUTS) == [long]
    place.write_text(json.dumps({"input": [], "params": []}))
    assert records.unrecorded(folder, OUTPUTS) == []


def test_the_sentence_tells_what_to_do_and_doing_so_mends_it(folder):
    record(folder, FIRST[0]).unlink()
    with pytest.raises(InputError) as stopped:
        records.check(folder, OUTPUTS)
    told = str(stopped.value)
    assert told.startswith(f"Of {FIRST[0]} and 2 other files no record tells")
    assert "copy the folder .snakemake along" in told and "\n" not in told
    assert "xargs rm < .snakemake/unrecorded" in told
    for path in (folder / ".snakemake/unrecorded").read_text().splitlines():
        os.remove(folder / path)  # noqa: PTH107
    records.check(folder, OUTPUTS)
    assert (folder / FIRST[1]).exists()
