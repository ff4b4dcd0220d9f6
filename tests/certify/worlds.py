"""Simulated worlds with a known truth, scored by the public functions of `dejavu.scores`.

Every world is drawn with a key of its own name, so that a case repeats whatever else is simulated.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dejavu.scores import families, intervals, tallies, vision, vlm, weighing
from dejavu.scores.intervals import Average, Clusters, Difference, Levels, Moments, Proportion
from dejavu.scores.judged import Comparison, Judged
from dejavu.scores.recovered import Outcome, Setting

KEY = 2026
SIZES = (15, 50, 200, 1_000, 10_000)
PAIRS = ((15, 15), (50, 50), (200, 200), (1_000, 1_000), (1_000, 15), (1_000, 60), (60, 1_000))
# Of wins and losses: easy, hard and at the boundary.
RATES = {
    "even": (0.4, 0.3),
    "strong": (0.8, 0.1),
    "no losses": (0.3, 0.0),
    "few wins": (0.05, 0.0),
    "one win in a hundred": (0.01, 0.0),
    "nearly all": (0.95, 0.0),
    "rare": (0.02, 0.01),
    "never": (0.0, 0.0),
}
ORDINARY = 20
EVEN_MOST = 0.97


@dataclass(frozen=True)
class Case:
    """How an interval fared in some worlds.

    Attributes:
        form: the kind of interval.
        world: what the worlds are.
        sizes: numbers of samples.
        covered: bool [worlds], whether the truth is inside.
        widths: float64 [worlds].
        least: the coverage that is asked for.
        is_ordinary: whether the truth is far from the boundary, so that it must not exceed 0.97.
    """

    form: str
    world: str
    sizes: str
    covered: np.ndarray
    widths: np.ndarray
    least: float
    is_ordinary: bool

    @property
    def coverage(self) -> float:
        """Share of worlds whose truth is inside."""
        return float(np.mean(self.covered))

    @property
    def degenerate(self) -> float:
        """Share of intervals without a width."""
        return float(np.mean(~(self.widths > 1e-9)))

    def faults(self) -> list[str]:
        """What is asked for and not met, beyond the chance of the simulation (1 in 10,000)."""
        inside, worlds = int(np.sum(self.covered)), len(self.covered)
        found = []
        if stats.binom.cdf(inside, worlds, self.least) < 1e-4:
            found.append(f"covers less than {self.least}")
        if self.is_ordinary and stats.binom.sf(inside - 1, worlds, EVEN_MOST) < 1e-4:
            found.append(f"covers more than {EVEN_MOST}")
        if self.degenerate:
            found.append("has no width")
        return found


def generator(*names: object) -> np.random.Generator:
    """Random numbers of one case."""
    digest = hashlib.blake2b("|".join(map(str, (KEY, *names))).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest))


def least_of(*sizes: int) -> float:
    """Coverage asked for."""
    return 0.93 if min(sizes) >= 50 else 0.92


def case(
    form: str,
    world: str,
    sizes: tuple[int, ...],
    ends: intervals.Ends,
    truth: object,
    least: float | None = None,
    is_ordinary: bool = False,
) -> Case:
    """A case from the ends of its intervals."""
    low, high = (np.asarray(end, dtype=np.float64) for end in ends)
    covered = (low - 1e-12 <= truth) & (truth <= high + 1e-12)
    least = least_of(*sizes) if least is None else least
    named = " / ".join(f"{size:,}" for size in sizes)
    return Case(form, world, named, covered, high - low, least, is_ordinary)


def is_ordinary(size: int, shares: tuple[float, ...], untied: float) -> bool:
    """Whether so many samples are untied, and so many not of the commonest outcome."""
    return size * untied > ORDINARY and size * (1 - max(shares)) > ORDINARY


def signs(rng: np.random.Generator, size: int, rates: tuple[float, float], worlds: int):
    """Mean of wins and losses of independent samples."""
    wins, losses, _ = rng.multinomial(size, [*rates, 1 - sum(rates)], worlds).T
    return intervals.mean_of(size, wins - losses, wins + losses)


def one_set(worlds: int) -> Iterator[Case]:
    """PPG, PRG and déjà vu scores of one set."""
    for name, (win, loss) in RATES.items():
        for size in SIZES:
            found = signs(generator("one set", name, size), size, (win, loss), worlds)
            ordinary = is_ordinary(size, (win, loss, 1 - win - loss), win + loss)
            yield case("one set", name, (size,), found.ends(), win - loss, is_ordinary=ordinary)


SETS = {
    "both even": ("even", "even"),
    "memory": ("strong", "even"),
    "rare in both": ("rare", "rare"),
    "nearly all against even": ("nearly all", "even"),
    "no losses": ("no losses", "no losses"),
}


def two_sets(worlds: int) -> Iterator[Case]:
    """Calibrated scores, placebo and non-members; and the mean of two directions."""
    for form, combine in (("difference", Difference), ("symmetric", Average)):
        for name, kinds in SETS.items():
            for sizes in PAIRS:
                rng = generator(form, name, sizes)
                rates = [RATES[kind] for kind in kinds]
                sides = [signs(rng, *each, worlds) for each in zip(sizes, rates, strict=True)]
                means = [win - loss for win, loss in rates]
                truth = means[0] - means[1] if combine is Difference else sum(means) / 2
                ordinary = all(
                    is_ordinary(size, (win, loss, 1 - win - loss), win + loss)
                    for size, (win, loss) in zip(sizes, rates, strict=True)
                )
                found = combine(*sides).ends()
                yield case(form, name, sizes, found, truth, is_ordinary=ordinary)


# Values and their shares.
VALUES = {
    "spread": ([-1, -0.5, 0, 0.5, 1], [0.1, 0.2, 0.3, 0.25, 0.15]),
    "small": ([0, 0.1, 0.2], [0.5, 0.3, 0.2]),
    "sparse": ([0, 1], [0.98, 0.02]),
    "sparse and small": ([0, 0.2], [0.97, 0.03]),
}


def means(worlds: int) -> Iterator[Case]:
    """AUCG."""
    for name, (values, shares) in VALUES.items():
        for size in SIZES:
            rng = generator("mean", name, size)
            counts = rng.multinomial(size, shares, worlds)
            found = intervals.mean_of(size, counts @ values, counts @ np.square(values))
            yield case("mean", name, (size,), found.ends(), float(np.dot(values, shares)))


def proportions(worlds: int) -> Iterator[Case]:
    """Accuracies."""
    for rate in (0.5, 0.1, 0.02, 0.99):
        for size in SIZES:
            right = generator("proportion", rate, size).binomial(size, rate, worlds)
            ends = Proportion(right / size, size).ends()
            ordinary = size * min(rate, 1 - rate) > ORDINARY
            yield case("proportion", f"{rate:g}", (size,), ends, rate, is_ordinary=ordinary)


TWO, TENTHS = np.array([0.0, 1.0]), np.arange(11) / 10


@dataclass(frozen=True)
class Adjusting:
    """A world of a target and a reference: values of g, its shares in both groups, and t's law.

    `t` is a mean of `parts` draws that succeed with probability base + slope · g, in members also
    plus the truth.
    """

    values: np.ndarray
    members: np.ndarray
    controls: np.ndarray
    base: float
    slope: float
    truth: float
    parts: int


def coins(rate: float) -> np.ndarray:
    """Shares of 0 and 1."""
    return np.array([1 - rate, rate])


def tenths(rate: float) -> np.ndarray:
    """Shares of 0, .1, … 1: a mean of ten coins."""
    return stats.binom.pmf(np.arange(11), 10, rate)


ADJUSTED = {
    "right or wrong": Adjusting(TWO, coins(0.5), coins(0.5), 0.2, 0.3, 0.1, 1),
    "reference better on members": Adjusting(TWO, coins(0.7), coins(0.3), 0.2, 0.3, 0.1, 1),
    "rare": Adjusting(TWO, coins(0.05), coins(0.02), 0.01, 0.5, 0.02, 1),
    "rare, reference better on members": Adjusting(TWO, coins(0.3), coins(0.03), 0.02, 0.4, 0.0, 1),
    "nearly all right": Adjusting(TWO, coins(0.9), coins(0.9), 0.5, 0.4, 0.05, 1),
    "nothing right": Adjusting(TWO, coins(0.01), coins(0.01), 0.0, 0.0, 0.0, 1),
    "fractions": Adjusting(TENTHS, tenths(0.5), tenths(0.5), 0.2, 0.4, 0.1, 5),
    "fractions, reference better": Adjusting(TENTHS, tenths(0.65), tenths(0.5), 0.2, 0.4, 0.0, 5),
    "rare fractions": Adjusting(TENTHS, tenths(0.05), tenths(0.02), 0.01, 0.5, 0.02, 5),
}


def adjusted(worlds: int) -> Iterator[Case]:
    """Adjusted gaps of captions."""
    for name, world in ADJUSTED.items():
        for sizes in PAIRS:
            rng = generator("adjusted", name, sizes)
            members, _ = group(rng, world, sizes[0], worlds, is_member=True)
            controls, levels = group(rng, world, sizes[1], worlds, is_member=False)
            found = intervals.adjusted_gap(members, controls, levels)
            # Fractions have less scatter than the pseudo-samples: there it may be generous.
            ordinary = world.parts == 1 and all(
                size * rate > ORDINARY
                for size, shares in zip(sizes, (world.members, world.controls), strict=True)
                for rate in chances(world, shares)
            )
            yield case("adjusted", name, sizes, found.ends(), world.truth, is_ordinary=ordinary)


def chances(world: Adjusting, shares: np.ndarray) -> tuple[float, float]:
    """Shares of untied samples, and of those without the commonest outcome, of coins."""
    right = world.base + world.slope * world.values
    outcomes = np.concatenate([shares * right, shares * (1 - right)])
    untied = shares[0] * right[0] + shares[-1] * (1 - right[-1])
    return float(untied), float(1 - outcomes.max())


def group(
    rng: np.random.Generator, world: Adjusting, size: int, worlds: int, is_member: bool
) -> tuple[Moments, Levels]:
    """Moments and levels of many worlds, drawn without the samples themselves.

    Of the samples with one value of g, so many have each result.
    """
    shares = world.members if is_member else world.controls
    counts = rng.multinomial(size, shares, worlds)
    results = np.arange(world.parts + 1) / world.parts
    totals, products = np.zeros((worlds, 5)), np.zeros((worlds, 5, 5))
    target, squares = np.zeros(counts.shape), np.zeros(counts.shape)
    for place, g in enumerate(world.values):
        chance = min(1.0, world.base + world.slope * g + is_member * world.truth)
        laws = stats.binom.pmf(np.arange(world.parts + 1), world.parts, chance)
        drawn = rng.multinomial(counts[:, place], laws / laws.sum())
        rows = intervals.features(results, np.full(len(results), g))
        totals += drawn @ rows
        products += np.einsum("wr,ri,rj->wij", drawn, rows, rows)
        target[:, place], squares[:, place] = drawn @ results, drawn @ results**2
    return Moments(totals, products), Levels(world.values, counts, target, squares)


def seeds(worlds: int) -> Iterator[Case]:
    """Scores pooled over training seeds, of one set, two directions and a difference."""
    for several in (3, 5):
        for spread in (0.0, 0.02, 0.1):
            for size in (15, 50, 200, 1_000):
                rng = generator("seeds", several, spread, size)
                low, high = np.empty(worlds), np.empty(worlds)
                for world in range(worlds):
                    shift = rng.uniform(-spread, spread, several) * 3**0.5
                    sides = [seeded(rng, size, shift) for _ in range(2)]
                    terms = [vlm.Term(each, 1, 0.5) for each in sides]
                    estimate = vlm.estimate_of(terms, range(several), -1.0)
                    low[world], high[world] = estimate.ends()
                name = f"{several} seeds, deviation {spread:g}"
                least = {3: 0.90, 5: 0.92}[several]
                yield case("symmetric, pooled", name, (size, size), (low, high), 0.2, least)


def seeded(rng: np.random.Generator, size: int, shift: np.ndarray) -> tallies.Tally:
    """A tally of PPG's values of samples that all seeds find alike difficult."""
    own, shared = rng.random((size, len(shift))), rng.random((size, 1))
    drawn = np.where(rng.random(own.shape) < 0.5, shared, own)
    values = (drawn < 0.4 + shift).astype(float) - (drawn > 0.8)
    several = len(shift)
    totals = np.zeros((several, tallies.COLUMNS))
    totals[:, 0], totals[:, 1] = size, values.sum(axis=0)
    products = np.zeros((several, tallies.COLUMNS, several, tallies.COLUMNS))
    products[:, 0, :, 0] = size
    products[:, 1, :, 0] = totals[:, 1, None]
    products[:, 0, :, 1] = totals[:, 1]
    products[:, 1, :, 1] = values.T @ values
    return tallies.Tally(totals, products, np.zeros((several, 2)), {})


