"""Lines decided beside the log: an import that is recorded as a whole, or only tried."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import StorageFailed
from ledger.events import Recorded
from ledger.line import decode
from ledger.store import EventStore

KEEP_LINES = 16384


class DraftLines:
    """Lines that may become the log's next segment; they wait in a temporary database, so that memory is bounded."""

    def __init__(self, store: EventStore, first_seq: int) -> None:
        self._store = store
        self._first_seq = first_seq
        self._db = sqlite3.connect("", isolation_level=None)  # a file that SQLite makes for itself and removes
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("CREATE TABLE lines (place INTEGER PRIMARY KEY, order_id TEXT, line BLOB)")
        self._db.execute("CREATE INDEX of_order ON lines (order_id)")

    def append(self, order_ids: list[str], lines: list[bytes]) -> None:
        """Add complete lines, with the order of each; StorageFailed."""
        with _failures():
            self._db.execute("BEGIN")
            rows = zip(order_ids, lines, strict=True)
            self._db.executemany("INSERT INTO lines (order_id, line) VALUES (?, ?)", rows)
            self._db.execute("COMMIT")

    def lines_of(self, order_id: str) -> list[Recorded]:
        """Return the order's lines in this draft, oldest first."""
        rows = self._db.execute("SELECT line FROM lines WHERE order_id = ? ORDER BY place", (order_id,))
        return [decode(line[:-1]) for (line,) in rows]

    def keep(self) -> None:
        """Make the lines the log's next segment, whole and durable; under the lock. StorageFailed."""
        rows = self._db.execute("SELECT line FROM lines ORDER BY place")
        found = rows.fetchmany(KEEP_LINES)
        if not found:
            return
        draft = self._store.draft()
        try:
            while found:
                draft.append(b"".join(line for (line,) in found))
                found = rows.fetchmany(KEEP_LINES)
            self._store.adopt(draft, self._first_seq)
        finally:
            draft.close()

    def close(self) -> None:
        """Drop the lines; those that were kept are in the log."""
        self._db.close()


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageFailed(
            f"the lines cannot be kept aside: {error}", why="nothing was recorded", hint="give $TMPDIR more room"
        ) from error
