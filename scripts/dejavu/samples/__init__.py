"""Samples: their hashes, schemas, crops and names."""