def clusters(worlds: int) -> Iterator[Case]:
    """Several captions of each image, which are alike."""
    for size in (15, 50, 200):
        rng = generator("clusters", size)
        sizes = np.arange(size) % 5 + 1
        image = np.repeat(np.arange(size), sizes)
        shared = rng.random((worlds, size))[:, image]
        drawn = np.where(rng.random(shared.shape) < 0.6, shared, rng.random(shared.shape))
        values = (drawn < 0.4).astype(float) - (drawn > 0.8)
        starts = np.cumsum(sizes) - sizes
        sums = np.add.reduceat(values, starts, axis=1)
        of_clusters = Clusters((sums**2).sum(1), (sums * sizes).sum(1), (sizes**2).sum())
        found = intervals.mean_of(
            len(image), values.sum(1), (values**2).sum(1), clusters=of_clusters
        )
        yield case("clusters", "5 captions at most", (size,), found.ends(), 0.2, 0.92)


def sure(rng: np.random.Generator, latent: np.ndarray, skill: float) -> Judged:
    """A predictor that is right more often where it is sure."""
    confidence = 0.6 * latent + 0.8 * rng.normal(size=len(latent))
    right = rng.random(len(latent)) < chance_of(confidence, skill)
    nothing = np.zeros(len(latent))
    return Judged(np.arange(len(latent)), right, confidence, nothing, nothing)


