"""Arrow schemas of the records and samples of both domains."""

import pyarrow as pa

STRINGS = pa.list_(pa.string())
# Where Parquet keeps the strings of label lists: read as dictionaries, they cost a fifth.
LABEL_LEAVES = ["objects.list.element", "named.list.element"]
RECORDS = pa.schema(
    [
        ("hash", pa.uint64()),
        ("id", pa.string()),
        ("image", pa.string()),
        ("caption", pa.string()),
        ("objects", STRINGS),
    ]
)
# Before the name of a column of the source that samples are grouped by, in records.
GROUP_COLUMN = "column."
REJECTED = pa.schema([("hash", pa.uint64()), ("item", pa.string()), ("reason", pa.string())])
BOX = pa.struct([(side, pa.int32()) for side in ("xmin", "ymin", "xmax", "ymax")])
TAGS = pa.list_(pa.struct([("tag", pa.string()), ("score", pa.float32())]))
CONTEXT = pa.list_(pa.struct([("tag", pa.string()), ("box", BOX)]))
PICTURE = [
    ("id", pa.string()),
    ("image", pa.string()),
    ("width", pa.int32()),
    ("height", pa.int32()),
    ("label", pa.string()),
    ("boxes", pa.list_(BOX)),
]
CROP = [("crop", BOX), ("crop_status", pa.string())]
IMAGES = pa.schema(
    [("hash", pa.uint64()), *PICTURE, ("context", CONTEXT), ("position", pa.int64())]
)
VISION_RECORDS = pa.schema([("sample", pa.int64()), *PICTURE, *CROP, ("context", CONTEXT)])
VISION_SAMPLES = pa.schema([("sample", pa.int64()), *PICTURE, *CROP, ("tags", TAGS)])
VLM_SAMPLES = pa.schema(
    [
        ("sample", pa.int64()),
        ("id", pa.string()),
        ("image", pa.string()),
        ("caption", pa.string()),
        ("objects", STRINGS),
        ("named", STRINGS),
    ]
)
