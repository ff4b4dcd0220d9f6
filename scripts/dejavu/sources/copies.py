"""Ids of pictures of the embedded world that stand in a set several times."""

# Between a picture's id and the number of its copy.
MARK = "-"


def ids(number: int, copies: int) -> list[str]:
    """Ids of a picture, all alike, that stands so many times in its set."""
    first = f"{number:09d}"
    return [first, *(f"{first}{MARK}{copy}" for copy in range(1, copies))]


def picture_of(identifier: str) -> str:
    """The first of the ids of a picture."""
    return identifier.partition(MARK)[0]