def chance_of(confidence: np.ndarray, skill: float) -> np.ndarray:
    """Chance of being right, by how sure a predictor is."""
    return np.clip(skill + 0.2 * confidence, 0.01, 0.99)


def confident(worlds: int) -> Iterator[Case]:
    """Confident subsets, each predictor's own."""
    fraction = 0.2
    sample = generator("confident truth").normal(size=1_000_000)
    top = sample[sample >= np.quantile(sample, 1 - fraction)]
    for name, skills in (("alike", (0.4, 0.4)), ("memory", (0.7, 0.3)), ("sure", (0.9, 0.1))):
        truth = float(chance_of(top, skills[0]).mean() - chance_of(top, skills[1]).mean())
        for size in (75, 200, 1_000, 5_000):
            rng = generator("confident", name, size)
            low, high = np.empty(worlds), np.empty(worlds)
            for world in range(worlds):
                latent = rng.normal(size=size)
                sides = [sure(rng, latent, skill) for skill in skills]
                crops = Comparison((sides[0],), (sides[1],), np.zeros(size, np.int64))
                term = vision.Term(vision.scores_of(crops, [0], fraction))
                estimate, _ = vision.estimate_of([term])
                low[world], high[world] = estimate.ends()
            yield case("confident fifth", name, (size,), (low, high), truth, 0.92)


