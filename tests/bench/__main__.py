"""Run all benchmarks, or those named: python -m tests.bench [NAME …]."""

import importlib
import sys
from pathlib import Path


def main() -> None:
    """Print every benchmark's figures; a benchmark is a module of this folder with `main()`."""
    known = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    known.remove("pairs")
    unknown = set(sys.argv[1:]) - set(known)
    if unknown:
        sys.exit(f"There is no benchmark {min(unknown)}: there are {', '.join(known)}.")
    for name in sys.argv[1:] or known:
        print(f"== {name}", flush=True)
        importlib.import_module(f"tests.bench.{name}").main()


main()
