"""How predictors fared on the crops of a set, and how two of them compare.

Source: method.md, image models.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

CONFIDENCE_DECIMALS = 9
# A label is inferred if it is the best one, or among the five best.
TOPS = (1, 5)


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
    """Target and reference on the same crops, in the same order; one of each a replicate.

    Where a target is looked at alone, there are no references.

    Attributes:
        targets: one a replicate.
        references: likewise.
        classes: of the crops, numbered alike in every set, int64 [n].
        scores: of the components of a blind encoder's vectors, float [n, m], where they are asked
            for.
    """

    targets: tuple[Judged, ...]
    references: tuple[Judged, ...]
    classes: NDArray[np.int64]
    scores: NDArray[np.floating[Any]] | None = None

    def where(self, chosen: Bools) -> "Comparison":
        """The crops in the mask `chosen`, bool [n]."""
        return Comparison(
            tuple(judged.where(chosen) for judged in self.targets),
            tuple(judged.where(chosen) for judged in self.references),
            self.classes[chosen],
            None if self.scores is None else self.scores[chosen],
        )

    def swapped(self) -> "Comparison":
        """The same with target and reference in each other's place."""
        return Comparison(self.references, self.targets, self.classes)

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


@dataclass(frozen=True)
class Classes:
    """The classes of all crops of all sets, by sample number.

    Attributes:
        samples: int64 [n], ascending.
        numbers: of the classes, from 0, int64 [n].
        labels: of the classes, by their numbers.
    """

    samples: NDArray[np.int64]
    numbers: NDArray[np.int64]
    labels: pl.Series

    @classmethod
    def of(cls, crops: pl.DataFrame) -> "Classes":
        """Number the labels of crops, with `sample` and `label`."""
        crops = crops.sort("sample")
        numbers = crops["label"].rank("dense").to_numpy().astype(np.int64) - 1
        return cls(crops["sample"].to_numpy(), numbers, crops["label"].unique().sort())

    def of_samples(self, samples: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the classes of some samples, int64 [n]."""
        return self.numbers[np.searchsorted(self.samples, samples)]


def read_judged(
    path: str, left_out: NDArray[np.int64], top: int = 1, classes: Classes | None = None
) -> Judged:
    """What is right, and how sure the predictor is, in the order of the samples' numbers.

    Args:
        path: of predictions.
        left_out: numbers of the samples that are not judged.
        top: whether the label must be the best (1) or among the five best (5).
        classes: of the crops; needed for the five best.
    """
    columns = ["sample", "correct", "confidence", "tiebreak", "entropy"]
    table = read_parquet(path, [*columns, "top5"] if top > 1 else columns)
    table = table.filter(pc.invert(pc.is_in(table["sample"], pa.array(left_out, pa.int64()))))
    found = Judged(*(table[name].to_numpy() for name in columns))
    if top == 1:
        return found
    assert classes is not None
    best = pl.DataFrame(pl.from_arrow(table.select(["top5"])))["top5"]
    labels = classes.labels.gather(classes.of_samples(found.samples))
    return replace(found, correct=pl.select(best.list.contains(labels)).to_series().to_numpy())


def read_comparison(
    side: Mapping[str, Any],
    predictions: Mapping[tuple[str, str], str],
    left_out: NDArray[np.int64],
    classes: Classes,
    top: int = 1,
) -> Comparison:
    """Targets and references of one side of a comparison.

    Args:
        side: of `plan_vision.comparisons`.
        predictions: files by predictor and set, as of `layout.predictions_of`.
        left_out: numbers of the samples that are not compared.
        classes: of the set's crops, and of all with which they are compared.
        top: how many of the best labels may hold the right one, 1 or 5.

    Raises:
        InputError: two predictors were asked about different crops.
    """
    names = (*side["targets"], *side["references"])
    paths = {name: predictions[name, side["set"]] for name in names}
    known = {name: read_judged(path, left_out, top, classes) for name, path in paths.items()}
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
        classes.of_samples(known[first].samples),
    )


def among_top5(path: str, crops: pl.DataFrame) -> Bools:
    """Whether the labels of crops, with `sample` and `label`, are among the five best, bool [n]."""
    table = read_parquet(path, ["sample", "top5"])
    best = pl.DataFrame(pl.from_arrow(table)).filter(
        np.isin(table["sample"].to_numpy(), crops["sample"].to_numpy())
    )["top5"]
    return pl.select(best.list.contains(crops["label"])).to_series().to_numpy()


def names_of(images: pl.DataFrame, samples: NDArray[np.int64]) -> dict[int, tuple[str, str]]:
    """Id and label of some images, by their numbers.

    Args:
        images: with the columns `sample`, `id` and `label`.
        samples: the numbers of those that are listed.
    """
    listed = images.filter(pl.col("sample").is_in(pl.Series(samples).implode()))
    return {row[0]: row[1:] for row in listed.select("sample", "id", "label").iter_rows()}
