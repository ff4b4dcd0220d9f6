"""Files of recovered objects: for each sample, how many were there, predicted and right.

One file holds a shard under one model and query; its columns hold every setting, so that a table
reads those it needs. A setting is the number of neighbours that vote, how many objects are
predicted, and which objects count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.errors import InputError
from dejavu.files.parquet import read_parquet, write_parquet
from dejavu.files.seals import Metadata

Floats = NDArray[np.float64]
Files = Mapping[tuple[str, str, str], Sequence[str]]

ROLES = ("target", "reference")
NOTHING = np.empty(0, dtype=np.int64)


class Setting(NamedTuple):
    """Under what objects are predicted: the columns `k`, `predict` and `objects` of tables."""

    k: int
    predict: str
    objects: str

    def column(self, count: str) -> str:
        """Name of the column of `predicted` or `correct` counts."""
        return f"{count}.{self.k}.{self.predict}.{self.objects}"


def settings(ks: Sequence[int], predict: Sequence[str], objects: Sequence[str]) -> list[Setting]:
    """All settings, in the order of the tables."""
    return [Setting(*each) for each in product(ks, predict, objects)]


@dataclass(frozen=True)
class Outcome:
    """What was predicted for each of n samples, int [n] each."""

    truth: NDArray[Any]
    predicted: NDArray[Any]
    correct: NDArray[Any]

    @property
    def precision(self) -> Floats:
        """Correct over predicted; 0 where nothing is predicted."""
        return _ratio(self.correct, self.predicted)

    @property
    def recall(self) -> Floats:
        """Correct over true; 0 where nothing is true (such samples are left out of scores)."""
        return _ratio(self.correct, self.truth)

    def of(self, rows: NDArray[Any] | slice) -> "Outcome":
        """The outcomes of some rows, by mask, number or place."""
        return Outcome(self.truth[rows], self.predicted[rows], self.correct[rows])

    def followed_by(self, other: "Outcome") -> "Outcome":
        """These outcomes, then others."""
        pairs = zip(self.columns, other.columns, strict=True)
        return Outcome(*map(np.concatenate, pairs))

    @property
    def columns(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """All counts."""
        return self.truth, self.predicted, self.correct


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    # Without the type, small integers would be divided as float32.
    quotients = np.zeros(len(part))
    return np.divide(part, whole, out=quotients, where=np.asarray(whole) > 0, dtype=np.float64)


@dataclass(frozen=True)
class Recovered:
    """One shard under one model and query; `left_out` counts its samples that don't count."""

    table: pa.Table
    left_out: int = 0

    @classmethod
    def read(cls, path: str) -> "Recovered":
        """Read one shard."""
        return cls(read_parquet(path))

    def without(self, samples: NDArray[np.int64]) -> "Recovered":
        """Leave samples out."""
        if not len(samples):
            return self
        kept = self.table.filter(pa.array(~np.isin(self.samples, samples)))
        return Recovered(kept, len(self.table) - len(kept))

    @cached_property
    def samples(self) -> NDArray[np.int64]:
        """Sample numbers, int64 [n]."""
        return self.table["sample"].to_numpy()

    @property
    def first_half(self) -> NDArray[np.bool_]:
        """Which samples of control are in the first half of the placebo, bool [n]."""
        return self.table["first_half"].to_numpy()

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Number of each sample's image within the shard, ascending; None if all have their own."""
        if "cluster" not in self.table.column_names:
            return None
        return self.table["cluster"].to_numpy()

    @property
    def distance(self) -> NDArray[np.float32]:
        """Distance to the nearest public sample, 1 − cosine similarity, float32 [n]."""
        return self.table["distance"].to_numpy()

    def scored(self, setting: Setting) -> NDArray[np.bool_]:
        """Which samples have any truth, and so a score, bool [n]."""
        return self.table[f"truth.{setting.objects}"].to_numpy() > 0

    def outcome(self, setting: Setting) -> Outcome:
        """The counts under a setting."""
        return Outcome(
            self.table[f"truth.{setting.objects}"].to_numpy(),
            self.table[setting.column("predicted")].to_numpy(),
            self.table[setting.column("correct")].to_numpy(),
        )


def write(
    path: str,
    samples: NDArray[np.int64],
    first_half: NDArray[np.bool_] | None,
    distance: NDArray[np.float32],
    truth: Mapping[str, NDArray[np.signedinteger]],
    predicted: Mapping[Setting, NDArray[np.signedinteger]],
    correct: Mapping[Setting, NDArray[np.signedinteger]],
    clusters: NDArray[np.int64] | None = None,
    provenance: Metadata | None = None,
) -> None:
    """Write one shard; counts by objects and by setting, int [n] each.

    Only control has halves, and only captions that share their images have clusters. The
    provenance tells model, fingerprint and query.
    """
    columns: dict[str, NDArray[Any]] = {"sample": samples, "distance": distance}
    if clusters is not None:
        columns["cluster"] = clusters
    if first_half is not None:
        columns["first_half"] = first_half
    columns |= {f"truth.{objects}": counts for objects, counts in truth.items()}
    for setting in predicted:
        columns[setting.column("predicted")] = predicted[setting]
        columns[setting.column("correct")] = correct[setting]
    write_parquet(path, pa.table(columns), provenance)


def shards_of(
    tally: Mapping[str, Any],
    files: Files,
    left_out: NDArray[np.int64] = NOTHING,
    roles: Sequence[str] = ROLES,
) -> Iterator[tuple[list[Recovered], ...]]:
    """Target and reference of a comparison, shard by shard, one file a replicate.

    Args:
        tally: of `plan_vlm.comparisons`.
        files: the shards by model, query and set, as of `layout.shards_of`.
        left_out: numbers of the samples that don't count.
        roles: what is read.

    Raises:
        InputError: target and reference hold different samples.
    """
    paths = [
        [files[model, tally[role]["query"], tally["set"]] for model in tally[role]["models"]]
        for role in roles
    ]
    for shard in range(len(paths[0][0])):
        sides = [[Recovered.read(shards[shard]) for shards in side] for side in paths]
        first = sides[0][0]
        for other in (each for side in sides for each in side):
            if not np.array_equal(first.samples, other.samples):
                raise InputError(
                    f"Files of results/vlm/recovered for shard {shard} of {tally['set']} hold"
                    " different samples: delete that folder and run again."
                )
        found = tuple([each.without(left_out) for each in side] for side in sides)
        # Nothing of this shard must stay in memory when the next is read.
        del sides, first, other
        yield found
        del found


def pairs_of(
    tally: Mapping[str, Any], files: Files, left_out: NDArray[np.int64] = NOTHING
) -> Iterator[tuple[Recovered, Recovered]]:
    """The same of the first replicates alone."""
    for targets, references in shards_of(first_replicates(tally), files, left_out):
        yield targets[0], references[0]
        del targets, references


def first_replicates(tally: Mapping[str, Any]) -> dict[str, Any]:
    """The same tally of the first replicate of target and of reference."""
    sides = {role: tally[role] for role in ("target", "reference")}
    firsts = {role: {**side, "models": side["models"][:1]} for role, side in sides.items()}
    return {**tally, **firsts}
