"""The gate behind all readers of captioned pictures: what passes it can be stored and compared."""

from dataclasses import replace

from dejavu.samples.texts import caption_fault, escaped, is_valid, normalised, shortened
from dejavu.sources import Record, Rejected

LONGEST_ITEM, LONGEST_REASON = 500, 200


def admitted(found: Record | Rejected) -> Record | Rejected:
    """What a reader found, its texts in one form; rejected where they can't be used.

    Of a rejected item the name is escaped, the id kept where it is valid, and the reason cut to 200
    characters.
    """
    if isinstance(found, Rejected):
        return _told(found)
    fault = _fault(found)
    if fault is not None:
        return _told(Rejected(found.image, found.id, fault))
    return replace(
        found,
        id=normalised(found.id),
        caption=normalised(found.caption),
        objects=sorted({normalised(label) for label in found.objects}),
        image_id=None if found.image_id is None else normalised(found.image_id),
        further=tuple(map(_known, found.further)),
    )


def _known(value: str | None) -> str | None:
    """The value of a further column, None where there is none that can be stored."""
    return normalised(value) if value and is_valid(value) else None


def _fault(record: Record) -> str | None:
    if not is_valid(record.id):
        return f"the id is not valid text: {record.id}"
    if not is_valid(record.image):
        return "the image's name is not UTF-8"
    wrong = [label for label in record.objects if not is_valid(label)]
    if wrong:
        return f"a label is not valid text: {wrong[0]}"
    return caption_fault(record.caption)


def _told(rejected: Rejected) -> Rejected:
    known = rejected.id is not None and is_valid(rejected.id)
    return Rejected(
        shortened(escaped(rejected.item), LONGEST_ITEM),
        normalised(rejected.id) if known and rejected.id is not None else None,
        shortened(escaped(rejected.reason), LONGEST_REASON),
    )
