"""A generated world of labelled foregrounds before distinctive, correlated backgrounds.

Each picture has one foreground glyph, its label, in a square box; behind it a backdrop of its own
and a few context glyphs of one of five scenes, each of which prefers two of the ten labels. What a
background crop tells of the label is therefore known exactly: `posterior`. The box is square and
independent of the label, or the crop's geometry would tell the label as well.

Glyphs are OpenMoji's (CC BY-SA 4.0).
"""

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.errors import InputError, system_fault
from dejavu.samples.crops import Box
from dejavu.sources import Photograph, glyphs
from dejavu.sources.images import tar_reference

Floats = NDArray[np.float32]

SIDE = 48
PREFERRED = 0.22
OWN_SCENE = 0.8
CONTEXT_COUNTS = (2, 3, 4)
CONTEXT_SIZES = (10, 12, 14)
PLACEMENTS_TRIED = 12
FOREGROUND_SIZES = (25, 26, 27, 28, 29)
FOREGROUND_MARGIN = 3
ROTATIONS = (-12, 0, 12)
TINT = 0.06
GRID = 6
CELL_COLOUR = 30.0
CELL_BRIGHTNESS = 15.0
MEAN_BRIGHTNESS = 140.0
GRATINGS = 2
GRATING_CONTRAST = 14.0
NOISE = 4.0


@dataclass(frozen=True)
class Scene:
    """A kind of background: the labels it prefers and its own context glyphs."""

    labels: tuple[str, ...]
    context: dict[str, str]


LABEL_GLYPHS = {
    "basketball": "🏀",
    "bear": "🐻",
    "eggplant": "🍆",
    "fire engine": "🚒",
    "frog": "🐸",
    "panda": "🐼",
    "pig": "🐷",
    "pumpkin": "🎃",
    "sunflower": "🌻",
    "whale": "🐳",
}
SCENES = (
    Scene(
        ("frog", "pig"),
        {
            "bread": "🍞",
            "frying pan": "🍳",
            "spoon": "🥄",
            "knife": "🔪",
            "milk": "🥛",
            "cheese": "🧀",
            "teapot": "🫖",
            "pizza": "🍕",
            "carrot": "🥕",
            "grapes": "🍇",
            "salt": "🧂",
            "tomato": "🍅",
        },
    ),
    Scene(
        ("bear", "whale"),
        {
            "bicycle": "🚲",
            "traffic light": "🚦",
            "scooter": "🛵",
            "stop sign": "🛑",
            "building": "🏢",
            "ambulance": "🚑",
            "skateboard": "🛹",
            "police car": "🚓",
            "truck": "🚚",
            "car": "🚗",
            "tower": "🗼",
            "bus stop": "🚏",
        },
    ),
    Scene(
        ("sunflower", "fire engine"),
        {
            "shell": "🐚",
            "crab": "🦀",
            "sailboat": "⛵",
            "palm tree": "🌴",
            "dolphin": "🐬",
            "octopus": "🐙",
            "surfer": "🏄",
            "anchor": "⚓",
            "fish": "🐠",
            "shark": "🦈",
            "speedboat": "🚤",
            "turtle": "🐢",
        },
    ),
    Scene(
        ("pumpkin", "panda"),
        {
            "cow": "🐄",
            "rooster": "🐓",
            "tractor": "🚜",
            "sheep": "🐑",
            "horse": "🐎",
            "corn": "🌽",
            "rice": "🌾",
            "goat": "🐐",
            "duck": "🦆",
            "egg": "🥚",
            "bee": "🐝",
            "rabbit": "🐇",
        },
    ),
    Scene(
        ("eggplant", "basketball"),
        {
            "laptop": "💻",
            "paperclip": "📎",
            "calendar": "📅",
            "books": "📚",
            "pushpin": "📌",
            "folder": "📁",
            "briefcase": "💼",
            "ruler": "📏",
            "alarm clock": "⏰",
            "headphones": "🎧",
            "key": "🔑",
            "light bulb": "💡",
        },
    ),
)
LABELS = tuple(sorted(LABEL_GLYPHS))
CONTEXT_GLYPHS = {tag: glyph for scene in SCENES for tag, glyph in scene.context.items()}
TAGS = tuple(CONTEXT_GLYPHS)
_TAG_POSITION = {tag: position for position, tag in enumerate(TAGS)}


@dataclass(frozen=True)
class ContextGlyph:
    """A thing in the background, in its square box."""

    tag: str
    box: Box


