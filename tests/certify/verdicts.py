"""How often each verdict is reached, in worlds without memory, with a little and with much.

Scores are those of right-or-wrong results; `dejavu.report.verdict` makes verdicts of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from dejavu.report.verdict import (
    KINDS,
    MEMORIZES,
    WEAKLY_CHECKED,
    Score,
    kind_of,
    near_zero,
    vision_verdicts,
)
from dejavu.scores import intervals, vision
from dejavu.scores.intervals import Average
from dejavu.scores.judged import Comparison, Judged
from tests.certify.worlds import TWO, Adjusting, coins, generator, group, signs

SIZES = (50, 200, 1_000, 10_000)
CLASSES = 20
SMALLEST = {"gap": 0.02, "ppg": 0.05}
MEMORY = {"none": 0.0, "a little": 0.03, "much": 0.2}
# Of worlds without memory.
MOST_FALSE = 0.03


@dataclass(frozen=True)
class Verdicts:
    """How often each kind of verdict was reached.

    Attributes:
        test: the kind of test.
        memory: how much there is.
        size: samples of each set.
        rates: by kind.
        worlds: their number.
    """

    test: str
    memory: str
    size: int
    rates: dict[str, float]
    worlds: int

    @property
    def false(self) -> float:
        """Share of verdicts that say that the model memorizes."""
        return self.rates[MEMORIZES] + self.rates[WEAKLY_CHECKED]

    def faults(self) -> list[str]:
        """What is asked for and not met, beyond the chance of the simulation (1 in 10,000)."""
        wrong = round(self.false * self.worlds)
        if self.memory != "none" or stats.binom.sf(wrong - 1, self.worlds, MOST_FALSE) >= 1e-4:
            return []
        return [f"memory is found in more than {MOST_FALSE:g}"]


def verdicts(worlds: int) -> Iterator[Verdicts]:
    """Rates of both kinds of tests; of images, in a tenth of the worlds, by the whole table."""
    for memory, truth in MEMORY.items():
        for size in SIZES:
            for test, kinds in (
                ("two-model", two_model(truth, size, worlds)),
                ("one-model", one_model(truth, size, worlds)),
                ("one-model, images", of_images(truth, size, worlds // 10)),
            ):
                counts = Counter(kinds)
                reached = counts.total()
                rates = {kind: counts[kind] / reached for kind in KINDS}
                yield Verdicts(test, memory, size, rates, reached)


def two_model(truth: float, size: int, worlds: int) -> Iterator[str]:
    """Verdicts by the symmetric PPG, whose models lean by a tenth to one side."""
    rng = generator("two-model verdicts", truth, size)
    sides = [
        signs(rng, size, (0.3 + (truth + lean) / 2, 0.3 - (truth + lean) / 2), worlds)
        for lean in (0.1, -0.1)
    ]
    found = Average(*sides)
    for value, low, high in zip(found.value, *found.ends(), strict=True):
        yield kind_of(Score(value, low, high), [], SMALLEST["ppg"])


def one_model(truth: float, size: int, worlds: int) -> Iterator[str]:
    """Verdicts by the adjusted gap, with a check of non-members against the same control."""
    rng = generator("one-model verdicts", truth, size)
    world = Adjusting(TWO, coins(0.55), coins(0.5), 0.2, 0.3, truth, 1)
    members, _ = group(rng, world, size, worlds, is_member=True)
    controls, levels = group(rng, world, size, worlds, is_member=False)
    others, _ = group(rng, world, size, worlds, is_member=False)
    gap, check = (intervals.adjusted_gap(each, controls, levels) for each in (members, others))
    p_values = check.p_value()
    columns = [np.stack([each.value, *each.ends()], axis=1) for each in (gap, check)]
    for of_gap, of_check, p_value in zip(*columns, p_values, strict=True):
        primary = Score(*of_gap)
        ends = zip(("gap", "gap_low", "gap_high"), of_check, strict=True)
        outcome = near_zero("non-members", {**dict(ends), "p_value": p_value}, "gap", primary)
        yield kind_of(primary, [outcome.outcome], SMALLEST["gap"])


def of_images(truth: float, size: int, worlds: int) -> Iterator[str]:
    """Verdicts by the table of crops, drawn class by class, of which control has other shares."""
    rng = generator("verdicts of images", truth, size)
    for _ in range(worlds):
        shares = rng.dirichlet(np.ones(CLASSES))
        drawn = {name: rng.choice(CLASSES, size, p=shares) for name in ("A", "nonmember")}
        drawn["control"] = np.arange(size) % CLASSES
        sides = {name: crops(rng, each, truth * (name == "A")) for name, each in drawn.items()}
        sides["nonmember"] = replace(sides["nonmember"], references=())
        asked = "other", 1
        rows = vision.rows_of_target({asked: sides}, {asked: {"0": [0]}}, [1.0], "one_model")
        names = {"test": "one_model", "target_model": "net", "reference_model": "other", "top": 1}
        [judged] = vision_verdicts(
            [{**names, **row} for _, row in rows], dict.fromkeys(("A", "control"), ""), SMALLEST
        )
        yield judged.kind


def crops(rng: np.random.Generator, classes: np.ndarray, memory: float) -> Comparison:
    """Crops that are the easier for both the later their class."""
    nothing = np.zeros(len(classes))
    ease = classes / CLASSES
    g = rng.random(len(classes)) < 0.2 + 0.5 * ease
    t = rng.random(len(classes)) < 0.1 + 0.3 * ease + 0.3 * g + memory
    sides = [Judged(np.arange(len(classes)), each, *[nothing] * 3) for each in (t, g)]
    return Comparison((sides[0],), (sides[1],), classes)
