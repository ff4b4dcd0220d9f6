"""What `gpu` does to products and pairs: kernels, which Triton compiles at their first call.

Made of PyTorch's own operations it would take several times as long. Triton comes with PyTorch on
Linux, and needs a C compiler and Python's headers. On a CPU its interpreter runs the same code.
"""

import torch
import triton
import triton.language as tl

# Numbers that a program takes at a time: products of a query; pairs, and columns of them.
PRODUCTS, PAIRS, COLUMNS = 4096, 8, 128


def highest(products: torch.Tensor, rows: int, size: int, found: torch.Tensor) -> None:
    """Find the highest product of each group of rows; NaN where there is one.

    Args:
        products: bfloat16 [n, places], contiguous.
        rows: of how many of the places there are rows; others count as -inf.
        size: rows of a group, a power of 2; the places are a multiple of it.
        found: bfloat16 [n, groups], written to; its last dimension is contiguous.
    """
    n, places = products.shape
    groups = max(1, PRODUCTS // size)
    _highest[(n, triton.cdiv(places // size, groups))](
        products, found, places, min(rows, places), found.stride(0), SIZE=size, GROUPS=groups
    )


def select(
    products: torch.Tensor,
    rows: int,
    cut: torch.Tensor,
    start: int,
    number: torch.Tensor,
    selected: torch.Tensor,
) -> None:
    """Add the rows whose product is not below the query's cut, in any order.

    Args:
        products: bfloat16 [n, places], contiguous.
        rows: of how many of the places there are rows.
        cut: bfloat16 [n].
        start: the number of the first row.
        number: int32 [n], how many were selected for each query so far, which is added to.
        selected: int32 [n, most], contiguous, numbers of rows, of which further ones are left out.
    """
    n, places = products.shape
    rows = min(rows, places)
    _select[(n, triton.cdiv(rows, PRODUCTS))](
        products, places, rows, cut, start, number, selected, selected.shape[1], PRODUCTS=PRODUCTS
    )


def pair_scores(
    first: torch.Tensor,
    second: torch.Tensor,
    firsts: torch.Tensor,
    seconds: torch.Tensor,
    euclidean: bool,
) -> torch.Tensor:
    """Products of pairs of rows of two matrices, or minus their squared distances, float64 [pairs].

    Each depends on its pair alone, summed in an order that is always the same.

    Args:
        first: float32 [n, d], contiguous.
        second: float32 [rows, d], contiguous.
        firsts: which of the first, int64 [pairs].
        seconds: which of the second, int64 [pairs].
        euclidean: whether distances are wanted.
    """
    pairs, d = len(firsts), first.shape[1]
    scores = torch.empty(pairs, dtype=torch.float64, device=first.device)
    if pairs:
        _pair_scores[(triton.cdiv(pairs, PAIRS),)](
            first,
            second,
            firsts,
            seconds,
            scores,
            pairs,
            d,
            EUCLIDEAN=euclidean,
            PAIRS=PAIRS,
            COLUMNS=COLUMNS,
        )
    return scores


@triton.jit
def _highest(  # type: ignore[no-untyped-def]
    products, found, places, rows, stride, SIZE: tl.constexpr, GROUPS: tl.constexpr
):
    query = tl.program_id(0).to(tl.int64)
    group = tl.program_id(1) * GROUPS + tl.arange(0, GROUPS)
    place = group[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    values = tl.load(products + query * places + place, mask=place < rows, other=float("-inf"))
    values = values.to(tl.float32)
    best = tl.max(values, axis=1)
    unknown = tl.max((values != values).to(tl.int32), axis=1)
    best = tl.where(unknown > 0, float("nan"), best)
    tl.store(found + query * stride + group, best, mask=group < places // SIZE)


@triton.jit
def _select(  # type: ignore[no-untyped-def]
    products, places, rows, cut, start, number, selected, most, PRODUCTS: tl.constexpr
):
    query = tl.program_id(0).to(tl.int64)
    place = tl.program_id(1) * PRODUCTS + tl.arange(0, PRODUCTS)
    values = tl.load(products + query * places + place, mask=place < rows, other=float("-inf"))
    least = tl.load(cut + query).to(tl.float32)
    # What is no number is in question, too.
    wanted = ((values.to(tl.float32) < least) == 0) & (place < rows)
    if tl.max(wanted.to(tl.int32), axis=0) > 0:
        counter = number + query + tl.zeros([PRODUCTS], tl.int64)
        slot = tl.atomic_add(counter, 1, mask=wanted)
        tl.store(selected + query * most + slot, place + start, mask=wanted & (slot < most))


@triton.jit
def _pair_scores(  # type: ignore[no-untyped-def]
    first,
    second,
    firsts,
    seconds,
    scores,
    pairs,
    d,
    EUCLIDEAN: tl.constexpr,
    PAIRS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    pair = tl.program_id(0).to(tl.int64) * PAIRS + tl.arange(0, PAIRS)
    inside = pair < pairs
    one = tl.load(firsts + pair, mask=inside, other=0) * d
    other = tl.load(seconds + pair, mask=inside, other=0) * d
    sums = tl.zeros([PAIRS, COLUMNS], tl.float64)
    for start in range(0, d, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        here = inside[:, None] & (column < d)[None, :]
        x = tl.load(first + one[:, None] + column[None, :], mask=here, other=0.0).to(tl.float64)
        y = tl.load(second + other[:, None] + column[None, :], mask=here, other=0.0).to(tl.float64)
        if EUCLIDEAN:
            sums -= (y - x) * (y - x)
        else:
            sums += x * y
    tl.store(scores + pair, tl.sum(sums, axis=1), mask=inside)
