"""One part of an embedded world of labelled foregrounds, as a tar shard."""

import io
import json
import tarfile
from typing import Any

from PIL import Image

from dejavu.files import seals
from dejavu.job import Progress, run, whole_file
from dejavu.sources import foregrounds
from dejavu.sources.images import add_member


def main(job: Any) -> None:
    """Draw every `parts`-th picture, from the part's own number on."""
    source = job.params.source
    first = source["first"]
    places = range(int(job.wildcards.part), source["pictures"], source["parts"])
    numbers = [first + place for place in places]
    progress = Progress("drawing", len(numbers), "pictures")
    with whole_file(job.output[0]) as partial:
        with tarfile.open(partial, "w") as archive:
            for number in numbers:
                pixels, layout = foregrounds.picture(
                    number,
                    seed=source["seed"],
                    preferred=source["preferred"],
                    tilt=source["tilt"],
                )
                content = io.BytesIO()
                Image.fromarray(pixels).save(content, "png")
                add_member(archive, f"{number:09d}.png", content.getvalue())
                add_member(
                    archive, f"{number:09d}.json", json.dumps(foregrounds.facts(layout)).encode()
                )
                progress.advance(1)
        seals.seal_end(partial, job.output[0])


run(main)
