"""A disk that loses its power: of what was not synced, any part may be lost, torn at any byte, or out of order.

The real folder is what running processes see (the page cache). Beside it the platter is kept: what surely survives, and
the changes since, of each file and of each folder's names. Only `sync` of a file makes its bytes and size survive, and
only `sync_folder` its name; neither does the other's work. A rename is atomic: it survives or it does not.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple, TypeVar

from ledger.disk import Disk

T = TypeVar("T")

Loss = Literal["everything", "nothing", "torn", "reordered"]
"""What the power takes of the changes that were not synced: from some point on, or here and there."""


class Gone(BaseException):
    """The process does not live any more; nothing it would still do happens."""


class Change(NamedTuple):
    """A file's change: bytes written at an offset, or, without bytes, a cut to that size."""

    at: int
    data: bytes | None


class Naming(NamedTuple):
    """A folder's change: a name given, taken away, or both at once."""

    old: str | None
    new: str | None


@dataclass(eq=False)
class File:
    """What of a file surely survives, and its changes since."""

    durable: bytes = b""
    changes: list[Change] = field(default_factory=list)


@dataclass(eq=False)
class Folder:
    """A folder's names: as processes see them, as they surely survive, and their changes since."""

    path: Path
    kept: bool = True
    names: dict[str, File] = field(default_factory=dict)
    durable: dict[str, File] = field(default_factory=dict)
    changes: list[tuple[Naming, File]] = field(default_factory=list)


class Fate(NamedTuple):
    """What happens at a call: the process ends before or after it was done, or it fails with an errno."""

    what: Literal["before", "after"] | int


