"""Pickles of plain data come back whole; whatever else a pickle asks for is never run."""

import collections
import os
import pickle
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dejavu.errors import InputError
from dejavu.labels import pickles

pytestmark = pytest.mark.slow

PLAIN = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(), st.booleans(), st.none())


def dumped(path, value, protocol=4):
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


def plain(value):
    """Arrays out of their stand-ins."""
    if isinstance(value, pickles.PickledArray):
        return value.values
    return [plain(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@given(array=arrays.arrays(st.sampled_from(["<i8", ">i4", "<f4", "?", "<U3"]), (3, 2)))
def test_arrays_come_back_from_every_protocol(tmp_path_factory, protocol, array):
    path = tmp_path_factory.getbasetemp() / f"protocol{protocol}.p"
    value = [[array, array[0], np.asfortranarray(array)], [array[0, 0]]]
    found = plain(pickles.load(dumped(path, value, protocol)))
    for was, now in zip(value[0], found[0], strict=True):
        np.testing.assert_array_equal(was, now)
        assert was.dtype.newbyteorder("=") == now.dtype
    assert found[1][0] == array[0, 0] or np.isnan(array[0, 0])


@given(value=st.recursive(PLAIN, lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_plain_data_comes_back(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "plain.p"
    assert pickles.load(dumped(path, value)) == value


class Call:
    """An object whose pickle calls a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def hidden_in_list(mark):
    return [[np.array([1])], [Call(os.system, f"touch {mark}")]]


def malicious(mark):
    """Pickles that would make a file, or reach a function from which that is a step."""
    yield Call(os.system, f"touch {mark}")
    yield Call(eval, f"open({str(mark)!r}, 'w')")
    yield Call(exec, f"open({str(mark)!r}, 'w')")
    yield Call(getattr, "", "format")
    yield Call(__import__, "os")
    yield Call(np.fromfile, "/etc/hostname")
    yield Call(np.load, str(mark))
    yield hidden_in_list(mark)
    yield collections.OrderedDict(a=1)
    yield np.array([Call(os.system, f"touch {mark}")], dtype=object)
    yield np.zeros(2, dtype=[("a", "i4")])


@pytest.mark.parametrize("number", range(11))
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(tmp_path, number):
    mark = tmp_path / "mark"
    value = list(malicious(mark))[number]
    with pytest.raises(InputError, match="is not a pickle of lists, numbers, strings and arrays"):
        pickles.load(dumped(tmp_path / "bad.p", value))
    assert not mark.exists()


def test_the_malicious_pickle_works_where_nothing_hinders_it(tmp_path):
    mark = tmp_path / "mark"
    with dumped(tmp_path / "bad.p", hidden_in_list(mark)).open("rb") as file:
        pickle.load(file)  # noqa: S301
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no pickle",
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
        pickle.dumps([1, 2, 3])[:-4],
        b"\x80\x04Pid\n.",
        b"(" * 10_000 + b".",
    ],
)
def test_damaged_pickles_are_one_sentence(tmp_path, content):
    path = tmp_path / "bad.p"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.p is not a pickle") as error:
        pickles.load(path)
    assert "\n" not in str(error.value)


def test_an_array_claims_no_more_than_its_bytes(tmp_path):
    content = pickle.dumps(np.arange(3, dtype="<i8"), protocol=2)
    # The shape stands as the number 3 in the state.
    path = tmp_path / "huge.p"
    path.write_bytes(content.replace(b"K\x03\x85", b"J\xff\xff\xff\x7f\x85"))
    with pytest.raises(InputError, match="do not fill its shape"):
        pickles.load(path)


def test_a_bug_of_the_reader_is_no_bad_pickle(tmp_path, monkeypatch):
    monkeypatch.delattr(pickles, "prod")
    with pytest.raises(NameError, match="prod"):
        pickles.load(dumped(tmp_path / "good.p", np.arange(3)))


@pytest.mark.parametrize("arguments", [b"(t", b"(K\x01K\x02t"])
def test_a_call_with_other_arguments_is_a_bad_pickle(tmp_path, arguments):
    path = tmp_path / "bad.p"
    path.write_bytes(b"cnumpy.core.numeric\n_frombuffer\n" + arguments + b"R.")
    with pytest.raises(InputError, match=r"bad\.p is not a pickle .* arguments?"):
        pickles.load(path)
