"""The training loop: the order of batches, the learning rate, and resuming."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dejavu.training.loop import EpochOrder, learning_rate, run

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

    def train(self, checkpoint, kill_at=None, identity="this", epochs=4, seconds=-1.0):
        return run(
            {"model": self.model, "optimizer": self.optimizer},
            lambda number: self.step(number, kill_at),
            epochs,
            EpochOrder(10, 3, seed=5),
            checkpoint,
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


def test_the_history_is_the_mean_of_each_epoch(tmp_path):
    order = EpochOrder(10, 3, seed=0)
    history = run({}, lambda n: {"loss": float(n)}, 2, order, tmp_path / "c.pt", "x", seed=0)
    assert history == [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 4.0}]
    assert not (tmp_path / "c.pt").exists()


def test_randomness_of_a_step_depends_on_seed_and_step_alone(tmp_path):
    def draws(seed):
        found = []

        def step(number):
            torch.rand(number + 1)
            torch.manual_seed(torch.initial_seed())
            found.append(torch.rand(1).item())
            return {}

        run({}, step, 2, EpochOrder(6, 3, seed), tmp_path / "c.pt", "x", seed)
        return found

    assert draws(1) == draws(1)
    assert len({*draws(1), *draws(2)}) == 8


def started_anew(toy, checkpoint, undisturbed):
    toy.train(checkpoint)
    return toy.steps == list(range(12)) and same(toy, undisturbed[0])


def test_the_checkpoint_of_another_training_is_left_alone(tmp_path, undisturbed):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7, identity="another")
    assert started_anew(Toy(), checkpoint, undisturbed)


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

    def save(state, path):
        path.write_bytes(b"")
        written.append(state["step"])
        clock[0] += 2.0

    def step(number):
        clock[0] += 1.0
        return {}

    monkeypatch.setattr("dejavu.training.loop.monotonic", lambda: clock[0])
    monkeypatch.setattr(torch, "save", save)
    run({}, step, 100, EpochOrder(1, 1, 0), tmp_path / "c.pt", "x", 0, checkpoint_seconds=5.5)
    # After 6 s, and then, as writing takes 2 s, 40 s after the end of the one before.
    assert written == [6, 46, 86]


def test_checkpoints_are_written_no_more_often_than_asked(tmp_path):
    checkpoint = tmp_path / "checkpoint.pt"
    with pytest.raises(Killed):
        Toy().train(checkpoint, kill_at=7, seconds=3600)
    assert not checkpoint.exists()
