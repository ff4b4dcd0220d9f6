"""Two ways to do the same, timed in turns, so that a change of the machine's load meets both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pairs:
    """Seconds of the first and of the second way, one of each a pair."""

    first: tuple[float, ...]
    second: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times longer the first takes: the median over the pairs."""
        return statistics.median(a / b for a, b in zip(self.first, self.second, strict=True))

    def line(self, first: str, second: str) -> str:
        """The medians and their ratio in words."""
        a, b = statistics.median(self.first), statistics.median(self.second)
        return f"{first} {a:.3g} s, {second} {b:.3g} s: ratio {self.ratio:.3g}"


def seconds(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds of one call, by default of processor time in all threads of this process."""
    start = clock()
    work()
    return clock() - start


def timed(
    first: Callable[[], object],
    second: Callable[[], object],
    pairs: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> Pairs:
    """Time both in turns, once each a pair."""
    taken = [(seconds(first, clock), seconds(second, clock)) for _ in range(pairs)]
    return Pairs(tuple(a for a, _ in taken), tuple(b for _, b in taken))
