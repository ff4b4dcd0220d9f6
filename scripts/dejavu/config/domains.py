"""What is known of the two domains: sets, queries, tables and figures.

Standard library only: the Snakefile imports it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Domain:
    """A domain.

    Attributes:
        key: how it stands in configs and paths.
        name: how the page calls it.
        sets: its sets, in the order that hash ranges and sample numbers follow.
        measured: those whose samples are asked about, that of the targets first; the others are
            searched, or trained on.
        queries: what each query searches.
        asks: what queries ask with.
        features: what evidence for a sample's memorization is made of.
        useful_rule: the rule that tells what a model is good for.
        tables: its tables, that of the scores first, but for those that not every config has.
        figures: its figures, likewise.
    """

    key: str
    name: str
    sets: tuple[str, ...]
    measured: tuple[str, ...]
    queries: Mapping[str, str]
    asks: str
    features: tuple[str, ...]
    useful_rule: str
    tables: tuple[str, ...]
    figures: tuple[str, ...]

    def in_order(self, sets: Iterable[str]) -> list[str]:
        """The sets that a config has, in the domain's order."""
        given = set(sets)
        return [name for name in self.sets if name in given]


DOMAINS = {
    "vlm": Domain(
        key="vlm",
        name="Vision–language",
        sets=("target", "reference", "public", "control", "extra"),
        measured=("target", "reference", "control"),
        queries={"t2i": "image", "t2t": "caption"},
        asks="caption",
        features=("objects", "any"),
        useful_rule="zero_shot",
        tables=(
            *("ppg", "checks", "samples", "distributions", "agreement", "memorized"),
            *("power", "rejected"),
        ),
        figures=("population", "sets", "records", "distributions"),
    ),
    "vision": Domain(
        key="vision",
        name="Images",
        sets=("A", "B", "shared", "public", "control"),
        measured=("A", "B", "control"),
        queries={"crop": "image"},
        asks="crop",
        features=("any",),
        useful_rule="linear_probe",
        tables=(
            *(
                "dejavu",
                "checks",
                "power",
                "correlation",
                "quadrants",
                "classes",
                "agreement",
                "memorized",
                "correlated",
            ),
            *("confidence", "crops", "rejected"),
        ),
        figures=("dejavu", "sets", "quadrants", "confidence", "correlation", "classes"),
    ),
}
