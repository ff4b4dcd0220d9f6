"""Déjà vu memorization of embedding models: the measurement itself, without Snakemake."""
