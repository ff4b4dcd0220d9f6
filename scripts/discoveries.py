"""How many samples are listed at each rate: results/tables/{domain}_discoveries.csv."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from dejavu.audits import evidence
from dejavu.files.csv import write_csv
from dejavu.job import run

FACTS = ("test", "target_model", "reference_model", "features")
COLUMNS = {
    **dict.fromkeys(FACTS, pl.String),
    "rate": pl.Float64,
    **dict.fromkeys(("members", "teaching", "calibrating"), pl.Int64),
    "weighted_by": pl.String,
    **dict.fromkeys(("listed", "smallest_list"), pl.Int64),
    "no_list": pl.String,
}


def main(job: Any) -> None:
    """Count the listed members of every test, kind of features and rate."""
    rows = []
    for (facts, members), (_, control) in zip(
        evidence.by_facts(job.input.members), evidence.by_facts(job.input.control), strict=True
    ):
        known = {"weighted_by": facts["weighted_by"], **{name: facts[name] for name in FACTS}}
        rows += [{**known, **row} for row in counts(members, control, job.params.rates)]
    write_csv(job.output[0], rows, COLUMNS, job.params.digest)


def counts(members: list[str], control: list[str], rates: list[float]) -> Iterator[dict[str, Any]]:
    """How many members are listed at each rate, and from how many on a list can be made."""
    weighed = evidence.read(members, ["q", "weight"])
    controls = evidence.read(control, ["weight", "teaches"])
    calibrating = controls.filter(~pl.col("teaches"))
    q = weighed["q"].to_numpy()
    weights = weighed["weight"].to_numpy(), calibrating["weight"].to_numpy()
    # These are copies, of sets of millions.
    del weighed
    is_known = not np.isnan(q).any()
    for rate in rates:
        listed = int(np.count_nonzero(q <= rate * evidence.MET))
        smallest = evidence.smallest_list(rate, *weights) if is_known else None
        yield {
            "rate": rate,
            "members": len(q),
            "teaching": len(controls) - len(calibrating),
            "calibrating": len(calibrating),
            "listed": listed,
            "smallest_list": smallest,
            "no_list": None if listed else reason(smallest, len(q)),
        }


def reason(smallest: int | None, members: int) -> str:
    """Why no member is listed."""
    if smallest is None:
        return (
            f"fewer than {evidence.LEAST} controls teach, or fewer samples are asked about, or a"
            " side's captions are of too few images to be weighed"
        )
    if smallest > members:
        return "so few controls calibrate that no list can be made at this rate"
    return f"a list of at least {smallest} was possible, and too few members stand out"


run(main)