class SimulatedDisk(Disk):
    """The disk below one ledger folder, with a platter; `fates` say what happens at which call."""

    def __init__(self, root: Path, random: Random) -> None:
        self.fates: dict[int, Fate] = {}
        self.calls = 0
        self.forgetful = False
        self.gone = False
        self._random = random
        self._root = root
        self._open: dict[int, File] = {}
        self._folders: dict[Path, Folder] = {}
        for name in ("events", "rejects"):
            if (root / name).exists():
                self._adopt(root / name)

    def _adopt(self, path: Path) -> None:
        names = {entry.name: File(entry.read_bytes()) for entry in path.iterdir()}
        self._folders[path] = Folder(path, names=names, durable=dict(names))

    # What processes do.

    def open(self, path: Path, flags: int) -> int:
        """Open a file; a new one has a name that may be lost."""
        fd = self._call(lambda: super(SimulatedDisk, self).open(path, flags), changing=bool(flags & os.O_CREAT))
        folder = self._folder(path.parent)
        file = folder.names.get(path.name)
        if file is None:
            file = folder.names[path.name] = File()
            folder.changes.append((Naming(None, path.name), file))
        elif flags & os.O_TRUNC:
            file.changes.append(Change(0, None))
        self._open[fd] = file
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        """Write some bytes, sometimes not all; a process that ends meanwhile has written some too."""
        some = data[: self._random.randint(1, len(data))] if self._random.random() < 0.1 else data
        fate = self.fates.get(self.calls + 1)
        if fate == Fate("before"):
            some = data[: self._random.randrange(len(data) + 1)]
            self.fates[self.calls + 1] = Fate("after")

        def write() -> int:
            at = os.fstat(fd).st_size
            self._open[fd].changes.append(Change(at, bytes(some)))
            return os.pwrite(fd, some, at) if some else 0

        return self._call(write)

    def sync(self, fd: int) -> None:
        """Let a file's bytes survive; a forgetful disk that fails has forgotten what it could not write."""
        file = self._open[fd]
        try:
            self._call(lambda: None)
        except OSError:
            if self.forgetful:
                file.changes = []
            raise
        file.durable, file.changes = content(file), []

    def sync_folder(self, path: Path) -> None:
        """Let a folder's names survive."""
        self._call(lambda: None)
        if path == self._root:
            for folder in self._folders.values():
                folder.kept = True
        else:
            folder = self._folder(path)
            folder.durable, folder.changes = dict(folder.names), []

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""

        def truncate() -> None:
            self._open[fd].changes.append(Change(size, None))
            os.ftruncate(fd, size)

        self._call(truncate)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name in its folder."""

        def rename() -> None:
            folder = self._folder(old.parent)
            os.rename(old, new)
            folder.names[new.name] = file = folder.names.pop(old.name)
            folder.changes.append((Naming(old.name, new.name), file))

        self._call(rename)

    def unlink(self, path: Path) -> None:
        """Take a name away."""

        def unlink() -> None:
            folder = self._folder(path.parent)
            os.unlink(path)
            folder.changes.append((Naming(path.name, None), folder.names.pop(path.name)))

        self._call(unlink)

    def close(self, fd: int) -> None:
        """Let a descriptor go; that of an ended process goes with it."""
        self._open.pop(fd, None)
        os.close(fd)

    def revive(self) -> None:
        """Let another process begin."""
        self.gone = False

    # What the power does.

    def lose_power(self, loss: Loss) -> None:
        """Make the real folder what is found when the power is back."""
        self.gone = False
        self.fates.clear()
        for folder in list(self._folders.values()):
            for path in folder.path.iterdir():
                path.unlink()
            if not folder.kept and self._random.random() < 0.5:
                folder.path.rmdir()
                del self._folders[folder.path]
                continue
            names = self._names_left(folder, self._loss(loss))
            files = {id(file): File(self._left(file, self._loss(loss))) for file in names.values()}
            folder.names = {name: files[id(file)] for name, file in names.items()}
            folder.durable, folder.changes, folder.kept = dict(folder.names), [], True
            for name, file in folder.names.items():
                (folder.path / name).write_bytes(file.durable)
                (folder.path / name).chmod(0o600)

    def _loss(self, worst: Loss) -> Loss:
        milder: dict[Loss, list[Loss]] = {
            "everything": ["everything"],
            "nothing": ["nothing"],
            "torn": ["everything", "nothing", "torn", "torn"],
            "reordered": ["everything", "nothing", "torn", "reordered", "reordered"],
        }
        return self._random.choice(milder[worst])

    def _names_left(self, folder: Folder, loss: Loss) -> dict[str, File]:
        names = dict(folder.durable)
        for (old, new), file in self._some(folder.changes, loss):
            if old is not None:
                names.pop(old, None)
            if new is not None:
                names[new] = file
        return names

    def _left(self, file: File, loss: Loss) -> bytes:
        changes: list[Change] = []
        for at, data in file.changes:
            cuts = sorted(self._random.choices(range(len(data)), k=self._random.randint(1, 5))) if data else []
            if data is None or loss in {"everything", "nothing"}:
                changes.append(Change(at, data))
            else:
                pieces = zip([0, *cuts], [*cuts, len(data)], strict=True)
                changes += [Change(at + start, data[start:end]) for start, end in pieces if start < end]
        left = content(File(file.durable, self._some(changes, loss)))
        if loss == "reordered" and self._random.random() < 0.3:  # a size can survive without the bytes
            longest = max((change.at + len(change.data or b"") for change in changes), default=0)
            left = left.ljust(self._random.randint(0, longest), b"\0")
        return left

    def _some(self, changes: list[T], loss: Loss) -> list[T]:
        if loss == "everything":
            return []
        if loss == "nothing":
            return changes
        if loss == "torn":
            return changes[: self._random.randint(0, len(changes))]
        return [change for change in changes if self._random.random() < 0.6]

    # Inside.

    def _folder(self, path: Path) -> Folder:
        if path not in self._folders:
            self._folders[path] = Folder(path, kept=False)
        return self._folders[path]

    def _call(self, act: Callable[[], T], *, changing: bool = True) -> T:
        if self.gone:
            raise Gone
        if not changing:
            return act()
        self.calls += 1
        fate = self.fates.pop(self.calls, None)
        if fate is None:
            return act()
        if isinstance(fate.what, int):
            raise OSError(fate.what, os.strerror(fate.what))
        if fate.what == "after":
            act()
        self.gone = True
        raise Gone


def content(file: File) -> bytes:
    """A file's bytes after all its changes."""
    left = file.durable
    for at, data in file.changes:
        left = left[:at].ljust(at, b"\0") + (b"" if data is None else data + left[at + len(data) :])
    return left
