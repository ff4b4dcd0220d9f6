"""Fingerprints of data in run.json: by all but pixels, in whatever order and shards."""

import contextlib
import hashlib

import pyarrow as pa
import pytest

import describe_run
from dejavu.errors import InputError
from dejavu.files.parquet import write_parquet


def fingerprint(folder, *shards):
    """The fingerprint of shards of (id, caption); where they lie differs from call to call."""
    paths = [str(folder / f"{number:04d}.parquet") for number in range(len(shards))]
    for path, rows in zip(paths, shards, strict=True):
        ids, captions = zip(*rows, strict=True) if rows else ((), ())
        columns = {"id": pa.array(ids, pa.string()), "caption": pa.array(captions, pa.string())}
        places = {"sample": pa.array(range(len(rows))), "image": pa.array([path] * len(rows))}
        write_parquet(path, pa.table({**places, **columns}))
    return describe_run.fingerprint(paths)


def test_the_same_samples_have_one_fingerprint_and_others_another(tmp_path):
    rows = [("a", "one"), ("b", "two"), ("c", "three"), ("é", "four")]
    whole = fingerprint(tmp_path, rows)
    assert whole["samples"] == 4 and len(whole["content"]) == 16
    assert fingerprint(tmp_path, [rows[3], rows[2]], [], rows[:2]) == whole
    for other in (
        rows[:3],
        [*rows[:3], ("e", "four")],
        [*rows, rows[3]],
        [*rows[:3], ("é", "five")],
    ):
        assert fingerprint(tmp_path, other)["content"] != whole["content"]


def test_a_fingerprint_is_the_sum_of_hashes_of_the_rows(tmp_path):
    rows = [(f"sample {number}", "a caption") for number in range(100)]
    texts = [f'{{"caption":"{caption}","id":"{name}"}}' for name, caption in rows]
    hashes = [
        hashlib.blake2b(text.encode(), digest_size=8, key=b"0", person=b"run").digest()
        for text in texts
    ]
    total = sum(int.from_bytes(each) for each in hashes) % 2**64
    assert fingerprint(tmp_path, rows) == {"samples": 100, "content": f"{total:016x}"}


def test_answers_of_another_model_than_is_told_are_refused(tmp_path):
    told = {"m": {"domain": "vlm", "name": "clip_a", "fingerprint": "a" * 32}}

    def answers(model, fingerprint):
        facts = {"model": model, "fingerprint": fingerprint}
        write_parquet("results/vlm/recovered/x.parquet", pa.table({"sample": [1]}), facts)
        return ["results/vlm/recovered/x.parquet"]

    with contextlib.chdir(tmp_path):
        describe_run.check_answers(answers("clip_a", "a" * 32), told)
        describe_run.check_answers(answers("naive_bayes@1", "b" * 32), told)
        with pytest.raises(InputError, match=r"x\.parquet was made by another model than m"):
            describe_run.check_answers(answers("clip_a", "b" * 32), told)


def test_a_classifier_is_told_by_its_weights_and_what_it_sees(tmp_path):
    path = tmp_path / "results/vision/models/resnet/model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    with contextlib.chdir(tmp_path):
        path = path.relative_to(tmp_path)
        squashed, cut = (
            describe_run.model(str(path), {"crop_side": 32, "resize": resize})
            for resize in ("squash", "shorter")
        )
        again = describe_run.model(str(path), {"resize": "squash", "crop_side": 32})
        path.write_bytes(b"others")
        trained_anew = describe_run.model(str(path), {"crop_side": 32, "resize": "squash"})
    assert (squashed["domain"], squashed["name"]) == ("vision", "resnet")
    assert again == squashed
    assert len({each["fingerprint"] for each in (squashed, cut, trained_anew)}) == 3
