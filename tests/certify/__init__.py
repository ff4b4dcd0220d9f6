"""Certification: how often intervals cover a known truth. Imported also from the command line."""

import os
import sys
from pathlib import Path

# Small matrices: more threads would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
