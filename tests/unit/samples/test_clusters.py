"""Captions of one image are one cluster, and in one half of the placebo."""

import pyarrow as pa

from dejavu.samples import clusters
from dejavu.samples.hashes import in_first_half

IDS = ["a#0", "a#1", "b#0", "c#0", "c#10", "c#2", "d"]


def test_captions_of_an_image_have_its_id_and_number():
    images = clusters.image_ids_of(pa.table({"id": IDS}), "each")
    assert images.to_list() == ["a", "a", "b", "c", "c", "c", "d"]
    assert clusters.clusters_of(images).tolist() == [0, 0, 1, 2, 2, 2, 3]
    halves = in_first_half(images.to_list(), 0)
    assert halves[0] == halves[1] and len(set(halves[3:6])) == 1


def test_ids_that_only_look_like_a_captions_stay():
    images = clusters.image_ids_of(pa.table({"id": IDS}), "one")
    assert images.to_list() == IDS
