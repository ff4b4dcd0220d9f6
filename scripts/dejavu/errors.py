"""The one exception for what a user can mend."""


class InputError(Exception):
    """Bad input: the message is one sentence that names the file, row or key and the remedy."""
