"""Contrasts of a sweep's points, in simulated worlds where models are alike."""

from collections.abc import Iterator, Sequence

import numpy as np

from dejavu.scores import contrasts, intervals, tallies, vision, vlm
from dejavu.scores.contrasts import Contrast
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.recovered import Outcome
from tests.certify import worlds
from tests.certify.worlds import ORDINARY, Case, generator

# Rates of wins at the points; how often a sample's luck is the same at all of them; of losses.
SIGNS = {
    "nothing changes": ((0.4, 0.4, 0.4, 0.4), 0.8, 0.2),
    "falls": ((0.5, 0.4, 0.35, 0.3), 0.8, 0.2),
    "falls, nearly all samples alike": ((0.5, 0.48, 0.44, 0.4), 0.97, 0.2),
    "falls to rare": ((0.1, 0.05, 0.03, 0.02), 0.8, 0.01),
    "rare": ((0.02, 0.02, 0.02, 0.02), 0.5, 0.01),
}
PAIRS = ((15, 15), (50, 50), (200, 200), (1_000, 1_000), (1_000, 60))
# Mean results of the points.
GAPS = {
    "nothing changes": (0.3, 0.3, 0.3, 0.3),
    "falls": (0.5, 0.4, 0.35, 0.3),
    "falls to rare": (0.15, 0.08, 0.04, 0.03),
}
TENTH = 10


def asked_of(points: int) -> list[Contrast]:
    """A difference of neighbours, of the ends, and the slope."""
    values = [{"step": step} for step in range(points)]
    first, *_, ends, trend = contrasts.contrasts(values, ["step"])
    return [first, ends, trend]


def signs(
    rng: np.random.Generator, size: int, wins: Sequence[float], alike: float, loss: float
) -> np.ndarray:
    """Values of PPG of the same samples at every point, float64 [points, samples]."""
    own, shared = rng.random((len(wins), size)), rng.random(size)
    drawn = np.where(rng.random(own.shape) < alike, shared, own)
    return (drawn < np.array(wins)[:, None]).astype(float) - (drawn > 1 - loss)


def paired_of(values: np.ndarray, weights: Sequence[float]) -> tallies.Paired:
    """What a contrast sums of values of PPG, float64 [points, seeds, samples]."""
    rows = np.zeros((*values.shape, tallies.COLUMNS))
    rows[..., 0], rows[..., tallies.MEASURE_COLUMN["ppg"]] = 1, values
    nothing = [Outcome(*(np.zeros(values.shape[-1], np.int64),) * 3)] * values.shape[1]
    scored = np.ones(values.shape[-1], dtype=bool)
    paired = tallies.paired(list(rows.swapaxes(1, 2)), weights)
    return tallies.Paired.of(paired, scored, nothing, nothing, None, None, False)


def differences(number: int) -> Iterator[Case]:
    """Differences and slopes of symmetric scores."""
    asked = asked_of(4)
    for name, (wins, alike, loss) in SIGNS.items():
        truths = [float(np.dot(each.weights, np.array(wins) - loss)) for each in asked]
        sample = signs(generator("changes", name), 100_000, wins, alike, loss)
        for sizes in PAIRS:
            rng = generator("contrasts", name, sizes)
            ends = np.empty((len(asked), 2, number))
            for world in range(number):
                sides = [signs(rng, size, wins, alike, loss)[:, None] for size in sizes]
                for place, each in enumerate(asked):
                    both = [paired_of(side, each.weights) for side in sides]
                    row = vlm.contrast_of_sets(both, [0], each.scale)
                    ends[place, :, world] = row["ppg_low"], row["ppg_high"]
            for place, each in enumerate(asked):
                changes = np.mean(np.abs(np.dot(each.weights, sample)) > 1e-9)
                ordinary = bool(min(sizes) * changes > ORDINARY)
                yield worlds.case(
                    "contrast, symmetric", f"{name}: {each.contrast}", sizes, ends[place],
                    truths[place], is_ordinary=ordinary,
                )  # fmt: skip


def pooled_differences(number: int) -> Iterator[Case]:
    """Differences and slopes of several seeds, whose effects are of each point."""
    asked = asked_of(4)
    for several, spread in ((3, 0.0), (3, 0.05), (5, 0.05)):
        for size in (50, 200, 1_000):
            rng = generator("contrasts of seeds", several, spread, size)
            ends = np.empty((len(asked), 2, number))
            for world in range(number):
                wins = 0.4 + rng.uniform(-spread, spread, (4, several)) * 3**0.5
                sides = []
                for _ in range(2):
                    values = signs(rng, size, wins.ravel(), 0.8, 0.2)
                    sides.append(values.reshape(4, several, size))
                for place, each in enumerate(asked):
                    both = [paired_of(side, each.weights) for side in sides]
                    row = vlm.contrast_of_sets(both, range(several), each.scale)
                    ends[place, :, world] = row["ppg_low"], row["ppg_high"]
            for place, each in enumerate(asked):
                yield worlds.case(
                    "contrast, pooled",
                    f"{several} seeds, deviation {spread:g}: {each.contrast}",
                    (size, size), ends[place], 0.0, {3: 0.90, 5: 0.92}[several],
                )  # fmt: skip


