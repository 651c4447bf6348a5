"""The files of the log at the level of bytes: every call that changes one, and how lines are found in them."""

import fcntl
import itertools
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ledger.errors import Damaged, StorageFailed

BLOCK_BYTES = 1 << 20
DRAFT = ".draft-"
LINE_BYTES_MAX = 8 << 20
_LINE_BYTES = (4096, 65536, BLOCK_BYTES, LINE_BYTES_MAX)  # so much is read until a line ends in it
REPAIR = "run `orderledger repair`; what it may not move away, a backup has to bring back"


STAYS = "; taking it back failed too ({}), so lines of it may be in the log"


class LogFile(NamedTuple):
    """A segment: the seq of its first line, where it is, and how many bytes of it count."""

    first_seq: int
    path: Path
    size: int


class Disk:
    """Every call that changes a file of the log goes through here, so that a test can put a failing disk in place."""

    def open(self, path: Path, flags: int) -> int:
        """Open a file of the log, never through a symlink; a new one is private (0600)."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of `data` and say how many bytes; OSError."""
        return os.write(fd, data)

    def sync(self, fd: int) -> None:
        """Bring a file's bytes and size to the platter; OSError."""
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def sync_folder(self, path: Path) -> None:
        """Bring a folder's names to the platter; OSError."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file; OSError."""
        os.ftruncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its final name; OSError."""
        os.rename(old, new)

    def unlink(self, path: Path) -> None:
        """Take a file's name away; OSError."""
        os.unlink(path)

    def seal(self, path: Path) -> None:
        """Make a segment read-only, which forbids to build on it; where that fails there is no more to be done."""
        with suppress(OSError):
            os.chmod(path, 0o400)

    def unseal(self, path: Path) -> None:
        """Make a segment writable again; OSError."""
        os.chmod(path, 0o600)

    def close(self, fd: int) -> None:
        """Let a descriptor go; what was synced stands, so failing to is no failure."""
        with suppress(OSError):
            os.close(fd)


def write_all(disk: Disk, fd: int, data: bytes) -> None:
    """Write all of `data`: a nearly full disk takes it in parts before it refuses."""
    view = memoryview(data)
    while view:
        view = view[disk.write(fd, view) :]


def complete_bytes(path: Path, size: int) -> int:
    """How many of a file's bytes are complete lines."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return newline_before(fd, size)
    finally:
        os.close(fd)


def bytes_between(path: Path, start: int, end: int) -> bytes:
    """What a file has from `start` to `end`, as much of it as a line can be."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return os.pread(fd, min(end - start, LINE_BYTES_MAX), start)
    finally:
        os.close(fd)


def newline_before(fd: int, end: int) -> int:
    """The offset after the last newline before `end`, 0 when there is none; read backwards in growing blocks."""
    block_bytes = 4096
    while end > 0:
        start = max(0, end - block_bytes)
        found = os.pread(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end, block_bytes = start, min(BLOCK_BYTES, block_bytes * 4)
    return 0


def line_before(fd: int, end: int, path: Path) -> bytes:
    """The line that ends at `end`."""
    start = newline_before(fd, end - 1)
    if end - start > LINE_BYTES_MAX:
        raise Damaged(f"{path.name}: a line is longer than any line can be", why="the segment is damaged", hint=REPAIR)
    line = os.pread(fd, end - start, start)
    if not line.endswith(b"\n") or len(line) != end - start:
        raise Damaged(f"{path.name}: no line ends at byte {end}", why="the segment was cut or is damaged", hint=REPAIR)
    return line[:-1]


def line_at(fd: int, start: int, path: Path) -> bytes:
    """The line that starts at `start`."""
    for size in _LINE_BYTES:
        block = os.pread(fd, size, start)
        end = block.find(b"\n")
        if end >= 0:
            return block[:end]
        if len(block) < size:
            break
    raise Damaged(f"{path.name}: no line at byte {start}", why="the segment was cut or is damaged", hint=REPAIR)


def split_lines(file: LogFile, offset: int) -> Iterator[bytes]:
    """The ended lines of a segment from an offset up to its size; stops early where a line is not ended."""
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        rest = b""
        while offset < file.size and len(rest) <= LINE_BYTES_MAX:
            block = os.pread(fd, min(BLOCK_BYTES, file.size - offset), offset)
            if not block:
                return
            offset += len(block)
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
    finally:
        os.close(fd)


def failed(error: OSError, also: str = "") -> StorageFailed:
    """The error of a disk that did not take a batch."""
    return StorageFailed(
        f"the disk did not take it: {error.strerror}",
        why=f"nothing of this batch was recorded{also}",
        hint="make room or check the disk and its permissions, then do it again",
    )


def check_owner(path: Path) -> None:
    """Refuse a folder that is not there or belongs to somebody else, also behind a symlink."""
    try:
        owners = {os.lstat(path).st_uid, (about := os.stat(path)).st_uid}
    except OSError as error:
        raise Damaged(f"{path} is no ledger", why=error.strerror or "", hint="`orderledger init` makes one") from error
    if not stat.S_ISDIR(about.st_mode) or owners != {os.geteuid()}:
        raise Damaged(f"{path} is not yours", why="a ledger belongs to one user", hint="use --ledger DIR")


def locked(folder: Path) -> bool:
    """Whether a process that lives holds a folder's lock."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def sealed(path: Path) -> bool:
    """Whether a segment is closed for appending."""
    return not os.stat(path).st_mode & stat.S_IWUSR


def sweep_draft(path: Path, disk: Disk) -> None:
    """Remove a draft whose maker is gone."""
    fd = disk.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        disk.unlink(path)
    except BlockingIOError:
        return
    finally:
        disk.close(fd)


class Draft:
    """Lines that are not in the log yet, in a file of a temporary name beside the segments: adopted or dropped whole.

    The file is locked as long as its maker lives, so that what a killed process left can be told and removed.
    """

    _count = itertools.count(1)

    def __init__(self, events_dir: Path, disk: Disk) -> None:
        self.path = events_dir / f"{DRAFT}{os.getpid()}-{next(self._count)}.tmp"
        self.size = 0
        self._disk = disk
        while True:
            self._fd = disk.open(self.path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if os.fstat(self._fd).st_nlink:
                break
            disk.close(self._fd)

    def append(self, chunk: bytes) -> int:
        """Add complete lines and return the offset of the first; StorageFailed."""
        start = self.size
        try:
            write_all(self._disk, self._fd, chunk)
        except OSError as error:
            raise failed(error) from error
        self.size += len(chunk)
        return start

    def read_line(self, offset: int) -> bytes:
        """The line at an offset that `append` made known."""
        return line_at(self._fd, offset, self.path)

    def last_line(self) -> bytes:
        """The last line."""
        return line_before(self._fd, self.size, self.path)

    def sync(self) -> None:
        """Bring every line to disk; OSError."""
        self._disk.sync(self._fd)

    def close(self) -> None:
        """Drop the lines, unless they were adopted (their file has another name by then)."""
        if self._fd >= 0:
            self._disk.close(self._fd)
            self._fd = -1
            with suppress(OSError):  # the next writer sweeps what is left
                self._disk.unlink(self.path)
