"""Near-duplicates: every pair above the threshold, each once, and what follows from them."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contamination
import find_duplicates
from dejavu.audits import duplicates
from dejavu.config import plan, ranges
from dejavu.config.domains import DOMAINS
from dejavu.errors import InputError
from dejavu.files.csv import write_csv
from dejavu.files.embeddings import write_embeddings
from dejavu.files.lists import write_list


@given(
    seed=st.integers(0, 99),
    first=st.integers(0, 30),
    second=st.integers(1, 30),
    threshold=st.floats(-0.5, 1),
    block=st.sampled_from([1, 40, 2**24]),
)
def test_pairs_are_those_of_a_brute_force(seed, first, second, threshold, block):
    rng = np.random.default_rng(seed)
    # Few distinct values, so that exact copies and zero vectors occur.
    one, other = (rng.integers(-1, 2, (n, 3)).astype(np.float32) for n in (first, second))
    units = [duplicates.unit_rows(side) for side in (one, other)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "BLOCK_VALUES", block)
        found = list(duplicates.similar_pairs(*units, threshold))
    pairs = {
        (row, column): value
        for rows, columns, values in found
        for row, column, value in zip(
            *(each.tolist() for each in (rows, columns, values)), strict=True
        )
    }
    assert sum(len(rows) for rows, _, _ in found) == len(pairs)
    for row in range(first):
        for column in range(second):
            a, b = one[row].astype(float), other[column].astype(float)
            lengths = np.linalg.norm(a) * np.linalg.norm(b)
            cosine = a @ b / lengths if lengths else 0.0
            if abs(cosine - threshold) > 2e-6:
                assert ((row, column) in pairs) == (cosine > threshold)
            if (row, column) in pairs:
                assert pairs[row, column] == pytest.approx(cosine, abs=1e-6)


def test_exact_copies_reach_a_threshold_of_1():
    vectors = duplicates.unit_rows(np.random.default_rng(0).normal(size=(50, 200)))
    [(rows, columns, _)] = duplicates.similar_pairs(vectors, vectors, 1.0)
    assert rows.tolist() == columns.tolist() == list(range(50))


def test_more_pairs_than_duplicates_can_be_are_an_error():
    duplicates.check_number(500, 5, 0.9)
    with pytest.raises(InputError, match=r"contamination\.threshold: 0\.2`: raise it"):
        duplicates.check_number(501, 5, 0.2)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_pair_of_sets_with_a_measured_one_is_compared_once(domain):
    searched = plan.searched_for_duplicates(domain, {name: {} for name in DOMAINS[domain].sets})
    pairs = [frozenset((first, second)) for first, others in searched.items() for second in others]
    measured = set(DOMAINS[domain].measured)
    expected = {
        frozenset((a, b))
        for a in DOMAINS[domain].sets
        for b in DOMAINS[domain].sets
        if a != b and measured & {a, b}
    }
    assert len(pairs) == len(expected) and set(pairs) == expected


def embedded(path, set_place, vectors):
    """A shard of embeddings; returns the sample numbers."""
    samples = ranges.first_number(set_place, 0) + np.arange(len(vectors))
    facts = {"model": "m", "fingerprint": "f", "normalised": False, "input": "image"}
    write_embeddings(path, samples, vectors, facts)
    return samples


def test_the_table_names_the_sets_and_lists_each_pair_once(tmp_path):
    rng = np.random.default_rng(0)
    target, public, control = (rng.normal(size=(9, 20)).astype(np.float32) for _ in range(3))
    public[4], control[8], control[1] = 3 * target[2], target[2], public[0] + 1e-4
    paths = {name: tmp_path / f"{name}.parquet" for name in ("target", "public", "control")}
    numbers = {
        name: embedded(paths[name], DOMAINS["vlm"].sets.index(name), vectors)
        for name, vectors in (("target", target), ("public", public), ("control", control))
    }
    found = []
    for name, others in (("target", ("control", "public")), ("control", ("public",))):
        found.append(tmp_path / f"found_{name}.parquet")
        lists = [tmp_path / f"list_{each}.json" for each in others]
        for each, listed in zip(others, lists, strict=True):
            write_list(listed, [paths[each]])
        job = SimpleNamespace(
            input=SimpleNamespace(samples=paths[name], searched=lists),
            params=SimpleNamespace(threshold=0.99),
            output=[found[-1]],
        )
        find_duplicates.main(job)
    csv = tmp_path / "table.csv"
    contamination.main(
        SimpleNamespace(
            input=found,
            output=[csv],
            params=SimpleNamespace(sets=DOMAINS["vlm"].sets, digest="config"),
        )
    )
    assert pl.read_csv(csv).rows() == [
        ("target", numbers["target"][2], "public", numbers["public"][4], 1.0),
        ("target", numbers["target"][2], "control", numbers["control"][8], 1.0),
        ("control", numbers["control"][1], "public", numbers["public"][0], 1.0),
        ("control", numbers["control"][8], "public", numbers["public"][4], 1.0),
    ]
    expected = {
        numbers[name][row]
        for name, row in (
            ("target", 2),
            ("public", 4),
            ("control", 8),
            ("control", 1),
            ("public", 0),
        )
    }
    assert set(duplicates.contaminated([csv], "config").tolist()) == expected


def test_nothing_is_contaminated_without_a_table_or_a_pair(tmp_path):
    assert duplicates.contaminated([], "config").tolist() == []
    empty = tmp_path / "empty.csv"
    write_csv(empty, [], contamination.COLUMNS, "config")
    assert duplicates.contaminated([empty], "config").tolist() == []
    frame = pl.DataFrame({"sample": [1, 2, 3]})
    assert duplicates.without(frame, np.array([2])).rows() == [(1,), (3,)]
