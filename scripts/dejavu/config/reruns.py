"""What makes a rule run again: hashes of what code does.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path


@cache
def code_version(folder: Path, script: str) -> str:
    """Hash a script and all modules of its folder that it imports, directly or not.

    Comments, docstrings, formatting and what only type checkers read don't count, so that editing
    them reruns nothing.
    """
    texts = (
        f"{path.relative_to(folder)} {_parsed(folder, path)[0]}" for path in reached(folder, script)
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
            waiting.extend(_parsed(folder, path)[1])
    return sorted(seen)


@cache
def _parsed(folder: Path, path: Path) -> tuple[str, list[Path]]:
    """A module's code without docstrings, and the files of the local modules it imports."""
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
    return ast.dump(tree), [file for file in files if file.is_file()]


class _Run(ast.NodeTransformer):
    """Leaves of a module what runs: no docstrings, and nothing under `if TYPE_CHECKING`."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", None)
        self.generic_visit(node)
        return node.orelse if name == "TYPE_CHECKING" else node
