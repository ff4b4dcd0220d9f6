"""The training loop: the order of batches, the learning rate, and resuming."""

import math
import os
import pickle
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dejavu.files import seals
from dejavu.training import loop
from dejavu.training.loop import Checkpoint, EpochOrder, learning_rate, run

pytestmark = pytest.mark.slow


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_an_epoch_takes_every_sample_at_most_once_in_another_order_each_time(samples, batch, seed):
    order = EpochOrder(samples, batch, seed)
    assert order.steps == max(1, samples // min(batch, samples))
    epochs = []
    for epoch in range(3):
        batches = [order.indices(epoch * order.steps + place) for place in range(order.steps)]
        assert all(len(each) == min(batch, samples) for each in batches)
        epochs.append(np.concatenate(batches).tolist())
        assert len(set(epochs[-1])) == len(epochs[-1])
        assert set(epochs[-1]) <= set(range(samples))
    if len(epochs[0]) > 12:
        assert epochs[0] != epochs[1] != epochs[2]
    # Any step can be asked for first: nothing is carried over.
    last = EpochOrder(samples, batch, seed).indices(3 * order.steps - 1)
    np.testing.assert_array_equal(last, batches[-1])


def test_the_learning_rate_rises_in_a_line_and_falls_as_a_cosine():
    rates = [learning_rate(step, 100, warmup=0.1) for step in range(100)]
    cosine = [(1 + math.cos(math.pi * step / 100)) / 2 for step in range(100)]
    for step in range(10):
        assert rates[step] == pytest.approx(cosine[step] * (step + 1) / 10)
    assert rates[9:] == pytest.approx(cosine[9:])
    assert learning_rate(0, 100, warmup=0.0) == 1.0


class Killed(Exception):
    """Stands for a signal."""


class Toy:
    """A model, its optimiser and random steps that can be interrupted."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.steps = []

    def step(self, number, kill_at=None):
        if number == kill_at:
            raise Killed
        self.steps.append(number)
        loss = self.model(torch.randn(3, 4)).square().sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}

    def train(self, checkpoint, kill_at=None, identity="this", epochs=4, seconds=-1.0, **further):
        return run(
            {"model": self.model, "optimizer": self.optimizer},
            lambda number: self.step(number, kill_at),
            epochs,
            EpochOrder(10, 3, seed=5),
            Checkpoint(checkpoint, **further),
            identity,
            seed=5,
            checkpoint_seconds=seconds,
            checkpoint_share=math.inf,
        )

    def weights(self):
        return [value.clone() for value in self.model.state_dict().values()]


@pytest.fixture
def undisturbed(tmp_path):
    toy = Toy()
    history = toy.train(tmp_path / "undisturbed.pt")
    return toy, history


def same(first, second):
    return all(torch.equal(a, b) for a, b in zip(first.weights(), second.weights(), strict=True))


@pytest.mark.parametrize("kill_at", [1, 2, 3, 7, 11])
def test_a_killed_training_goes_on_to_the_same_weights_and_history(tmp_path, undisturbed, kill_at):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at)
    resumed = Toy()
    history = resumed.train(checkpoint)
    assert resumed.steps == list(range(kill_at, 12))
    assert same(resumed, undisturbed[0])
    assert history == undisturbed[1]
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4]


def test_a_state_that_was_kept_is_that_of_a_training_which_stopped_there(tmp_path, undisturbed):
    keeping = Toy()
    history = keeping.train(tmp_path / "whole.pt", keep=(1, 3))
    assert same(keeping, undisturbed[0]) and history == undisturbed[1]
    for epoch in (1, 3):
        stopped, taken = Toy(), Toy()
        assert stopped.train(tmp_path / f"{epoch}.pt", until=epoch) == history[:epoch]
        assert stopped.steps == list(range(3 * epoch))
        start = Checkpoint(tmp_path / "whole.pt").kept(epoch).path
        assert taken.train(tmp_path / "taken.pt", until=epoch, start=start) == history[:epoch]
        assert taken.steps == [] and same(taken, stopped)
    assert not Checkpoint(tmp_path / "whole.pt").kept(2).path.exists()
    # Without it, and where it is of another training, the point is trained.
    for further in ({"start": tmp_path / "none.pt"}, {"start": start, "identity": "another"}):
        anew = Toy()
        anew.train(tmp_path / "anew.pt", until=3, **further)
        assert anew.steps == list(range(9)) and same(anew, stopped)


def test_a_file_of_its_own_that_is_of_no_use_does_not_hide_what_was_kept(tmp_path, capsys):
    # The settings were changed: the point's own file is of the earlier ones, and stays.
    Toy().train(tmp_path / "point.pt", until=1, identity="earlier")
    whole = Toy()
    history = whole.train(tmp_path / "whole.pt", keep=(1,))
    start = Checkpoint(tmp_path / "whole.pt").kept(1).path
    taken = Toy()
    capsys.readouterr()
    assert taken.train(tmp_path / "point.pt", until=1, start=start) == history[:1]
    assert taken.steps == []
    said = capsys.readouterr().err
    assert "point.pt can't be gone on from" in said and "starting anew" not in said
    assert f"resumed after step 3 from {start}" in said


@pytest.mark.parametrize("kill_at", [2, 3, 4, 10])
def test_a_killed_training_keeps_the_same_states(tmp_path, kill_at):
    Toy().train(tmp_path / "undisturbed/c.pt", keep=(1, 2))
    place = tmp_path / "killed/c.pt"
    with pytest.raises(Killed):
        Toy().train(place, kill_at, keep=(1, 2))
    Toy().train(place, keep=(1, 2))
    for epoch in (1, 2):
        paths = (Checkpoint(tmp_path / each / "c.pt").kept(epoch).path
                 for each in ("undisturbed", "killed"))  # fmt: skip
        first, second = (torch.load(path, weights_only=True) for path in paths)
        assert first["history"] == second["history"] and first["step"] == 3 * epoch
        for name, value in first["parts"]["model"].items():
            assert torch.equal(value, second["parts"]["model"][name])


def test_the_history_is_the_mean_of_each_epoch(tmp_path):
    order = EpochOrder(10, 3, seed=0)
    history = run(
        {}, lambda n: {"loss": float(n)}, 2, order, Checkpoint(tmp_path / "c.pt"), "x", seed=0
    )
    assert history == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 4.0}]


def test_randomness_of_a_step_depends_on_seed_and_step_alone(tmp_path):
    def draws(seed):
        found = []

        def step(number):
            torch.rand(number + 1)
            torch.manual_seed(torch.initial_seed())
            found.append(torch.rand(1).item())
            return {}

        checkpoint = Checkpoint(tmp_path / "c.pt")
        checkpoint.path.unlink(missing_ok=True)
        run({}, step, 2, EpochOrder(6, 3, seed), checkpoint, "x", seed)
        return found

    assert draws(1) == draws(1)
    assert len({*draws(1), *draws(2)}) == 8


def started_anew(toy, checkpoint, undisturbed):
    # Stopped after the first step, which is enough to see that it was the first.
    with pytest.raises(Killed):
        toy.train(checkpoint, kill_at=1, seconds=3600)
    first = Toy()
    with pytest.raises(Killed):
        first.train(checkpoint.with_name("none.pt"), kill_at=1, seconds=3600)
    return toy.steps == [0] and same(toy, first)


@pytest.mark.parametrize("another", [{"identity": "another"}, {"version": "of other code"}])
def test_the_checkpoint_of_another_training_is_not_resumed(tmp_path, undisturbed, another, capsys):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7, **another)
    capsys.readouterr()
    assert started_anew(Toy(), checkpoint, undisturbed)
    said = capsys.readouterr().err
    assert said.startswith(f"{checkpoint} can't be gone on from (it belongs to another training")
    resumed = Toy()
    resumed.train(checkpoint)
    assert resumed.steps == list(range(12)) and same(resumed, undisturbed[0])


def test_a_finished_training_is_taken_from_its_checkpoint_which_is_no_larger_than_need_be(
    tmp_path, undisturbed
):
    checkpoint = tmp_path / "undisturbed.pt"
    again = Toy()
    assert again.train(checkpoint) == undisturbed[1]
    assert again.steps == [] and same(again, undisturbed[0])
    assert set(torch.load(checkpoint, weights_only=True)["parts"]) == {"model"}


def test_no_flipped_bit_of_a_checkpoint_is_resumed_from(tmp_path, undisturbed, capsys):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7)
    whole = checkpoint.read_bytes()
    places = np.random.default_rng(0).integers(len(whole), size=150)
    for place in [0, len(whole) - 1, len(whole) - 500, *map(int, places)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        checkpoint.write_bytes(bytes(flipped))
        capsys.readouterr()
        assert started_anew(Toy(), checkpoint, undisturbed), place
        assert "does not hold what was written to it): starting anew" in capsys.readouterr().err


def test_a_checkpoint_that_lacks_a_part_starts_anew_and_says_so(tmp_path, undisturbed, capsys):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7)
    whole = torch.load(checkpoint, weights_only=True)
    lacking = [{key: whole[key] for key in whole if key != absent} for absent in whole]
    for name, part in whole["parts"].items():
        for absent in part:
            rest = {key: part[key] for key in part if key != absent}
            lacking.append({**whole, "parts": {**whole["parts"], name: rest}})
        lacking.append({**whole, "parts": {n: p for n, p in whole["parts"].items() if n != name}})
    assert len(lacking) >= 10
    for each in lacking:
        torch.save(each, checkpoint)
        # As if it had been written like that, so that the seal holds.
        seals.seal_end(checkpoint, checkpoint)
        capsys.readouterr()
        assert started_anew(Toy(), checkpoint, undisturbed), each.keys()
        assert "can't be gone on from (" in capsys.readouterr().err


SCRIPTS = str(Path(loop.__file__).parents[2])
HOLDING = """
from pathlib import Path
from dejavu.job import job_log
from dejavu.training.loop import Checkpoint
with job_log("results/logs/train_clip/clip_a.log"), Checkpoint(Path("model/checkpoint.pt")).held():
    Path("holds-{0}").touch()
    input()
    Path("ended-{0}").touch()
"""


def holding(folder, name):
    """A process that has a training's checkpoint to itself until it reads a line, or waits."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDING.format(name)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SCRIPTS},
    )


