"""The page of the architecture names every script and every room."""

import re

from tests.conftest import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
NAMED = set(re.findall(r"`([a-z_0-9]+)`", PAGE))


def test_every_script_has_its_place_on_the_page():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    assert not scripts - NAMED


def test_every_package_has_its_place_on_the_page():
    packages = {path.parent.name for path in (ROOT / "scripts/dejavu").glob("*/__init__.py")}
    assert not packages - NAMED


def test_modules_that_the_page_names_are_there():
    core = ROOT / "scripts/dejavu"
    for cell in re.findall(r"\| ((?:`[a-z_.]+`(?:, )?)+) \|", PAGE):
        package = ""
        for name in re.findall(r"`([a-z_.]+)`", cell):
            if "." not in name:
                continue
            first, module = name.split(".")
            package = first or package
            assert (core / package / f"{module}.py").is_file(), name
