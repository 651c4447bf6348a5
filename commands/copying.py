"""Columnar copies as a by-product of an import: made on another core while the import goes on."""

import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ledger.errors import LedgerError
from ledger.segments import Snapshot
from ledger.store import EventStore

if TYPE_CHECKING:
    from ledger.book import Ledger

MEMORY = "128MiB"
"""What copying a segment of the usual size takes, so that an import stays within its own bounds."""


class Copying:
    """Copies the segments that an import seals; the import waits for the last of them, unless it is `stopped`.

    It is nobody's error where that does not succeed: the first question makes what is missing.
    """

    def __init__(self, ledger: "Ledger", stopped: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._stopped = stopped
        self._first = self._copied = 0
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        with suppress(LedgerError, OSError):  # the import tells what is wrong
            self._first = self._copied = max(0, len(self._ledger.store.sizes()) - 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait()
        if kind is None and not self._stopped():
            self.go_on()
            self._wait()

    def go_on(self) -> None:
        """Start copying, if segments were sealed and nobody is at it."""
        sealed = self._ledger.sealed_segments
        if sealed > self._copied and (self._thread is None or not self._thread.is_alive()):
            self._copied = sealed
            self._thread = threading.Thread(target=self._copy, daemon=True)
            self._thread.start()

    def _wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _copy(self) -> None:
        import duckdb

        from queries import columnar

        path = self._ledger.path
        with suppress(OSError, LedgerError, duckdb.Error), tempfile.TemporaryDirectory(prefix="orderledger-") as folder:
            files = EventStore(path).snapshot().files[self._first :]
            columnar.complete(
                path / "cache",
                Snapshot(files),
                spill=Path(folder),
                memory=MEMORY,
                threads=1,
                stop=self._stopped,
            )
