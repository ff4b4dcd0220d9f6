"""Folders of models: settings and weights are taken from them, and nothing that runs code.

The libraries that load a folder take it by its settings' word: which module of it to import
(`auto_map`, `modules.json`), whether to trust it (`trust_remote_code`), whether pickles may be run
(`weights_only`), where else to get parts from. A folder that says anything of that is refused
before a library sees it.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from dejavu.errors import InputError, first_line, refusal
from dejavu.sources.regular import check_regular

# They hold vocabularies and names of weights, which may be called anything.
NO_SETTINGS = ("tokenizer.json", "vocab.json", "added_tokens.json")
CODE = ("auto_map", "custom_pipelines", "custom_generate", "trust_remote_code", "code_revision")
OWN_MODULES = "sentence_transformers."
# What Sentence Transformers hands on to Transformers, and what of it shapes vectors.
HANDED_ON = tuple(
    f"{what}_{how}"
    for what in ("model", "tokenizer", "processor", "config")
    for how in ("args", "kwargs")
)
ALLOWED = {
    "add_bos_token",
    "add_eos_token",
    "add_pooling_layer",
    "attn_implementation",
    "do_lower_case",
    "dtype",
    "max_length",
    "model_max_length",
    "output_attentions",
    "output_hidden_states",
    "padding",
    "padding_side",
    "torch_dtype",
    "truncation",
    "truncation_side",
    "use_cache",
    "use_fast",
}


def check(folder: str | Path, where: str) -> None:
    """Check that a folder's files can be read, and that its settings name no code, hub or trust.

    Raises:
        InputError: naming the file and the key.
    """
    for path in sorted(Path(folder).rglob("*")):
        if path.is_dir() or not path.exists():
            continue
        try:
            check_regular(path)
        except OSError as error:
            raise refusal(
                error,
                f"{where}: {path} can't be read ({first_line(error)}): remove it from the model's"
                " folder.",
            ) from error
        if path.suffix != ".json" or path.name in NO_SETTINGS or ".index." in path.name:
            continue
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            # The library that needs it tells.
            continue
        for key, told in _refused(settings, path.name):
            raise InputError(
                f"{where}: {path} asks {told} (`{key}`), and nothing of a model's folder is run or"
                " trusted: take a model that its library loads without, or remove the key."
            )


def check_source(source: str, allow_download: bool, where: str) -> None:
    """Check a folder, or the settings of a model that a hub or the machine's cache has.

    Raises:
        InputError: as `check`. A model that is not to be had is told by who loads it.
    """
    if Path(source).is_dir():
        check(source, where)
        return
    from huggingface_hub import snapshot_download

    # Sentence Transformers finds its own models without the name of their owner.
    for name in (source,) if "/" in source else (source, f"sentence-transformers/{source}"):
        with suppress(Exception):
            folder = snapshot_download(
                name, allow_patterns=["*.json"], local_files_only=not allow_download
            )
            break
    else:
        return
    check(folder, where)


def _refused(settings: Any, file: str, key: str = "") -> Iterator[tuple[str, str]]:
    """Keys of settings, at any depth, that a folder must not hold, and what they ask for."""
    if isinstance(settings, list):
        for value in settings:
            yield from _refused(value, file, key)
        return
    if not isinstance(settings, dict):
        return
    for name, value in settings.items():
        place = f"{key}.{name}" if key else str(name)
        if name in CODE and value:
            yield place, "for code of its own to be run"
        elif name == "weights_only" and value is not True:
            yield place, "for pickles to be run"
        elif name == "base_model_name_or_path" and file == "adapter_config.json":
            yield place, f"for another model, {value!r}"
        elif name == "use_pretrained_backbone" and value:
            yield place, "for weights from elsewhere"
        elif name == "backbone" and isinstance(value, str) and set("/:") & set(value):
            yield place, f"for another model, {value!r}"
        elif name.endswith("_implementation") and "/" in str(value):
            yield place, f"for code from a hub, {value!r}"
        elif (name == "type" and file == "modules.json") or name == "tokenizer_class":
            yield from _foreign(place, [value], OWN_MODULES, file == "modules.json")
        elif name == "types" and isinstance(value, dict):
            yield from _foreign(place, list(value.values()), OWN_MODULES, True)
        elif name == "activation_function":
            yield from _foreign(place, [value], "torch.nn.", False)
        elif name in HANDED_ON and isinstance(value, dict):
            for other in sorted(set(value) - ALLOWED):
                yield f"{place}.{other}", "for an option that is not needed"
        yield from _refused(value, file, place)


def _foreign(place: str, values: list[Any], own: str, always: bool) -> Iterator[tuple[str, str]]:
    """Classes, given by where they are imported from, that are not the library's own."""
    for value in values:
        if isinstance(value, str) and (always or "." in value) and not value.startswith(own):
            yield place, f"to import {value!r}"