CLASSES = ((10, 300, 60), (10, 300, 600), (60, 300, 60), (60, 300, 120), (20, 60, 1_000))


def classes(worlds: int) -> Iterator[Case]:
    """Sets that are drawn class by class: calibrated and adjusted scores of images."""
    for number, size, controls in CLASSES:
        for name, shift in (("other shares of classes", 0.0), ("and the reference better", 0.15)):
            ends = {"calibrated": np.empty((2, worlds)), "adjusted": np.empty((2, worlds))}
            rng = generator("classes", number, size, controls, shift)
            for world in range(worlds):
                sides, gap = of_classes(rng, number, size, controls, shift)
                ends["calibrated"][:, world] = Difference(*sides).ends()
                ends["adjusted"][:, world] = gap.ends()
            truths = {"calibrated": 0.1 - 0.7 * shift, "adjusted": 0.1}
            for form, found in ends.items():
                told = f"{number} classes, {name}"
                yield case(f"{form}, by class", told, (size, controls), tuple(found), truths[form])


def of_classes(rng: np.random.Generator, number: int, size: int, controls: int, shift: float):
    """Both sides of a calibrated score, and the adjusted gap; target minus 0.1 is of its class."""
    shares = rng.dirichlet(np.ones(number))
    members = rng.choice(number, size, p=shares)
    others = np.arange(controls) % number
    of_target = 0.4 + 0.15 * np.linspace(-1, 1, number)
    of_reference = 0.5 + 0.25 * np.linspace(-1, 1, number)

    def results(drawn: np.ndarray, better: float, memory: float):
        g = (rng.random(len(drawn)) < of_reference[drawn] + better).astype(float)
        chance = of_target[drawn] + 0.3 * (g - of_reference[drawn]) + memory
        return (rng.random(len(drawn)) < chance).astype(float), g

    (t, g), (u, h) = results(members, shift, 0.1), results(others, 0.0, 0.0)
    matched, weights = weighing.class_weights(members, others)
    t, g = t[matched], g[matched]
    sides = (
        weighing.weighed_mean(t - g, weighing.equal_weights(len(t))),
        weighing.weighed_mean(u - h, weights),
    )
    return sides, weighing.adjusted_gap((t, g), (u, h), others, weights)


