"""The one exception for what a user can mend."""


class InputError(Exception):
    """Bad input: the message is one sentence that names the file, row or key and the remedy."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, to be quoted inside a sentence."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