@dataclass(frozen=True)
class Layout:
    """What is where in a picture: the labelled foreground's box, and the context behind it."""

    label: str
    box: Box
    context: tuple[ContextGlyph, ...]


def layout(
    number: int, *, seed: int, preferred: float = PREFERRED, tilt: Sequence[float] = ()
) -> Layout:
    """Say what `picture` shows, without painting it.

    Args:
        number: of the picture, from 0.
        seed: of the world; a picture depends on its number and the seed alone.
        preferred: P(label | scene) of each of the two labels that a scene prefers, from 0.1 (no
            correlation) to 0.5 (the other eight never occur there).
        tilt: how often scenes are drawn, relative to each other; alike where it is empty.

    Raises:
        InputError: `preferred` is out of range.
    """
    return _arrange(np.random.default_rng([seed, number]), preferred, tilt)


def picture(
    number: int, *, seed: int, preferred: float = PREFERRED, tilt: Sequence[float] = ()
) -> tuple[NDArray[np.uint8], Layout]:
    """Paint one picture: pixels uint8 [48, 48, 3] and what they show, as `layout` has it."""
    rng = np.random.default_rng([seed, number])
    arranged = _arrange(rng, preferred, tilt)
    return _paint(arranged, rng), arranged


def facts(arranged: Layout) -> dict[str, object]:
    """What is where, as the `.json` member of a tar shard has it."""
    context = [[glyph.tag, list(glyph.box)] for glyph in arranged.context]
    return {"label": arranged.label, "box": list(arranged.box), "context": context}


def read_tar(path: Path) -> Iterator[Photograph]:
    """Read one tar shard of pictures, each a `.png` followed by its `.json`.

    Raises:
        InputError: the file is damaged or not complete.
    """
    with open(path, "rb") as file:  # noqa: PTH123
        try:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                members = archive.getmembers()
                # At a damaged header, or where the file was cut off before one, tarfile just ends.
                file.seek(archive.offset)
                if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
                    raise tarfile.ReadError(f"no end marker at byte {archive.offset}")
            pairs = list(zip(members[::2], members[1::2], strict=True))
            layouts = [_json_at(file, facts) for _, facts in pairs]
        except (tarfile.TarError, OSError, ValueError) as error:
            raise system_fault(error, path, "be read") or InputError(
                f"{path} is not a complete tar archive ({error}): delete it and run again, it will"
                " be drawn anew."
            ) from error
        for (image, _), found in zip(pairs, layouts, strict=True):
            yield Photograph(
                id=image.name.partition(".")[0],
                image=tar_reference(str(path), image.name, image.offset_data, image.size),
                width=SIDE,
                height=SIDE,
                label=found["label"],
                boxes=(Box(*found["box"]),),
                context=tuple((tag, Box(*box)) for tag, box in found["context"]),
            )


def _json_at(file: BinaryIO, member: tarfile.TarInfo) -> Any:
    file.seek(member.offset_data)
    return json.loads(file.read(member.size))


def layout_of(label: str, boxes: Sequence[Box], context: Iterable[tuple[str, Box]]) -> Layout:
    """The layout of a picture that was read back."""
    return Layout(label, boxes[0], tuple(ContextGlyph(tag, box) for tag, box in context))


def visible(arranged: Layout, crop: Box) -> tuple[ContextGlyph, ...]:
    """Give the context glyphs of which the crop shows a part, with the part's box.

    Any part counts, so that nothing in the crop tells more of the label than `posterior` knows.
    """
    parts = (ContextGlyph(glyph.tag, _common(glyph.box, crop)) for glyph in arranged.context)
    return tuple(part for part in parts if part.box.width > 0 and part.box.height > 0)


def crop_tags(arranged: Layout, crop: Box) -> list[tuple[str, float]]:
    """Tag a crop: each visible tag once, with the share of the crop that its glyphs take.

    Returns:
        Pairs of tag and score, highest score first, ties by name.
    """
    score: dict[str, float] = {}
    for glyph in visible(arranged, crop):
        score[glyph.tag] = score.get(glyph.tag, 0.0) + glyph.box.area / crop.area
    return sorted(score.items(), key=lambda pair: (-pair[1], pair[0]))


