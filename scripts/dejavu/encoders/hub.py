"""Tells a hub that is out of reach from weights that are wrong."""

import os
import socket

from dejavu.errors import chain, first_line

OUT_OF_REACH = (ConnectionError, TimeoutError, socket.gaierror)
HUB = "https://huggingface.co"


def unreachable(error: BaseException) -> str | None:
    """What to tell if an error comes from a hub that can't be reached; None if it does not.

    Every library wraps the system's own error in some of its own, which differ from release to
    release: the chain of causes is followed to the system's.
    """
    failed = [each for each in chain(error) if isinstance(each, OUT_OF_REACH)]
    if not failed:
        return None
    return (
        f"the hub {os.environ.get('HF_ENDPOINT', HUB)} can't be reached ({first_line(failed[-1])}):"
        " connect this machine, set HF_ENDPOINT to a mirror, or fetch the files elsewhere and name"
        " the local ones."
    )


def reason(error: BaseException) -> str:
    """What a library complains of, without its advice to trust what it would have to run."""
    if any(word in str(error) for word in ("weights_only", "trust_remote_code")):
        return "it holds more than weights and settings, and nothing of it was run"
    return first_line(error)


def downloads_allowed() -> bool:
    """Whether the hub may be asked for weights: the workflow tells by the hub's own variable."""
    return os.environ.get("HF_HUB_OFFLINE", "0") in ("", "0")
