"""Before a measurement: what score so many samples can tell, and how many a score asks for.

    PYTHONPATH=scripts python -m dejavu.power results/tables/vlm_power.csv --score 0.02
    PYTHONPATH=scripts python -m dejavu.power --variance 0.5 0.5 --samples 5000 2000

Variances come from a table of a finished run, a pilot as small as you like, or are told.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dejavu.errors import InputError
from dejavu.files import csvw, facts
from dejavu.files.csv import read_csv
from dejavu.scores import power
from dejavu.scores.power import HALF, Side

NAMES = ("test", "target_model", "reference_model", "replicate", "set", "score")
SYMMETRIC = "symmetric"
# What no set is large enough for.
SMALLEST = 1e-6


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for each score of the table, below their heading, or one for told variances.

    Raises:
        SystemExit: with a sentence that says what is missing or wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m dejavu.power", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("table", nargs="?", help="vlm_power.csv or vision_power.csv of a run")
    parser.add_argument("--score", type=float, help="the score that is to be found")
    parser.add_argument(
        "--samples", type=int, nargs="+", metavar="N", help="samples of the first set, and second"
    )
    parser.add_argument(
        "--variance", type=float, nargs="+", metavar="V", help="of the first set, and the second"
    )
    parser.add_argument(
        "--symmetric", action="store_true", help="the score is the mean of both sets"
    )
    asked = parser.parse_args(arguments)
    if (asked.table is None) == (asked.variance is None):
        parser.error("give a table of a finished run, or --variance")
    if (asked.score is None) == (asked.samples is None):
        parser.error("give either --score or --samples")
    if asked.score is not None and not SMALLEST <= asked.score <= 1:
        parser.error(f"--score {asked.score:g}: a score is at least {SMALLEST:g} and at most 1")
    if not 1 <= len(asked.samples or [1]) <= 2 or min(asked.samples or [1]) < 1:
        parser.error("--samples takes one or two numbers, each at least 1")
    variances = asked.variance or [1]
    if len(variances) > 2 or not all(0 < each < math.inf for each in variances):
        parser.error("--variance takes one or two finite numbers, each above 0")
    if asked.symmetric and (asked.variance is None or len(asked.variance) < 2):
        parser.error("--symmetric is of two sets: give --variance twice")
    try:
        known = told(asked.variance, asked.symmetric) if asked.variance else list(read(asked.table))
        if asked.table:
            print(f"{', '.join(NAMES)}: {'what they find' if asked.samples else 'samples needed'}")
        for name, variances, weight in known:
            print(f"{name}: {answer(variances, weight, asked.score, asked.samples)}")
    except InputError as error:
        sys.exit(f"Error: {error}")


Known = tuple[str, list[float], float]


def told(variances: list[float], is_symmetric: bool) -> list[Known]:
    """The variances of the command line."""
    return [("a score of that variance", variances, HALF if is_symmetric else 1.0)]


def read(path: str) -> Iterator[Known]:
    """Each score of a table, by whatever config, with the variances of its sets and their weight.

    Raises:
        InputError: it is no table of a finished run, or has no variances.
    """
    if not Path(path).is_file():
        raise InputError(
            f"{path} does not exist: give vlm_power.csv or vision_power.csv of a finished run,"
            " or --variance."
        )
    note = facts.read_noted(csvw.description_path(path), lambda read: read["notes"][0])
    table = read_csv(path, note["notes"][0]["config"])
    if "first_variance" not in table.columns:
        raise InputError(f"{path} has no variances: give vlm_power.csv or vision_power.csv.")
    for row in table.to_dicts():
        places = ("first", "second")
        kept = [v for place in places if (v := row[f"{place}_variance"]) is not None]
        # Of an empty set there is no variance, and the other's alone is not the score's.
        kept = [] if 0 in (row.get(f"{place}_samples") for place in places) else kept
        weight = HALF if row["set"] == SYMMETRIC else 1.0
        yield ", ".join(row[name] for name in NAMES), kept, weight


def answer(
    variances: Sequence[float], weight: float, score: float | None, samples: Sequence[int] | None
) -> str:
    """What so many samples can tell, or how many samples a score asks for, in words."""
    if not variances:
        return "no sample was scored in a set of it"
    if max(variances) <= power.NOISE:
        return "all samples are alike: measure more of them"
    counts = list(samples or [1])
    counts = counts[: len(variances)] + counts[-1:] * (len(variances) - len(counts))
    sides = [
        Side(count, variance, weight) for count, variance in zip(counts, variances, strict=True)
    ]
    each = " of each of the two sets" if len(sides) == 2 else ""
    if score is not None:
        return f"{power.samples_needed(sides, score):,} samples{each} find {score:g}"
    numbers = " and ".join(f"{count:,}" for count in counts)
    smallest = power.smallest_detectable(sides)
    if smallest > 1:
        return f"{numbers} samples find no score, not even 1"
    return f"{numbers} samples find {smallest:.4f} or more"


if __name__ == "__main__":
    main()
