"""Where pixels are: references to image files and to members of tar shards.

A reference is a path, or ``{tar}#{member}@{offset}+{size}``: the member's bytes are read at their
offset, so that a picture in a large shard costs one read and no scan.
"""

import io
import re
import warnings

from PIL import Image

IN_TAR = re.compile(r"(?P<tar>.+)#(?P<member>[^#]*)@(?P<offset>\d+)\+(?P<size>\d+)")


def tar_reference(tar: str, member: str, offset: int, size: int) -> str:
    """Refer to a member of a tar shard by the place of its bytes."""
    return f"{tar}#{member}@{offset}+{size}"


def read_bytes(reference: str) -> bytes:
    """Read the encoded bytes of an image.

    Raises:
        OSError: the file is missing or shorter than the reference says.
    """
    match = IN_TAR.fullmatch(reference)
    if match is None:
        with open(reference, "rb") as file:  # noqa: PTH123
            return file.read()
    with open(match["tar"], "rb") as shard:  # noqa: PTH123
        shard.seek(int(match["offset"]))
        content = shard.read(int(match["size"]))
    if len(content) < int(match["size"]):
        raise OSError(f"{match['tar']} ends inside {match['member']}")
    return content


def decode(content: bytes) -> Image.Image:
    """Decode an image completely, to RGB.

    Raises:
        OSError: the bytes are not an image, are cut off, or would decode to a pixel bomb.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(content)) as image:
                return image.convert("RGB")
        except OSError:
            raise
        except Exception as error:  # decoders raise anything on damaged input
            raise OSError(str(error) or type(error).__name__) from error


def open_image(reference: str) -> Image.Image:
    """Read and decode an image, to RGB; raises `OSError`."""
    return decode(read_bytes(reference))


def why_unreadable(error: OSError) -> str:
    """A reason for the table of rejected items, without addresses that change from run to run."""
    message = re.sub(r"<_io\.BytesIO object at 0x[0-9a-f]+>", "the bytes", str(error))
    return f"unreadable image: {message}"
