"""The generated foreground world: its pictures, and what a crop can tell of the label."""

import io
import json
import math
import tarfile
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dejavu.errors import InputError
from dejavu.samples.crops import OK, Box, background_crop
from dejavu.sources import foregrounds
from dejavu.sources.foregrounds import (
    LABELS,
    SCENES,
    SIDE,
    TAGS,
    ContextGlyph,
    Layout,
    crop_tags,
    layout,
    picture,
    posterior,
    visible,
)
from dejavu.sources.images import add_member

pytestmark = pytest.mark.slow

MIN_SIDE = 15
LAYOUTS = [layout(number, seed=5) for number in range(4000)]


def crop_of(arranged):
    crop, status = background_crop(SIDE, SIDE, [arranged.box], MIN_SIDE)
    assert status == OK
    return crop


def test_a_picture_depends_on_its_number_and_the_seed_alone():
    pixels, arranged = picture(7, seed=1)
    foregrounds._context_drawing.cache_clear()
    picture(3, seed=1)
    again, arranged_again = picture(7, seed=1)
    assert (pixels.shape, pixels.dtype) == ((48, 48, 3), np.uint8)
    np.testing.assert_array_equal(pixels, again)
    assert arranged == arranged_again == layout(7, seed=1)
    assert not np.array_equal(pixels, picture(7, seed=2)[0])
    assert not np.array_equal(pixels, picture(8, seed=1)[0])


def test_every_picture_has_a_crop_and_a_square_box_whose_place_is_the_recipes():
    for arranged in LAYOUTS:
        box = arranged.box
        assert box.width == box.height in range(25, 30)
        assert box.xmin >= 0 and box.ymin >= 0 and box.xmax <= SIDE and box.ymax <= SIDE
        assert min(box.xmin, box.ymin, SIDE - box.xmax, SIDE - box.ymax) <= 3
        assert crop_of(arranged).shorter_side >= 16
        assert 2 <= len(arranged.context) <= 4
        for glyph in arranged.context:
            place = glyph.box
            assert place.width == place.height in (10, 12, 14)
            assert min(place) >= 0 and max(place) <= SIDE


def test_little_of_the_context_is_hidden():
    hidden = total = 0
    for arranged in LAYOUTS:
        painted = np.zeros((SIDE, SIDE), dtype=int)
        for box in [arranged.box, *(glyph.box for glyph in arranged.context)]:
            painted[box.ymin : box.ymax, box.xmin : box.xmax] += 1
        hidden += (painted - 1).clip(0).sum()
        total += sum(glyph.box.area for glyph in arranged.context)
    # Glyphs at random places are hidden to 47 %.
    assert hidden / total < 0.1


def test_the_box_tells_nothing_of_the_label():
    for measure in ("width", "xmin", "ymin"):
        values = np.array([getattr(arranged.box, measure) for arranged in LAYOUTS], dtype=float)
        labels = np.array([arranged.label for arranged in LAYOUTS])
        groups = [values[labels == label] for label in LABELS]
        between = sum(len(group) * (group.mean() - values.mean()) ** 2 for group in groups)
        # Chi-square of 9 degrees of freedom: 27.9 is passed once in a thousand.
        assert between / values.var() < 27.9


@pytest.mark.parametrize("number", range(20))
def test_glyphs_are_painted_in_their_boxes_and_nowhere_else(number):
    arranged = layout(number, seed=11)
    # The backdrop is drawn first, so that equal generators paint equal backdrops.
    backdrop = foregrounds._backdrop(np.random.default_rng(0)).clip(0, 255).astype(np.uint8)
    painted = foregrounds._paint(arranged, np.random.default_rng(0))
    changed = (painted != backdrop).any(axis=2)
    for box in [arranged.box, *(glyph.box for glyph in arranged.context)]:
        inside = changed[box.ymin : box.ymax, box.xmin : box.xmax]
        assert inside.mean() > 0.1
        inside[:] = False
    assert not changed.any()


def test_visible_glyphs_and_tags_by_hand():
    arranged = Layout(
        "frog",
        Box(0, 0, 25, 25),
        (
            ContextGlyph("egg", Box(30, 0, 40, 10)),
            ContextGlyph("bee", Box(20, 30, 30, 40)),
            ContextGlyph("egg", Box(26, 20, 36, 30)),
            ContextGlyph("cow", Box(15, 30, 25, 40)),
        ),
    )
    crop = Box(25, 0, 48, 48)
    assert visible(arranged, crop) == (
        ContextGlyph("egg", Box(30, 0, 40, 10)),
        ContextGlyph("bee", Box(25, 30, 30, 40)),
        ContextGlyph("egg", Box(26, 20, 36, 30)),
    )
    area = 23 * 48
    tags = crop_tags(arranged, crop)
    assert [tag for tag, _ in tags] == ["egg", "bee"]
    assert [score for _, score in tags] == pytest.approx([200 / area, 50 / area])


