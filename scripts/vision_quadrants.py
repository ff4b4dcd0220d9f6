"""Who infers the label of a crop, target or reference: results/tables/vision_quadrants.csv."""

from typing import Any

import polars as pl

from dejavu.audits import duplicates
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores.judged import read_comparison
from dejavu.scores.vision import quadrants

COLUMNS = {
    **dict.fromkeys(("target_model", "reference", "replicate", "direction"), pl.String),
    "crops": pl.Int64,
    **dict.fromkeys(("memorized", "correlated", "misrepresented", "unassociated"), pl.Float64),
}


def main(job: Any) -> None:
    """Count the quadrants for every pair, direction and replicate."""
    left_out = duplicates.contaminated(job.input.left_out)
    rows = []
    for each in job.params.comparisons:
        sides = each["sides"]
        directions = {
            name: read_comparison(sides[name], left_out) for name in ("A", "B") if name in sides
        }
        if "B" in directions:
            directions["symmetric"] = directions["A"] + directions["B"]
        names = {key: each[key] for key in ("target_model", "reference")}
        for replicate, chosen in each["replicates"].items():
            for direction, comparison in directions.items():
                facts = {**names, "replicate": replicate, "direction": direction}
                rows.append({**facts, **quadrants(comparison.replicates(chosen))})
    write_csv(job.output[0], rows, COLUMNS)


run(main)
