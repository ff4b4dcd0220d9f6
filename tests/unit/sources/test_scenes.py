"""The embedded world: determinism, truthful captions, and frequencies as its closed form says."""

import re
from itertools import product

import numpy as np
import pytest

from dejavu.sources import scenes

pytestmark = pytest.mark.slow

SEED = 7
PLURALS = ("", "s", "es")


@pytest.fixture(scope="module")
def pictures() -> list[scenes.Picture]:
    return [scenes.picture(number, seed=SEED) for number in range(4000)]


def same(first: scenes.Picture, second: scenes.Picture) -> bool:
    rest = [(each.caption, each.objects, each.scene, each.boxes) for each in (first, second)]
    return rest[0] == rest[1] and np.array_equal(first.pixels, second.pixels)


def labels_found_in(text: str) -> list[str]:
    """Whole words, either case, singular or plural: spelled out here, apart from the product."""
    return sorted(
        label
        for label in scenes.LABELS
        if re.search(rf"(?<!\w){re.escape(label)}(s|es)?(?!\w)", text, re.IGNORECASE)
    )


def inclusion_probabilities(rates: np.ndarray, count: int) -> np.ndarray:
    """P(label is among the `count` distinct labels), by quadrature; float64 [labels].

    Draws at the times of a Poisson process make the labels independent: by time t, label i has
    come up with probability 1 - exp(-rate_i t). A label is included if, when it first comes up,
    fewer than `count` others have: a Poisson-binomial tail, integrated over that moment.
    """
    nodes, weights = np.polynomial.legendre.leggauss(60)
    limit = 40.0
    times, weights = (nodes + 1) * limit / 2, weights * limit / 2
    seen = 1 - np.exp(-np.outer(times, rates))
    included = np.empty(len(rates))
    for label, rate in enumerate(rates):
        others_seen = np.zeros((len(times), count))
        others_seen[:, 0] = 1
        for other in np.delete(seen, label, axis=1).T:
            shifted = np.pad(others_seen[:, :-1], ((0, 0), (1, 0)))
            others_seen = others_seen * (1 - other)[:, None] + shifted * other[:, None]
        density = rate * np.exp(-rate * times)
        included[label] = np.sum(weights * density * others_seen.sum(axis=1))
    return included


def test_picture_depends_on_seed_and_number_alone(pictures):
    for number in (3999, 17, 0, 1234):
        assert same(scenes.picture(number, seed=SEED), pictures[number])
    assert not same(scenes.picture(17, seed=SEED + 1), pictures[17])


def test_pictures_and_captions_differ(pictures):
    assert len({each.pixels.tobytes() for each in pictures}) == len(pictures)
    assert len({each.caption for each in pictures}) == len(pictures)


@pytest.mark.parametrize("side", [48, 64])
def test_pixels_are_bytes_of_the_side_asked_for(side):
    pixels = scenes.picture(0, seed=SEED, side=side).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (side, side, 3)


@pytest.mark.parametrize(
    ("objects", "named"), [((4, 8), (1, 2)), ((3, 3), (3, 3)), ((1, 12), (1, 1))]
)
def test_numbers_of_objects_fill_their_ranges(objects, named):
    drawn = [
        scenes.picture(number, seed=SEED, objects=objects, named=named) for number in range(300)
    ]
    assert {len(each.objects) for each in drawn} == set(range(objects[0], objects[1] + 1))
    assert {len(labels_found_in(each.caption)) for each in drawn} == set(
        range(named[0], named[1] + 1)
    )


def test_objects_are_sorted_unique_labels_of_the_vocabulary(pictures):
    for each in pictures:
        assert each.objects == sorted(set(each.objects))
        assert set(each.objects) <= set(scenes.LABELS)


def test_caption_names_objects_of_its_picture_and_no_others(pictures):
    for each in pictures:
        named = labels_found_in(each.caption)
        assert 1 <= len(named) <= 2
        assert set(named) <= set(each.objects)


