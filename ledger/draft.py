"""Lines decided beside the log: an import that is recorded as a whole, or only tried."""

import sqlite3
from collections.abc import Iterable

from ledger.events import Recorded
from ledger.store import EventStore, decode


class DraftLines:
    """The lines of a draft segment, found by their order; their places are in a temporary database on disk."""

    def __init__(self, store: EventStore, first_seq: int) -> None:
        self._store = store
        self._first_seq = first_seq
        self._file = store.draft()
        self._places = sqlite3.connect("", isolation_level=None)
        self._places.execute(
            "CREATE TABLE places (order_id TEXT, at INTEGER, PRIMARY KEY (order_id, at)) WITHOUT ROWID"
        )

    def append(self, chunk: bytes, places: Iterable[tuple[str, int]]) -> None:
        """Add complete lines; `places` has the order of each and its byte offset in the chunk."""
        start = self._file.append(chunk)
        rows = ((order_id, start + offset) for order_id, offset in places)
        self._places.execute("BEGIN")
        self._places.executemany("INSERT INTO places VALUES (?, ?)", rows)
        self._places.execute("COMMIT")

    def lines_of(self, order_id: str) -> list[Recorded]:
        """Return the order's lines in this draft, oldest first."""
        rows = self._places.execute("SELECT at FROM places WHERE order_id = ? ORDER BY at", (order_id,))
        return [decode(self._file.read_line(at)) for (at,) in rows]

    def keep(self) -> None:
        """Make the draft the log's next segment, whole and durable; StorageFailed."""
        if self._file.size:
            self._store.adopt(self._file, self._first_seq)

    def close(self) -> None:
        """Drop the lines, unless they were kept."""
        self._places.close()
        self._file.close()
