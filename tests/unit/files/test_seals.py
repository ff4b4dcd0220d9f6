"""Fingerprints and seals: equal for what is equal, and only for that."""

import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dejavu.errors import InputError
from dejavu.files import fingerprints, seals
from dejavu.sources.images import add_member


def weights():
    return {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(2, np.float32)}


SETTINGS = {"mean": [0.5, 0.5], "size": 32}


def fingerprint(arrays=None, settings=SETTINGS):
    return fingerprints.fingerprint((arrays or weights()).items(), settings)


def test_the_order_of_weights_and_settings_does_not_matter():
    backwards = dict(reversed(list(weights().items())))
    settings = dict(reversed(list(SETTINGS.items())))
    assert fingerprint(backwards, settings) == fingerprint()
    assert len(fingerprint()) == 32


def changes():
    yield "a value", {**weights(), "a": np.nextafter(weights()["a"], np.float32(2))}, SETTINGS
    yield "a name", {"b": weights()["b"], "c": weights()["a"]}, SETTINGS
    yield "a shape", {**weights(), "b": weights()["b"].reshape(3, 2)}, SETTINGS
    yield "a type", {**weights(), "a": weights()["a"].view(np.int32)}, SETTINGS
    yield "a missing weight", {"a": weights()["a"]}, SETTINGS
    yield "swapped contents", {"a": weights()["b"], "b": weights()["a"]}, SETTINGS
    yield "a setting", weights(), {**SETTINGS, "size": 33}
    yield "the order of a list", weights(), {**SETTINGS, "mean": [0.5, 0.4]}
    yield "a missing setting", weights(), {"size": 32}


@pytest.mark.parametrize(("what", "arrays", "settings"), changes(), ids=[c[0] for c in changes()])
def test_every_change_gives_another_fingerprint(what, arrays, settings):
    assert fingerprint(arrays, settings) != fingerprint()


PARTS = st.lists(st.binary(max_size=4), max_size=4)


@given(PARTS, PARTS)
def test_parts_hash_alike_only_if_they_are_alike(first, second):
    equal = seals.digest(*first) == seals.digest(*second)
    assert equal == (first == second)


@given(st.integers(0, 5), st.sampled_from([np.float32, np.float16, np.int64, np.bool_]))
def test_the_bytes_of_an_array_are_its_bytes(rows, kind):
    array = np.arange(rows * 3).reshape(rows, 3).astype(kind)
    assert bytes(seals.array_bytes(array)) == array.tobytes()
    assert bytes(seals.array_bytes(array.T)) == array.T.tobytes()


def test_a_seal_holds_content_and_metadata():
    sealed = seals.seal({"model": "a"}, b"content")
    seals.check_seal("file", sealed, b"content")
    seals.check_seal("file", sealed, b"con", memoryview(b"tent"))
    spoiled = [
        (sealed, [b"contents"]),
        (sealed, [b"tent", b"con"]),
        ({**sealed, "model": "b"}, [b"content"]),
        ({**sealed, "more": 1}, [b"content"]),
        ({**sealed, "hash": "0" * 32}, [b"content"]),
        ({"model": "a"}, [b"content"]),
        ({}, [b"content"]),
    ]
    for metadata, content in spoiled:
        with pytest.raises(InputError, match="file does not hold what was written to it"):
            seals.check_seal("file", metadata, *content)


def test_sealing_again_what_was_read_is_the_same_seal():
    first = seals.seal({"b": [1, 2], "a": "é"}, b"x")
    again = seals.seal({"a": "é", "b": [1, 2]}, b"x")
    assert first == again


def test_versions_are_those_installed():
    assert fingerprints.versions("numpy") == {"numpy": np.__version__}


def test_a_sealed_end_is_found_again_and_any_change_is_told(tmp_path):
    path = tmp_path / "results/vlm/scenes/world/0000.tar"
    path.parent.mkdir(parents=True)
    for size in (0, 1, 700):
        path.write_bytes(bytes(range(256)) * 3)
        content = path.read_bytes()[:size]
        path.write_bytes(content)
        seals.seal_end(path, path)
        whole = path.read_bytes()
        assert whole[:size] == content and len(whole) == size + 512
        seals.check_end(path)
        changed = [whole[:-1], whole[:size], whole + b"0", b""]
        for place in [*range(0, len(whole), 37), len(whole) - 1]:
            flipped = bytearray(whole)
            flipped[place] ^= 1 << place % 8
            changed.append(bytes(flipped))
        for each in changed:
            path.write_bytes(each)
            with pytest.raises(InputError, match=r"0000.tar does not hold what was written to it"):
                seals.check_end(path)
    other = path.with_name("0001.tar")
    other.write_bytes(whole)
    with pytest.raises(InputError, match=r"0001.tar does not hold"):
        seals.check_end(other)


def test_a_sealed_tar_reads_as_before(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        add_member(archive, "a.txt", b"a dog")
    seals.seal_end(path, path)
    with tarfile.open(path) as archive:
        assert archive.getnames() == ["a.txt"]
        assert archive.extractfile("a.txt").read() == b"a dog"
