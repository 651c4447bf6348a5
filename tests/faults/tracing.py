"""Commands under strace: which system calls they make on a ledger folder, and what becomes of them if one is failed."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from tests.running import ROOT, Answer

STRACE = shutil.which("strace")
CALLS = (
    "open,openat,creat,read,pread64,readv,write,pwrite64,writev,close,fsync,fdatasync,sync_file_range,ftruncate,truncate,"
    "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,flock,fcntl,fallocate,lseek,getdents64,stat,lstat,fstat,"
    "newfstatat,statx,chmod,fchmod,fchmodat,ioctl,readlink,mmap"
)
WRITING = re.compile(r"open|creat|write|sync|trunc|rename|unlink|mkdir|chmod|fallocate")
"""Names of calls that a full disk can refuse."""

OWN = re.compile(r"pwrite|sync|ftruncate|rename|flock|fallocate")
"""Names of calls that only the ledger makes: all of them can fail without breaking the interpreter itself."""

_LINE = re.compile(r"^(?P<call>[a-z0-9_]+)\(")
_MAIN = "from commands.main import entry; entry()"
_PATHS = [str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))]


class Call(NamedTuple):
    """A system call: its name, and which of that name it is in the whole process."""

    name: str
    number: int


class Fault(NamedTuple):
    """What happens at a call: an error, or SIGKILL; `onwards` also at every later call of that name."""

    call: Call
    what: str
    onwards: bool = False

    @property
    def inject(self) -> str:
        """The fault as strace has it."""
        what = "signal=SIGKILL" if self.what == "SIGKILL" else f"error={self.what}"
        return f"inject={self.call.name}:{what}:when={self.call.number}{'+' if self.onwards else ''}"


def refusal() -> str:
    """Why there can be no tracing here, or nothing."""
    if STRACE is None:
        return "strace is not installed"
    tried = subprocess.run(
        [STRACE, "-f", "-qq", "-o", os.devnull, "-e", "inject=fsync:error=EIO", "true"],
        capture_output=True,
        check=False,
    )
    return f"strace does not work here: {tried.stderr.decode().strip()}" if tried.returncode else ""


def run(folder: Path, arguments: list[str], fault: Fault | None = None) -> Answer:
    """Run a command on the ledger of a folder in the real interpreter, with a fault; what was traced is in `trace`."""
    assert STRACE is not None
    # Not a shim and not the environment's link: its own calls would be counted too. The same calls each time.
    python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    settings = {"PYTHONPATH": os.pathsep.join(_PATHS), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}
    calls = CALLS if fault is None else fault.call.name
    chosen = ["-e", f"trace={_known(calls)}"] + ([] if fault is None else ["-e", fault.inject])
    # Only the thread that writes the log: what copies segments beside it makes other calls each time.
    tracer = [STRACE, "-y", "-qq", "-s", "0", "-o", str(folder / "trace"), *chosen]
    done = subprocess.run(
        [*tracer, python, "-c", _MAIN, "--ledger", str(folder / "ledger"), *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **settings},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def calls_on(folder: Path) -> list[Call]:
    """The calls of the last command that had to do with its ledger, in the order in which they were made."""
    found = []
    counts: Counter[str] = Counter()
    ledger = str(folder / "ledger")
    for line in (folder / "trace").read_text(errors="replace").splitlines():
        made = _LINE.match(line)
        if made is None:
            continue
        counts[made["call"]] += 1
        if ledger in line:
            found.append(Call(made["call"], counts[made["call"]]))
    return found


def faults_of(calls: list[Call]) -> list[Fault]:
    """Every fault that is tried on these calls."""
    faults = []
    for call in calls:
        errors = ["EIO", "EINTR"] + (["ENOSPC", "EDQUOT"] if WRITING.search(call.name) else [])
        faults += [Fault(call, what) for what in [*errors, "SIGKILL"]]
        faults += [Fault(call, "EIO", onwards=True)] if OWN.search(call.name) else []
    return faults


def _known(calls: str) -> str:
    """The calls, each marked so that strace passes over one that this machine does not have."""
    return ",".join(f"?{call}" for call in calls.split(","))
