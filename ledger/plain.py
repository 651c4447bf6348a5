"""What lies in a ledger's folder has to be what it seems: plain files, and folders that lead nowhere else."""

import os
import stat
from errno import EFBIG, EINVAL
from io import BufferedReader
from pathlib import Path

from ledger.errors import Damaged

SMALL_BYTES = 16 << 20
"""More than any file of a ledger has but the log, the index and what was refused."""


def read(path: Path) -> bytes:
    """The bytes of a small file; OSError also where it is no plain file, or too long."""
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > SMALL_BYTES:
            raise OSError(EFBIG, "it is too long for what it should be", str(path))
        return file.read()


def opened(path: Path, flags: int = 0) -> BufferedReader:
    """A file to be read; OSError also where it is no plain file: a pipe is not waited for."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(EINVAL, "it is no plain file", str(path))
    return open(fd, "rb")


def check_folder(path: Path) -> None:
    """Refuse a folder of a ledger that is a symlink, a pipe or anything else: what a ledger writes stays in its own."""
    if problem := folder_problem(path):
        raise Damaged(
            f"{path.name}/ {problem}",
            why="what a ledger writes stays in its own folder",
            hint="put the folder itself there; the ledger's folder as a whole may be a symlink",
        )


def check_sqlite(path: Path) -> None:
    """Raise OSError where SQLite would follow a link, or wait for a pipe, to a database or what it keeps beside one."""
    if problem := folder_problem(path.parent):
        raise OSError(f"{path.parent.name}/ {problem}")
    for ending in ("", "-journal", "-wal"):
        mode = _mode(Path(f"{path}{ending}"))
        if mode is not None and not stat.S_ISREG(mode):
            raise OSError(f"{path.name}{ending} is no plain file")


def folder_problem(path: Path) -> str:
    """What is wrong with a folder of a ledger: nothing where it is a folder of its own, or not there."""
    mode = _mode(path)
    if mode is None or stat.S_ISDIR(mode):
        return ""
    return "is a symlink" if stat.S_ISLNK(mode) else "is no folder"


def _mode(path: Path) -> int | None:
    """What is there, and no link followed; None where nothing is, or who opens it will hear why not."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return None
