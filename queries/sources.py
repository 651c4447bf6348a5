"""The files that a question reads of a ledger, and where they end when its log is damaged.

The sealed segments are read where they are, or from their columnar copies; of the newest one, which may grow meanwhile,
the complete lines are copied.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from ledger.disk import LogFile
from ledger.errors import Damaged
from ledger.segments import Damage, Snapshot
from ledger.shipment import Shipment, digest
from ledger.shipment import Shipped as ShippedFile
from queries import columnar, sandbox
from queries.columnar import Copies
from queries.log import Part

if TYPE_CHECKING:
    from queries.places import Place

_COPY_BYTES = 1024 * 1024


class Source:
    """A ledger's log as it is at one moment.

    `name` is what its orders bear where several ledgers are read together, `ledger` the ledger's id, `events` how many
    it has to have (None: as many as there are), `cache` the folder of its columnar copies, None for none.
    `first_damage` finds the first bad line when the log cannot be read; without it that is Damaged, and so is a log
    whose damage it does not find. `damage` is set once an answer ends before a damaged line.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        name: str = "",
        ledger: str = "",
        events: int | None = None,
        cache: Path | None = None,
        first_damage: Callable[[], Damage | None] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.cache = cache
        self.damage = snapshot.damage
        self.copies: Copies = {}
        self.name = name
        self.ledger = ledger
        self.events = events
        self._first_damage = first_damage
        self._part = Part(name, (), ())

    def files(self, private: Path, *, memory: str, timeout: float | None) -> Part:
        """The files to be read; copies that are missing are made, as far as that can be."""
        copies: Copies = {}
        if self.cache is not None:
            copies = columnar.complete(
                self.cache, self.snapshot, spill=private / "spill", memory=memory, timeout=timeout
            )
        lines = [sandbox.plain_path(file.path, private) for file in self.snapshot.sealed if file not in copies]
        lines += [_copy(file, private) for file in self.snapshot.files[-1:] if file.size]
        self.copies = copies
        self._part = Part(self.name, lines, [sandbox.plain_path(copy, private) for copy in copies.values()])
        return self._part

    def end_before(self, error: duckdb.Error) -> bool:
        """Whether an error is about these files; then they are others from now on, such as can be read, or Damaged."""
        if any(str(path) in str(error) for path in self._part.copies):
            self.cache = None  # a copy cannot be read although its bytes are those that were written
            return True
        unreadable = isinstance(error, duckdb.InvalidInputException | duckdb.IOException)
        if not unreadable or not any(str(path) in str(error) for path in self._part.lines):
            return False
        hint = "`orderledger repair` moves a damaged end of the log away"
        found = self._first_damage() if self._first_damage else None
        if found is None:
            raise Damaged("the log cannot be read", why=sandbox.one_line(error), hint=hint) from error
        where = f" of {self.name}" if self.name else ""
        what = f"the log{where} is damaged: {found.file.path.name}, line {found.line} (seq {found.seq})"
        self.damage = Damaged(what, why=f"{found.problem}; the answer is from what comes before it", hint=hint)
        self.snapshot = Snapshot((*self.snapshot.files[: found.ordinal], found.file))
        return True


class Shipped(Source):
    """A ledger that was shipped to a place: its columnar copies, and the lines of what has none.

    They are fetched to `kept`, the folder where what was fetched before still is, and held against their SHA-256.
    """

    def __init__(self, place: "Place", shipment: Shipment, *, name: str = "", kept: Path) -> None:
        super().__init__(Snapshot(()), name=name, ledger=shipment.ledger, events=shipment.events)
        self._place = place
        self._shipment = shipment
        self._kept = kept

    def files(self, private: Path, *, memory: str, timeout: float | None) -> Part:
        """The files to be read."""
        lines, columns = (
            [sandbox.plain_path(self._fetched(file), private) for file in files] for files in self.listed()
        )
        self._part = Part(self.name, lines, columns)
        return self._part

    def listed(self) -> tuple[list[ShippedFile], list[ShippedFile]]:
        """The lines of what has no columnar copy, and the copies, each in the order of the log."""
        columns = [file for file in self._shipment.files if file.kind == "columns"]
        copied = {file.first_seq for file in columns}
        lines = [file for file in self._shipment.files if file.kind == "lines" and file.first_seq not in copied]
        return lines, columns

    def url(self, file: ShippedFile) -> str:
        """Where a file is, for another program."""
        return self._place.url_of(file)

    def end_before(self, error: duckdb.Error) -> bool:
        """False where an error is not about these files; else Damaged, for there are no others."""
        if not any(str(path) in str(error) for path in (*self._part.lines, *self._part.copies)):
            return False
        raise Damaged(
            f"what was shipped to {self._place.url} cannot be read",
            why=sandbox.one_line(error),
            hint="`orderledger verify` looks at the ledger that it came from",
        ) from error

    def _fetched(self, file: ShippedFile) -> Path:
        path = self._kept / f"{file.sha256}{Path(file.name).suffix}"
        if not _has(path, file.sha256):
            self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(dir=self._kept)
            os.close(fd)
            try:
                self._place.fetch(file, Path(name))
                Path(name).rename(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        return path


def _has(path: Path, sha256: str) -> bool:
    """Whether there is a file with these bytes."""
    try:
        return digest(path, path.stat().st_size) == sha256
    except OSError:
        return False


def _copy(file: LogFile, private: Path) -> Path:
    """A private copy of a segment's bytes that count."""
    fd, name = tempfile.mkstemp(suffix=file.path.suffix, dir=private)
    left = file.size
    with file.path.open("rb") as source, os.fdopen(fd, "wb") as target:
        while left and (chunk := source.read(min(left, _COPY_BYTES))):
            target.write(chunk)
            left -= len(chunk)
    return Path(name)
