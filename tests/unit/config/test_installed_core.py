"""Which core jobs run: the one of the checkout, or nothing runs."""

import sys

import pytest

from dejavu.config import faults
from dejavu.errors import InputError


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout's scripts, as the Snakefile and a `.pth` file put them among what is looked at."""
    scripts = package(tmp_path / "checkout/scripts")
    monkeypatch.setattr(
        sys, "path", [str(scripts), "/nowhere", str(tmp_path / "checkout/../checkout/scripts")]
    )
    return scripts


def package(folder):
    (folder / "dejavu").mkdir(parents=True)
    (folder / "dejavu/__init__.py").touch()
    return folder


def test_the_core_of_the_checkout_is_no_other(checkout):
    faults.check_core(checkout)


def test_a_folder_of_that_name_is_no_package(checkout, tmp_path, monkeypatch):
    (tmp_path / "clones/dejavu").mkdir(parents=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "clones")])
    faults.check_core(checkout)


def test_an_installed_core_stops_the_run_with_where_it_lies(checkout, tmp_path, monkeypatch):
    installed = package(tmp_path / "lib/site-packages")
    monkeypatch.setattr(sys, "path", [*sys.path, str(installed)])
    with pytest.raises(InputError, match=r"pip uninstall dejavu-memorization") as told:
        faults.check_core(checkout)
    assert str(installed / "dejavu") in str(told.value)
    assert str(checkout / "dejavu") in str(told.value)
