"""By what samples are grouped: which of them are of which level (evidence: groups).

A group gives rows of a shard's samples with their levels; a sample may be of none, or of several.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from dejavu.files.parquet import read_parquet
from dejavu.samples.hashes import row_of
from dejavu.samples.schemas import GROUP_COLUMN, LABEL_LEAVES
from dejavu.scores.groups import LEAST, Bins, Codes, doubling_name, doublings

OBJECT, LENGTH, RARITY = "object", "caption_length", "rarity"
LABEL, COPIES, TYPICALITY = "label", "copies", "typicality"
MOST_LABELS = 200


class Placed(NamedTuple):
    """Rows of samples and the levels they are of, int64 [n] each."""

    rows: Codes
    levels: Codes


@dataclass
class ByNumber:
    """A number of each sample, by four even parts of the members, or by its doublings.

    Attributes:
        samples: those that have a number, int64 [n], ascending.
        values: float64 [n].
        bins: None where levels are doublings.
    """

    samples: NDArray[np.int64]
    values: NDArray[Any]
    bins: Bins | None

    def place(self, samples: NDArray[np.int64]) -> Placed:
        """Levels of those of some samples that have a number."""
        places = np.searchsorted(self.samples, samples)
        places = np.minimum(places, max(len(self.samples) - 1, 0))
        known = (
            self.samples[places] == samples if len(self.samples) else np.zeros(len(samples), bool)
        )
        rows = np.flatnonzero(known)
        values = self.values[places[rows]]
        return Placed(rows, doublings(values) if self.bins is None else self.bins.places(values))

    def names(self) -> list[str]:
        """Of the levels, in their order."""
        if self.bins is not None:
            return self.bins.names()
        return [
            doubling_name(level) for level in range(int(doublings(self.values).max(initial=0)) + 1)
        ]


def typicality(path: str, sets: Sequence[str]) -> ByNumber:
    """By the blind baseline's log-odds of the samples that it has looked at, members first."""
    table = pl.DataFrame(pl.from_arrow(read_parquet(path)))
    table = table.filter(first_set=sets[0], second_set=sets[1]).sort("sample")
    members = Counter(table.filter(set=sets[0])["log_odds"].to_list())
    bins = Bins.of(members, whole=False)
    return ByNumber(table["sample"].to_numpy(), table["log_odds"].to_numpy(), bins)


def copies(paths: Sequence[str]) -> ByNumber:
    """By how often the members' pictures stand in their set; of copies the first counts alone."""
    table = pa.concat_tables([read_parquet(path) for path in paths])
    table = table.filter(table["is_first"]).sort_by("sample")
    return ByNumber(table["sample"].to_numpy(), table["copies"].to_numpy(), None)


def levels_of(labels: Counter[str]) -> list[str]:
    """Which labels of members are levels: the commonest, but for those of too few."""
    common = sorted(labels.items(), key=lambda each: (-each[1], each[0]))[:MOST_LABELS]
    return [label for label, count in common if count >= LEAST]


@dataclass
class Column:
    """A column of the source, whose values are levels; of records, read shard by shard.

    Attributes:
        name: of the column.
        levels: its values, the members' commonest first.
    """

    name: str
    levels: list[str]

    @classmethod
    def of(cls, name: str, members: Iterable[str]) -> "Column":
        """From the members' records."""
        counts: Counter[str] = Counter()
        for path in members:
            counts.update(filter(None, cls._values(path, name).to_list()))
        return cls(name, levels_of(counts))

    def placed(self, path: str, samples: NDArray[np.int64]) -> Placed:
        """Levels of some samples of the shard whose records lie at a path."""
        values = self._values(path, self.name)[row_of(samples)]
        return placed_by_name(pl.DataFrame({"name": values}).with_row_index("row"), self.levels)

    @staticmethod
    def _values(path: str, name: str) -> pl.Series:
        column = f"{GROUP_COLUMN}{name}"
        return pl.DataFrame(pl.from_arrow(read_parquet(path, [column])))[column].cast(pl.String)


def words(captions: pl.Series) -> NDArray[np.int64]:
    """Number of words of each caption, int64 [n]."""
    return captions.str.count_matches(r"\S+").to_numpy().astype(np.int64)


