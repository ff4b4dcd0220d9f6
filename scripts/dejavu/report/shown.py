"""What is shown of names and captions: control characters by their codes."""

from typing import Any

from dejavu.samples.texts import escaped


def shown(value: Any) -> Any:
    """Facts of JSON's types, of which every text is as it may be shown."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, list):
        return [shown(each) for each in value]
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return value
