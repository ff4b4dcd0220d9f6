"""Neighbours: what was written comes back."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dejavu.files.neighbors import Neighbors, read_neighbors, write_neighbors


def test_neighbors_come_back_with_the_types_of_the_contract(path):
    ranking = Neighbors(
        np.array([5, 6]),
        np.array([[9, 8, 7], [1, 2, 3]]),
        np.array([[0.9, 0.5, 0.1], [0.3, 0.2, 0.1]], np.float32),
        {"metric": "cosine"},
    )
    write_neighbors(path, ranking)
    found = read_neighbors(path)
    np.testing.assert_array_equal(found.neighbors, ranking.neighbors)
    np.testing.assert_array_equal(found.scores, ranking.scores)
    np.testing.assert_array_equal(found.samples, ranking.samples)
    assert found.metadata["metric"] == "cosine"
    schema = pq.read_schema(path)
    assert schema.field("neighbors").type == pa.list_(pa.int64(), 3)
    assert schema.field("score").type == pa.list_(pa.float32(), 3)
