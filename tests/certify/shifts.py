"""Worlds whose control has another mix of scenes: gaps adjusted for the shift, and verdicts.

A blind encoder sees scenes as clusters of vectors, amid directions that hold more of their
variance; how well target and reference do depends on the scene.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from dejavu.report.verdict import KINDS, Score, kind_of, shift_checks
from dejavu.scores import intervals, shift
from dejavu.scores.intervals import Levels, Moments
from tests.certify.verdicts import SMALLEST, Verdicts
from tests.certify.worlds import Case, case, generator

SIZES = ((200, 200), (1_000, 1_000), (1_000, 200))
TILTS = {"alike": 1.0, "tilted": 3.0}
# Noise of the vectors in the directions that tell scenes: with the larger one a regression on the
# vectors finds three quarters of what a scene does, as on MiniLM's vectors of generated captions.
SEEN = {"seen": 0.03, "partly seen": 0.2}
MEMORY = {"none": 0.0, "much": 0.2}
RIGHT = np.array([0.2, 0.25, 0.3, 0.35, 0.45, 0.5, 0.55, 0.6])
DIMENSION = 32
PARTS = 5


@dataclass(frozen=True)
class Found:
    """What was found in one world.

    Attributes:
        plain: the adjusted gap.
        shifted: the same, adjusted for the shift.
        bound: the bias bound.
    """

    plain: intervals.Adjusted
    shifted: intervals.Centred
    bound: float


def drawn(
    rng: np.random.Generator, size: int, shares: np.ndarray, memory: float, blur: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors float64 [n, 32], and results of target and reference in fifths, float64 [n, 1]."""
    scene = rng.choice(len(RIGHT), size, p=shares / shares.sum())
    vectors = rng.normal(size=(size, DIMENSION)) / np.sqrt(np.arange(1, DIMENSION + 1))
    seen = slice(8, 8 + len(RIGHT))
    vectors[:, seen] = blur * rng.normal(size=(size, len(RIGHT))) + np.eye(len(RIGHT))[scene]
    chance = RIGHT[scene]
    g = rng.binomial(PARTS, chance) / PARTS
    t = rng.binomial(PARTS, np.clip(chance + 0.2 * (g - chance) + memory, 0, 1)) / PARTS
    return vectors, t[:, None], g[:, None]


def found(
    rng: np.random.Generator, sizes: tuple[int, int], tilt: float, memory: float, blur: float
) -> Found:
    """One world, scored by the functions that make the tables."""
    even, other = np.ones(len(RIGHT)), np.geomspace(tilt, 1 / tilt, len(RIGHT))
    members = drawn(rng, sizes[0], even, memory, blur)
    controls = drawn(rng, sizes[1], other, 0.0, blur)
    fitted = shift.Shift.of(shift.Sums.of(*members), shift.Sums.of(*controls), None)
    spreads = [
        shift.spread_of(fitted, *group, 1, is_member)
        for group, is_member in ((members, True), (controls, False))
    ]
    [result] = shift.shifted(fitted, *spreads, 1)
    (t, g), (u, h) = ((each[:, 0] for each in group[1:]) for group in (members, controls))
    values = np.arange(PARTS + 1) / PARTS
    same = np.abs(h - values[:, None]) < 1e-9
    levels = Levels(values, same.sum(1), same @ u, same @ u**2)
    plain = intervals.adjusted_gap(Moments.of(t, g), Moments.of(u, h), levels)
    return Found(plain, result.gaps[0], result.bounds[0])


def shifted(worlds: int) -> Iterator[Case]:
    """Gaps adjusted for a shift, with memory and without; nothing is asked of one half seen."""
    for (tilt_name, tilt), (seen, blur), (memory_name, memory) in product(
        TILTS.items(), SEEN.items(), MEMORY.items()
    ):
        for sizes in SIZES:
            rng = generator("shifted", tilt, blur, memory, sizes)
            several = [found(rng, sizes, tilt, memory, blur) for _ in range(worlds)]
            ends = np.array([each.shifted.ends() for each in several]).T
            name = f"{tilt_name}, {seen}, memory: {memory_name}"
            least = 0.0 if tilt > 1 and seen != "seen" else None
            yield case("adjusted_shift", name, sizes, tuple(ends), memory, least)


def bounded(worlds: int) -> Iterator[Case]:
    """Bias bounds: whether they reach as far as the shift has moved the adjusted gap."""
    for (tilt_name, tilt), (seen, blur) in product(TILTS.items(), SEEN.items()):
        for sizes in SIZES:
            rng = generator("bounded", tilt, blur, sizes)
            several = [found(rng, sizes, tilt, 0.0, blur) for _ in range(worlds)]
            bias = float(np.mean([each.plain.value for each in several]))
            bounds = np.array([each.bound for each in several])
            least = 0.0 if tilt > 1 and seen != "seen" else None
            name = f"{tilt_name}, {seen}"
            yield case("bias bound", name, sizes, (-bounds, bounds), bias, least)


# What the encoder's table says: the sets differ, and not so much that nothing can be said.
TOLD_APART = {"encoder": "blind", "auc": 0.6, "auc_low": 0.58, "auc_high": 0.62}


def missed(worlds: int) -> float:
    """How often the adjusted gap's interval misses 0 in tilted worlds without memory."""
    rng = generator("missed")
    several = [found(rng, SIZES[1], TILTS["tilted"], 0.0, SEEN["seen"]) for _ in range(worlds)]
    ends = [each.plain.ends() for each in several]
    return float(np.mean([not low <= 0 <= high for low, high in ends]))


def verdicts(worlds: int) -> Iterator[Verdicts]:
    """Verdicts of one-model tests whose control is tilted."""
    for (seen, blur), (memory_name, memory) in product(SEEN.items(), MEMORY.items()):
        for sizes in SIZES[:2]:
            rng = generator("shifted verdicts", blur, memory, sizes)
            kinds = []
            for _ in range(worlds):
                each = found(rng, sizes, TILTS["tilted"], memory, blur)
                score = Score(*(float(x) for x in (each.plain.value, *each.plain.ends())))
                checks = shift_checks("control", [TOLD_APART], each.bound, score, True, True)
                kinds.append(kind_of(score, [c.outcome for c in checks], SMALLEST["gap"]))
            rates = {kind: kinds.count(kind) / worlds for kind in KINDS}
            yield Verdicts(
                f"one-model, tilted control, {seen}", memory_name, sizes[0], rates, worlds
            )
