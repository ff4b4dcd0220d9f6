"""Files of weights in their usual wrappings, read without running anything they hold."""

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dejavu.errors import InputError, first_line, refusal
from dejavu.sources.regular import check_regular

SHOWN = 3
# What a state dict lies in: of OpenCLIP, MoCo and Lightning; of torchvision, VICReg and DeiT; and
# averages of weights over a training, as timm and torchvision name them.
WRAPPERS = ("state_dict", "model", "ema", "model_ema", "state_dict_ema")
# What torch.compile puts before names, anywhere, and distribution at their beginning.
COMPILED, DISTRIBUTED = "_orig_mod", "module"


class Unread:
    """Stands for what checkpoints hold beside weights: it takes anything and does nothing."""

    def __init__(self, *arguments: object) -> None:
        """Forget the arguments."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


def _empty(*_: object) -> dict[Any, Any]:
    """Stands for dictionaries with a default."""
    return {}


# VICReg's and Barlow Twins' optimiser keeps a function of the script that trained them (issue 6 of
# vicreg, issue 36 of barlowtwins), and so does DejaVu's; DINO's checkpoint its command line, with
# paths, and NumPy's learning rates; others NumPy's scalars and arrays; Lightning its settings.
# Whatever else a file names is refused.
HARMLESS: Mapping[str, Any] = {
    "__main__.exclude_bias_and_norm": Unread,
    "__mp_main__.exclude_bias_and_norm": Unread,
    "main_vicreg.exclude_bias_and_norm": Unread,
    "dejavu_utils.train_utils.exclude_bias_and_norm": Unread,
    "argparse.Namespace": Unread,
    "pathlib.PosixPath": Unread,
    "pathlib._local.PosixPath": Unread,
    "builtins.list": list,
    "collections.defaultdict": _empty,
    "numpy.dtype": Unread,
    "numpy.ndarray": Unread,
    **{
        f"numpy.{core}.{name}": Unread
        for core in ("core", "_core")
        for name in ("multiarray.scalar", "multiarray._reconstruct", "numeric._frombuffer")
    },
    **{
        f"{package}.utilities.parsing.AttributeDict": dict
        for package in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric")
    },
}


class ScriptWeights(dict[str, Tensor]):
    """The weights of a TorchScript archive, and the names of the classes of its modules."""

    classes: frozenset[str] = frozenset()


def read(path: str | Path) -> Any:
    """Read what a checkpoint holds: tensors in plain containers.

    The code of a TorchScript archive, as OpenAI published CLIP, is not run: its tensors are taken.

    Raises:
        InputError: it is no regular file, is damaged, or names something that is no part of any
            weights.
    """
    try:
        check_regular(path)
        if Path(path).suffix == ".safetensors":
            return load_file(path)
        is_archive = zipfile.is_zipfile(path)
        if is_archive and _is_script(path):
            return _script_weights(path)
        with torch.serialization.safe_globals([(each, name) for name, each in HARMLESS.items()]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_archive)
    except Exception as error:
        raise refusal(
            error,
            f"{path} can't be read as weights ({_reason(error)}): nothing of it was run; fetch the"
            " file again, or save its state dict alone.",
        ) from error


def state_dict(content: Any, path: str | Path, state_key: str = "") -> dict[str, Tensor]:
    """The state dict of what a checkpoint holds.

    It is found where trainings put it (`WRAPPERS`), or where nothing else is; without what
    compilation and distribution put before names, and without whatever is no tensor.

    Args:
        content: what `read` gave, or a part of it.
        path: the file, for the sentence.
        state_key: where it lies, keys with points between them; else it is looked for.

    Raises:
        InputError: it holds no tensors by name, two of one name, or several state dicts.
    """
    inner = at(content, state_key, path)
    while (wrapped := _wrapped(inner)) != []:
        if len(wrapped) > 1:
            raise InputError(
                f"{path} holds several state dicts, {first(wrapped)}: set `state_key` to the one"
                " that is meant."
            )
        inner = inner[wrapped[0]]
    tensors = (
        {str(name): value for name, value in inner.items() if isinstance(value, Tensor)}
        if isinstance(inner, Mapping)
        else {}
    )
    if not tensors:
        raise InputError(
            f"{path} is no state dict of tensors, but holds {held(content)}: name the checkpoint"
            " of a model, or save its state dict alone."
        )
    named = {plain_name(name): value for name, value in tensors.items()}
    if len(named) < len(tensors):
        names = [name for name in tensors if name != plain_name(name)]
        raise InputError(
            f"{path} holds weights twice, with and without what training puts before their names"
            f" ({first(names)}): save one state dict alone."
        )
    return named


def at(content: Any, state_key: str, path: str | Path) -> Any:
    """What lies in a checkpoint under a key, or under several with points between them.

    Raises:
        InputError: nothing does.
    """
    for key in state_key.split(".") if state_key else ():
        if not isinstance(content, Mapping) or key not in content:
            raise InputError(
                f"{path} has no {key!r} of the `state_key` {state_key!r}, but holds"
                f" {held(content)}: set `state_key` to where its state dict lies."
            )
        content = content[key]
    return content


def _wrapped(content: object) -> list[str]:
    """The keys of what holds tensors by name: the usual ones or, without tensors here, any."""
    if not isinstance(content, Mapping):
        return []
    usual = [key for key in WRAPPERS if _holds_tensors(content.get(key))]
    if usual or any(isinstance(value, Tensor) for value in content.values()):
        return usual
    return [key for key, value in content.items() if _holds_tensors(value)]


def _holds_tensors(content: object) -> bool:
    return isinstance(content, Mapping) and (
        any(isinstance(value, Tensor) for value in content.values())
        or any(_holds_tensors(content.get(key)) for key in WRAPPERS)
    )


def network(
    state: Mapping[str, Tensor], wanted: Sequence[str], path: str | Path, prefix: str = ""
) -> dict[str, Tensor]:
    """The weights of one network of a state dict, by its own names.

    Args:
        state: of `state_dict`.
        wanted: names that the network has.
        path: the file, for the sentence.
        prefix: what its names begin with; else, where they are not there as they are, it is the one
            that stands before all of them. Where there is none, everything is given.

    Raises:
        InputError: no name begins so, or several networks have these names.
    """
    if prefix:
        # As the names are: without what compilation and distribution put there.
        before = plain_name(f"{prefix.rstrip('.')}.weight").removesuffix("weight")
    elif all(name in state for name in wanted):
        return dict(state)
    else:
        ends = f".{wanted[0]}"
        fitting = [
            before
            for before in (name.removesuffix(wanted[0]) for name in state if name.endswith(ends))
            if all(f"{before}{name}" in state for name in wanted)
        ]
        if len(fitting) > 1:
            raise InputError(
                f"{path} holds several networks that fit, under {first(fitting)}: set `prefix` to"
                " the one that is meant."
            )
        before = fitting[0] if fitting else ""
    found = {
        plain_name(name.removeprefix(before)): value
        for name, value in state.items()
        if name.startswith(before)
    }
    if not found:
        raise InputError(
            f"{path} has no weights whose names begin with {prefix!r}, but {first(list(state))}:"
            " set `prefix` to what stands before the network's own names."
        )
    return found


def plain_name(name: str) -> str:
    """A weight's name without what compilation and distribution put before it, in any order."""
    parts = [part for part in name.split(".") if part != COMPILED]
    while parts[:1] == [DISTRIBUTED] and len(parts) > 1:
        del parts[0]
    return ".".join(parts)