def appears(path, process):
    """Wait for a file of a process."""
    end = monotonic() + 60
    while not path.exists():
        assert process.poll() is None and monotonic() < end
        sleep(0.02)
    return True


@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_a_training_waits_for_another_process_that_still_trains_the_model_and_says_so_once(
    tmp_path, how
):
    orphan = holding(tmp_path, "orphan")
    assert appears(tmp_path / "holds-orphan", orphan)
    successor = holding(tmp_path, "successor")
    said = successor.stderr.readline()
    assert said.startswith(f"train_clip clip_a: process {orphan.pid} on ")
    assert "waiting for its end" in said
    sleep(0.3)
    assert not (tmp_path / "holds-successor").exists()
    if how == "ends":
        orphan.communicate("go on\n")
        assert (tmp_path / "ended-orphan").exists()
    else:
        orphan.kill()
        orphan.communicate()
    assert appears(tmp_path / "holds-successor", successor)
    _, rest = successor.communicate("go on\n")
    assert successor.returncode == 0 and rest == ""


def test_without_locks_a_training_goes_on(tmp_path, monkeypatch, capsys):
    def flock(descriptor, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    with Checkpoint(tmp_path / "checkpoint.pt").held():
        pass
    assert "going on without" in capsys.readouterr().err


class Malicious:
    """What a pickle does when it is trusted."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_damaged_checkpoint_starts_anew(tmp_path, undisturbed):
    checkpoint, harm = tmp_path / "checkpoint.pt", tmp_path / "harm"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7)
    content = checkpoint.read_bytes()
    damaged = [b"", b"text", content[:100], content[: len(content) // 2], content[:-10]]
    damaged.append(pickle.dumps({"identity": Malicious(harm)}))
    for each in damaged:
        checkpoint.write_bytes(each)
        assert started_anew(Toy(), checkpoint, undisturbed)
    torch.save({"identity": Malicious(harm)}, checkpoint)
    assert started_anew(Toy(), checkpoint, undisturbed)
    assert not harm.exists()
    torch.save({"weights": torch.zeros(3)}, checkpoint)
    assert started_anew(Toy(), checkpoint, undisturbed)


def test_a_slow_checkpoint_is_written_rarely(tmp_path, monkeypatch):
    clock, written = [0.0], []

    def save(state, file):
        file.write(b"state")
        written.append(state["step"])
        clock[0] += 2.0

    def step(number):
        clock[0] += 1.0
        return {}

    monkeypatch.setattr("dejavu.training.loop.monotonic", lambda: clock[0])
    monkeypatch.setattr(torch, "save", save)
    checkpoint = Checkpoint(tmp_path / "c.pt")
    run({}, step, 100, EpochOrder(1, 1, 0), checkpoint, "x", 0, checkpoint_seconds=5.5)
    # After 6 s, and then, as writing takes 2 s, 40 s after the end of the one before; at the end.
    assert written == [6, 46, 86, 100]


def test_checkpoints_are_written_no_more_often_than_asked(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7, seconds=3600)
    assert not checkpoint.exists()