def many(worlds: int, settings: int = 40) -> Iterator[Case]:
    """Families: whether all simultaneous intervals cover, and Holm finds nothing where nothing is.

    Their widths are means over the settings; of Holm's, which has none, the smallest p-value.
    """
    for size in (30, 50, 200):
        rng = generator("family", size)
        ends = np.empty((2, worlds, settings))
        smallest = np.empty(worlds)
        for world in range(worlds):
            sides = [correlated(rng, size, settings) for _ in range(2)]
            moments = [
                Moments(rows.sum(axis=0), np.einsum("nsi,nsj->sij", rows, rows)) for rows in sides
            ]
            levels = levels_of(sides[1])
            gaps = intervals.adjusted_gap(*moments, levels)
            parts = [
                np.einsum("nsi,si->ns", rows, weights)
                for rows, weights in zip(
                    sides, (gaps.member_weights, gaps.control_weights), strict=True
                )
            ]
            covariance = sum(part.T @ part for part in parts)
            singles = [
                intervals.Centred(0.0, gaps.centre[each], gaps.error[each], gaps.freedom[each])
                for each in range(settings)
            ]
            ends[:, world] = np.transpose(families.simultaneous(singles, covariance))
            smallest[world] = families.holm(gaps.p_value()).min()
        inside = np.all((ends[0] <= 0) & (ends[1] >= 0), axis=1)
        widths = (ends[1] - ends[0]).mean(axis=1)
        named = f"{size} / {size}"
        yield Case("simultaneous", f"{settings} settings", named, inside, widths, 0.92, False)
        held = smallest > intervals.LEVEL
        yield Case("Holm", f"{settings} settings", named, held, smallest, 0.93, False)


def correlated(rng: np.random.Generator, size: int, settings: int) -> np.ndarray:
    """Features of samples under settings that are alike, float64 [samples, settings, 5]."""
    latent = rng.normal(size=(size, 1, 2))
    drawn = 0.7 * latent + 0.7 * rng.normal(size=(size, settings, 2))
    ten = np.round(10 * stats.norm.cdf(drawn)) / 10
    return intervals.features(0.6 * ten[:, :, 0] + 0.4 * ten[:, :, 1], ten[:, :, 1])


def levels_of(rows: np.ndarray) -> Levels:
    """Levels of features [samples, settings, 5] whose g are tenths."""
    same = np.abs(rows[:, :, 2, None] - TENTHS) < 1e-9
    t = rows[:, :, 1, None]
    return Levels(TENTHS, same.sum(0), (same * t).sum(0), (same * t**2).sum(0))


def adjusted_of_clusters(worlds: int) -> Iterator[Case]:
    """Adjusted gaps of several captions of each image, whose results are alike."""
    for images in ((15, 15), (50, 50), (200, 200), (200, 50), (50, 200)):
        for name, shift in (("5 captions each", 0.0), ("and the reference better", 0.3)):
            rng = generator("adjusted clusters", images, shift)
            low, high = np.empty(worlds), np.empty(worlds)
            for world in range(worlds):
                members, _ = captions(rng, images[0], shift)
                found = intervals.adjusted_gap(members, *captions(rng, images[1], 0.0))
                low[world], high[world] = found.ends()
            yield case("adjusted, clusters", name, images, (low, high), 0.0)


