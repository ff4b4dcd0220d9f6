"""The embedded world `scenes`: small pictures of everyday objects, with captions that name a few.

Each picture shows one of eight scenes. A scene prefers its own objects, so that a caption tells
something about the objects it does not name: that is the dataset-level correlation. Which of them
really are in the picture, only the picture tells: that is what a model can memorize.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dejavu.sources import glyphs

Box = tuple[int, int, int, int]

# No label may be a whole word (or words) of another label, of a scene or of the caption's other
# words, not even in the plural: the labels that a caption names are found by whole words.
OBJECTS_OF_SCENE: dict[str, dict[str, str]] = {
    "kitchen": {
        "apple": "🍎", "croissant": "🥐", "frying pan": "🍳", "spoon": "🥄", "knife": "🔪",
        "drinking glass": "🥛", "cheese wedge": "🧀", "banana": "🍌", "teapot": "🫖", "pizza": "🍕",
        "carrot": "🥕", "pear": "🍐", "salt shaker": "🧂", "tomato": "🍅",
    },
    "street": {
        "car": "🚗", "bus": "🚌", "bicycle": "🚲", "traffic light": "🚦", "taxi": "🚕",
        "scooter": "🛵", "police cruiser": "🚓", "stop sign": "🛑", "delivery van": "🚚",
        "tower block": "🏢", "ambulance": "🚑", "trash bin": "🗑", "skateboard": "🛹",
        "fire engine": "🚒",
    },
    "beach": {
        "parasol": "🏖", "shell": "🐚", "crab": "🦀", "sailboat": "⛵", "palm tree": "🌴",
        "dolphin": "🐬", "octopus": "🐙", "surfer": "🏄", "whale": "🐳", "anchor": "⚓",
        "fish": "🐠", "shark": "🦈", "sandal": "🩴", "speedboat": "🚤",
    },
    "farm": {
        "cow": "🐄", "pig": "🐖", "rooster": "🐓", "tractor": "🚜", "sheep": "🐑", "horse": "🐎",
        "corn cob": "🌽", "rice sheaf": "🌾", "goat": "🐐", "duck": "🦆", "egg": "🥚",
        "rabbit": "🐇", "pumpkin": "🎃", "honeybee": "🐝",
    },
    "forest": {
        "pine tree": "🌲", "fox": "🦊", "bear": "🐻", "mushroom": "🍄", "owl": "🦉", "deer": "🦌",
        "squirrel": "🐿", "wolf": "🐺", "autumn leaf": "🍂", "hedgehog": "🦔", "tent": "⛺",
        "campfire": "🔥", "butterfly": "🦋", "snail": "🐌",
    },
    "stadium": {
        "football": "⚽", "basketball": "🏀", "trophy": "🏆", "tennis ball": "🎾",
        "rugby ball": "🏈", "medal": "🥇", "volleyball": "🏐", "sneaker": "👟",
        "boxing glove": "🥊", "cricket bat": "🏏", "dartboard": "🎯", "hockey stick": "🏒",
        "paddle": "🏓", "chequered flag": "🏁",
    },
    "office": {
        "laptop": "💻", "printer": "🖨", "paperclip": "📎", "calendar": "📅", "pencil": "✏",
        "book stack": "📚", "telephone": "☎", "computer mouse": "🖱", "pushpin": "📌",
        "abacus": "🧮", "folder": "📁", "card box": "🗃", "briefcase": "💼", "ruler": "📏",
    },
    "bedroom": {
        "bed": "🛏", "alarm clock": "⏰", "plush toy": "🧸", "mirror": "🪞", "dress": "👗",
        "sock": "🧦", "couch": "🛋", "television": "📺", "guitar": "🎸", "candle": "🕯",
        "gift": "🎁", "chair": "🪑", "headset": "🎧", "hat": "👒",
    },
}  # fmt: skip
GENERIC_OBJECTS: dict[str, str] = {
    "dog": "🐕", "cat": "🐈", "coffee cup": "☕", "balloon": "🎈", "camera": "📷",
    "wristwatch": "⌚", "key": "🔑", "umbrella": "☂", "rose": "🌹", "bulb": "💡",
    "backpack": "🎒", "cap": "🧢", "suitcase": "🧳", "cake": "🍰",
}  # fmt: skip

SCENES: tuple[str, ...] = tuple(OBJECTS_OF_SCENE)
CHARACTERS: dict[str, str] = {
    label: character
    for objects in (*OBJECTS_OF_SCENE.values(), GENERIC_OBJECTS)
    for label, character in objects.items()
}
LABELS: tuple[str, ...] = tuple(CHARACTERS)

# What one drawn object is: one of the scene's own, one of the generic, or any of all.
OWN_SHARE, GENERIC_SHARE, ANY_SHARE = 0.80, 0.12, 0.08

SCENE_IN_CAPTION = 0.5
OPENINGS = (
    "{}",
    "a photo of {}",
    "a picture showing {}",
    "we saw {}",
    "there is {}",
    "look at {}",
    "a snapshot of {}",
    "close view of {}",
)
PLACES = (" at the {}", " near the {}", " by the {}", " around the {}")
TIMES = (" on that {} {}", " one {} {}", ", {} {}")
AUTHORS = (" by {} {}", ", photo {} {}", " with {} {}")
MOODS = (
    "sunny", "rainy", "quiet", "busy", "bright", "cloudy", "cold", "warm", "windy", "early",
    "late", "lovely", "strange", "ordinary", "little", "big", "old", "new", "funny", "happy",
)  # fmt: skip
DATES = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "january",
    "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
FIRST_NAMES = (
    "anna", "ben", "carla", "david", "emma", "frank", "grace", "henry", "iris", "jack", "karen",
    "leo", "maria", "nina", "oscar", "paul", "queenie", "rosa", "sam", "tina", "uma", "victor",
    "wendy", "xavier", "yara", "zoe", "adam", "bella", "chris", "diana",
)  # fmt: skip
LAST_NAMES = (
    "smith", "jones", "brown", "taylor", "wilson", "evans", "thomas", "johnson", "roberts",
    "walker", "wright", "robinson", "thompson", "white", "hughes", "edwards", "green", "hall",
    "wood", "harris", "lewis", "martin", "jackson", "clarke", "clark", "turner", "hill",
    "scott", "cooper", "morris",
)  # fmt: skip

BASE_COLOURS = {
    "kitchen": (235, 220, 190),
    "street": (150, 150, 160),
    "beach": (150, 205, 235),
    "farm": (170, 205, 120),
    "forest": (70, 110, 70),
    "stadium": (90, 170, 90),
    "office": (205, 215, 225),
    "bedroom": (215, 185, 215),
}
SAND = np.array((60, 20, -60), dtype=np.float32)

# Glyph sides as fractions of the picture's: 13 to 16 px of 48.
SMALLEST_GLYPH, LARGEST_GLYPH = 13 / 48, 16 / 48
PLACEMENT_TRIALS = 12


@dataclass(frozen=True)
class Picture:
    """One generated picture with its truth.

    `pixels` is uint8 [side, side, 3], RGB. `objects` are the labels of all objects drawn, sorted,
    each once. `boxes` is parallel to `objects`: the half-open square (xmin, ymin, xmax, ymax), in
    pixels, into which the object's glyph was drawn; a glyph drawn later may cover it in part.
    `mislabelled` tells whether the caption is that of another picture.
    """

    pixels: NDArray[np.uint8]
    caption: str
    objects: list[str]
    scene: str
    boxes: list[Box]
    mislabelled: bool = False


def picture(
    number: int,
    *,
    seed: int,
    side: int = 48,
    objects: tuple[int, int] = (4, 8),
    named: tuple[int, int] = (1, 2),
    tilt: Mapping[str, float] = MappingProxyType({}),
    correlation: float = 1.0,
    mislabelled: float = 0.0,
) -> Picture:
    """Draw picture `number` of the world `seed`: a function of its arguments alone.

    Args:
        number: of the picture.
        seed: of the world.
        side: of the picture, px.
        objects: the inclusive range of how many objects the picture has, uniform.
        named: that of how many of them its caption names, uniform; the named ones are a uniform
            choice among the objects.
        tilt: weights by which scenes are drawn, each 1 if not told.
        correlation: how much scenes tell of their objects (`label_probabilities`).
        mislabelled: probability that the caption is that of another picture, which may be of any
            scene, and names none of this one's objects.
    """
    random = np.random.default_rng([seed, number])
    weights = [tilt.get(scene, 1.0) for scene in SCENES]
    scene = SCENES[_tilted(weights, random)]
    count = int(random.integers(objects[0], objects[1] + 1))
    labels = _draw_objects(scene, count, correlation, random)
    canvas = _backdrop(scene, side, random)
    boxes = _draw_glyphs(canvas, labels, random)
    told, shown = scene, labels
    # A stream of its own, so that all else stays as it is.
    other = np.random.default_rng([seed, number, 1]) if mislabelled else None
    is_wrong = other is not None and other.random() < mislabelled
    if other is not None and is_wrong:
        told = SCENES[_tilted(weights, other)]
        drawn = _draw_objects(told, count + named[1], correlation, other)
        shown = [label for label in drawn if label not in labels]
    caption = _caption(told, shown[: random.integers(named[0], named[1] + 1)], random)
    ordered = sorted(zip(labels, boxes, strict=True))
    return Picture(
        pixels=np.clip(canvas, 0, 255).astype(np.uint8),
        caption=caption,
        objects=[label for label, _ in ordered],
        scene=scene,
        boxes=[box for _, box in ordered],
        mislabelled=is_wrong,
    )


def _tilted(weights: Sequence[float], random: np.random.Generator) -> int:
    """The place of a scene, drawn as often as its weight tells."""
    if len(set(weights)) == 1:
        return int(random.integers(len(weights)))
    reached = np.cumsum(weights)
    place = np.searchsorted(reached, random.random() * reached[-1], side="right")
    return min(int(place), len(weights) - 1)


def label_probabilities(scene: str, correlation: float = 1.0) -> dict[str, float]:
    """Probability of each label of the vocabulary to be what one draw in `scene` gives.

    A picture's objects are the distinct results of such draws, repeated until there are as many as
    it needs. The values sum to 1.

    Args:
        scene: one of `SCENES`.
        correlation: share of the draws that prefer the scene's own objects; the others draw all
            labels alike, so that with 0 no object tells of another.
    """
    probabilities = dict.fromkeys(LABELS, ANY_SHARE / len(LABELS))
    weights = 1 / np.sqrt(np.arange(1, len(OBJECTS_OF_SCENE[scene]) + 1))
    for label, weight in zip(OBJECTS_OF_SCENE[scene], weights / weights.sum(), strict=True):
        probabilities[label] += OWN_SHARE * float(weight)
    for label in GENERIC_OBJECTS:
        probabilities[label] += GENERIC_SHARE / len(GENERIC_OBJECTS)
    even = (1 - correlation) / len(LABELS)
    return {label: correlation * each + even for label, each in probabilities.items()}


@lru_cache(maxsize=2 * len(SCENES))
def _rates(scene: str, correlation: float) -> NDArray[np.float64]:
    return np.array(list(label_probabilities(scene, correlation).values()))


def _draw_objects(
    scene: str, count: int, correlation: float, random: np.random.Generator
) -> list[str]:
    """Draw `count` distinct labels, in uniformly random order.

    Drawing until `count` labels are distinct is the same in law as a race of exponential clocks
    of which the first `count` to ring win, and the race needs one call for all labels.
    """
    clocks = random.standard_exponential(len(LABELS)) / _rates(scene, correlation)
    winners = np.argpartition(clocks, count - 1)[:count]
    # The partition leaves the winners in an order that depends on their clocks.
    winners.sort()
    return [LABELS[winner] for winner in random.permutation(winners)]


@lru_cache(maxsize=8)
def _grid(side: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vertical [side, 1] and horizontal [1, side] coordinates from 0 (included) to 1 (excluded)."""
    line = (np.arange(side) / side).astype(np.float32)
    return line[:, None], line[None, :]


