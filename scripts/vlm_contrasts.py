"""How the points of sweeps differ, sample by sample: results/tables/vlm_contrasts.csv."""

from typing import Any

from dejavu.audits import duplicates
from dejavu.config import layout
from dejavu.files.csv import write_csv
from dejavu.job import run
from dejavu.scores import contrasts
from dejavu.scores.contrasted_captions import SETS, has_one_reference, rows_of


def main(job: Any) -> None:
    """Compare the points of every sweep under every kind of test, shard by shard."""
    params = job.params
    left_out = duplicates.contaminated(job.input.left_out, params.tables_digest)
    files = layout.shards_of(job.input.recovered)
    rows = []
    for sweep in params.plans:
        for kind in SETS:
            points = [point for point in sweep["points"] if point["kind"] == kind]
            if points and (kind == "two_model" or has_one_reference(points)):
                facts = {"sweep": sweep["sweep"], "kind": kind}
                found = rows_of(points, sweep["varied"], kind, files, left_out)
                rows += [{**facts, **row} for row in found]
    contrasts.correct_pairs(rows)
    write_csv(job.output[0], rows, contrasts.COLUMNS, params.digest)


run(main)