def posterior(
    tags: Sequence[Iterable[str]], *, preferred: float = PREFERRED, tilt: Sequence[float] = ()
) -> NDArray[np.float64]:
    """Give P(label | context glyphs visible in the crop), exactly.

    A scene's glyphs are drawn independently of each other and of their places, and places are
    independent of scene and label: given the visible glyphs, the rest of the layout tells nothing.

    Args:
        tags: of each crop, the tag of every visible glyph; a tag stands as often as its glyph.
        preferred: as in `layout`.
        tilt: likewise.

    Returns:
        float64 [crops, labels], columns in the order of `LABELS`.
    """
    positions = [[_TAG_POSITION[tag] for tag in crop] for crop in tags]
    crop = np.repeat(np.arange(len(positions)), [len(crop) for crop in positions])
    flat = np.fromiter((position for crop in positions for position in crop), dtype=np.int64)
    log_likelihood = np.zeros((len(positions), len(SCENES)))
    np.add.at(log_likelihood, crop, np.log(_tag_given_scene())[:, flat].T)
    scene = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    if len(set(tilt)) > 1:
        scene *= _prior(tilt)
    scene /= scene.sum(axis=1, keepdims=True)
    return scene @ _label_given_scene(preferred)


def _prior(tilt: Sequence[float]) -> NDArray[np.float64]:
    """P(scene), float64 [scenes]."""
    weights = np.array(tilt, dtype=np.float64)
    return weights / weights.sum()


@lru_cache(maxsize=1)
def _tag_given_scene() -> NDArray[np.float64]:
    """P(tag | scene) [scenes, tags]: of the scene's own with `OWN_SCENE`, else any of all."""
    own = np.array([[tag in scene.context for tag in TAGS] for scene in SCENES])
    return OWN_SCENE * own / own.sum(axis=1, keepdims=True) + (1 - OWN_SCENE) / len(TAGS)


@lru_cache(maxsize=8)
def _label_given_scene(preferred: float) -> NDArray[np.float64]:
    """P(label | scene) [scenes, labels]; uniform over labels if scenes are."""
    liked = np.array([[label in scene.labels for label in LABELS] for scene in SCENES])
    count = liked.sum(axis=1, keepdims=True)
    if not 1 / len(LABELS) <= preferred <= 1 / count.max():
        raise InputError(
            f"preferred is {preferred}, but a scene with {count.max()} preferred labels of"
            f" {len(LABELS)} needs a probability from {1 / len(LABELS)} to {1 / count.max()}."
        )
    return np.where(liked, preferred, (1 - count * preferred) / (len(LABELS) - count))


def _common(first: Box, second: Box) -> Box:
    return Box(
        max(first.xmin, second.xmin),
        max(first.ymin, second.ymin),
        min(first.xmax, second.xmax),
        min(first.ymax, second.ymax),
    )


def _arrange(rng: np.random.Generator, preferred: float, tilt: Sequence[float]) -> Layout:
    scene = _choose(_prior(tilt), rng) if len(set(tilt)) > 1 else rng.integers(len(SCENES))
    label = LABELS[_choose(_label_given_scene(preferred)[scene], rng)]
    box = _foreground_box(rng)
    context: list[ContextGlyph] = []
    for _ in range(rng.choice(CONTEXT_COUNTS)):
        tag = TAGS[_choose(_tag_given_scene()[scene], rng)]
        taken = [glyph.box for glyph in context]
        context.append(ContextGlyph(tag, _free_place(rng.choice(CONTEXT_SIZES), box, taken, rng)))
    return Layout(label, box, tuple(context))


