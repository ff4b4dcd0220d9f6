"""Logs, whole files and progress, in processes of their own where descriptors are concerned."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dejavu import job
from dejavu.errors import InputError
from dejavu.job import Progress, duration, whole_file

SCRIPTS = str(Path(job.__file__).parents[1])


@pytest.fixture
def run(tmp_path):
    """Run lines inside `job_log` in a process; give its status, terminal and log."""

    def process(lines):
        log = tmp_path / "logs" / "job.log"
        program = "\n".join(
            [
                "import os, sys, subprocess, warnings",
                "from dejavu.errors import InputError",
                "from dejavu.job import job_log",
                "print('before', file=sys.stderr)",
                f"with job_log({str(log)!r}):",
                *(f"    {line}" for line in lines),
            ]
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": SCRIPTS},
        )
        return done.returncode, done.stderr, done.stdout, log.read_text()

    return process


def test_everything_a_process_prints_goes_to_the_log(run):
    status, terminal, output, log = run(
        [
            "print('from print')",
            "print('from stderr', file=sys.stderr)",
            "os.write(2, b'from descriptor 2\\n')",
            "os.write(1, b'from descriptor 1\\n')",
            "subprocess.run(['sh', '-c', 'echo from a child >&2'])",
            "warnings.warn('from a warning')",
        ]
    )
    for source in ("print", "stderr", "descriptor 2", "descriptor 1", "a child", "a warning"):
        assert f"from {source}" in log
    assert status == 0
    assert "from" not in terminal + output
    assert terminal.startswith("before\n")


def test_bad_input_is_one_sentence_on_the_terminal_and_in_the_log_and_status_1(run):
    status, terminal, output, log = run(["raise InputError('the file é has no rows')"])
    assert status == 1
    assert terminal == "before\nError: the file é has no rows\n"
    assert log.endswith("Error: the file é has no rows\n")
    assert output == ""


def test_the_log_holds_the_causes_of_bad_input_with_their_traceback_and_the_terminal_does_not(run):
    status, terminal, _, log = run(
        [
            "try:",
            "    int('the cause')",
            "except ValueError as error:",
            "    raise InputError('row 3 holds no number') from error",
        ]
    )
    assert status == 1
    assert terminal == "before\nError: row 3 holds no number\n"
    cause = "ValueError: invalid literal for int() with base 10: 'the cause'"
    assert log.startswith("Traceback (most recent call last):\n") and cause in log
    assert log.index(cause) < log.index("InputError: row 3 holds no number")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("raise MemoryError('Unable to allocate 9 TiB')", "Memory ran out (Unable to allocate"),
        (
            "raise PermissionError(errno.EACCES, 'Permission denied', 'a.tar')",
            "a.tar can't be used (Permission denied",
        ),
        (
            "raise OSError(errno.EMFILE, 'Too many open files', 'b.npy')",
            "b.npy can't be used (Too many open files)",
        ),
    ],
)
def test_what_the_system_refuses_is_one_sentence_and_a_traceback_in_the_log(run, line, sentence):
    status, terminal, _, log = run(["import errno", line])
    assert status == 1
    assert terminal.startswith(f"before\nError: {sentence}") and terminal.count("\n") == 2
    assert "Traceback" in log and line.split("(")[0].removeprefix("raise ") in log


def test_a_bug_leaves_its_traceback_in_the_log_and_is_not_hidden(run):
    status, terminal, _, log = run(["raise ValueError('a bug')"])
    assert status == 1
    assert "ValueError: a bug" in terminal + log


def test_the_systems_own_errors_are_told(run):
    status, terminal, _, _ = run(["open('/no/such/folder/file', 'w')"])
    assert status != 0
    assert "Error: [Errno 2] No such file or directory: '/no/such/folder/file'" in terminal


def test_a_log_is_appended_to(run):
    run(["print('first attempt')"])
    _, _, _, log = run(["print('second attempt')"])
    assert log == "first attempt\nsecond attempt\n"


def test_a_file_appears_whole_under_its_name(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    with whole_file(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.parent == path.parent
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_error_there_is_the_old_file_or_none(tmp_path, error):
    for old in (None, "old"):
        path = tmp_path / f"{old}.txt"
        if old:
            path.write_text(old)
        with pytest.raises(error), whole_file(path) as partial:
            partial.write_text("half")
            raise error
        assert (path.read_text() if old else path.exists()) == (old or False)
        assert not partial.exists()


@pytest.mark.parametrize(
    ("error", "free", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
        (OSError(errno.EROFS, "Read-only file system"), 1, "Read-only file system"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), 1, "Disk quota exceeded"),
        (OSError(errno.EFBIG, "File too large"), 1, "File too large"),
        (OSError("No space left on device (os error 28)"), 1, "No space left on device"),
        (RuntimeError("unexpected pos 64 vs 0"), 0, "No space left on device"),
    ],
)
def test_a_disk_that_takes_no_more_is_one_sentence_whatever_the_library_raises(
    tmp_path, monkeypatch, error, free, why
):
    monkeypatch.setattr("os.statvfs", lambda path: SimpleNamespace(f_bavail=free))
    path = tmp_path / "file.bin"
    with pytest.raises(InputError) as told, whole_file(path) as partial:
        partial.write_text("half")
        raise error
    assert str(told.value).startswith(f"{path} can't be written ({why}): ")
    assert "\n" not in str(told.value) and list(tmp_path.iterdir()) == []


def in_a_process(tmp_path, *lines):
    """Run lines in a process of its own that says when it has come to the end of them."""
    program = "\n".join(["from dejavu.job import whole_file", *lines])
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": SCRIPTS},
        cwd=tmp_path,
    )
    assert process.stdout.readline() == "here\n"
    return process


WRITING = [
    "with whole_file('file.txt') as partial:",
    "    partial.write_text('theirs')",
    "    print('here', flush=True)",
    "    input()",
]


def test_what_a_kill_left_is_removed_by_the_next_attempt(tmp_path):
    killed = in_a_process(tmp_path, *WRITING)
    killed.kill()
    killed.communicate()
    assert [path.name.endswith(".partial") for path in tmp_path.iterdir()] == [True]
    path = tmp_path / "file.txt"
    with whole_file(path) as partial:
        assert list(tmp_path.iterdir()) == [partial]
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_two_processes_that_write_one_file_do_not_mix(tmp_path):
    path = tmp_path / "file.txt"
    other = in_a_process(tmp_path, *WRITING)
    with whole_file(path) as partial:
        # That of the other process, which writes it now, is left alone.
        assert len(list(tmp_path.iterdir())) == 2
        partial.write_text("ours")
    assert path.read_text() == "ours"
    other.communicate("go on\n")
    assert other.returncode == 0
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_without_locks_files_are_written_and_others_left_alone(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", flock)
    path, foreign = tmp_path / "file.txt", tmp_path / ".file.txt.host-1-1.partial"
    foreign.write_text("whose?")
    with whole_file(path) as partial:
        partial.write_text("whole")
    assert sorted(tmp_path.iterdir()) == [foreign, path]


def test_a_file_that_is_read_meanwhile_is_told_as_itself(tmp_path):
    refused = PermissionError(errno.EACCES, "Permission denied", "/data/photograph.jpg")
    with (
        pytest.raises(PermissionError, match=r"photograph\.jpg"),
        whole_file(tmp_path / "a") as partial,
    ):
        partial.write_text("half")
        raise refused


def test_a_folder_that_may_not_be_written_to_is_told_with_its_file(tmp_path, monkeypatch):
    def refuse(path, *rest):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = tmp_path / "file.bin"
    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(InputError) as told, whole_file(path):
        pass
    assert str(told.value).startswith(f"{path} can't be written (Permission denied")


def test_a_file_that_was_never_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "file.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def test_progress_tells_how_far_it_is_how_fast_and_how_long_yet(clock, capsys):
    progress = Progress("embedding", 100, "images", first=10)
    progress.resume(20)
    for now, count in ((4.0, 10), (8.0, 10), (12.0, 20), (15.0, 10)):
        clock[0] = now
        progress.advance(count, ", loss 0.5")
    progress.advance(30)
    # 40 images in 12 s, 40 left; then all 80 in 15 s.
    assert capsys.readouterr().err.splitlines() == [
        "embedding: 60 of 100 images (3.33 images/s, 12 s left), loss 0.5",
        "embedding: 100 of 100 images (5.33 images/s, 15 s in all)",
    ]


def test_progress_tells_less_and_less_often(clock, capsys):
    progress = Progress("training", 7201, "steps")
    told = []
    for second in range(1, 7202):
        clock[0] = float(second)
        progress.advance(1)
        told += [second] if capsys.readouterr().err else []
    assert told[:7] == [10, 20, 40, 80, 160, 320, 620]
    assert told[6:-1] == list(range(620, 7202, 300)) and told[-1] == 7201


def test_progress_that_goes_back_is_no_news(clock, capsys):
    progress = Progress("searching", 4, "shards")
    clock[0] = 20.0
    for done in (0, 1, 2, 0, 1, 4, 1, 4):
        progress.reach(done)
    assert [line[:22] for line in capsys.readouterr().err.splitlines()] == [
        "searching: 0 of 4 shar",
        "searching: 4 of 4 shar",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7.4, "7 s"), (99, "99 s"), (125, "2 min"), (5990, "100 min"), (9e3, "2.5 h")],
)
def test_durations_have_a_unit_that_fits(seconds, text):
    assert duration(seconds) == text


def test_a_long_stage_is_told_on_the_terminal_too_by_rule_and_wildcards(run):
    status, terminal, _, log = run(
        [
            "from dejavu.job import Progress",
            "quick, long = Progress('decoding', 2, 'images'), Progress('training', 9, 'steps', 0)",
            "quick.advance(2)",
            "long.advance(3, ', loss 0.5')",
            "long.advance(6)",
        ]
    )
    assert status == 0
    lines = terminal.splitlines()[1:]
    assert len(lines) == 2
    assert lines[0].startswith("logs job: training: 3 of 9 steps (") and lines[0].endswith(
        " left), loss 0.5"
    )
    assert lines[1].startswith("logs job: training: 9 of 9 steps (")
    assert [line.partition(":")[0] for line in log.splitlines()] == [
        "decoding",
        "training",
        "training",
    ]


@pytest.mark.parametrize(("first", "collected"), [("snakemake = None", "False"), ("", "True")])
def test_garbage_is_collected_again_once_a_script_has_imported_what_it_needs(
    tmp_path, first, collected
):
    program = [
        first,
        "import gc, dejavu",
        "before = gc.isenabled()",
        "from dejavu.job import job_log",
        f"with job_log({str(tmp_path / 'job.log')!r}):",
        f"    open({str(tmp_path / 'told')!r}, 'w').write(f'{{before}} {{gc.isenabled()}}')",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        env={**os.environ, "PYTHONPATH": SCRIPTS},
        check=False,
    )
    assert done.returncode == 0
    assert (tmp_path / "told").read_text() == f"{collected} True"


CARDS = """
import os, sys
from dejavu.job import take_cards
take_cards(int(sys.argv[1]), sys.argv[2], sys.argv[3])
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.readline()
"""


def take(folder, asked, visible=None):
    """A process that takes cards and keeps them until it is told to end, and what it sees."""
    (folder / "devices").mkdir(exist_ok=True)
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl"):
        (folder / "devices" / name).touch()
    environment = {**os.environ, "PYTHONPATH": SCRIPTS}
    environment.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    words = ["-c", CARDS, str(asked), str(folder / "taken"), str(folder / "devices")]
    process = subprocess.Popen(
        [sys.executable, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    return process


def sees(process):
    """What a process of `take` says that it sees."""
    return process.stdout.readline().strip()


def end(*processes):
    """Let processes of `take` go."""
    for process in processes:
        process.communicate("\n")


def test_each_job_takes_cards_that_no_other_has_and_waits_for_them(tmp_path):
    first, second = take(tmp_path, 1), take(tmp_path, 1)
    assert {sees(first), sees(second)} == {"0", "1"}
    third = take(tmp_path, 2)
    assert "waiting for 2 of 3 GPUs" in third.stderr.readline()
    # It holds none of them while it waits.
    fourth = take(tmp_path, 1)
    assert sees(fourth) == "2"
    end(first)
    second.kill()
    assert set(sees(third).split(",")) == {"0", "1"}
    end(third, fourth)
    second.communicate()


def test_cards_that_are_all_a_jobs_own_or_that_nobody_asked_for_are_left_alone(tmp_path):
    asked = [(1, "5"), (1, "5"), (0, None), (3, None), (1, "")]
    processes = [take(tmp_path, *each) for each in asked]
    assert [sees(each) for each in processes] == ["5", "5", "None", "None", ""]
    end(*processes)


def test_a_card_that_is_named_twice_takes_two_jobs_and_no_job_takes_it_twice(tmp_path):
    first, second = take(tmp_path, 1, "GPU-a,GPU-a,GPU-b"), take(tmp_path, 2, "GPU-a,GPU-a,GPU-b")
    assert sorted([sees(first), sees(second)]) == ["GPU-a", "GPU-a,GPU-b"]
    end(first, second)
