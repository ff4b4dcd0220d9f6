"""Where clip-retrieval's inference puts its files."""

import pytest

from dejavu.config import clip_retrieval


@pytest.mark.parametrize("names", [["0", "2", "10"], ["00", "02", "10"]])
def test_partitions_stand_in_the_order_of_their_numbers_padded_or_not(tmp_path, names):
    (tmp_path / "metadata").mkdir()
    for name in [*reversed(names), "x"]:
        (tmp_path / f"metadata/metadata_{name}.parquet").touch()
    assert clip_retrieval.numbers(tmp_path) == names
    assert clip_retrieval.metadata_file(tmp_path, names[1]).is_file()


def test_embeddings_stand_beside_their_metadata(tmp_path):
    assert (
        clip_retrieval.vectors_file(tmp_path, "image", "07") == tmp_path / "img_emb/img_emb_07.npy"
    )
    caption = clip_retrieval.vectors_file(tmp_path, "caption", "7")
    assert caption == tmp_path / "text_emb/text_emb_7.npy"