def test_article_fits_the_word_after_it(pictures):
    text = "\n".join(each.caption for each in pictures)
    assert not re.search(r"\ba [aeiou]", text)
    assert not re.search(r"\ban [^aeiou]", text)


def test_named_objects_are_a_fair_choice_among_the_picture_s(pictures):
    """Where the sorted first object is named: as often as 1 or 2 of so many would name it."""
    hits = [each.objects[0] in labels_found_in(each.caption) for each in pictures]
    expected = np.mean([1.5 / len(each.objects) for each in pictures])
    assert np.mean(hits) == pytest.approx(expected, abs=4 * np.sqrt(0.25 / len(pictures)))


def test_no_label_hides_in_another_or_in_the_words_around_it():
    surroundings = [
        *scenes.SCENES,
        *scenes.MOODS,
        *scenes.DATES,
        *scenes.FIRST_NAMES,
        *scenes.LAST_NAMES,
        *(f"{mood} {date}" for mood, date in product(scenes.MOODS, scenes.DATES)),
        *(f"{first} {last}" for first, last in product(scenes.FIRST_NAMES, scenes.LAST_NAMES)),
    ]
    templates = (*scenes.OPENINGS, *scenes.PLACES, *scenes.TIMES, *scenes.AUTHORS)
    for text in (*surroundings, *templates, " and ", ", "):
        assert labels_found_in(text) == [], text
    for label, ending in product(scenes.LABELS, PLURALS):
        assert labels_found_in(label + ending) == [label]


def test_every_label_belongs_to_one_place():
    places = [*scenes.OBJECTS_OF_SCENE.values(), scenes.GENERIC_OBJECTS]
    assert sum(map(len, places)) == len(scenes.LABELS) == 126
    assert len(set(scenes.CHARACTERS.values())) == 126


def test_boxes_are_squares_inside_the_picture_one_for_each_object(pictures):
    for each in pictures:
        assert len(each.boxes) == len(each.objects)
        for xmin, ymin, xmax, ymax in each.boxes:
            assert 0 <= xmin < xmax <= 48
            assert 0 <= ymin < ymax <= 48
            assert 13 <= xmax - xmin == ymax - ymin <= 16


