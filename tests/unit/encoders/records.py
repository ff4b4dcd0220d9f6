"""A shard of images with background crops, as jobs that embed read it."""

import pyarrow as pa

from dejavu.files.parquet import write_parquet
from dejavu.samples.schemas import VISION_RECORDS


def crops(folder, images):
    """Write `records.parquet` of three images; gives the crops of the first and the last."""
    box = {"xmin": 3, "ymin": 5, "xmax": 20, "ymax": 36}
    rows = []
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
        has_crop = number != 1
        rows.append(
            {
                **dict.fromkeys(VISION_RECORDS.names),
                "sample": 7 + number,
                "id": f"picture{number}",
                "image": str(folder / f"{number}.png"),
                "label": "ab"[number % 2],
                "crop": box if has_crop else None,
                "crop_status": "ok" if has_crop else "no boxes",
            }
        )
    write_parquet(folder / "records.parquet", pa.Table.from_pylist(rows, schema=VISION_RECORDS))
    return [images[number].crop((3, 5, 20, 36)) for number in (0, 2)]
