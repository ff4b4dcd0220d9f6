"""Scores of the vision measurement (method: image models).

Everything starts from a comparison: for each crop whether the target and the reference, in each of
their replicates, infer the label, and how sure each is. That fits in memory at any scale, as only
the images with a background crop count.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.scores import intervals
from dejavu.scores.intervals import Bootstrap
from dejavu.scores.judged import CONFIDENCE_DECIMALS, Bools, Comparison, Floats, Judged

Row = dict[str, Any]
# What the draws of each set are named after.
DRAWS = {
    "target": ("A", "train"),
    "reference": ("B", "train"),
    "symmetric": ("symmetric", "train"),
    "control": ("A", "control"),
    "calibrated": ("A", "calibrated"),
    "placebo": ("A", "placebo"),
}
BIN_NATS = 0.25
BEST_CLASSES = 5
# Numbers that a chunk of bootstrap replications may hold: 16 MB of int32.
CHUNK_NUMBERS = 2**22


def confident_count(crops: int, fraction: float) -> int:
    """Size ⌊fraction × crops⌋ of a confident subset, the fraction as the decimal it is written."""
    return int(Fraction(str(fraction)) * crops)


def accuracy(judged: Judged, fraction: float) -> float:
    """Accuracy on the predictor's own most confident crops; nan if that is none of them."""
    count = confident_count(len(judged.samples), fraction)
    return float(judged.correct[judged.order[:count]].mean()) if count else np.nan


def score_row(comparison: Comparison, fraction: float, bootstrap: Bootstrap) -> Row:
    """Déjà vu score of one set of crops with its interval, the mean over the replicates."""
    draws = bootstrap.over_seeds(
        _score_draws(comparison, fraction, bootstrap.generator("crops"), bootstrap.replications)
    )
    target, reference = _accuracies(comparison, fraction)
    row: Row = {
        "crops": confident_count(comparison.crops, fraction),
        "accuracy_target": target,
        "accuracy_reference": reference,
        "dejavu": target - reference,
        **_interval("dejavu", draws),
    }
    if fraction == 1 and len(comparison.targets) == 1:
        target_correct, reference_correct = comparison.target_correct, comparison.reference_correct
        row["p_value"] = intervals.binomial_p_value(
            int((target_correct & ~reference_correct).sum()),
            int((reference_correct & ~target_correct).sum()),
        )
    return row


def difference_row(
    members: Comparison, controls: Comparison, fraction: float, bootstrap: Bootstrap
) -> Row:
    """Score of one set of crops minus that of another, calibrated or placebo, with its interval.

    Over all crops the adjusted gap stands beside it.
    """
    scores, draws = [], []
    for group, comparison in (("members", members), ("controls", controls)):
        target, reference = _accuracies(comparison, fraction)
        scores.append(target - reference)
        of_seeds = _score_draws(
            comparison, fraction, bootstrap.generator(group), bootstrap.replications
        )
        draws.append(bootstrap.over_seeds(of_seeds))
    row: Row = {"dejavu": scores[0] - scores[1], **_interval("dejavu", draws[0] - draws[1])}
    if fraction == 1:
        row.update(_adjusted(members, controls, bootstrap))
    return row


def rows_of_pair(
    comparisons: Mapping[str, Comparison],
    replicates: Mapping[str, Sequence[int]],
    fractions: Sequence[float],
    bootstrap: Bootstrap,
) -> Iterator[Row]:
    """Rows of one target model and one reference, for every set and replicate.

    Args:
        comparisons: by what they hold: `A`, and as far as they exist `B` (two-model tests: on B's
            crops, B's model as target), `control`, `first_half` and `second_half` of control.
        replicates: for each value of the column `replicate` the replicates it is made of.
        fractions: the confident fractions; 1 is all crops.
        bootstrap: how to draw, and the names of target and reference.
    """
    sums = {"target": comparisons["A"]}
    if "B" in comparisons:
        sums["reference"] = comparisons["B"]
        sums["symmetric"] = comparisons["A"] + comparisons["B"]
    if "control" in comparisons:
        sums["control"] = comparisons["control"]
    pairs = {"calibrated": ("A", "control"), "placebo": ("first_half", "second_half")}
    for replicate, chosen in replicates.items():
        for fraction in fractions:
            of_row = bootstrap.named(replicate, fraction)
            facts = {"replicate": replicate, "confident": fraction}
            for name, comparison in sums.items():
                draw = of_row.named(*DRAWS[name])
                row = score_row(comparison.replicates(chosen), fraction, draw)
                yield {**facts, "set": name, **row}
            for name, (first, second) in pairs.items():
                if first in comparisons and second in comparisons:
                    parts = [comparisons[part].replicates(chosen) for part in (first, second)]
                    draw = of_row.named(*DRAWS[name])
                    row = difference_row(parts[0], parts[1], fraction, draw)
                    yield {**facts, "set": name, **row}


