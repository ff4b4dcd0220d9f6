"""A program of two processes on the CPU, which test_training_processes.py runs.

Each model of `settings.json` in the folder that it is given is trained together, dies before a
step, as a killed job does, and is resumed.
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from dejavu.training import loop, processes, ssl
from dejavu.training.weights import save

KILLED_BEFORE = 3


def exactly(as_batch=ssl.as_batch):
    """Compute in float64, so that AdamW does not blow rounding up where a gradient is 0."""
    torch.set_default_dtype(torch.float64)
    ssl.as_batch = lambda *arguments: as_batch(*arguments).double()


def synchronised(self, x):
    """What SyncBatchNorm computes, which PyTorch has for GPUs alone."""
    axes = [0, *range(2, x.ndim)]
    shape = [1, -1] + [1] * (x.ndim - 2)
    mean, variance = self.running_mean, self.running_var
    if self.training:
        count = x.numel() // x.shape[1] * torch.distributed.get_world_size()
        mean = all_reduce(x.sum(axes)) / count
        variance = all_reduce((x - mean.view(shape)).square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
    scaled = (x - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
    return scaled * self.weight.view(shape) + self.bias.view(shape)


def indices(self, step, original=loop.EpochOrder.indices):
    """The batch of a step, unless the job is killed before it."""
    if step == KILLED_BEFORE:
        raise KeyboardInterrupt
    return original(self, step)


def main(folder):
    """Train, die and resume; the first process saves."""
    torch.set_num_threads(1)
    exactly()
    torch.use_deterministic_algorithms(True, warn_only=True)
    nn.SyncBatchNorm.forward = synchronised
    DistributedDataParallel._passing_sync_batchnorm_handle = lambda *_: None
    given = json.loads((folder / "settings.json").read_text())
    team = processes.Together(2, "cpu")
    loop.run = partial(loop.run, checkpoint_seconds=-1.0, checkpoint_share=float("inf"))
    whole_order = loop.EpochOrder.indices
    for name, settings in given["models"].items():
        train = partial(ssl.train, settings, given["images"], given["seed"])
        last = (loop.Checkpoint(folder / f"{name}.pt"), torch.device("cpu"), team)
        loop.EpochOrder.indices = indices
        try:
            train(*last)
        except KeyboardInterrupt:
            print(f"{name} killed in process {team.share.rank}")
        loop.EpochOrder.indices = whole_order
        team.wait()
        model, history = train(*last)
        if team.leads:
            save(model, folder / f"{name}.safetensors")
            (folder / f"{name}.json").write_text(json.dumps(history))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
