"""Simulate all worlds and write docs/certification.md; status 1 where something asked for fails."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dejavu.report.checkout import VERSION
from dejavu.report.verdict import KINDS
from tests.certify import contrasts, lists, shifts, worlds
from tests.certify.verdicts import Verdicts, verdicts
from tests.certify.worlds import Case

OF_EACH = 4_000
OF_SHIFTED = 600
OF_LISTED = 50
FORMS = {
    **worlds.FORMS,
    **contrasts.FORMS,
    shifts.shifted: OF_SHIFTED,
    shifts.bounded: OF_SHIFTED,
}
PAGE = Path(__file__).parents[2] / "docs" / "certification.md"


def page(
    cases: Sequence[tuple[int, Case]], reached: Sequence[Verdicts], listed: Sequence[lists.Lists]
) -> str:
    """The page: what was simulated, and a row for every case and every rate of verdicts."""
    lines = [HEAD.format(version=VERSION, key=worlds.KEY)]
    form = ""
    # A form's cases stand together, in the order in which forms come first.
    places = {form: place for place, form in enumerate(dict.fromkeys(c.form for _, c in cases))}
    for number, case in sorted(cases, key=lambda each: places[each[1].form]):
        if case.form != form:
            form = case.form
            lines += [f"\n## {form}: {number:,} worlds each\n", *HEADER]
        faults = "; ".join(case.faults()) or "holds"
        lines.append(
            f"| {case.world} | {case.sizes} | {case.coverage:.3f} | {case.widths.mean():.3f}"
            f" | {case.degenerate:.3f} | {case.least:g} | {faults} |"
        )
    lines.append(OF_VERDICTS.format(worlds=reached[0].worlds, shifted=OF_SHIFTED))
    lines.append(f"| test | memory | samples | {' | '.join(KINDS)} | |")
    lines.append("| --- " * (len(KINDS) + 4) + "|")
    for each in reached:
        rates = " | ".join(f"{each.rates[kind]:.3f}" for kind in KINDS)
        faults = "; ".join(each.faults()) or "holds"
        lines.append(f"| {each.test} | {each.memory} | {each.size:,} | {rates} | {faults} |")
    lines += [OF_LISTS.format(worlds=OF_LISTED), *LISTS_HEADER]
    for each in listed:
        faults = "; ".join(each.faults()) or "holds"
        lines.append(
            f"| {each.memory} | {each.shift} | {each.size:,} | {each.rate:g}"
            f" | {each.false.mean():.3f} | {np.mean(each.listed > 0):.3f}"
            f" | {each.listed.mean():.1f} | {faults} |"
        )
    return "\n".join(lines) + "\n"


OF_LISTS = """
## lists of memorized samples: {worlds:,} worlds each

What part of a list is not memorized, in the mean over worlds (0 where nothing is listed), in worlds
in which no member is memorized, some are or many; where control is like the members, and where what
the blind encoder sees is shifted by .6 of a standard deviation, so that samples weigh by its odds.
Half as many controls again as members. Asked for: at most the rate; without memory, a list in at
most that part of the worlds.

In worlds that are trained, `python -m tests.certify.trained results/trained` asks a twin of the
model how much of a list it would put there ([what it
said](evidence.md#which-samples-are-memorized)).
"""
LISTS_HEADER = (
    "| memorized | control | members | rate | false | worlds with a list | mean length | |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
)
OF_VERDICTS = """
## verdicts: {worlds:,} worlds each, of images a tenth

How often each verdict is reached. A little memory is a score of .03, much one of .2; one-model
tests have a check of non-members. Asked for: verdicts that the model memorizes in at most 3 % of
the worlds without memory. Where control is tilted, the verdict asks for a score above the bias
bound, {shifted:,} worlds each.
"""
HEADER = (
    "| world | samples | coverage | mean width | without width | asked for | |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
HEAD = """# Certification

How often the 95 % intervals of the tables cover the truth, in simulated worlds whose truth is
known. `make certify` simulates them with the functions that make the tables, and writes this page;
a small part runs in `make test`. Version {version}, key {key}.

Asked for: a coverage of at least .93, of .92 below 50 samples and for what is simulated in few
worlds, of .90 for three pooled seeds; no interval without a width; at most .97 where more than 20
samples are untied and more than 20 are not of the commonest outcome. Nearer to the boundary, and
for fractions, whose scatter is less than that of the pseudo-samples, a closed form is generous. A
row fails if a simulation that meets what is asked for would show so little, or so much, in less
than one of 10,000 cases.

*Tilted*: control draws eight scenes, on which target and reference do differently well, from three
times as often to a third as often as members do. *Seen*: a blind encoder's vectors tell the scene;
*partly seen*: a regression on them finds three quarters of what it does. Nothing is asked where a
shift is partly seen: the rows tell how far the adjustment goes.

*Contrasts* are differences and slopes of points of a sweep, whose models find the same samples
difficult; *level* has how often no difference of a family, and no slope, is found where nothing
changes.
"""


def main() -> None:
    """Simulate, write and tell what fails."""
    cases, failed = [], []
    for form, number in FORMS.items():
        start = time.monotonic()
        for case in form(number):
            cases.append((number, case))
            if case.faults():
                failed.append(
                    f"{case.form}, {case.world}, {case.sizes}: {case.coverage:.3f},"
                    f" {'; '.join(case.faults())}"
                )
        print(f"{form.__name__}: {time.monotonic() - start:.0f} s", flush=True)
    reached = [*verdicts(OF_EACH), *shifts.verdicts(OF_SHIFTED)]
    failed += [
        f"verdicts, {each.test}, {each.size}: {each.false:.3f}" for each in reached if each.faults()
    ]
    listed = list(lists.lists(OF_LISTED))
    failed += [
        f"lists, {each.memory}, {each.shift}, {each.size}, {each.rate:g}: {each.false.mean():.3f}"
        for each in listed
        if each.faults()
    ]
    PAGE.write_text(page(cases, reached, listed), encoding="utf-8")
    print("\n".join(failed) or "everything asked for holds")
    sys.exit(bool(failed))


main()