def quadrants(comparison: Comparison) -> Row:
    """Fractions of crops by who infers the label, mean over the replicates; nan without crops."""
    target, reference = comparison.target_correct, comparison.reference_correct
    cases = {
        "memorized": target & ~reference,
        "correlated": target & reference,
        "misrepresented": ~target & reference,
        "unassociated": ~target & ~reference,
    }
    return {
        "crops": comparison.crops,
        **{name: float(case.mean()) if case.size else np.nan for name, case in cases.items()},
    }


def agreement(first: Bools, second: Bools) -> float:
    """Fraction of crops on which both references are right or both wrong; nan without crops."""
    return float((first == second).mean()) if len(first) else np.nan


def correlation_row(
    top1: Bools, top5: Bools, inside: Bools, bootstrap: Bootstrap, optimum: Floats | None = None
) -> Row:
    """Dataset-level correlation accuracy of a reference, the mean over its replicates.

    Args:
        top1: whether the label was predicted, bool [crops, replicates].
        top5: whether it was among the five best, bool [crops, replicates].
        inside: which crops count, bool [crops, replicates].
        bootstrap: how to draw, and the names of the reference and of the crops.
        optimum: of each crop the largest posterior that the world knows, float64 [crops].

    Returns:
        `crops` is their mean number, where the replicates' crops differ.
    """
    row: Row = {"crops": round(float(inside.sum(axis=0).mean()))}
    for name, correct in (("accuracy_top1", top1), ("accuracy_top5", top5)):
        cases, counts = np.unique(np.hstack([inside, correct & inside]), axis=0, return_counts=True)
        counted, right = np.hsplit(cases.astype(np.float64), 2)
        row[name] = float(_ratio(counts @ right, counts @ counted).mean())
        if not len(top1):
            row |= {f"{name}_low": np.nan, f"{name}_high": np.nan}
            continue
        drawn = intervals.multinomial_counts(
            counts, bootstrap.replications, bootstrap.generator(name)
        )
        draws = bootstrap.over_seeds(_ratio(drawn @ right, drawn @ counted))
        # A redraw of the images may hold none of a few crops, and then says nothing of them.
        row.update(_interval(name, draws[np.isfinite(draws)]))
    if optimum is not None:
        row["optimum"] = float(_ratio(optimum @ inside, inside.sum(axis=0)).mean())
    return row


def best_classes(correct: Bools, labels: Sequence[str]) -> list[Row]:
    """The five classes that a reference predicts best; ties by label.

    Args:
        correct: whether the label was predicted, bool [crops].
        labels: true label of each crop.
    """
    classes = (
        pl.DataFrame({"label": labels, "correct": correct})
        .group_by("label")
        .agg(crops=pl.len(), percent=100 * pl.col("correct").mean())
        .sort("percent", "label", descending=[True, False])
        .head(BEST_CLASSES)
    )
    return classes.with_row_index("rank", offset=1).to_dicts()


def memorized(target: Judged, reference: Judged) -> tuple[NDArray[np.int64], Floats]:
    """Find the memorized crops, the highest memorization confidence first, ties by sample.

    Memorization confidence is entropy(reference) − entropy(target).

    Returns:
        Positions of the crops, int64, and their memorization confidence, float64.
    """
    positions = np.flatnonzero(target.correct & ~reference.correct)
    confidence = (reference.entropy - target.entropy)[positions]
    rounded = np.round(confidence, CONFIDENCE_DECIMALS)
    order = np.lexsort((target.samples[positions], -rounded))
    return positions[order], confidence[order]


