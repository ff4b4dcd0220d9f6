"""What makes a rule run again: hashes of what code does and of what files hold.

Standard library only: the Snakefile imports it, and every job pays for that.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

BLOCK = 2**16
SAMPLED_BLOCKS = 16


@cache
def code_version(folder: Path, script: str) -> str:
    """Hash a script and all modules of its folder that it imports, directly or not.

    Comments, docstrings and formatting don't count, so that editing them reruns nothing.
    """
    seen: dict[Path, str] = {}
    waiting = [folder / script]
    while waiting:
        path = waiting.pop()
        if path not in seen:
            seen[path], imported = _parsed(folder, path)
            waiting.extend(imported)
    text = "\n".join(f"{path.relative_to(folder)} {seen[path]}" for path in sorted(seen))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@cache
def _parsed(folder: Path, path: Path) -> tuple[str, list[Path]]:
    """A module's code without docstrings, and the files of the local modules it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [statement for statement in body if not _is_docstring(statement)]
    places = [folder / module.replace(".", "/") for module in sorted(modules)]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return ast.dump(tree), [file for file in files if file.is_file()]


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@cache
def listing_of(*folders: Path) -> str:
    """Hash the names and sizes of all files of folders that hold very many."""
    found = hashlib.blake2b(digest_size=8)
    for place, folder in enumerate(folders):
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            found.update(f"{place} {file.relative_to(folder)} {file.stat().st_size}\n".encode())
    return found.hexdigest()


@cache
def content_of(place: Path) -> str:
    """Hash what a file, or all files of a folder, hold: names, sizes and evenly spaced blocks.

    Files up to 1 MiB count whole. Times of change don't count: a touched file is the same file.
    """
    files = (
        [place] if place.is_file() else sorted(each for each in place.rglob("*") if each.is_file())
    )
    found = hashlib.blake2b(digest_size=8)
    for file in files:
        size = file.stat().st_size
        found.update(f"{file.relative_to(place)} {size}\n".encode())
        with file.open("rb") as content:
            for start in range(0, size, max(size // SAMPLED_BLOCKS, BLOCK)):
                content.seek(start)
                found.update(content.read(BLOCK))
    return found.hexdigest()