def test_box_holds_the_glyph_of_its_object(pictures):
    """Tomatoes are red and tennis balls yellow, each in the middle of its own box."""
    middles = {"tomato": [], "tennis ball": []}
    for each in pictures:
        for label, (xmin, ymin, xmax, ymax) in zip(each.objects, each.boxes, strict=True):
            if label in middles:
                middles[label].append(each.pixels[(ymin + ymax) // 2, (xmin + xmax) // 2])
    red, green, blue = np.median(middles["tomato"], axis=0)
    assert red > 180 and green < 120 and blue < 120
    red, green, blue = np.median(middles["tennis ball"], axis=0)
    assert red > 180 and green > 180 and blue < 120


def test_scenes_are_equally_likely(pictures):
    counts = [sum(each.scene == scene for each in pictures) for scene in scenes.SCENES]
    expected = len(pictures) / len(scenes.SCENES)
    # Chi-squared with 7 degrees of freedom exceeds 29.9 once in 10,000.
    assert sum((count - expected) ** 2 / expected for count in counts) < 29.9


def test_label_probabilities_prefer_the_scene_and_sum_to_one():
    for scene in scenes.SCENES:
        probabilities = scenes.label_probabilities(scene)
        assert list(probabilities) == list(scenes.LABELS)
        assert sum(probabilities.values()) == pytest.approx(1)
        own = [probabilities[label] for label in scenes.OBJECTS_OF_SCENE[scene]]
        assert sum(own) == pytest.approx(0.80 + 0.08 * 14 / 126)
        assert own == sorted(own, reverse=True)


def test_object_frequencies_follow_the_closed_form():
    """Pictures of exactly five objects: every label's frequency within 4.5 standard errors."""
    drawn = [scenes.picture(number, seed=SEED, objects=(5, 5)) for number in range(4000)]
    for scene in ("kitchen", "bedroom"):
        of_scene = [each for each in drawn if each.scene == scene]
        rates = np.array(list(scenes.label_probabilities(scene).values()))
        expected = inclusion_probabilities(rates, count=5)
        assert expected.sum() == pytest.approx(5, abs=1e-3)
        observed = np.array(
            [np.mean([label in each.objects for each in of_scene]) for label in scenes.LABELS]
        )
        standard_error = np.sqrt(expected * (1 - expected) / len(of_scene))
        # One picture more or less is the least that a rare label can be off.
        assert np.all(np.abs(observed - expected) < 4.5 * standard_error + 1 / len(of_scene))
        own = [label in scenes.OBJECTS_OF_SCENE[scene] for label in scenes.LABELS]
        assert observed[own].sum() == pytest.approx(expected[own].sum(), abs=0.2)


def test_a_tilt_draws_scenes_as_often_as_it_says_and_nothing_else_differs():
    tilt = {"kitchen": 4.0, "office": 0.5}
    drawn = [scenes.picture(number, seed=SEED, side=8, tilt=tilt).scene for number in range(4000)]
    weights = np.array([tilt.get(scene, 1.0) for scene in scenes.SCENES])
    expected = 4000 * weights / weights.sum()
    counts = np.array([drawn.count(scene) for scene in scenes.SCENES])
    assert np.sum((counts - expected) ** 2 / expected) < 24.3  # chi square, 7 degrees, p = .001
    even = dict.fromkeys(scenes.SCENES, 2.0)
    assert same(scenes.picture(3, seed=SEED, tilt=even), scenes.picture(3, seed=SEED))


def test_without_correlation_every_scene_draws_all_labels_alike():
    drawn = [scenes.picture(n, seed=SEED, side=8, correlation=0.0) for n in range(4000)]
    for scene in (None, "kitchen"):
        objects = [label for each in drawn if scene in (None, each.scene) for label in each.objects]
        counts = np.array([objects.count(label) for label in scenes.LABELS])
        expected = len(objects) / len(scenes.LABELS)
        # Chi square of 125 degrees, p = .001; labels of a picture differ, which makes it smaller.
        assert np.sum((counts - expected) ** 2 / expected) < 179
    assert set(scenes.label_probabilities("farm", 0.0).values()) == {1 / len(scenes.LABELS)}
    half = scenes.label_probabilities("farm", 0.5)["cow"]
    assert half == pytest.approx(
        (scenes.label_probabilities("farm")["cow"] + 1 / len(scenes.LABELS)) / 2
    )


def test_mislabelled_pictures_name_objects_of_others_as_often_as_asked():
    plain = [scenes.picture(n, seed=SEED, side=8) for n in range(2000)]
    drawn = [scenes.picture(n, seed=SEED, side=8, mislabelled=0.3) for n in range(2000)]
    wrong = [each for each in drawn if each.mislabelled]
    assert abs(len(wrong) - 600) < 4 * np.sqrt(2000 * 0.3 * 0.7)
    told = {label: re.compile(rf"\b{label}\b") for label in scenes.LABELS}
    for before, after in zip(plain, drawn, strict=True):
        named = {label for label, word in told.items() if word.search(after.caption)}
        assert np.array_equal(before.pixels, after.pixels) and before.objects == after.objects
        if after.mislabelled:
            assert 1 <= len(named) <= 2 and not named & set(after.objects)
        else:
            assert before.caption == after.caption and named <= set(after.objects)
    # The other picture's scene is any, and its objects prefer that.
    places = [next((s for s in scenes.SCENES if s in each.caption), None) for each in wrong]
    named = [(place, each.scene) for place, each in zip(places, wrong, strict=True) if place]
    alike = np.mean([place == scene for place, scene in named])
    assert alike == pytest.approx(1 / 8, abs=0.06)
