"""What git tells of the workflow's own files."""

import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def facts(folder: Path = ROOT) -> dict[str, Any]:
    """The commit of a checkout, and whether its tracked files are those of the commit.

    Returns:
        `commit` and `clean`, both None where there is no git, or the folder is no checkout of its
        own: a copy inside another repository does not take that one's commit.
    """
    top = _told(folder, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != folder.resolve():
        return {"commit": None, "clean": None}
    changes = _told(folder, "status", "--porcelain", "--untracked-files=no")
    commit = _told(folder, "rev-parse", "--verify", "HEAD")
    return {"commit": commit, "clean": None if commit is None or changes is None else not changes}


def _told(folder: Path, *arguments: str) -> str | None:
    """What git answers; None where it answers nothing."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            # A look leaves the index alone.
            env={**environment, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