@given(
    st.lists(st.sampled_from(TAGS), max_size=4),
    st.sampled_from([0.1, 0.22, 0.4, 0.5]),
    st.sampled_from([(), (3, 1, 1, 2, 1)]),
)
def test_posterior_is_bayes_rule_in_fractions(tags, preferred, tilt):
    liked = Fraction(str(preferred))
    joint = Counter()
    for scene, weight in zip(SCENES, tilt or (1,) * 5, strict=True):
        likelihood = weight * math.prod(
            Fraction(1, 5) / 60 + (Fraction(4, 5) / 12 if tag in scene.context else 0)
            for tag in tags
        )
        for label in LABELS:
            joint[label] += likelihood * (liked if label in scene.labels else (1 - 2 * liked) / 8)
    exact = [float(joint[label] / joint.total()) for label in LABELS]
    (row,) = posterior([tags], preferred=preferred, tilt=tilt)
    assert row == pytest.approx(exact, rel=1e-9, abs=1e-15)


def test_posterior_is_calibrated_on_generated_crops():
    layouts = [layout(number, seed=9, preferred=0.4) for number in range(4000)]
    tags = [[glyph.tag for glyph in visible(one, crop_of(one))] for one in layouts]
    probability = posterior(tags, preferred=0.4)
    truth = np.array([[one.label == label for label in LABELS] for one in layouts])
    assert probability.shape == truth.shape
    edges = np.quantile(probability, [0.25, 0.5, 0.75, 0.9])
    group = np.digitize(probability, edges)
    for number in range(5):
        chosen = group == number
        expected = probability[chosen]
        deviation = math.sqrt((expected * (1 - expected)).sum()) / chosen.sum()
        assert abs(truth[chosen].mean() - expected.mean()) < 4 * deviation
    best = probability.max(axis=1)
    right = truth[np.arange(len(truth)), probability.argmax(axis=1)]
    assert right.mean() == pytest.approx(best.mean(), abs=4 * math.sqrt(0.25 / len(right)))


def test_a_tilt_draws_scenes_as_often_as_it_says():
    tilt = (4, 1, 1, 1, 0.5)
    # Where a scene prefers its labels alone, the label tells it.
    drawn = [layout(number, seed=3, preferred=0.5, tilt=tilt).label for number in range(3000)]
    expected = 3000 * np.array(tilt) / sum(tilt)
    counts = np.array([sum(label in scene.labels for label in drawn) for scene in SCENES])
    assert np.sum((counts - expected) ** 2 / expected) < 18.5  # chi square, 4 degrees, p = .001
    assert layout(3, seed=3) == layout(3, seed=3, tilt=(2,) * 5)


def test_the_worlds_optimum_is_the_recipes():
    tags = [[glyph.tag for glyph in visible(one, crop_of(one))] for one in LAYOUTS]
    assert posterior(tags).max(axis=1).mean() == pytest.approx(0.20, abs=0.005)


def test_without_correlation_a_crop_tells_nothing():
    np.testing.assert_allclose(posterior([["egg", "cow"], []], preferred=0.1), 0.1)
    assert posterior([]).shape == (0, len(LABELS))


@pytest.mark.parametrize("preferred", [0.09, 0.51])
def test_impossible_correlations_are_refused(preferred):
    with pytest.raises(InputError, match=f"preferred is {preferred}"):
        layout(0, seed=0, preferred=preferred)


def test_glyphs_are_distinct():
    assert len(TAGS) == 60
    assert len(set(foregrounds.CONTEXT_GLYPHS.values())) == 60
    assert sorted(label for scene in SCENES for label in scene.labels) == list(LABELS)


def test_a_tar_that_is_cut_off_anywhere_or_damaged_is_one_sentence(tmp_path):
    path = tmp_path / "0000.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(3):
            pixels, arranged = picture(number, seed=0)
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "png")
            add_member(archive, f"{number}.png", content.getvalue())
            add_member(archive, f"{number}.json", json.dumps(foregrounds.facts(arranged)).encode())
    whole = path.read_bytes()
    found = list(foregrounds.read_tar(path))
    assert [each.label for each in found] == [layout(n, seed=0).label for n in range(3)]
    end = len(whole.rstrip(bytes(1))) // 512 * 512 + 512
    damaged = [whole[:size] for size in [*range(0, end + 1, 256), end - 1]]
    damaged.append(whole[: end - 1024] + whole[end:])
    damaged.append(whole.replace(b'"label"', b'"label,'))
    for each in damaged:
        path.write_bytes(each)
        with pytest.raises(InputError, match="not a complete tar archive"):
            list(foregrounds.read_tar(path))
