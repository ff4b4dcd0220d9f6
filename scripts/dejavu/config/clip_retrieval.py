"""Where clip-retrieval's inference puts its files.

Layout: ``rom1504/clip-retrieval``, ``clip_retrieval/clip_inference/writer.py``. Standard library
only: the Snakefile imports it.
"""

import re
from pathlib import Path

METADATA = "metadata/metadata_*.parquet"
FOLDERS = {"image": "img_emb", "caption": "text_emb"}
# What it calls a sample's id and caption.
COLUMNS = {"id": "image_path", "caption": "caption"}


def numbers(folder: Path) -> list[str]:
    """Numbers of the partitions, as they are written (padded with zeros or not), in order."""
    names = (path.name for path in folder.glob(METADATA))
    found = [
        match[1] for name in names if (match := re.fullmatch(r"metadata_(\d+)\.parquet", name))
    ]
    return sorted(found, key=int)


def metadata_file(folder: Path, number: str) -> Path:
    """The metadata of a partition."""
    return folder / METADATA.replace("*", number)


def vectors_file(folder: Path, column: str, number: str) -> Path:
    """The embeddings of the images or captions of a partition."""
    return folder / FOLDERS[column] / f"{FOLDERS[column]}_{number}.npy"
