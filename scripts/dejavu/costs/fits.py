"""From what jobs took to what others will take: a part of every job, and a part of its work."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from dejavu.errors import InputError

# Snakemake looks at a job every half second for so long, then so seldom, and never at its end.
CLOSE, SELDOM = 15.0, 30.0
# Sizes that differ by less tell no growth from noise.
APART = 1.5
LEAST = {"cpu": 0.05, "seconds": 0.05, "megabytes": 1.0, "bytes": 1.0}


@dataclass(frozen=True)
class Fit:
    """A quantity of jobs as a function of their work.

    Attributes:
        fixed: of a job without work.
        growth: of a unit of work.
        most: the largest work that it was fitted on.
        is_told: whether jobs of different sizes told one from the other; else `fixed` is 0.
    """

    fixed: float
    growth: float
    most: float
    is_told: bool

    def at(self, work: float) -> float:
        """The quantity of a job; at most that, where sizes did not differ."""
        if self.is_told or not self.most:
            return self.fixed + self.growth * work
        return self.growth * max(work, self.most)


def fit(works: Sequence[float], values: Sequence[float], least: float) -> Fit:
    """Fit both parts, neither below 0, to the least squares of relative errors.

    Args:
        works: of each job [n].
        values: what each took [n].
        least: what is taken for a smaller value, as none.
    """
    work = np.asarray(works, dtype=float)
    value = np.maximum(np.asarray(values, dtype=float), least)
    most = float(work.max())
    if not most:
        return Fit(float(value.mean()), 0.0, 0.0, is_told=True)
    if most < APART * work.min():
        return Fit(0.0, float((value / work).mean()), most, is_told=False)
    parts = np.stack([np.ones_like(work), work / most], axis=1) / value[:, None]
    (fixed, growth), _ = nnls(parts, np.ones_like(value))
    return Fit(float(fixed), float(growth / most), most, is_told=True)


def took(path: Path) -> dict[str, float] | None:
    """CPU seconds, seconds and megabytes of a job by its benchmark; None where there is none.

    Raises:
        InputError: the file is no benchmark.
    """
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        # A job that ends at once was not looked at.
        values = {key: told[key] for key in ("s", "cpu_time", "max_rss")}
        seconds, cpu, memory = (0.0 if value == "NA" else float(value) for value in values.values())
    except (ValueError, KeyError, IndexError, TypeError):
        raise InputError(f"{path} is no benchmark: delete it, the plan does without.") from None
    # Of forks the system tells all that they took; of these nobody knows what was their own memory.
    is_whole = told.get("max_uss", "NA") is None
    missed = 1.0 if is_whole else seconds / looked_at(seconds)
    return {"cpu": cpu * missed, "seconds": seconds, "megabytes": memory}


def looked_at(seconds: float) -> float:
    """Seconds of a job after which Snakemake looked at it for the last time.

    Source: `snakemake.benchmark.ScheduledPeriodicTimer`.
    """
    if seconds <= CLOSE:
        return max(seconds, LEAST["seconds"])
    return CLOSE + SELDOM * ((seconds - CLOSE) // SELDOM)
