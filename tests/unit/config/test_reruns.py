"""What makes a rule run again: what code does."""

import pytest

from dejavu.config import reruns


@pytest.fixture
def version(tmp_path):
    """The version of a script that imports `core.one`, of what stands in the files."""

    def of(module="", script="from core import one\n"):
        (tmp_path / "core").mkdir(exist_ok=True)
        for name, text in (("core/__init__", ""), ("core/one", module), ("script", script)):
            (tmp_path / f"{name}.py").write_text(text)
        forget()
        return reruns.code_version(tmp_path, "script.py")

    return of


def forget():
    for each in (reruns.code_version, reruns.reached, reruns.packages, reruns._parsed):
        each.cache_clear()


def test_code_versions_follow_meaning(version):
    first = version('def f():\n    """Say one."""\n    return 1\n')
    assert version("# a comment\ndef f():\n    return (1)\n") == first
    assert version("def f():\n    return 2\n") != first
    assert version("def f():\n    return 1\n", "from core import one\nx = 1\n") != first
    assert version("def f():\n    return 1\n", "import json\n") != first


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING"])
def test_what_only_type_checkers_read_counts_for_nothing(version, test):
    script = "import typing\nfrom typing import TYPE_CHECKING\n"
    plain = version("x = 1\n", script)
    checked = f"{script}if {test}:\n    from core import one\n"
    assert version("x = 1\n", checked) == plain
    assert version("x = 2\n", checked) == plain
    otherwise = f"{checked}else:\n    from core import one\n"
    assert version("x = 2\n", otherwise) != version("x = 1\n", otherwise)


@pytest.mark.parametrize(
    "script", ["from core import one\n", "import core.one\n", "from core.one import x\n"]
)
def test_packages_run_with_their_modules(tmp_path, version, script):
    version("x = 1\n", script)
    assert reruns.reached(tmp_path, "script.py") == [
        tmp_path / name for name in ("core/__init__.py", "core/one.py", "script.py")
    ]
    (tmp_path / "core/__init__.py").write_text("y = 1\n")
    first = reruns.code_version(tmp_path, "script.py")
    forget()
    assert reruns.code_version(tmp_path, "script.py") != first


def test_the_packages_of_a_script_are_what_is_imported_before_its_work(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core/one.py").write_text("import xx.yy\ndef f():\n    from core import two\n")
    (tmp_path / "core/two.py").write_text("from zz import a\ndef f():\n    import later\n")
    script = "import os, numpy as np\nfrom core import one\nfrom collections.abc import Set\n"
    (tmp_path / "script.py").write_text(script)
    forget()
    assert reruns.packages(tmp_path, "script.py") == ["numpy", "xx.yy", "zz"]
