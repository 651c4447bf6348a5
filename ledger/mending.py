"""Mending the end of a segment: a last line that is not ended is ended or moved away, and nothing is thrown away.

The store asks for it under its lock, when no descriptor of its own appends to the segment.
"""

import os
from pathlib import Path

from ledger.disk import BLOCK_BYTES, Disk, LogFile, bytes_between, complete_bytes, sealed, write_all
from ledger.line import whole_bytes


def line_ends(segment: LogFile) -> tuple[int, int]:
    """How many bytes of a segment are complete lines, and where the line after them ends; there, when it is not whole.

    The line lacks its newline: its end is where that has to come.
    """
    complete = complete_bytes(segment.path, segment.size)
    if complete == segment.size:
        return complete, complete
    return complete, complete + whole_bytes(bytes_between(segment.path, complete, segment.size))


def end_line(disk: Disk, segment: LogFile, end: int, rejects: Path) -> str:
    """Put the newline that a segment's last line has lost, move away what stands in its place, and say so; OSError."""
    told = "the last line of the log was not ended"
    if end < segment.size:
        told += f": {move_away(disk, segment._replace(size=end), rejects, 'torn')}"
    fd = _open_marked(disk, segment.path, os.O_WRONLY | os.O_APPEND)
    try:
        write_all(disk, fd, b"\n")
        sync_or_mark(disk, fd, segment.path)
    finally:
        disk.close(fd)
    return f"{told}; it is whole and stands"


def move_away(disk: Disk, keep: LogFile, rejects: Path, kind: str) -> str:
    """Copy what follows `keep.size` bytes of a segment to `rejects`, only then cut it off, and say so; OSError.

    Both are durable. A segment of which nothing is kept is removed.
    """
    source = _open_marked(disk, keep.path, os.O_RDWR)
    try:
        target, said = _copy(disk, source, keep, rejects, kind)
        if keep.size:
            disk.truncate(source, keep.size)
            sync_or_mark(disk, source, keep.path)
    finally:
        disk.close(source)
    if not keep.size:
        disk.unlink(keep.path)
        disk.sync_folder(keep.path.parent)
    return f"{said} moved to rejects/{target.name}"


def sync_or_mark(disk: Disk, fd: int, path: Path) -> None:
    """Sync a segment; after a failure it is marked, so that nobody takes it for synced; OSError."""
    try:
        disk.sync(fd)
    except OSError:
        disk.seal(path)
        raise


def _open_marked(disk: Disk, path: Path, flags: int) -> int:
    """A descriptor that changes the end of a segment, which keeps its mark of a failed sync if it has one."""
    unsure = sealed(path)
    disk.unseal(path)
    try:
        return disk.open(path, flags)
    finally:
        if unsure:
            disk.seal(path)


def _copy(disk: Disk, source: int, keep: LogFile, rejects: Path, kind: str) -> tuple[Path, str]:
    """Copy a segment's end to a new file in `rejects` and sync it; the file and how much it holds."""
    rejects.mkdir(mode=0o700, exist_ok=True)
    path = rejects / f"{kind}-{keep.first_seq:012d}-{keep.size}"
    while path.exists():
        path = path.with_name(path.name + "-again")
    fd = disk.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    offset, lines = keep.size, 0
    try:
        while block := os.pread(source, BLOCK_BYTES, offset):
            write_all(disk, fd, block)
            offset += len(block)
            lines += block.count(b"\n")
        disk.sync(fd)
    finally:
        disk.close(fd)
    disk.sync_folder(rejects)
    disk.sync_folder(rejects.parent)  # rejects/ itself may be new
    size, counted = f"{offset - keep.size} bytes", "1 line" if lines == 1 else f"{lines} lines"
    return path, f"{counted} ({size})" if lines else size
