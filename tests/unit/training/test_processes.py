"""A training shared by two processes takes the steps of one, and goes on after both were killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dejavu.training import processes, views
from dejavu.training import ssl as training
from dejavu.training.loop import Checkpoint
from dejavu.training.processes import Share
from tests.unit.training.test_ssl import METHODS, settings_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SEED = 3


@pytest.fixture(scope="module")
def models():
    """Settings of a tiny model of each method."""
    return {method: settings_of(method) for method in METHODS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def images(folder):
    paths = []
    for number in range(9):
        pixels = np.random.default_rng(number).integers(0, 256, (34, 40, 3), np.uint8)
        paths.append(str(folder / f"{number}.png"))
        Image.fromarray(pixels).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def together(folder, models, images):
    """What the program of two processes printed; its files are in the folder."""
    given = {"models": models, "images": images, "seed": SEED}
    (folder / "settings.json").write_text(json.dumps(given))
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/unit/training/train_together.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert not done.returncode, done.stderr
    return done


@pytest.fixture
def exact(monkeypatch):
    """Float64, as in the program: AdamW blows rounding up where a gradient is 0."""
    as_batch = training.as_batch
    monkeypatch.setattr(training, "as_batch", lambda *arguments: as_batch(*arguments).double())
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_to_the_weights_of_one(
    together, folder, models, images, exact, tmp_path, method
):
    alone, history = training.train(
        models[method], images, SEED, Checkpoint(tmp_path / "alone.pt"), torch.device("cpu")
    )
    shared = load_file(folder / f"{method}.safetensors")
    assert shared.keys() == alone.state_dict().keys()
    for name, value in alone.state_dict().items():
        np.testing.assert_allclose(shared[name], value, rtol=1e-9, atol=1e-9, err_msg=name)
    losses = [epoch["loss"] for epoch in json.loads((folder / f"{method}.json").read_text())]
    np.testing.assert_allclose(losses, [epoch["loss"] for epoch in history], rtol=1e-9)


def test_one_process_writes_and_both_resume(together, folder):
    for method in METHODS:
        for rank in (0, 1):
            assert f"{method} killed in process {rank}" in together.stdout
        assert (folder / f"{method}.pt").is_file()
    assert together.stderr.count("resumed after step 3") == len(METHODS)
    assert together.stderr.count("epoch 3, loss") == len(METHODS)
    counts = [f"decoding: {count} of {count} images" in together.stderr for count in (4, 5)]
    assert counts == [True, True]


@pytest.mark.parametrize("change", [{}, {"colour": 1}, {"blur": 0.5}, {"solarization": 0.5}])
def test_the_views_of_a_batch_do_not_depend_on_who_cuts_them(change):
    asked = {"side": 8, "area": [0.2, 0.8], "aspect": 2, "border": 1.5, "flip": True}
    asked |= {"colour": 0, "blur": 0, "solarization": 0, **change}
    pixels = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(1))

    def cut(share):
        torch.manual_seed(5)
        return views.random_views(share.of(pixels), asked, share)

    whole = cut(Share())
    for count in (2, 3):
        parts = [cut(Share(rank, count)) for rank in range(count)]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("devices", "batch", "count"), [(0, 50, 1), (1, 50, 1), (4, 256, 4), (4, 50, 2), (8, 7, 7)]
)
def test_there_are_as_many_processes_as_divide_a_batch(devices, batch, count):
    assert processes.process_count(devices, batch) == count
