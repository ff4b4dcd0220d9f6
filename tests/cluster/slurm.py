"""A SLURM of one node on this machine, started and stopped by the tests.

It needs root and Debian's packages `munge slurmctld slurmd slurm-client`, no running daemon, no
cgroups and no database. All its files lie in one folder, but for a link from /etc/slurm/slurm.conf,
where the clients look, because Snakemake's plugin takes SLURM_CONF out of a job's environment.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

SYSTEM_CONFIG = Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
PARTITION = "main"
# What the node says it has, whatever it really has: nothing is pinned.
CPUS, MEGABYTES = 64, 64_000
# Any devices will do: nothing opens them.
GPUS = ("/dev/zero", "/dev/null", "/dev/full", "/dev/random")

CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
# Without cgroups, a job above its memory is killed when it is next looked at.
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
MinJobAge=600
KillWait=1
GresTypes=gpu
NodeName=node NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} RealMemory={megabytes} \
Gres=gpu:{gpus}
PartitionName={partition} Nodes=node Default=YES State=UP MaxTime=INFINITE
"""


def missing() -> str | None:
    """Why no SLURM can be started here, if so."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"Debian's SLURM packages are not installed: no {', '.join(absent)}"
    if os.geteuid() != 0:
        return "starting a SLURM needs root"
    if SYSTEM_CONFIG.exists() or SYSTEM_CONFIG.is_symlink():
        return f"this machine has a SLURM of its own ({SYSTEM_CONFIG})"
    return None


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on."""
    with ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


@contextmanager
def daemon(folder: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground of a session of its own, and stop it at the end."""
    name = Path(command[0]).name
    with (folder / f"{name}.out").open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(what: str, ready, folder: Path, seconds: float = 30) -> None:
    """Wait for a daemon; what the daemons said is in the error."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            said = [f"{path.name}:\n{path.read_text()[-2000:]}" for path in folder.glob("*.out")]
            raise RuntimeError(f"{what} within {seconds} s\n" + "\n".join(said))
        time.sleep(0.1)


def said_by(*command: str) -> str:
    """What a client prints, or nothing if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else ""


@contextmanager
def one_node(folder: Path) -> Iterator[None]:
    """A working SLURM, stopped with all its jobs at the end."""
    host = socket.gethostname().partition(".")[0]
    controller_port, node_port = free_ports(2)
    settings = {
        "folder": folder,
        "host": host,
        "controller_port": controller_port,
        "node_port": node_port,
        "cpus": CPUS,
        "megabytes": MEGABYTES,
        "gpus": len(GPUS),
        "partition": PARTITION,
    }
    for name in ("state", "spool"):
        (folder / name).mkdir(mode=0o755)
    config = folder / "slurm.conf"
    config.write_text(CONFIG.format(**settings))
    (folder / "gres.conf").write_text("".join(f"Name=gpu File={device}\n" for device in GPUS))
    (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    with ExitStack() as stack:
        munge_files = {
            "key-file": key,
            "socket": folder / "munge.socket",
            "pid-file": folder / "munged.pid",
            "log-file": folder / "munged.log",
            "seed-file": folder / "munged.seed",
        }
        options = [f"--{name}={path}" for name, path in munge_files.items()]
        stack.enter_context(daemon(folder, "munged", "--foreground", "--force", *options))
        wait_until("munged gave no socket", munge_files["socket"].exists, folder)
        made = not SYSTEM_CONFIG.parent.exists()
        SYSTEM_CONFIG.parent.mkdir(exist_ok=True)
        SYSTEM_CONFIG.symlink_to(config)
        stack.callback(remove_link, made)
        stack.enter_context(daemon(folder, "slurmctld", "-D", "-f", str(config)))
        stack.enter_context(daemon(folder, "slurmd", "-D", "-N", "node", "-f", str(config)))
        wait_until(
            "the node did not become idle",
            lambda: said_by("sinfo", "--noheader", "--format=%t").strip() == "idle",
            folder,
        )
        stack.callback(cancel_all)
        yield


def remove_link(made_folder: bool) -> None:
    """Leave /etc as it was."""
    SYSTEM_CONFIG.unlink()
    if made_folder:
        with suppress(OSError):
            SYSTEM_CONFIG.parent.rmdir()


def jobs() -> list[str]:
    """Numbers of the jobs that wait or run."""
    return said_by("squeue", "--noheader", "--format=%i").split()


def cancel_all() -> None:
    """Cancel what still waits or runs, and wait for it to end."""
    left = jobs()
    if left:
        subprocess.run(["scancel", "--signal=KILL", "--full", *left], check=False)
        subprocess.run(["scancel", *left], check=False)
        end = time.monotonic() + 15
        while jobs() and time.monotonic() < end:
            time.sleep(0.2)