def captions(rng: np.random.Generator, images: int, shift: float) -> tuple[Moments, Levels]:
    """Results of 5 captions of each image, tenths; the target's mean is .2 + .4 g."""
    image = np.repeat(np.arange(images), 5)
    ranks = [
        stats.norm.cdf(0.8 * rng.normal(size=images)[image] + 0.6 * rng.normal(size=len(image)))
        for _ in range(2)
    ]
    g = stats.binom.ppf(ranks[0], 10, 0.4 + shift) / 10
    t = stats.binom.ppf(ranks[1], 10, 0.2 + 0.4 * g) / 10
    values, *sums = levels_of(intervals.features(t, g)[:, None])
    return Moments.of(t, g, image), Levels(values, *(each[0] for each in sums))


def many_of_seeds(worlds: int, settings: int = 6, size: int = 100) -> Iterator[Case]:
    """Families of pooled rows: whether all simultaneous intervals cover."""
    for several, spread, is_alike in (
        *((3, 0.0, True), (3, 0.02, True), (3, 0.1, True), (3, 0.1, False)),
        *((5, 0.0, True), (5, 0.1, True), (5, 0.1, False)),
    ):
        rng = generator("family of seeds", several, spread, is_alike)
        ends = np.empty((2, worlds, settings))
        for world in range(worlds):
            effects = rng.normal(size=(several, 1 if is_alike else settings)) * spread
            parts = {
                "target": part_of(rng, size, np.broadcast_to(effects, (several, settings))),
                "control": part_of(rng, size, np.zeros((several, settings))),
            }
            rows = [
                row
                for _, row in vlm.rows_of_test(parts, {"pooled": range(several)}, "one_model")
                if row["set"] == "calibrated"
            ]
            for place, end in enumerate(("low", "high")):
                ends[place, world] = [row[f"simultaneous_{end}"] for row in rows]
        inside = np.all((ends[0] <= 0) & (ends[1] >= 0), axis=1)
        kind = "of a training alike" if is_alike else "of each setting"
        name = f"{settings} settings, {several} seeds, deviation {spread:g} {kind}"
        widths = (ends[1] - ends[0]).mean(axis=1)
        least = {3: 0.90, 5: 0.92}[several]
        named = f"{size} / {size}"
        yield Case("simultaneous, pooled", name, named, inside, widths, least, False)


def part_of(rng: np.random.Generator, size: int, shift: np.ndarray) -> tallies.Part:
    """What is known of samples under settings and seeds, of which each shifts the target."""
    several, settings = shift.shape
    tenth = np.full(size, 10)
    ease = rng.uniform(-0.2, 0.2, size)
    found, rows = {}, []
    for place in range(settings):
        g = rng.binomial(10, np.clip(0.5 + ease, 0, 1))
        chances = 0.35 + 0.02 * g + 0.5 * ease + shift[:, place, None]
        t = rng.binomial(10, np.clip(chances, 0, 1))
        targets = [Outcome(tenth, tenth, each) for each in t]
        references = [Outcome(tenth, tenth, g)] * several
        asked = tallies.Asked("t2i", Setting(place, "top10", "all"))
        found[asked] = tallies.Tally.of(targets, references)
        rows.append(np.stack([intervals.features(each / 10, g / 10) for each in t]))
    # Seeds, samples, settings and features; those of a setting are neighbours.
    joint = np.stack(rows, axis=2).reshape(several, size, settings * 5)
    return tallies.Part(found, np.einsum("sni,snj->sij", joint, joint))


FORMS: dict[Callable[[int], Iterator[Case]], int] = {
    one_set: 4_000,
    two_sets: 4_000,
    means: 4_000,
    proportions: 4_000,
    adjusted: 3_000,
    seeds: 1_000,
    clusters: 2_000,
    confident: 1_000,
    classes: 600,
    many: 200,
    adjusted_of_clusters: 1_000,
    many_of_seeds: 200,
}
