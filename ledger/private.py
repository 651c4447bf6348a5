"""Whether a ledger's folder is as private as it was made: mine, closed to others, nothing led elsewhere."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ledger.book import FOLDERS

_WRITTEN_HERE = ("events", "checkpoints", "rejects", "cache")
"""The folders whose files this program writes; those in `audits` are the user's own."""

_FILES = ("ledger.toml", "lock")


def problems(ledger: Path) -> Iterator[str]:
    """What others may read or write, what is not mine, and what is a symlink."""
    yield from _of(ledger, ".", closed=True, links=True)
    for name in FOLDERS:
        yield from _of(ledger / name, name + "/", closed=True)
    for name in _FILES:
        yield from _of(ledger / name, name, closed=True)
    yield from _of(ledger / "policy.toml", "policy.toml", closed=False)
    for folder in _WRITTEN_HERE:
        if (ledger / folder).is_dir():
            for name in sorted(os.listdir(ledger / folder)):
                yield from _of(ledger / folder / name, f"{folder}/{name}", closed=True)


def _of(path: Path, name: str, *, closed: bool, links: bool = False) -> Iterator[str]:
    try:
        about = os.stat(path) if links else os.lstat(path)
    except OSError:
        return  # not there, or gone meanwhile
    if stat.S_ISLNK(about.st_mode):
        yield f"{name} is a symlink"
        return
    if name.endswith("/") and not stat.S_ISDIR(about.st_mode):
        yield f"{name} is no folder"
        return
    if about.st_uid != os.geteuid():
        yield f"{name} belongs to user {about.st_uid}"
    mode, due = stat.S_IMODE(about.st_mode), 0o700 if stat.S_ISDIR(about.st_mode) else 0o600
    if closed and mode & 0o077:
        yield f"{name} is open to others: its mode is {mode:04o}, it should be {due:04o}"