def held(content: object) -> str:
    """What a file holds, in a few words."""
    return first(list(content)) if isinstance(content, Mapping) else f"a {type(content).__name__}"


def first(names: Sequence[object]) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(str(name)[:80] for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown or "nothing"


def _reason(error: Exception) -> str:
    """The heart of PyTorch's complaint, without its advice to trust the file, or the first line."""
    named = [line for line in str(error).splitlines() if "GLOBAL" in line]
    if named:
        return named[0].partition(". ")[0].rpartition("GLOBAL ")[2]
    if "weights_only" in str(error):
        return "it holds more than weights"
    return first_line(error)


# TorchScript: `torch.jit.save` writes a zip with the modules' code as text, their attributes as a
# pickle in `data.pkl`, and each storage as a file in `data`.
_STORAGES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class _ScriptModule:
    """Stands for a module of an archive: its attributes."""

    attributes: Mapping[str, Any]

    def __init__(self) -> None:
        self.attributes = {}

    def __setstate__(self, state: object) -> None:
        self.attributes = state if isinstance(state, Mapping) else {}


class _ScriptReader(pickle.Unpickler):
    """Reads `data.pkl` with stand-ins alone, so that nothing that it names is called."""

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(archive.open(f"{root}data.pkl"))
        self.archive, self.root = archive, root
        self.classes: set[str] = set()
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "__torch__":
            self.classes.add(name)
            return _ScriptModule
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        known = _SCRIPT_STAND_INS.get(f"{module}.{name}")
        if known is None:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known

    def persistent_load(self, identity: Any) -> Tensor:
        _, kind, key, _, count = identity
        if key not in self.storages:
            content = bytearray(self.archive.read(f"{self.root}data/{key}"))
            self.storages[key] = (
                torch.frombuffer(content, dtype=kind, count=count)
                if count
                else torch.empty(0, dtype=kind)
            )
        return self.storages[key]


def _tensor(
    storage: Tensor, offset: int, size: Sequence[int], stride: Sequence[int], *_: object
) -> Tensor:
    """Stands for `torch._utils._rebuild_tensor_v2`."""
    return storage.as_strided(tuple(size), tuple(stride), offset)


def _itself(value: object, *_: object) -> object:
    """Stands for what gives lists and dictionaries their types."""
    return value


_SCRIPT_STAND_INS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor_v2": _tensor,
    "collections.OrderedDict": OrderedDict,
    "torch.jit._pickle.restore_type_tag": _itself,
    **{
        f"torch.jit._pickle.build_{kind}list": _itself
        for kind in ("int", "double", "bool", "tensor")
    },
}


def _is_script(path: str | Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    return any(name.endswith("/constants.pkl") for name in names) and any(
        "/code/" in name for name in names
    )


def _script_weights(path: str | Path) -> ScriptWeights:
    """The tensors of an archive by the names that its state dict has."""
    with zipfile.ZipFile(path) as archive:
        [place] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        reader = _ScriptReader(archive, place.removesuffix("data.pkl"))
        module = reader.load()
    weights = ScriptWeights()

    def collect(attributes: Mapping[str, Any], before: str) -> None:
        for name, value in attributes.items():
            if isinstance(value, Tensor):
                weights[f"{before}{name}"] = value
            elif isinstance(value, _ScriptModule):
                collect(value.attributes, f"{before}{name}.")

    collect(module.attributes, "")
    weights.classes = frozenset(reader.classes)
    return weights
