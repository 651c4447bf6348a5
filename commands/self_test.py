"""`orderledger verify --self-test`: the kill test on the disk that keeps, or would keep, the user's ledger."""

import fcntl
import os
import re
import secrets
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from types import FrameType

import typer

from commands import context, killing, output, render
from ledger.disk import Disk
from ledger.errors import LedgerError, StorageFailed

KILLS = 40
PROBLEMS_TOLD = 50
SYNCS_MAX = 1000
SYNCS_SECONDS = 0.5
SYNCED_BYTES = 500
"""About the length of a line of the log."""

KEEP_NOTHING = {"tmpfs", "ramfs"}
NETWORK = {"9p", "afs", "ceph", "cifs", "davfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3", "smbfs", "sshfs"}
MOUNTS = Path("/proc/self/mountinfo")
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def try_out(ctx: typer.Context, target: output.Target) -> None:
    """Run the kill test beside the ledger and print what it did and found; exit 1 when something is wrong."""
    place = place_for(ctx)
    kind = file_system(place, os.fsdecode(MOUNTS.read_bytes()) if MOUNTS.exists() else "")
    if warning := warning_of(kind):
        context.say(f"warning: {place} is on {kind}, {warning}", err=True)
    seed = secrets.randbits(32)
    began = time.monotonic()
    with _ended_once(), _folder_in(place) as folder, _failures(place):
        syncs = syncs_a_second(folder)
        outcome = killing.run(folder, KILLS, seed)
    seconds = time.monotonic() - began
    if target.format == "table":
        shape = output.visible if target.screen else str
        where = f"{place} ({kind})" if kind else str(place)
        render.text(target, "".join(f"{shape(line)}\n" for line in told(outcome, where, syncs, seconds, seed)))
    else:
        about = {"ok": not outcome.problems, "place": str(place), "file_system": kind, "syncs_per_second": syncs}
        about |= {"seed": seed, "seconds": round(seconds, 1), "writers": len(killing.ROLES)}
        render.record(target, about | asdict(outcome))
    if outcome.problems:
        raise typer.Exit(1)


def place_for(ctx: typer.Context) -> Path:
    """Give the folder that has the ledger meant, or would have it; the ledger itself where a disk is mounted there."""
    try:
        ledger = Path(os.path.realpath(context.ledger_path(ctx)))
    except LedgerError:
        return Path.cwd()
    place = ledger if ledger.is_mount() else ledger.parent
    while not place.exists():
        place = place.parent
    return place


def file_system(folder: Path, mounts: str) -> str | None:
    """Give the kind of file system that a folder is on, by the text of mountinfo; None when that does not tell."""
    found, longest = None, -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        # Blanks and the like are written as \040.
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = after.split(" ")[0], len(point.parts)
    return found


def warning_of(kind: str | None) -> str:
    """Say what is to be feared of a kind of file system, or nothing."""
    if kind in KEEP_NOTHING:
        return "which is memory: it keeps nothing when the machine stops"
    if kind is not None and kind.removeprefix("fuse.") in NETWORK:
        return "which another machine keeps: locks and syncs are worth what that one makes of them"
    return ""


def syncs_a_second(folder: Path) -> int:
    """Try the lock that writers need, then measure how often a second the disk syncs one more line; OSError."""
    disk = Disk()
    fd = disk.open(folder / "syncs", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        _lock(fd)
        count, began = 0, time.monotonic()
        while count < SYNCS_MAX and time.monotonic() - began < SYNCS_SECONDS:
            os.write(fd, bytes(SYNCED_BYTES))
            disk.sync(fd)
            count += 1
        return round(count / (time.monotonic() - began))
    finally:
        disk.close(fd)


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise StorageFailed(
            "the file system has no locks here",
            why=f"flock: {error.strerror}",
            hint="a ledger needs them; keep it on a disk of this machine",
        ) from error


def told(outcome: killing.Outcome, where: str, syncs: int, seconds: float, seed: int) -> Iterator[str]:
    """Give what was done and found as lines of text."""
    yield f"tried in a temporary folder in {where}"
    yield f"{len(killing.ROLES)} writers recorded and imported into one ledger at the same time, for {seconds:.0f} s"
    yield ""
    counts = (
        ("commands killed (SIGKILL)", outcome.killed),
        ("commands that ended by themselves", outcome.finished),
        ("events acknowledged", outcome.acknowledged),
        ("events in the log after the kills", outcome.lines),
        ("  of them never acknowledged", outcome.unacknowledged),
        ("torn ends moved away", outcome.torn_ends),
        ("events after importing all again", outcome.lines_at_the_end),
        ("syncs a second on this disk", syncs),
    )
    for what, count in counts:
        if count is not None:
            yield f"{what:<33}  {count:>9,}"
    yield ""
    if outcome.problems:
        yield f"{len(outcome.problems):,} wrong (seed {seed}):"
        yield from (f"  {problem}" for problem in outcome.problems[:PROBLEMS_TOLD])
        if len(outcome.problems) > PROBLEMS_TOLD:
            yield "  … and so on; -o json has them all"
        return
    yield "ok: everything acknowledged is in the log once, at the seq that was told;"
    yield "the log has no gap, verify finds nothing wrong, and importing all again"
    yield "recorded what was missing, no more."
    yield "Not shown: what a power cut does; whether the disk keeps what it has synced."


@contextmanager
def _folder_in(place: Path) -> Iterator[Path]:
    """Make a private folder, and remove it whatever comes; where that cannot be done, say so."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".orderledger-self-test-", dir=place))
    except OSError as error:
        raise StorageFailed(
            f"cannot make a folder in {place}",
            why=error.strerror or "",
            hint="the self-test writes beside the ledger; name one elsewhere with --ledger",
        ) from error
    try:
        yield folder
    finally:
        _deaf()
        try:
            rmtree(folder)
        except OSError as error:
            context.say(f"warning: cannot remove {folder} ({error.strerror}); it can be deleted", err=True)


@contextmanager
def _failures(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(
            f"the self-test cannot write in {place}", why=error.strerror or str(error), hint=killing.ROOM
        ) from error


@contextmanager
def _ended_once() -> Iterator[None]:
    """Let the first SIGHUP, SIGINT or SIGTERM end the test as Ctrl-C does; nothing disturbs what is tidied up then."""
    before = {number: signal.getsignal(number) for number in ENDING}
    interrupted = before[signal.SIGINT]

    def first(number: int, frame: FrameType | None) -> None:
        _deaf()
        assert callable(interrupted)
        interrupted(number, frame)

    if callable(interrupted):
        for number, handler in before.items():
            if handler != signal.SIG_IGN:  # nohup
                signal.signal(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _deaf() -> None:
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
