"""How many of a list of memorized samples are not, in worlds whose memorized samples are known."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from dejavu.audits import evidence
from dejavu.scores.families import benjamini_hochberg
from tests.certify.worlds import generator

RATES = (0.05, 0.1, 0.2)
SIZES = (300, 1_000)
FEATURES = 6
# The part of members that is memorized, and by how much that moves a feature.
MEMORY = {"none": (0.0, 0.0), "some": (0.3, 2.5), "many": (0.7, 1.5)}
# By how much the sets differ in what the blind encoder sees, which the features follow.
SHIFTS = {"alike": 0.0, "shifted": 0.6}
BLIND = 8


@dataclass(frozen=True)
class Lists:
    """How lists at one rate fared in some worlds.

    Attributes:
        memory: how much there is.
        shift: whether control is like the members.
        size: members, and half as many as controls.
        rate: that is asked for.
        false: part of each list that is not memorized, 0 of an empty one, float64 [worlds].
        listed: lengths of the lists, int64 [worlds].
    """

    memory: str
    shift: str
    size: int
    rate: float
    false: np.ndarray
    listed: np.ndarray

    def faults(self) -> list[str]:
        """What is asked for and not met, beyond the chance of the simulation (1 in 10,000)."""
        error = self.false.std(ddof=1) / np.sqrt(len(self.false))
        if self.memory == "none":
            # Any list is false altogether.
            wrong = int(np.count_nonzero(self.listed))
            too_many = stats.binom.sf(wrong - 1, len(self.listed), self.rate) < 1e-4
        else:
            too_many = self.false.mean() - self.rate > stats.norm.isf(1e-4) * error
        return [f"more than {self.rate:g} of the lists are false"] if too_many else []


def lists(worlds: int) -> Iterator[Lists]:
    """Lists of all worlds at all rates."""
    for size, memory, shift in product(SIZES, MEMORY, SHIFTS):
        yield from at_all_rates(memory, shift, size, worlds)


def at_all_rates(memory: str, shift: str, size: int, worlds: int) -> Iterator[Lists]:
    """Lists of some worlds at all rates."""
    part, effect = MEMORY[memory]
    found = [
        _world(size, part, effect, SHIFTS[shift], generator("lists", size, memory, shift, number))
        for number in range(worlds)
    ]
    for rate in RATES:
        chosen = [q <= rate for q, _ in found]
        false = [
            np.count_nonzero(each & ~memorized) / max(np.count_nonzero(each), 1)
            for each, (_, memorized) in zip(chosen, found, strict=True)
        ]
        listed = [np.count_nonzero(each) for each in chosen]
        yield Lists(memory, shift, size, rate, np.array(false), np.array(listed))


def _world(
    size: int, part: float, effect: float, distance: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The members' q-values, and which of them are memorized.

    Features follow what the blind encoder sees; memory adds to the first two of them.
    """
    memorized = rng.random(size) < part
    sets = []
    for moved, remembered in ((distance, memorized), (0.0, np.zeros(3 * size // 2, bool))):
        count = len(remembered)
        seen = rng.normal(size=(count, BLIND))
        seen[:, 0] += moved
        features = seen[:, :FEATURES] + rng.normal(size=(count, FEATURES))
        features[:, :2] += effect * remembered[:, None]
        ids = [f"{len(sets)}.{number}" for number in range(count)]
        # Worlds differ by their key, as measurements do.
        seed = int(rng.integers(2**31))
        sets.append(
            evidence.Shard(
                np.arange(count),
                evidence.image_hashes(ids, seed),
                evidence.own_hashes(ids, seed),
                features.astype(np.float32),
                blind=seen.astype(np.float32),
            )
        )
    limit = size if distance else None
    members, control = evidence.weigh(*((lambda _, own=own: [own]) for own in sets), limit)
    return benjamini_hochberg(evidence.member_p_values(members, control)), memorized
