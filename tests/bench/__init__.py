"""Run from the command line, where pytest does not tell where the scripts are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