def _choose(probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    # The last sum may fall short of 1 by rounding.
    place = np.searchsorted(np.cumsum(probabilities), rng.random(), side="right")
    return min(int(place), len(probabilities) - 1)


def _foreground_box(rng: np.random.Generator) -> Box:
    """A square close to one of the four sides, so that a wide strip is left at the other."""
    size = int(rng.choice(FOREGROUND_SIZES))
    near = int(rng.integers(FOREGROUND_MARGIN + 1))
    along = int(rng.integers(SIDE - size + 1))
    across = near if rng.random() < 0.5 else SIDE - size - near
    x, y = (across, along) if rng.random() < 0.5 else (along, across)
    return Box(x, y, x + size, y + size)


def _free_place(size: int, foreground: Box, taken: Sequence[Box], rng: np.random.Generator) -> Box:
    """The first place that overlaps nothing, or else the one that overlaps least."""
    corners = rng.integers(0, SIDE - size + 1, size=(PLACEMENTS_TRIED, 1, 2))
    others = np.array([foreground, *taken])
    common = np.minimum(corners + size, others[:, 2:]) - np.maximum(corners, others[:, :2])
    overlap = common.clip(min=0).prod(axis=2)
    # What hides behind the foreground is lost, what another glyph covers only in part.
    overlap[:, 0] *= 2
    x, y = map(int, corners[overlap.sum(axis=1).argmin(), 0])
    return Box(x, y, x + int(size), y + int(size))


def _paint(arranged: Layout, rng: np.random.Generator) -> NDArray[np.uint8]:
    pixels = _backdrop(rng)
    for glyph in arranged.context:
        drawing = _context_drawing(glyph.tag, glyph.box.width)
        _blend(pixels, glyph.box, drawing, flip=rng.random() < 0.5)
    rotation = int(rng.choice(ROTATIONS))
    drawing = _foreground_drawing(arranged.label, arranged.box.width, rotation)
    tint = (1 + rng.normal(0, TINT, 3)) * (1 + rng.normal(0, TINT))
    _blend(pixels, arranged.box, drawing, flip=rng.random() < 0.5, tint=tint)
    return pixels.clip(0, 255).astype(np.uint8)


def _backdrop(rng: np.random.Generator) -> NDArray[np.float64]:
    """Independent colours on a coarse grid, smoothly joined, with local gratings and noise.

    Nothing runs through the whole picture: a model that matches two views of a picture must
    remember which places belong together, instead of comparing, say, its mean colour.
    """
    cells = rng.normal(0, CELL_COLOUR, (GRID, GRID, 3))
    cells += rng.normal(0, CELL_BRIGHTNESS, (GRID, GRID, 1))
    weights = _bicubic_weights()
    rows = (weights @ cells.reshape(GRID, -1)).reshape(SIDE, GRID, 3)
    pixels = MEAN_BRIGHTNESS + weights @ rows
    axis = np.arange(SIDE) / SIDE
    for _ in range(GRATINGS):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        frequency = 2 * np.pi * rng.uniform(4, 14)
        centre = rng.uniform(0, 1, 2)
        wave = np.sin(frequency * (axis * np.cos(angle) + axis[:, None] * np.sin(angle)) + phase)
        near = np.exp(-((axis - centre[0]) ** 2) / 0.08)
        near = near * np.exp(-((axis - centre[1]) ** 2) / 0.08)[:, None]
        pixels += (near * wave)[..., None] * rng.normal(0, GRATING_CONTRAST, 3)
    return pixels + rng.normal(0, NOISE, (SIDE, SIDE, 1))


@lru_cache(maxsize=1)
def _bicubic_weights() -> NDArray[np.float64]:
    """Weights [side, grid] of Pillow's bicubic enlargement along one axis."""
    impulses = Image.fromarray(np.eye(GRID, dtype=np.float32))
    return np.asarray(impulses.resize((GRID, SIDE), Image.Resampling.BICUBIC), dtype=np.float64)


def _blend(
    pixels: NDArray[np.float64],
    box: Box,
    drawing: tuple[Floats, Floats],
    *,
    flip: bool,
    tint: NDArray[np.float64] | float = 1.0,
) -> None:
    colour, opacity = (part[:, ::-1] if flip else part for part in drawing)
    place = pixels[box.ymin : box.ymax, box.xmin : box.xmax]
    place += opacity * (colour * tint - place)


@cache
def _context_drawing(tag: str, size: int) -> tuple[Floats, Floats]:
    return _drawing(glyphs.draw(CONTEXT_GLYPHS[tag]), size)


@cache
def _foreground_drawing(label: str, size: int, rotation: int) -> tuple[Floats, Floats]:
    upright = glyphs.draw(LABEL_GLYPHS[label])
    turned = upright.rotate(rotation, Image.Resampling.BICUBIC, expand=True)
    return _drawing(turned.crop(turned.getbbox()), size)


def _drawing(glyph: Image.Image, size: int) -> tuple[Floats, Floats]:
    """Fit a glyph in a square: colour [size, size, 3] to 255, opacity [size, size, 1] to 1."""
    scale = size / max(glyph.size)
    width, height = (max(1, round(side * scale)) for side in glyph.size)
    square = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    small = glyph.resize((width, height), Image.Resampling.LANCZOS)
    square.paste(small, ((size - width) // 2, (size - height) // 2))
    values = np.asarray(square, dtype=np.float32)
    return values[..., :3], values[..., 3:] / np.float32(255)
