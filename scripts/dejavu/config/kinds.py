"""Kinds of sources, models and annotations, and what they can.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

TEXT_ONLY = "sentence_transformers"
PIXELS = "pixels"
CLASSIFIER = "classifier"
CLIP_LIKE = ("clip", "open_clip", "transformers")
TRAINED = ("clip", "ssl", "classifier")
PUBLISHED = "checkpoint"
IMPORTED = "clip_retrieval"
IMAGE_ENCODERS = ("ssl", PUBLISHED)
DETECTORS = ("detector", "clip")
NAIVE_BAYES = "naive_bayes@"
EXACT_INDEX = "Flat"
