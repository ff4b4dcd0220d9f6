"""What every job does the same way: its log, its outputs that appear whole, its progress."""

import errno
import fcntl
import gc
import glob
import io
import itertools
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dejavu.errors import InputError, system_fault

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


def say(line: str) -> None:
    """Tell something in the log and on the terminal, there under the job's name."""
    print(line, file=sys.stderr, flush=True)
    _Terminal.tell(f"{_Terminal.job}: {line}")


def run(main: Callable[[Any], None]) -> None:
    """Do a script's work, where Snakemake runs it: a script that is imported does nothing.

    Args:
        main: takes the job that Snakemake gives the script as the global `snakemake`.

    Raises:
        SystemExit: with status 1 after bad input, whose sentence also goes to the terminal.
    """
    job = getattr(sys.modules["__main__"], "snakemake", None)
    if job is not None:
        with job_log(job.log[0]):
            take_cards(job.resources.get("gpu", 0))
            main(job)


@contextmanager
def job_log(path: str | Path) -> Iterator[None]:
    """Send everything the process prints to a log; show bad input as one sentence.

    What the system refuses (permission, space, memory) is told as bad input is. The log gets the
    traceback of either, causes and all.

    Descriptors are redirected, not `sys.stderr`, so that warnings of C++ libraries are kept too. On
    the terminal the job goes by the log's folder and name: its rule and wildcards.

    Raises:
        SystemExit: with status 1 after bad input, whose sentence also goes to the terminal.
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
        except Exception as error:
            told = error if isinstance(error, InputError) else system_fault(error)
            if told is None:
                if isinstance(error, OSError):
                    # A file that is not there: the system's own sentence names it.
                    _Terminal.tell(f"Error: {error}")
                raise
            _Terminal.tell(f"Error: {told}")
            with suppress(OSError):
                traceback.print_exception(error)
                print(f"Error: {told}", file=sys.stderr, flush=True)
            sys.exit(1)
        finally:
            with suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            _Terminal.descriptor = None
            os.close(terminal)


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a name to write to; the file takes its real name once it is complete.

    The name is this process's alone. After an error the partial file is removed; after a kill the
    next attempt removes it.

    Raises:
        InputError: the system refuses to write; the sentence says why, and what to do.
        FileNotFoundError: nothing was written.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(final)
        with _partial_of(final) as partial:
            yield partial
            with open(partial, "rb") as written:  # noqa: PTH123
                os.fsync(written.fileno())
                if not os.fstat(written.fileno()).st_size:
                    raise FileNotFoundError(errno.ENOENT, "nothing was written", str(final))
            partial.replace(final)
    except InputError:
        raise
    except Exception as error:
        fault = _write_fault(error, final)
        if fault is None:
            raise
        raise fault from error


def locked(descriptor: int, wait: bool = False) -> bool:
    """Lock an open file, unless another process has; the lock ends with the process, however.

    The lock is `flock`'s: advisory, of the open file and not of the process, so that a library that
    opens and closes the same file does not lift it. On NFS, Linux asks the server for it, so that
    it holds between machines; it needs a file that is open for writing.

    Raises:
        OSError: the file system has no locks, as Lustre that was mounted without them.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def take_cards(
    asked: int, folder: str | Path = ".snakemake/gpus", devices: str | Path = "/dev"
) -> None:
    """Let this process see as many GPUs as it asked for, which no other job of the run has.

    Where no more are visible they are its own, as on a cluster, whose scheduler chose them. A card
    that `CUDA_VISIBLE_DEVICES` names twice may be taken by two jobs. It waits for cards that jobs
    of a killed run still have. Must come before CUDA is used.

    Args:
        asked: the number of GPUs; none, and all that are visible stay so.
        folder: in which locked files stand for the cards taken, as long as their process lives.
        devices: where the system has a file for each card.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    files = list(Path(devices).glob("nvidia[0-9]*"))
    cards = [f"{number}" for number in range(len(files))] if visible is None else visible.split(",")
    if not 0 < asked < len(cards):
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for attempt in itertools.count():
        taken = _locked_cards(cards, asked, Path(folder))
        if taken:
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)
            return
        if attempt == 0:
            say(f"waiting for {asked} of {len(cards)} GPUs, which other jobs have")
        time.sleep(1)


def _locked_cards(cards: Sequence[str], asked: int, folder: Path) -> list[str]:
    """The first cards that are free, locked as long as this process lives; none if too few are."""
    taken: dict[str, int] = {}
    for place, card in enumerate(cards):
        if len(taken) == asked:
            break
        descriptor = os.open(folder / f"{os.uname().nodename}-{place}", os.O_CREAT | os.O_RDWR)
        if card not in taken and locked(descriptor):
            taken[card] = descriptor
        else:
            os.close(descriptor)
    if len(taken) == asked:
        return list(taken)
    for descriptor in taken.values():
        os.close(descriptor)
    return []


@contextmanager
def _partial_of(final: Path) -> Iterator[Path]:
    """A new file beside another one, locked as long as it is written."""
    name = f".{final.name}.{os.uname().nodename}-{os.getpid()}-{time.time_ns():x}.partial"
    partial = final.with_name(name)
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    try:
        with suppress(OSError):
            locked(descriptor)
        yield partial
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        os.close(descriptor)


def _remove_abandoned(final: Path) -> None:
    """Remove partial files that no process has locked: those that wrote them were killed.

    Without locks there is no telling, and they stay.
    """
    for partial in final.parent.glob(f".{glob.escape(final.name)}.*partial"):
        with suppress(OSError):
            descriptor = os.open(partial, os.O_RDWR)
            try:
                if locked(descriptor):
                    partial.unlink()
            finally:
                os.close(descriptor)


def _write_fault(error: Exception, final: Path) -> InputError | None:
    """What to tell if an error, of whatever library, means that the system refuses to write."""
    named = getattr(error, "filename", None)
    if isinstance(named, str):
        near = Path(named) in (final, *final.parents)
        if not near and not Path(named).name.startswith(f".{final.name}."):
            # Of another file, which was to be read meanwhile.
            return None
    fault = system_fault(error, final, "be written")
    with suppress(OSError):
        # Libraries that write by themselves raise errors of their own, without the system's text.
        if fault is None and os.statvfs(final.parent).f_bavail == 0:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return system_fault(full, final, "be written")
    return fault


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
