"""Several captions of one image: one of them is chosen, or each is a sample of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dejavu.samples.hashes import keyed_hash
from dejavu.samples.texts import is_valid, normalised
from dejavu.sources import Record

PURPOSE = "caption"


@dataclass(frozen=True)
class Captions:
    """What becomes of an image's captions.

    `choice` is `one`, chosen by a keyed hash of the image's id, or `each`: samples `id#0`, `id#1`
    and so on, which fall into the same set, because the split goes by image. Public holds one
    caption of an image in either case.
    """

    choice: str
    seed: int

    def records(
        self, identifier: str, image: str, captions: Sequence[str], objects: list[str]
    ) -> list[Record]:
        """The samples of an image with at least one caption."""
        if self.choice == "one":
            # What is no valid text is rejected later, whatever its caption.
            known = normalised(identifier) if is_valid(identifier) else ""
            hashed = keyed_hash([known], self.seed, PURPOSE)[0]
            return [Record(identifier, image, captions[int(hashed) % len(captions)], objects)]
        return [
            Record(f"{identifier}#{number}", image, caption, objects, identifier)
            for number, caption in enumerate(captions)
        ]


def one_of_each(hashes: NDArray[np.uint64], ids: Sequence[str], seed: int) -> NDArray[np.bool_]:
    """Choose one caption of each image, by a keyed hash of the captions' ids.

    Args:
        hashes: [n] the hash of each caption's image, in ascending order.
        ids: [n] the captions' ids.
        seed: of the keyed hash.

    Returns:
        bool [n], true once for each different hash.
    """
    order = np.lexsort((keyed_hash(ids, seed, PURPOSE), hashes))
    chosen = np.zeros(len(ids), dtype=bool)
    chosen[order[np.diff(hashes[order], prepend=~hashes[order][:1]) != 0]] = True
    return chosen
