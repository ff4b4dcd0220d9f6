"""What every job does the same way: its log, its outputs that appear whole, its progress."""

import errno
import gc
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dejavu.errors import InputError

FIRST_SECONDS, LONGEST_SECONDS = 10.0, 300.0


class _Terminal:
    """Where a job's progress and bad input are told besides its log, and under what name."""

    descriptor: int | None = None
    job = ""

    @classmethod
    def tell(cls, line: str) -> None:
        """Write a line, if there is somebody to read it."""
        if cls.descriptor is not None:
            with suppress(OSError):
                os.write(cls.descriptor, f"{line}\n".encode(errors="backslashreplace"))


def warn(sentence: str) -> None:
    """Tell what may be wrong, and go on: in the log and on the terminal."""
    print(f"Warning: {sentence}", file=sys.stderr, flush=True)
    _Terminal.tell(f"Warning: {sentence}")


def run(main: Callable[[Any], None]) -> None:
    """Do a script's work, where Snakemake runs it: a script that is imported does nothing.

    Args:
        main: takes the job that Snakemake gives the script as the global `snakemake`.

    Raises:
        SystemExit: with status 1 after an `InputError`, whose sentence also goes to the terminal.
    """
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is not None:
        with job_log(job.log[0]):
            main(job)


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send everything the process prints to a log; show bad input as one sentence.

    Descriptors are redirected, not `sys.stderr`, so that warnings of C++ libraries are kept too. On
    the terminal the job goes by the log's folder and name: its rule and wildcards.

    Raises:
        SystemExit: with status 1 after an `InputError`, whose sentence also goes to the terminal.
    """
    # What is imported stays: neither this job's collections nor the end need to look at it.
    gc.freeze()
    gc.enable()
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    terminal = _Terminal.descriptor = os.dup(2)
    _Terminal.job = f"{path.parent.name} {path.stem}"
    with open(path, "ab", buffering=0) as log:  # noqa: PTH123
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        for stream in (sys.stdout, sys.stderr):
            # A log is UTF-8 in any locale. A test's stand-in for a stream may know no encoding.
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        try:
            yield
        except InputError as error:
            _Terminal.tell(f"Error: {error}")
            with suppress(OSError):
                print(f"Error: {error}", file=sys.stderr, flush=True)
            sys.exit(1)
        except OSError as error:
            # A full disk or a read-only folder: the system's own sentence names both.
            _Terminal.tell(f"Error: {error}")
            raise
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            _Terminal.descriptor = None
            os.close(terminal)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a name to write to; the file takes its real name once it is complete.

    After an error the partial file is removed; after a kill the next attempt overwrites it.

    Raises:
        InputError: the disk is full, or the folder read-only.
    """
    final = Path(path)
    partial = _partial_of(final)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with open(partial, "rb") as written:  # noqa: PTH123
            os.fsync(written.fileno())
        partial.replace(final)
    except Exception as error:
        why = _why_unwritable(error, final.parent)
        _remove(partial)
        if why:
            raise InputError(
                f"{final} can't be written ({why}): mend that and run again; what is finished is"
                " kept."
            ) from error
        raise
    except BaseException:
        _remove(partial)
        raise


def discard(path: Path) -> None:
    """Remove a file that is no longer needed, and what a kill may have left of its next version."""
    path.unlink(missing_ok=True)
    _partial_of(path).unlink(missing_ok=True)


def _partial_of(final: Path) -> Path:
    return final.with_name(f".{final.name}.partial")


def _remove(partial: Path) -> None:
    with suppress(OSError):
        partial.unlink(missing_ok=True)


def _why_unwritable(error: Exception, folder: Path) -> str | None:
    """Whether an error, of whatever library, means that the folder takes no more bytes."""
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EDQUOT):
        return os.strerror(error.errno)
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    # Libraries that write by themselves raise errors of their own, with the system's text or none.
    full |= os.strerror(errno.ENOSPC) in str(error)
    with suppress(OSError):
        full |= os.statvfs(folder).f_bavail == 0
    return os.strerror(errno.ENOSPC) if full else None


class Progress:
    """Lines that tell how far a long stage is and when it will end.

    The first comes after some seconds, each further one after twice the time that has passed, but
    in five minutes at most: a job of an hour tells of itself some fifteen times. A line goes to the
    log and to the terminal; a short stage is told in the log alone, once, at its end.
    """

    def __init__(self, what: str, total: int, unit: str, first: float = FIRST_SECONDS) -> None:
        """Count `total` of `unit`; print the first line after `first` seconds."""
        self.what, self.total, self.unit = what, total, unit
        self.done = self.start_count = 0
        self.start = time.monotonic()
        self.next = self.start + first
        self.long = False

    def resume(self, done: int) -> None:
        """Count what an earlier attempt did without crediting it to this attempt's speed."""
        self.done = self.start_count = done

    def advance(self, count: int, note: str = "") -> None:
        """Count what has been done since the last call, and tell if it is time to."""
        self.reach(self.done + count, note)

    def reach(self, done: int, note: str = "") -> None:
        """Tell, if it is time to, that so many are done; fewer than before is no news."""
        ended = self.done < self.total <= done
        self.done = max(self.done, done)
        now = time.monotonic()
        if now < self.next and not ended:
            return
        passed = now - self.start
        self.long |= now >= self.next
        self.next = now + min(passed, LONGEST_SECONDS)
        rate = (self.done - self.start_count) / max(passed, 1e-9)
        left = (self.total - self.done) / max(rate, 1e-9)
        when = f"{duration(passed)} in all" if ended else f"{duration(left)} left"
        line = (
            f"{self.what}: {self.done} of {self.total} {self.unit}"
            f" ({rate:.3g} {self.unit}/s, {when}){note}"
        )
        print(line, file=sys.stderr, flush=True)
        if self.long:
            _Terminal.tell(f"{_Terminal.job}: {line}")


def duration(seconds: float) -> str:
    """A time in the unit that fits: seconds, minutes, or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"
