"""A place for a file between stages."""

import pytest


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "0000.parquet"
