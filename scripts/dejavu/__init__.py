"""Déjà vu memorization of embedding models: the measurement itself, without Snakemake."""

import gc
import sys

__version__ = "0.1.0"

# What a job imports is no garbage, and looking for some takes a third of a start with PyTorch.
# `job.job_log` turns collection on again.
if hasattr(sys.modules["__main__"], "snakemake"):
    gc.disable()
