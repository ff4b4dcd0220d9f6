"""After several measurements: their primary scores side by side, and how they differ.

    PYTHONPATH=scripts python -m dejavu.compare runs/a runs/b runs/c --output comparison

Folders are those of finished runs, in which their `results` lie. In the folder of the output appear
`runs.csv`, a row for each test of each run, `differences.csv`, how each run differs from the first
on the same samples, or why they can't be compared so, and `index.html`, a page with both.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dejavu.errors import InputError, system_fault
from dejavu.files.csv import write_csv
from dejavu.job import whole_file
from dejavu.report import comparison, differences, runs
from dejavu.samples.texts import escaped


def main(arguments: Sequence[str] | None = None) -> None:
    """Write both tables and the page, and print where the page lies.

    Raises:
        SystemExit: with a sentence that says what is missing or wrong.
    """
    parser = argparse.ArgumentParser(prog="python -m dejavu.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("runs", nargs="+", help="folders of finished runs; the first is the base")
    parser.add_argument("--output", required=True, help="the folder of the tables and the page")
    asked = parser.parse_args(arguments)
    places = [Path(each).resolve() for each in asked.runs]
    if len(places) < 2 or len(set(places)) < len(places):
        parser.error("give at least two runs, each of them once")
    try:
        page = write(asked.runs, Path(asked.output))
    except InputError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        fault = system_fault(error, asked.output, "be written")
        told = fault or f"{escaped(asked.output)} can't be written ({error.strerror})."
        sys.exit(f"Error: {told}")
    print(escaped(str(page)))


def write(folders: Sequence[str], output: Path) -> Path:
    """Write both tables and the page of runs in these folders.

    Returns:
        Where the page lies.

    Raises:
        InputError: a folder holds no finished run, or none of its tests.
    """
    compared = [runs.Run.read(folder) for folder in folders]
    scores = [row for run in compared for row in run.tests.values()]
    if not scores:
        raise InputError("None of the runs has a test: name runs whose tables are made.")
    differing = differences.differences(compared)
    write_csv(output / "runs.csv", scores, runs.COLUMNS, None)
    write_csv(output / "differences.csv", differing, differences.COLUMNS, None)
    with whole_file(output / "index.html") as partial:
        partial.write_text(comparison.render(scores, differing), encoding="utf-8")
    return output / "index.html"


if __name__ == "__main__":
    main()
