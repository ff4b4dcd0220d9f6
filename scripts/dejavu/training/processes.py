"""Several processes that train one model together, one a GPU, each on its part of every batch.

Gradients are averaged by DistributedDataParallel, batch norm takes the statistics of the whole
batch (SyncBatchNorm), and the loss sees what all processes made of it: the steps are those of one
process, but for rounding. Lightning Fabric starts the processes and connects them.
"""

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")
Part = TypeVar("Part", bound=Any)


@dataclass(frozen=True)
class Share:
    """The part of every batch that one process works on: one of `processes` equal ones."""

    rank: int = 0
    processes: int = 1

    def of(self, batch: Part) -> Part:
        """The part of what a batch holds, an array or tensor [n, ...]."""
        size = len(batch) // self.processes
        return batch[self.rank * size : (self.rank + 1) * size]


WHOLE = Share()


class Alone:
    """A training in one process, which does nothing that it would not do without this module."""

    share = WHOLE

    @property
    def leads(self) -> bool:
        """Whether this process writes files and reports progress: one of them does."""
        return self.share.rank == 0

    def prepared(self, module: nn.Module) -> nn.Module:
        """A module whose batch norm sees the whole batch; its weights keep their names."""
        return module

    def joined(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """The model's forward pass, whose gradients are the mean over the processes."""
        return model

    def whole(self, outputs: Tensor) -> Tensor:
        """Outputs of the whole batch [n, d], from those of this process's part [n / processes, d].

        Gradients flow back to every process.
        """
        return outputs

    def agreed(self, value: Value) -> Value:
        """What the first process has."""
        return value

    def wait(self) -> None:
        """Go on once every process is here."""


class Together(Alone):
    """A training in several processes of this machine, of which this is one."""

    def __init__(self, processes: int, accelerator: str) -> None:
        """Start the others, which run this program from its beginning, and connect to them.

        Args:
            processes: how many there are, this one counted.
            accelerator: `cuda`, where each gets its own device, or `cpu`.
        """
        from lightning_fabric import Fabric
        from lightning_fabric.plugins.environments import LightningEnvironment
        from lightning_fabric.strategies import DDPStrategy

        # A scheduler started one task, whatever its variables let Fabric guess.
        strategy = DDPStrategy(cluster_environment=LightningEnvironment(), broadcast_buffers=False)
        threads = torch.get_num_threads()
        self.fabric = Fabric(accelerator=accelerator, devices=processes, strategy=strategy)
        self.fabric.launch()
        torch.set_num_threads(threads)
        self.share = Share(self.fabric.global_rank, processes)
        # Where this one fails, the others would wait for it.
        for other in getattr(strategy.launcher, "procs", ()):
            atexit.register(other.terminate)

    def prepared(self, module: nn.Module) -> nn.Module:
        """A module whose batch norm sees the whole batch; its weights keep their names."""
        # Unlike PyTorch's own, it keeps the activations that timm puts into batch norm.
        from timm.layers import convert_sync_batchnorm

        return convert_sync_batchnorm(module)

    def joined(self, model: nn.Module) -> Callable[[Tensor], Tensor]:
        """The model's forward pass, whose gradients are the mean over the processes."""
        return self.fabric.setup_module(model)

    def whole(self, outputs: Tensor) -> Tensor:
        """Outputs of the whole batch [n, d], from those of this process's part [n / processes, d].

        The gradient of every process's loss, all the same, flows back to each part, which the mean
        over the processes undoes.
        """
        # Fabric's own gives wrong gradients under gloo where a loss hands back strided ones.
        from lightly.utils.dist import gather

        return torch.cat(gather(outputs.contiguous()))

    def agreed(self, value: Value) -> Value:
        """What the first process has."""
        return self.fabric.broadcast(value)

    def wait(self) -> None:
        """Go on once every process is here."""
        self.fabric.barrier()


ALONE = Alone()


def is_first() -> bool:
    """Whether no other process of the same training started this one, by Fabric's own variable."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def on_all_gpus(batch: int) -> Alone:
    """Train on all GPUs that the job has, or as many as divide its batches evenly."""
    processes = process_count(torch.cuda.device_count(), batch)
    return Together(processes, "cuda") if processes > 1 else ALONE


def process_count(devices: int, batch: int) -> int:
    """The largest number of processes, one a device, that divides a batch into equal parts."""
    return max((count for count in range(1, devices + 1) if batch % count == 0), default=1)
