"""What every job does the same way: its log, its outputs that appear whole, its progress."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dejavu.errors import InputError


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send everything the process prints to a log; show bad input as one sentence.

    Descriptors are redirected, not `sys.stderr`, so that warnings of C++ libraries are kept too.

    Raises:
        SystemExit: with status 1 after an `InputError`, whose sentence also goes to the terminal.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    terminal = os.dup(2)
    with open(path, "ab", buffering=0) as log:  # noqa: PTH123
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except InputError as error:
            print(f"Error: {error}", file=sys.stderr, flush=True)
            os.write(terminal, f"Error: {error}\n".encode())
            sys.exit(1)
        except OSError as error:
            # A full disk or a read-only folder: the system's own sentence names both.
            os.write(terminal, f"Error: {error}\n".encode())
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.close(terminal)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a name to write to; the file takes its real name once it is complete.

    After an error the partial file is removed; after a kill the next attempt overwrites it.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.partial")
    try:
        yield partial
        with open(partial, "rb") as written:  # noqa: PTH123
            os.fsync(written.fileno())
        partial.replace(final)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class Progress:
    """Lines in the log that tell how far a long stage is and when it will end."""

    def __init__(self, what: str, total: int, unit: str, every: float = 10.0) -> None:
        """Count `total` of `unit`; print a line in `every` seconds at most, and one at the end."""
        self.what, self.total, self.unit, self.every = what, total, unit, every
        self.done = self.start_count = 0
        self.start = self.printed = time.monotonic()

    def resume(self, done: int) -> None:
        """Count what an earlier attempt did without crediting it to this attempt's speed."""
        self.done = self.start_count = done

    def advance(self, count: int, note: str = "") -> None:
        """Count what has been done since the last call, and tell if it is time to."""
        self.done += count
        now = time.monotonic()
        if now - self.printed < self.every and self.done < self.total:
            return
        self.printed = now
        rate = (self.done - self.start_count) / max(now - self.start, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        print(
            f"{self.what}: {self.done} of {self.total} {self.unit}"
            f" ({rate:.0f} {self.unit}/s, {left:.0f} s left){note}",
            file=sys.stderr,
            flush=True,
        )
