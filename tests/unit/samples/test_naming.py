"""Labels that captions name, against regular expressions of the standard library."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dejavu.samples.naming import named_labels

PLURALS = {
    "man": "men",
    "woman": "women",
    "person": "people",
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "mouse": "mice",
    "ox": "oxen",
    "tooth": "teeth",
}
BREAK = r"(?:[^\w]|_)"


def pattern(label):
    """A label as a regular expression: whole words in any case, the last one in any number."""
    *first, last = re.findall(r"[^\W_]+", label.lower())
    forms = [last, f"{last}e?s"]
    for singular, plural in PLURALS.items():
        if last == singular:
            forms = [last, plural] if last == "ox" else [last, plural, f"{last}s"]
    if last.endswith("y"):
        forms.append(f"{last[:-1]}ies")
    if last.endswith("f"):
        forms.append(f"{last[:-1]}ves")
    if last.endswith("fe"):
        forms.append(f"{last[:-2]}ves")
    words = [*map(re.escape, first), f"(?:{'|'.join(forms)})"]
    return re.compile(rf"(?:^|{BREAK}){f'{BREAK}+'.join(words)}(?:{BREAK}|$)", re.IGNORECASE)


def by_regex(caption, vocabulary, synonyms):
    return sorted(
        label
        for label in set(vocabulary)
        if any(
            pattern(name).search(caption)
            for name in [label, *synonyms.get(label, ())]
            if re.search(r"[^\W_]", name)
        )
    )


WORDS = [
    "dog",
    "dogs",
    "hotdog",
    "hot-dog",
    "dogged",
    "Dog",
    "DOG",
    "box",
    "boxes",
    "fox",
    "ox",
    "oxen",
    "leaf",
    "leaves",
    "knife",
    "knives",
    "man",
    "men",
    "woman",
    "women",
    "person",
    "people",
    "city",
    "cities",
    "tooth",
    "teeth",
    "toothbrush",
    "bus",
    "buses",
    "été",
    "Été",
    "狗",
    "pine",
    "apple",
    "pineapple",
    "sport",
    "ball",
    "balls",
    "t",
    "shirt",
    "shirts",
    "7",
    "7up",
    "child",
    "children",
    "sheep",
    "goose",
    "mouse",
    "foot",
    "feet",
]
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).flatmap(
    lambda words: st.sampled_from([" ", "-", "  "]).map(lambda gap: gap.join(words))
)
CAPTIONS = st.lists(
    st.tuples(st.sampled_from(WORDS), st.sampled_from([" ", ", ", "-", "'s ", "_", ".", "", "\n"])),
    max_size=10,
).map(lambda pairs: "".join(word + gap for word, gap in pairs))


@settings(max_examples=150)
@given(
    st.lists(CAPTIONS, max_size=6),
    st.lists(NAMES, max_size=8, unique=True),
    st.dictionaries(st.sampled_from(["dog", "man", "unused"]), st.lists(NAMES, max_size=2)),
)
@pytest.mark.slow
def test_labels_are_those_that_regular_expressions_find(captions, vocabulary, synonyms):
    found = named_labels(captions, vocabulary, synonyms)
    assert found == [by_regex(caption, vocabulary, synonyms) for caption in captions]


@pytest.mark.parametrize(
    ("caption", "label", "named"),
    [
        ("A Dog.", "dog", True),
        ("the DOGS' home", "dog", True),
        ("a hotdog", "dog", False),
        ("dogged", "dog", False),
        ("two boxes and foxes", "box", True),
        ("two boxes and foxes", "fox", True),
        ("a box", "ox", False),
        ("oxen", "ox", True),
        ("wolves", "wolf", True),
        ("knives", "knife", True),
        ("berries", "berry", True),
        ("boys", "boy", True),
        ("people", "person", True),
        ("firemen", "fireman", True),
        ("women", "man", False),
        ("a sports ball", "sports ball", True),
        ("sports-balls", "sports ball", True),
        ("a ball of sports", "sports ball", False),
        ("a t-shirt", "T-shirt", True),
        ("traffic_light", "traffic light", True),
        ("une ÉTÉ", "été", True),
        ("pineapple", "apple", False),
        ("", "dog", False),
    ],
)
def test_words_are_named_as_english_has_them(caption, label, named):
    assert named_labels([caption], [label]) == [[label] if named else []]


def test_neighbouring_and_overlapping_names_are_all_found():
    vocabulary = ["dog", "hot dog", "dog house", "house"]
    assert named_labels(["hot dog house dog dog"], vocabulary) == [sorted(vocabulary)]


def test_labels_that_differ_in_case_or_punctuation_are_both_named():
    assert named_labels(["a t shirt"], ["T-shirt", "t shirt"]) == [["T-shirt", "t shirt"]]


def test_synonyms_name_their_label_and_no_other():
    synonyms = {"sofa": ["couch", "settee"], "person": ["man"], "absent": ["dog"]}
    found = named_labels(["two couches", "men", "a dog"], ["person", "sofa"], synonyms)
    assert found == [["sofa"], ["person"], []]


def test_labels_without_letters_are_named_by_nothing():
    assert named_labels(["a - b", "", "  "], ["-", "?", " "]) == [[], [], []]


def test_no_captions_or_no_labels_give_nothing():
    assert named_labels([], ["dog"]) == []
    assert named_labels(["a dog", "b"], []) == [[], []]


def test_a_caption_names_a_label_that_is_spelled_of_other_characters():
    named = named_labels(
        ["two cafe\u0301s", "a caf\u00e9", "a bistro\u0302"],
        ["caf\u00e9"],
        {"cafe\u0301": ["bistr\u00f4"]},
    )
    assert named == [["caf\u00e9"]] * 3
