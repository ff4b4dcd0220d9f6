"""What the system refuses, told with the right remedy; bugs and damage are told apart from it."""

import errno
import os
import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch

from dejavu.errors import DamagedFile, InputError, refusal, system_fault
from dejavu.files.arrays import read_arrays, write_arrays
from dejavu.files.facts import read_json, write_json
from dejavu.files.parquet import read_parquet, read_provenance, rows_of, write_parquet
from dejavu.files.weights import read_settings, write_settings

REMEDIES = {
    errno.EACCES: "change that",
    errno.EPERM: "change that",
    errno.EROFS: "mount it for writing",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "ask for more",
    errno.EFBIG: "ulimit -f",
    errno.EMFILE: "ulimit -n",
    errno.ENFILE: "run fewer jobs at once",
    errno.EIO: "delete nothing",
    errno.ESTALE: "delete nothing",
}


@pytest.mark.parametrize("code", REMEDIES)
def test_each_refusal_has_its_sentence_with_the_files_name_and_its_own_remedy(code):
    error = OSError(code, os.strerror(code))
    told = str(system_fault(error, "results/a.parquet", "be read"))
    assert told.startswith(f"results/a.parquet can't be read ({os.strerror(code)}")
    assert REMEDIES[code] in told and "\n" not in told and told.endswith(".")
    others = {remedy for other, remedy in REMEDIES.items() if remedy != REMEDIES[code]}
    assert not any(remedy in told for remedy in others)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3 GiB"),
        torch.OutOfMemoryError("CUDA out of memory."),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_memory_that_ran_out_is_told_as_that(error):
    told = str(system_fault(error, "a.safetensors"))
    assert told.startswith("Memory ran out while a.safetensors was in use (")
    assert "--resources mem_mb=N" in told and "delete" not in told


def test_the_memory_of_the_machine_is_told_though_pytorch_raises_no_error_of_its_own():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert str(system_fault(raised.value)).startswith("Memory ran out (")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Permission denied (os error 13)"),
        OSError("Failed to open local file. Detail: [errno 13] Permission denied"),
    ],
)
def test_a_refusal_is_found_in_what_libraries_make_of_it(error):
    assert "can't be read (Permission denied" in str(system_fault(error, "a", "be read"))
    try:
        raise ValueError("the config does not load") from error
    except ValueError as wrapped:
        assert "can't be read (Permission denied" in str(system_fault(wrapped, "a", "be read"))


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "a"),
        ValueError("bad magic"),
        OSError("it does not end as Parquet does, at byte 3"),
        IsADirectoryError(errno.EISDIR, "Is a directory", "a"),
    ],
)
def test_damaged_and_missing_files_are_no_refusals(error):
    assert system_fault(error, "a") is None


def test_a_folder_of_another_user_is_told_with_its_owner(tmp_path, monkeypatch):
    error = PermissionError(errno.EACCES, "Permission denied")
    assert "belongs to" not in str(system_fault(error, tmp_path / "new/file", "be written"))
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    told = str(system_fault(error, tmp_path / "new/file", "be written"))
    assert f"; {tmp_path} belongs to the user " in told


def readers(folder):
    """Files of each kind that jobs hand on, and what reads them."""
    write_parquet(folder / "a.parquet", pa.table({"x": [1]}), {"made": "here"})
    write_arrays(folder / "b.parquet", {"x": np.arange(3)}, {})
    write_json(folder / "c.json", {"x": 1})
    (folder / "d.safetensors").write_bytes(b"weights")
    write_settings(folder / "d.json", {"x": 1}, folder / "d.safetensors")
    return [
        lambda: read_parquet(folder / "a.parquet"),
        lambda: rows_of(folder / "a.parquet"),
        lambda: read_provenance(folder / "a.parquet"),
        lambda: read_arrays(folder / "b.parquet", ["x"]),
        lambda: read_json(folder / "c.json"),
        lambda: read_settings(folder / "d.json", folder / "d.safetensors"),
    ]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_no_reader_has_a_file_deleted_that_the_system_only_refuses(tmp_path, monkeypatch, code):
    def refuse(path, *rest, **more):
        raise OSError(code, os.strerror(code), str(path))

    found = readers(tmp_path)
    for read in found:
        read()
    monkeypatch.setattr("pathlib.Path.open", refuse)
    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    monkeypatch.setattr("numpy.fromfile", refuse)
    for read in found:
        with pytest.raises(InputError) as told:
            read()
        assert not isinstance(told.value, DamagedFile)
        assert str(tmp_path) in str(told.value) and os.strerror(code) in str(told.value)
        assert "delete the file" not in str(told.value)


def test_a_damaged_file_goes_between_processes_whole():
    error = DamagedFile("a.json", "a.json is damaged: run again.")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.path) == (str(error), error.path)
    assert str(error) == "a.json is damaged: run again."


def loaded(library):
    """Call a library as loaders do."""
    try:
        return library()
    except Exception as error:
        raise refusal(error, "the weights do not load: mend them.") from error


def library(error):
    """A library that stumbles."""

    def load():
        raise error

    return load


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("size mismatch"),
        KeyError("a"),
        TypeError("b"),
        AttributeError("c"),
        Exception("d"),
    ],
)
def test_what_a_library_stumbles_over_is_bad_input_with_its_cause(error):
    with pytest.raises(InputError, match="the weights do not load") as told:
        loaded(library(error))
    assert told.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [MemoryError("much"), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_memory_that_runs_out_while_loading_is_not_told_as_damaged_weights(error):
    with pytest.raises(InputError, match=r"^Memory ran out") as told:
        loaded(library(error))
    assert "weights" not in str(told.value) and told.value.__cause__ is error


def test_a_bug_is_not_told_as_damaged_weights():
    with pytest.raises(NameError):
        loaded(library(NameError("name 'x' is not defined")))
    with pytest.raises(TypeError):
        # Called with too few arguments, by our own line.
        loaded(library)
    with pytest.raises(KeyboardInterrupt):
        loaded(library(KeyboardInterrupt()))
