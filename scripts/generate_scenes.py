"""One part of an embedded world, as a tar shard in the layout of img2dataset."""

import io
import json
import tarfile
from typing import Any

from PIL import Image

from dejavu.files import seals
from dejavu.job import Progress, run, whole_file
from dejavu.sources import scenes
from dejavu.sources.copies import ids
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
                drawn = {key: source[key] for key in ("seed", "tilt", "correlation", "mislabelled")}
                picture = scenes.picture(number, **drawn)
                copies = source["copies"][number % len(source["copies"])]
                pixels = io.BytesIO()
                Image.fromarray(picture.pixels).save(pixels, "png")
                facts = {"caption": picture.caption, "objects": picture.objects}
                if source["mislabelled"]:
                    facts["mislabelled"] = "yes" if picture.mislabelled else "no"
                for key in ids(number, copies):
                    add_member(archive, f"{key}.png", pixels.getvalue())
                    add_member(archive, f"{key}.txt", picture.caption.encode())
                    add_member(
                        archive, f"{key}.json", json.dumps(facts, ensure_ascii=False).encode()
                    )
                progress.advance(1)
        seals.seal_end(partial, job.output[0])


run(main)
