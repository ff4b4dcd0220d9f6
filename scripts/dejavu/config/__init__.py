"""What the rules know: the config, its plan, paths and reruns.

Standard library, PyYAML and jsonschema alone: the Snakefile imports it, and every job pays for
that.
"""
