"""What makes a rule run again: hashes of what code does.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple


@cache
def code_version(folder: Path, script: str) -> str:
    """Hash a script and all modules of its folder that it imports, directly or not.

    Comments, docstrings, formatting and what only type checkers read don't count, so that editing
    them reruns nothing.
    """
    texts = (
        f"{path.relative_to(folder)} {_parsed(folder, path).code}"
        for path in reached(folder, script)
    )
    return hashlib.blake2b("\n".join(texts).encode(), digest_size=8).hexdigest()


@cache
def reached(folder: Path, script: str) -> list[Path]:
    """A script and the files of its folder that importing it runs, sorted."""
    seen: set[Path] = set()
    waiting = [folder / script]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen.add(path)
            waiting.extend(_parsed(folder, path).files)
    return sorted(seen)


@cache
def packages(folder: Path, script: str) -> list[str]:
    """The modules of packages that a script, and what it reaches, imports first of all, sorted."""
    found = set().union(*(_parsed(folder, path).packages for path in reached(folder, script)))
    local = {path.stem for path in folder.iterdir()} | sys.stdlib_module_names
    return sorted(name for name in found if name.partition(".")[0] not in local)


class _Module(NamedTuple):
    code: str
    """Without docstrings."""
    files: list[Path]
    """Of the local modules that it imports, wherever that is done."""
    packages: set[str]
    """What it imports when it is imported."""


@cache
def _parsed(folder: Path, path: Path) -> _Module:
    """Read a module."""
    tree = _Run().visit(ast.parse(path.read_text(encoding="utf-8")))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    # Importing a module runs the `__init__` of every package around it.
    parts = [module.split(".") for module in sorted(modules)]
    names = {"/".join(each[:count]) for each in parts for count in range(1, len(each) + 1)}
    places = [folder / name for name in sorted(names)]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    at_first = {
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    }
    at_first |= {
        node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module
    }
    return _Module(ast.dump(tree), [file for file in files if file.is_file()], at_first)


class _Run(ast.NodeTransformer):
    """Leaves of a module what runs: no docstrings, and nothing under `if TYPE_CHECKING`."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
        self.generic_visit(node)
        return node.orelse if name == "TYPE_CHECKING" else node
