"""Names of OpenCLIP's architectures, by its files: the Snakefile does without its import."""

from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dejavu.errors import InputError


@cache
def known() -> tuple[str, ...]:
    """All names, in order; none where OpenCLIP is not installed."""
    spec = find_spec("open_clip")
    if spec is None or spec.origin is None:
        return ()
    return tuple(
        sorted(path.stem for path in Path(spec.origin).parent.glob("model_configs/*.json"))
    )


def check(where: str, architecture: str) -> None:
    """Check that OpenCLIP knows an architecture.

    Raises:
        InputError: it does not; the sentence has the names that are near.
    """
    names = known()
    if not names or architecture in names:
        return
    near = get_close_matches(architecture, names) or names[:3]
    raise InputError(
        f"{where}: OpenCLIP knows no architecture {architecture!r}, but {', '.join(near)} and"
        " others: take one of `open_clip.list_models()`."
    )
