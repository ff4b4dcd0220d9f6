"""What the tests of files share: small embeddings, damage, and what a sentence is."""

import numpy as np

FACTS = {"model": "clip_a", "fingerprint": "0" * 32, "normalised": True, "versions": {"torch": "1"}}


def some_embeddings(rows=9, d=4, kind=np.float32):
    rng = np.random.default_rng(rows)
    return np.arange(rows) + 10**12, rng.normal(size=(rows, d)).astype(kind)


def one_sentence(error):
    text = str(error.value)
    return "\n" not in text and len(text) < 1000


def flips(content, rng, count):
    """Copies with one bit, one byte or a short run of bytes changed, somewhere."""
    for number in range(count):
        damaged = bytearray(content)
        place = int(rng.integers(len(content)))
        width = [1, 1, 8][number % 3]
        noise = rng.integers(1, 256, width) if number % 3 else [1 << rng.integers(8)]
        for offset, value in enumerate(noise):
            damaged[(place + offset) % len(content)] ^= int(value)
        yield place, bytes(damaged)
