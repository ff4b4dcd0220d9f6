"""A training loop that resumes where it was killed and ends with the same weights.

Nothing random is carried from step to step: the order of an epoch, the augmentation and dropout of
a step follow from the seed and the step's number, so that a checkpoint needs no generator states.
"""

import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from dejavu.job import Progress, whole_file

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


def run(
    parts: Mapping[str, Stateful],
    take_step: Callable[[int], Metrics],
    epochs: int,
    order: EpochOrder,
    checkpoint: Path,
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
        epochs: how many.
        order: the batches, which fix the number of steps in an epoch.
        checkpoint: file to resume from. It is not among the job's outputs, which Snakemake
            removes before it runs a job again; the caller removes it at the end.
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
    history: list[dict[str, float]] = []
    sums: Metrics = {}
    first = 0
    saved = _read_checkpoint(checkpoint, identity)
    if saved is not None:
        for name, part in parts.items():
            part.load_state_dict(saved["parts"][name])
        history, sums, first = saved["history"], saved["sums"], saved["step"]
        if leads:
            print(f"resumed after step {first} from {checkpoint}", file=sys.stderr)
    steps = epochs * order.steps
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
        if not leads:
            continue
        latest = history[-1] if history else {}
        note = "".join(f", {name} {value:.4g}" for name, value in latest.items())
        progress.advance(order.batch, note)
        if monotonic() >= due and step + 1 < steps:
            started = monotonic()
            state = {name: part.state_dict() for name, part in parts.items()}
            with whole_file(checkpoint) as partial:
                torch.save(
                    {
                        "identity": identity,
                        "step": step + 1,
                        "parts": state,
                        "history": history,
                        "sums": sums,
                    },
                    partial,
                )
            ended = monotonic()
            due = ended + max(checkpoint_seconds, (ended - started) / checkpoint_share)
    return history


def _read_checkpoint(path: Path, identity: str) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        found = saved["identity"]
    except Exception as error:  # the unpickler raises anything on damaged input
        print(f"{path} cannot be resumed from ({error}); starting anew", file=sys.stderr)
        return None
    if found != identity:
        print(f"{path} belongs to another training; starting anew", file=sys.stderr)
        return None
    return saved
