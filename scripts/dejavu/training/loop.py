"""A training loop that resumes where it was killed and ends with the same weights.

Nothing random is carried from step to step: the order of an epoch, the augmentation and dropout of
a step follow from the seed and the step's number, so that a checkpoint needs no generator states.
"""

import copy
import math
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.errors import DamagedFile, first_line
from dejavu.files import seals
from dejavu.job import Progress, locked, say, whole_file

# A checkpoint is written so often, or more rarely where writing it would take longer than this part
# of the time: the model of a minute loses seconds to a kill, and one of gigabytes is not held up.
CHECKPOINT_SECONDS = 5.0
CHECKPOINT_SHARE = 0.05

Metrics = dict[str, float]


class Stateful(Protocol):
    """A model, an optimiser: what has a state to save."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take a state back."""


class EpochOrder:
    """Batches of sample indices, shuffled anew each epoch; a last partial batch is left out."""

    def __init__(self, samples: int, batch: int, seed: int) -> None:
        """Divide `samples` into batches, one smaller batch where there are fewer."""
        self.samples, self.batch, self.seed = samples, min(batch, samples), seed
        self.steps = max(1, samples // self.batch)
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Indices of the batch of a step, counted over all epochs."""
        epoch, place = divmod(step, self.steps)
        if epoch != self._epoch:
            self._order = np.random.default_rng([self.seed, epoch]).permutation(self.samples)
            self._epoch = epoch
        return self._order[place * self.batch : (place + 1) * self.batch]


def learning_rate(step: int, steps: int, warmup: float) -> float:
    """Factor of the peak learning rate: linear warm-up, then a cosine down to 0."""
    rise = min(1.0, (step + 1) / max(1.0, warmup * steps))
    return rise * 0.5 * (1 + math.cos(math.pi * step / steps))


@dataclass(frozen=True)
class Checkpoint:
    """A training's file to go on from.

    It is not among the job's outputs, which Snakemake removes before it runs a job again, and it
    stays after the training, then without what only further steps need: where Snakemake is killed
    alone, the training ends nevertheless, and Snakemake removes its weights as incomplete; from the
    checkpoint they are written again, the same, without a step. The next training from the
    beginning replaces it.
    """

    path: Path
    # Of code and libraries, for which Snakemake runs a training anew as it does for its settings.
    version: str = ""
    # Epochs after which the training's state is kept, each in a file of its own beside this one.
    keep: tuple[int, ...] = ()
    # The epoch after which the training stops, where that is not its last.
    until: int | None = None
    # What another run of the same training kept of it: where it begins without a file of its own.
    start: Path | None = None

    @property
    def begins_with(self) -> list[Path]:
        """The files that are read until one serves: its own, then what was kept."""
        return [path for path in (self.path, self.start) if path is not None and path.is_file()]

    def kept(self, epoch: int) -> "Checkpoint":
        """The file in which the state after an epoch is kept."""
        return replace(self, path=self.path.with_name(f"epoch_{epoch}.pt"))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the training to one process, which another one waits for.

        Another one is there where a run was killed and started again while its job ran on. The lock
        is on a file of its own, as the checkpoint is replaced again and again.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = self.path.with_name(f".{self.path.name}.lock")
        with lock.open("a+", encoding="utf-8") as file:
            try:
                if not locked(file.fileno()):
                    file.seek(0)
                    holder = file.read().strip() or "another process"
                    say(f"{holder} of an earlier run still trains this model: waiting for its end")
                    locked(file.fileno(), wait=True)
            except OSError as error:
                print(f"{lock} can't be locked ({error}): going on without", file=sys.stderr)
            file.truncate(0)
            file.write(f"process {os.getpid()} on {os.uname().nodename}")
            file.flush()
            yield

    def write(self, identity: str, saved: Mapping[str, Any]) -> None:
        """Replace the file, sealed."""
        with whole_file(self.path) as partial:
            # Given a path, PyTorch would not tell why it can't write.
            with partial.open("wb") as file:
                torch.save({**saved, "identity": self._whose(identity)}, file)
            seals.seal_end(partial, self.path)

    def read(self, path: Path, identity: str) -> dict[str, Any]:
        """What was written to one of the files that it begins with.

        Raises:
            FileNotFoundError: there is none.
            Unusable: the file is damaged, or of another training.
        """
        try:
            seals.check_end(path)
            saved = torch.load(path, map_location="cpu", weights_only=True)
        except DamagedFile as error:
            raise Unusable("it does not hold what was written to it") from error
        except (pickle.UnpicklingError, EOFError, RuntimeError) as error:
            # Whole, but not as this version of PyTorch writes it.
            raise Unusable(first_line(error)) from error
        if not isinstance(saved, dict) or saved.get("identity") != self._whose(identity):
            raise Unusable("it belongs to another training: of other settings, samples or code")
        return saved

    def _whose(self, identity: str) -> str:
        return seals.digest(identity.encode(), self.version.encode())


def checkpoint_of(job: Any) -> Checkpoint:
    """The checkpoint of a job with the output `weights` and the params `code` and `versions`.

    The params may have `keep`, epochs, and `until`, the epoch that it ends with, then with the
    input `kept_by`, weights of the same training to its end.
    """
    version = seals.canonical([job.params.code, job.params.versions])
    own = Path(job.output.weights).with_name("checkpoint.pt")
    checkpoint = Checkpoint(own, version.decode(), tuple(job.params.get("keep", ())))
    until = job.params.get("until")
    if until is None:
        return checkpoint
    keeper = replace(checkpoint, path=Path(job.input.kept_by[0]).with_name(own.name))
    return replace(checkpoint, until=until, start=keeper.kept(until).path)


class Unusable(Exception):
    """A checkpoint that can't be gone on from; the message says why."""


def run(
    parts: Mapping[str, Stateful],
    take_step: Callable[[int], Metrics],
    epochs: int,
    order: EpochOrder,
    checkpoint: Checkpoint,
    identity: str,
    seed: int,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    checkpoint_share: float = CHECKPOINT_SHARE,
    leads: bool = True,
) -> list[dict[str, float]]:
    """Train, or go on with a training.

    Args:
        parts: what is saved and restored, by name.
        take_step: does one step, given its number, and returns what to report.
        epochs: how many, if the checkpoint does not end with an earlier one.
        order: the batches, which fix the number of steps in an epoch.
        checkpoint: file to resume from. One that can't be is told of and replaced.
        identity: hash of everything that the weights depend on; another training's checkpoint is
            not resumed.
        seed: of dropout and augmentation.
        checkpoint_seconds: how often a checkpoint is written, at most.
        checkpoint_share: the part of the time that writing may take.
        leads: whether this process writes it and reports progress. Another one of the same
            training reads it all the same, and takes the same steps.

    Returns:
        The mean metrics of each epoch, with `epoch` counted from 1.
    """
    steps = min(epochs, checkpoint.until or epochs) * order.steps
    start = _resumed(parts, checkpoint, identity, steps, leads)
    history, sums, first = start["history"], start["sums"], start["step"]
    progress = Progress("training", steps * order.batch, "samples")
    progress.resume(first * order.batch)
    due = monotonic() + checkpoint_seconds
    for step in range(first, steps):
        torch.manual_seed(int(np.random.default_rng([seed, step]).integers(2**62)))
        for name, value in take_step(step).items():
            sums[name] = sums.get(name, 0.0) + value
        if (step + 1) % order.steps == 0:
            means = {name: total / order.steps for name, total in sums.items()}
            history.append({"epoch": (step + 1) // order.steps, **means})
            sums = {}
            if leads and history[-1]["epoch"] in checkpoint.keep:
                state = {name: parts[name].state_dict() for name in _needed(parts, 0)}
                saved = {"step": step + 1, "parts": state, "history": history, "sums": sums}
                checkpoint.kept(int(history[-1]["epoch"])).write(identity, saved)
        if not leads:
            continue
        latest = history[-1] if history else {}
        note = "".join(f", {name} {value:.4g}" for name, value in latest.items())
        progress.advance(order.batch, note)
        if monotonic() >= due or step + 1 == steps:
            started = monotonic()
            state = {
                name: part.state_dict()
                for name, part in parts.items()
                if name in _needed(parts, steps - step - 1)
            }
            saved = {"step": step + 1, "parts": state, "history": history, "sums": sums}
            checkpoint.write(identity, saved)
            ended = monotonic()
            due = ended + max(checkpoint_seconds, (ended - started) / checkpoint_share)
    return history


def _needed(parts: Mapping[str, Stateful], steps_left: int) -> set[str]:
    """The parts that a checkpoint holds: at the end, no optimiser, the largest of them."""
    return {
        name
        for name, part in parts.items()
        if steps_left or not isinstance(part, torch.optim.Optimizer)
    }


def _resumed(
    parts: Mapping[str, Stateful], checkpoint: Checkpoint, identity: str, steps: int, leads: bool
) -> dict[str, Any]:
    """Put the parts into the state of the checkpoint; gives its `step`, `history` and `sums`.

    Where there is none that can be used, the parts stay as they are, and the step is 0.
    """
    anew = {"step": 0, "history": [], "sums": {}}
    for path in checkpoint.begins_with:
        initial: dict[str, Any] = {}
        try:
            saved = checkpoint.read(path, identity)
            if missing := {"parts", *anew} - saved.keys():
                raise Unusable(f"it lacks {min(missing)}")
            if missing := _needed(parts, steps - saved["step"]) - saved["parts"].keys():
                raise Unusable(f"it lacks the state of the {min(missing)}")
            initial = {name: copy.deepcopy(part.state_dict()) for name, part in parts.items()}
            for name, state in saved["parts"].items():
                parts[name].load_state_dict(state)
        except FileNotFoundError:
            continue
        except (Unusable, LookupError, RuntimeError, TypeError, ValueError) as error:
            for name, state in initial.items():
                parts[name].load_state_dict(state)
            if leads:
                is_last = path == checkpoint.begins_with[-1]
                next_one = "starting anew" if is_last else "what was kept is tried"
                say(f"{path} can't be gone on from ({first_line(error)}): {next_one}")
            continue
        if leads:
            print(f"resumed after step {saved['step']} from {path}", file=sys.stderr)
        return saved
    return anew
