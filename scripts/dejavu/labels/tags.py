"""Tags of background crops.

A tagger takes crops as `samples.images.read_crops` gives them and returns for each crop its tags
with their scores, highest first, ties by name.
"""

Tags = list[list[tuple[str, float]]]