def _pattern(
    scene: str, side: int, random: np.random.Generator
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Brightness [side, side], or broadcastable to it, that the scene's backdrop adds."""
    y, x = _grid(side)
    phases = random.uniform(0, 2 * np.pi, 2)
    if scene == "kitchen":  # tiles
        frequency = 2 * np.pi * random.uniform(4, 8)
        columns, rows = np.sin(frequency * x + phases[0]), np.sin(frequency * y + phases[1])
        return -12 * np.sign(columns * rows)
    if scene == "bedroom":  # striped wallpaper
        return 12 * np.sign(np.sin(2 * np.pi * random.uniform(4, 8) * x + phases[0]))
    if scene in ("street", "beach", "farm"):  # a horizon, and ground with furrows
        ground = y > random.uniform(0.35, 0.65)
        return np.where(ground, 10 * np.sin(20 * x + phases[0]) - 25, 25)
    if scene == "forest":  # trunks
        return 22 * np.sin(random.uniform(18, 30) * x + phases[0])
    if scene == "stadium":  # mown lawn
        return 18 * np.sign(np.sin(random.uniform(12, 25) * (x + y) + phases[0]))
    return 30 * (y - 0.5)  # office: a wall lit from below


def _backdrop(scene: str, side: int, random: np.random.Generator) -> NDArray[np.float32]:
    """Paint the scene without objects: float32 [side, side, 3], about 0 to 255.

    Colour, pattern and grain are the picture's own, so that pictures of one scene differ in more
    than their objects.
    """
    colour = np.array(BASE_COLOURS[scene]) + random.normal(0, 12, 3)
    brightness = 6 * random.standard_normal((side, side), dtype=np.float32)
    brightness += _pattern(scene, side, random)
    canvas = brightness[:, :, None] + colour.astype(np.float32)
    if scene == "beach":
        canvas[int(0.6 * side) :] += SAND
    return canvas


@lru_cache(maxsize=4096)
def _glyph(
    label: str, side: int, mirrored: bool
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One object's colour, times its opacity, [side, side, 3], and its transparency, [.., 1]."""
    image = glyphs.draw(CHARACTERS[label]).resize((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.float32)
    if mirrored:
        pixels = pixels[:, ::-1]
    opacity = pixels[:, :, 3:] / np.float32(255)
    return pixels[:, :, :3] * opacity, np.float32(1) - opacity


def _overlap(first: Box, second: Box) -> int:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    return width * height if width > 0 and height > 0 else 0


def _draw_glyphs(
    canvas: NDArray[np.float32], labels: list[str], random: np.random.Generator
) -> list[Box]:
    """Draw the objects one after another onto `canvas`, in place; return their boxes.

    Of several random places, each object takes the first that overlaps no earlier one, or else
    the one that overlaps least.
    """
    side = len(canvas)
    smallest, largest = round(SMALLEST_GLYPH * side), round(LARGEST_GLYPH * side)
    sizes = random.integers(smallest, largest + 1, len(labels)).tolist()
    mirrored = (random.random(len(labels)) < 0.5).tolist()
    places = random.random((len(labels), PLACEMENT_TRIALS, 2)).tolist()
    boxes: list[Box] = []
    for label, size, mirror, trials in zip(labels, sizes, mirrored, places, strict=True):
        least = None
        for across, down in trials:
            xmin, ymin = int(across * (side - size + 1)), int(down * (side - size + 1))
            trial = (xmin, ymin, xmin + size, ymin + size)
            overlap = sum(_overlap(trial, box) for box in boxes)
            if least is None or overlap < least:
                least, best = overlap, trial
            if overlap == 0:
                break
        boxes.append(best)
        colour, transparency = _glyph(label, size, mirror)
        patch = canvas[best[1] : best[3], best[0] : best[2]]
        patch *= transparency
        patch += colour
    return boxes


def _caption(scene: str, named: list[str], random: np.random.Generator) -> str:
    """Name some objects, at times the scene, and details that no picture shows.

    Mood, date and author make captions unique: equal captions would be equal queries.
    """

    def one_of(choices: tuple[str, ...]) -> str:
        return choices[int(random.random() * len(choices))]

    phrases = [("an " if label[0] in "aeiou" else "a ") + label for label in named]
    listing = ", ".join(phrases[:-1]) + " and " + phrases[-1] if phrases[1:] else phrases[0]
    caption = one_of(OPENINGS).format(listing)
    if random.random() < SCENE_IN_CAPTION:
        caption += one_of(PLACES).format(scene)
    caption += one_of(TIMES).format(one_of(MOODS), one_of(DATES))
    return caption + one_of(AUTHORS).format(one_of(FIRST_NAMES), one_of(LAST_NAMES))
