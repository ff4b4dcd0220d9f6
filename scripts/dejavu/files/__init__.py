"""The files between stages: readers and writers, sealed."""