def confidence_bins(confidence: Floats) -> list[Row]:
    """Histogram of memorization confidence, nats: `low`, `high` and `crops` of every bin.

    Bins are a quarter of a nat wide, start at whole quarters and follow each other without a gap.
    """
    if not len(confidence):
        return []
    places = np.floor(np.round(confidence / BIN_NATS, CONFIDENCE_DECIMALS)).astype(np.int64)
    first = int(places.min())
    return [
        {"low": (first + n) * BIN_NATS, "high": (first + n + 1) * BIN_NATS, "crops": int(count)}
        for n, count in enumerate(np.bincount(places - first))
    ]


def _accuracies(comparison: Comparison, fraction: float) -> tuple[float, float]:
    target, reference = (
        float(np.mean([accuracy(judged, fraction) for judged in predictors]))
        for predictors in (comparison.targets, comparison.references)
    )
    return target, reference


def _score_draws(
    comparison: Comparison, fraction: float, rng: np.random.Generator, replications: int
) -> Floats:
    """Bootstrap the score over crops, every replicate on the same: [replications, replicates]."""
    count = confident_count(comparison.crops, fraction)
    if not count:
        return np.full((replications, len(comparison.targets)), np.nan)
    if fraction == 1:
        gap = comparison.target_correct.astype(np.int64) - comparison.reference_correct
        return _mean_draws(gap, rng, replications)
    draws = np.empty((replications, len(comparison.targets)))
    chunk = max(1, CHUNK_NUMBERS // comparison.crops)
    for start in range(0, replications, chunk):
        drawn = _redraw(comparison.crops, min(chunk, replications - start), rng)
        pairs = zip(comparison.targets, comparison.references, strict=True)
        for replicate, (target, reference) in enumerate(pairs):
            gap_of_chunk = _accuracy_draws(target, drawn, count)
            gap_of_chunk -= _accuracy_draws(reference, drawn, count)
            draws[start : start + chunk, replicate] = gap_of_chunk
    return draws


def _mean_draws(values: NDArray[Any], rng: np.random.Generator, replications: int) -> Floats:
    """Bootstrap the means of values [crops, replicates], of which few rows are distinct."""
    distinct, counts = np.unique(values, axis=0, return_counts=True)
    return intervals.multinomial_means(distinct, counts, replications, rng)


def _redraw(crops: int, replications: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """How often each crop is in each bootstrap sample, int32 [replications, crops]."""
    drawn = rng.integers(0, crops, size=(replications, crops))
    drawn += np.arange(replications)[:, None] * crops
    counts = np.bincount(drawn.ravel(), minlength=replications * crops)
    return counts.astype(np.int32).reshape(replications, crops)


def _accuracy_draws(judged: Judged, drawn: NDArray[np.int32], count: int) -> Floats:
    """Accuracy on the `count` most confident crops of each bootstrap sample, [replications]."""
    reached = np.cumsum(drawn[:, judged.order], axis=1, dtype=np.int32)
    taken = np.diff(np.minimum(reached, count), axis=1, prepend=np.int32(0))
    return taken @ judged.correct[judged.order].astype(np.float64) / count


def _adjusted(members: Comparison, controls: Comparison, bootstrap: Bootstrap) -> Row:
    gaps = [
        intervals.adjusted_gap(*pair)
        for pair in zip(members.moments(), controls.moments(), strict=True)
    ]
    betas = np.array([beta for *_, beta in gaps])
    name = "adjusted_accuracy"
    row: Row = {
        name: float(np.mean([gap for gap, *_ in gaps])),
        f"{name}_beta": float(betas.mean()),
    }
    if len(gaps) == 1:
        _, low, high, _ = gaps[0]
        return {**row, f"{name}_low": low, f"{name}_high": high}
    draws = []
    for group, comparison in (("members", members), ("controls", controls)):
        residuals = comparison.target_correct - betas * comparison.reference_correct
        rng = bootstrap.generator("adjusted", group)
        draws.append(bootstrap.over_seeds(_mean_draws(residuals, rng, bootstrap.replications)))
    return {**row, **_interval(name, draws[0] - draws[1])}


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide, nan by zero."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _interval(name: str, draws: Floats) -> Row:
    low, high = intervals.percentile(draws) if len(draws) else (np.nan, np.nan)
    return {f"{name}_low": low, f"{name}_high": high}
