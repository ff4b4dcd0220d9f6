"""How predictors fared on the crops of a set, and how two of them compare.

Source: method.md, image models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet
from dejavu.scores.intervals import Moments

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

CONFIDENCE_DECIMALS = 9


@dataclass(frozen=True)
class Judged:
    """How one predictor fared on n crops.

    Attributes:
        samples: the crops' sample numbers, int64 [n].
        correct: whether the label was inferred, bool [n].
        confidence: float64 [n], which orders the predictor's own crops.
        tiebreak: float64 [n], higher first among crops of equal confidence.
        entropy: float64 [n], which predictors are compared by.
    """

    samples: NDArray[np.int64]
    correct: Bools
    confidence: Floats
    tiebreak: Floats
    entropy: Floats

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(
            np.concatenate([self.samples, other.samples]),
            np.concatenate([self.correct, other.correct]),
            np.concatenate([self.confidence, other.confidence]),
            np.concatenate([self.tiebreak, other.tiebreak]),
            np.concatenate([self.entropy, other.entropy]),
        )

    def where(self, chosen: Bools) -> "Judged":
        """The crops in the mask `chosen`, bool [n]."""
        return Judged(
            self.samples[chosen],
            self.correct[chosen],
            self.confidence[chosen],
            self.tiebreak[chosen],
            self.entropy[chosen],
        )

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """Positions of the crops, the most confident first, int64 [n].

        Unanimous votes make equal confidences common, and rounding must not order them.
        """
        confidence = np.round(self.confidence, CONFIDENCE_DECIMALS)
        return np.lexsort((self.samples, -self.tiebreak, -confidence))


@dataclass(frozen=True)
class Comparison:
    """Target and reference on the same crops, in the same order; one of each a replicate."""

    targets: tuple[Judged, ...]
    references: tuple[Judged, ...]

    def __add__(self, other: "Comparison") -> "Comparison":
        """Pool the crops of two comparisons, replicate by replicate."""
        return Comparison(
            tuple(a + b for a, b in zip(self.targets, other.targets, strict=True)),
            tuple(a + b for a, b in zip(self.references, other.references, strict=True)),
        )

    def where(self, chosen: Bools) -> "Comparison":
        """The crops in the mask `chosen`, bool [n]."""
        return Comparison(
            tuple(judged.where(chosen) for judged in self.targets),
            tuple(judged.where(chosen) for judged in self.references),
        )

    def replicates(self, chosen: Sequence[int]) -> "Comparison":
        """Some of the replicates."""
        return Comparison(
            tuple(self.targets[r] for r in chosen), tuple(self.references[r] for r in chosen)
        )

    @property
    def crops(self) -> int:
        """Number of crops."""
        return len(self.targets[0].samples)

    @property
    def target_correct(self) -> Bools:
        """Bool [crops, replicates]."""
        return np.stack([judged.correct for judged in self.targets], axis=1)

    @property
    def reference_correct(self) -> Bools:
        """Bool [crops, replicates]."""
        return np.stack([judged.correct for judged in self.references], axis=1)

    def moments(self) -> list[Moments]:
        """Moments of right and wrong, one a replicate."""
        return [
            Moments.of(target.correct, reference.correct)
            for target, reference in zip(self.targets, self.references, strict=True)
        ]


def read_judged(path: str, left_out: NDArray[np.int64]) -> Judged:
    """What is right, and how sure the predictor is, in the order of the samples' numbers.

    Samples that are `left_out`, int64, are not judged.
    """
    columns = ["sample", "correct", "confidence", "tiebreak", "entropy"]
    table = read_parquet(path, columns)
    found = Judged(*(table[name].to_numpy() for name in columns))
    return found.where(~np.isin(found.samples, left_out))


def read_comparison(
    side: Mapping[str, Any],
    predictions: Mapping[tuple[str, str], str],
    left_out: NDArray[np.int64],
) -> Comparison:
    """Targets and references of one side of a comparison.

    Args:
        side: of `plan_vision.comparisons`.
        predictions: files by predictor and set, as of `layout.predictions_of`.
        left_out: numbers of the samples that are not compared.

    Raises:
        InputError: two predictors were asked about different crops.
    """
    names = (*side["targets"], *side["references"])
    paths = {name: predictions[name, side["set"]] for name in names}
    known = {name: read_judged(path, left_out) for name, path in paths.items()}
    first, *others = known
    for other in others:
        if not np.array_equal(known[first].samples, known[other].samples):
            raise InputError(
                f"{paths[first]} and {paths[other]} are about different crops: delete the older of"
                " the two and run again."
            )
    return Comparison(
        tuple(known[name] for name in side["targets"]),
        tuple(known[name] for name in side["references"]),
    )


def among_top5(path: str, crops: pl.DataFrame) -> Bools:
    """Whether the labels of crops, with `sample` and `label`, are among the five best, bool [n]."""
    table = read_parquet(path, ["sample", "top5"])
    best = pl.DataFrame(pl.from_arrow(table)).filter(
        np.isin(table["sample"].to_numpy(), crops["sample"].to_numpy())
    )["top5"]
    return pl.select(best.list.contains(crops["label"])).to_series().to_numpy()