@dataclass
class Captions:
    """Groups that captions and their objects tell, read shard by shard.

    Attributes:
        groups: those of `object`, `caption_length` and `rarity` that are asked for.
        public: number of public samples with each label.
        lengths: of the members' captions.
        rarities: how many public samples have the rarest object of a member.
        labels: number of members with each label.
    """

    groups: Sequence[str]
    public: Counter[str] = field(default_factory=Counter)
    lengths: Counter[float] = field(default_factory=Counter)
    rarities: Counter[float] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, groups: Sequence[str], members: Iterable[str], public: Iterable[str]) -> "Captions":
        """Count what levels depend on.

        Args:
            groups: all that are asked for.
            members: paths of the members' samples.
            public: of public's.
        """
        found = cls([group for group in groups if group in (OBJECT, LENGTH, RARITY)])
        if RARITY in found.groups:
            for path in public:
                found.public.update(labels_of(read_samples(path)))
        for path in members if found.groups else ():
            frame = read_samples(path)
            found.labels.update(labels_of(frame))
            found.lengths.update(words(frame["caption"]).tolist())
            found.rarities.update(found.rarity(frame).tolist())
        return found

    def rarity(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """Public samples with the rarest object of each sample, float64 [n]; nan without any."""
        counts = pl.DataFrame(
            {"objects": list(self.public), "count": list(self.public.values())},
            schema={"objects": pl.String, "count": pl.Float64},
        )
        rarest = (
            exploded(frame)
            .join(counts, on="objects", how="left")
            .group_by("row")
            .agg(pl.col("count").fill_null(0.0).min())
        )
        found = np.full(len(frame), np.nan)
        found[rarest["row"].to_numpy()] = rarest["count"].to_numpy()
        return found

    @property
    def commonest(self) -> list[str]:
        """The labels that are levels."""
        return levels_of(self.labels)

    def names(self, group: str) -> list[str]:
        """Of a group's levels, in their order."""
        return self.commonest if group == OBJECT else self._bins(group).names()

    def _bins(self, group: str) -> Bins:
        counts = self.lengths if group == LENGTH else self.rarities
        return Bins.of({value: n for value, n in counts.items() if value == value}, whole=True)

    def placed(self, path: str, samples: NDArray[np.int64]) -> dict[str, Placed]:
        """Levels, by group, of some samples of the shard whose samples lie at a path."""
        if not self.groups:
            return {}
        frame = read_samples(path)[row_of(samples)]
        found = {}
        for group in self.groups:
            if group == OBJECT:
                pairs = exploded(frame).rename({"objects": "name"})
                found[group] = placed_by_name(pairs, self.commonest)
                continue
            values = words(frame["caption"]) if group == LENGTH else self.rarity(frame)
            levels = self._bins(group).places(values)
            rows = np.flatnonzero(levels >= 0)
            found[group] = Placed(rows, levels[rows])
        return found


def placed_by_name(named: pl.DataFrame, levels: Sequence[str]) -> Placed:
    """Levels of rows, of which `named` has `row` and `name`; other names are of none."""
    places = pl.DataFrame(
        {"name": levels, "level": range(len(levels))},
        schema={"name": pl.String, "level": pl.Int64},
    )
    found = named.join(places, on="name", how="inner", maintain_order="left")
    return Placed(found["row"].to_numpy().astype(np.int64), found["level"].to_numpy())


def read_samples(path: str) -> pl.DataFrame:
    """Captions and objects of one shard."""
    table = read_parquet(path, ["caption", "objects"], read_dictionary=LABEL_LEAVES[:1])
    return pl.DataFrame(pl.from_arrow(table)).with_columns(
        pl.col("objects").cast(pl.List(pl.String))
    )


def exploded(frame: pl.DataFrame) -> pl.DataFrame:
    """Each row's number with each of its objects, once."""
    rows = frame.select(pl.col("objects").list.unique()).with_row_index("row")
    return rows.explode("objects").drop_nulls("objects")


def labels_of(frame: pl.DataFrame) -> Counter[str]:
    """Number of samples with each label."""
    counts = exploded(frame)["objects"].value_counts()
    return Counter(dict(counts.iter_rows()))
