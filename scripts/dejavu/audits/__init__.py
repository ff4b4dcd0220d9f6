"""Audits: duplicates, the blind baseline, what models are good for."""
