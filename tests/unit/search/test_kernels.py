"""Kernels for a GPU give what NumPy gives; where there is none Triton interprets them."""

import numpy as np
import pytest
import torch

kernels = pytest.importorskip("dejavu.search.kernels", exc_type=ImportError)
ON = torch.device("cuda" if torch.cuda.is_available() else "cpu")
N, ROWS, PLACES, GROUP = 5, 150, 160, 8


@pytest.fixture
def products(monkeypatch):
    """With numbers beyond the rows that would be the highest, and several programs a query."""
    monkeypatch.setattr(kernels, "PRODUCTS", 64)
    values = torch.randn(N, PLACES, generator=torch.Generator().manual_seed(0)).bfloat16()
    values[:, ROWS:] = 9
    values[2, 3] = torch.nan
    values[3, :GROUP] = -torch.inf
    return values.to(ON)


def test_of_each_group_the_highest_is_found_of_rows_alone(products):
    found = torch.full((N, 3, PLACES // GROUP), 7.0, dtype=torch.bfloat16, device=ON)
    kernels.highest(products, ROWS, GROUP, found[:, 1])
    kept = products.float().cpu().numpy()
    kept[:, ROWS:] = -np.inf
    expected = kept.reshape(N, -1, GROUP).max(axis=2)
    assert np.isnan(expected[2, 0]) and expected[3, 0] == -np.inf
    np.testing.assert_array_equal(found[:, 1].float().cpu(), expected)
    assert (found[:, [0, 2]] == 7).all()


@pytest.mark.parametrize("cut", [1.0, -np.inf])
def test_rows_that_are_not_below_the_cut_are_selected_up_to_as_many_as_are_kept(products, cut):
    cuts = torch.full((N,), cut, device=ON).bfloat16()
    cuts[1] = products[1, 7]
    most, before = 40, 3
    number = torch.full((N,), before, dtype=torch.int32, device=ON)
    selected = torch.full((N, most), -1, dtype=torch.int32, device=ON)
    kernels.select(products, ROWS, cuts, 1000, number, selected)
    for query, values in enumerate(products[:, :ROWS].float().cpu().numpy()):
        # Where one is no number, nothing is known of it.
        expected = np.flatnonzero(~(values < float(cuts[query])))
        assert number[query] == before + len(expected)
        kept = selected[query, before : before + len(expected)].cpu() - 1000
        assert len(set(kept.tolist())) == len(kept) and set(kept.tolist()) <= set(expected)
        assert len(kept) == min(len(expected), most - before)
        assert (selected[query, :before] == -1).all()


@pytest.mark.parametrize("d", [1, 128, 300])
@pytest.mark.parametrize("euclidean", [False, True])
def test_scores_are_those_of_extended_precision(d, euclidean):
    rng = np.random.default_rng(d)
    first, second = (rng.normal(size=(n, d)).astype(np.float32) for n in (7, 9))
    firsts, seconds = rng.integers(7, size=21), rng.integers(9, size=21)
    one, other = np.longdouble(first[firsts]), np.longdouble(second[seconds])
    expected = -np.square(one - other).sum(axis=1) if euclidean else (one * other).sum(axis=1)
    tensors = (torch.from_numpy(each).to(ON) for each in (first, second, firsts, seconds))
    found = kernels.pair_scores(*tensors, euclidean)
    np.testing.assert_allclose(found.cpu(), expected.astype(float), rtol=0, atol=1e-15 * 4 * d)