def results(
    rng: np.random.Generator, size: int, means: Sequence[float], parts: int
) -> tuple[np.ndarray, np.ndarray]:
    """Results of the points and of a reference, which find the same samples difficult.

    Returns:
        Numbers of right parts, int64 [points, samples] and [samples].
    """
    ease = rng.uniform(-0.5, 0.5, size)
    luck = rng.random((size, parts))
    chances = np.clip(np.array(means)[:, None] * (1 + ease), 0, 1)
    own = np.where(rng.random((len(means), size, parts)) < 0.8, luck, rng.random((size, parts)))
    reference = rng.binomial(parts, 0.5 + 0.6 * ease)
    return (own < chances[..., None]).sum(axis=2), reference


def gaps(number: int) -> Iterator[Case]:
    """Differences and slopes of adjusted gaps of captions."""
    asked = asked_of(4)
    for name, means in GAPS.items():
        truths = [float(np.dot(each.weights, means)) for each in asked]
        for sizes in PAIRS:
            rng = generator("contrasts of gaps", name, sizes)
            ends = np.empty((len(asked), 2, number))
            for world in range(number):
                found = []
                for size, of_set, is_control in zip(
                    sizes, (means, (0.2,) * 4), (False, True), strict=True
                ):
                    right, reference = results(rng, size, of_set, TENTH)
                    ten = np.full(size, TENTH)
                    known = [Outcome(ten, ten, reference)]
                    points = [[Outcome(ten, ten, each)] for each in right]
                    rows = [tallies.rows_of(each, known, None) for each in points]
                    found.append(
                        [
                            tallies.Paired.of(
                                tallies.paired([each for each, _ in rows], contrast.weights),
                                rows[0][1], points[0], known, None, None, is_control,
                            )
                            for contrast in asked
                        ]
                    )  # fmt: skip
                for place, each in enumerate(asked):
                    row = vlm.contrast_of_gaps(found[0][place], found[1][place], [0], each.scale)
                    ends[place, :, world] = (
                        row["adjusted_precision_low"],
                        row["adjusted_precision_high"],
                    )
            for place, each in enumerate(asked):
                yield worlds.case(
                    "contrast, adjusted", f"{name}: {each.contrast}", sizes, ends[place],
                    truths[place],
                )  # fmt: skip


def judged(right: np.ndarray) -> Judged:
    """A predictor whose confidence nothing asks for."""
    return Judged(np.arange(len(right)), right > 0, *(np.zeros(len(right)),) * 3)


def crops(number: int) -> Iterator[Case]:
    """Differences and slopes of images: of both directions, and adjusted class by class."""
    asked = asked_of(4)
    means = GAPS["falls"]
    for size in (50, 200, 1_000):
        rng = generator("contrasts of crops", size)
        ends = np.empty((2, len(asked), 2, number))
        for world in range(number):
            sets = []
            for of_set in (means, means, (0.2,) * 4):
                right, reference = results(rng, size, of_set, 1)
                other = judged(reference)
                classes = rng.integers(0, 5, size)
                sets.append([Comparison((judged(each),), (other,), classes) for each in right])
            for place, each in enumerate(asked):
                row = vision.contrast_of_sets(sets[:2], each.weights, [0])
                ends[0, place, :, world] = row["dejavu_low"], row["dejavu_high"]
                pairs = list(zip(sets[0], sets[2], strict=True))
                row = vision.contrast_of_gaps(pairs, each.weights, [0])
                ends[1, place, :, world] = (
                    row["adjusted_accuracy_low"],
                    row["adjusted_accuracy_high"],
                )
        for kind, of_kind in zip(("symmetric", "adjusted"), ends, strict=True):
            for place, each in enumerate(asked):
                truth = float(np.dot(each.weights, means))
                yield worlds.case(
                    "contrast of images", f"{kind}: {each.contrast}", (size, size),
                    of_kind[place], truth, 0.92,
                )  # fmt: skip


def levels(number: int, points: int = 6) -> Iterator[Case]:
    """Where nothing changes: how seldom a family has a difference, and a slope is one."""
    values = [{"step": step} for step in range(points)]
    asked = list(contrasts.contrasts(values, ["step"]))
    for size in (50, 200, 1_000):
        rng = generator("families of contrasts", size)
        smallest = np.empty((2, number))
        for world in range(number):
            sides = [signs(rng, size, (0.4,) * points, 0.8, 0.2)[:, None] for _ in range(2)]

            def scored(place, chosen, sides=sides):
                both = [paired_of(side, asked[place].weights) for side in sides]
                return vlm.contrast_of_sets(both, chosen, asked[place].scale)

            rows = list(contrasts.rows_of(asked, {"0": [0]}, "ppg", scored))
            for is_trend in (False, True):
                family = [row for each, row in rows if (each.contrast == "trend") == is_trend]
                smallest[int(is_trend), world] = min(row["p_family"] for row in family)
        for name, found in zip(("all differences of 6 points", "slope"), smallest, strict=True):
            held = found > intervals.LEVEL
            yield Case("contrast, level", name, f"{size} / {size}", held, found, 0.93, False)


FORMS = {
    differences: 400,
    pooled_differences: 300,
    gaps: 300,
    crops: 300,
    levels: 300,
}
