"""Where the lines of every order are, gathered anew from the log, to look orders up and to try the index against.

Unlike the index it is made beside a log that may be damaged, and goes with the process.
"""

import os
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from zlib import crc32

import msgspec

from ledger import plain
from ledger.disk import LogFile, line_before
from ledger.errors import Damaged, StorageFailed
from ledger.findings import Told
from ledger.index import FLUSH_EVENTS, FORMAT, NO_INDEX
from ledger.segments import Position, position

Rows = Iterator[tuple[str, list[Position]]]

_KNOWN = "SELECT DISTINCT order_id FROM json_each(?) JOIN lines ON order_id = value"
_ALL = "SELECT order_id, positions FROM lines ORDER BY order_id, first"


class Places:
    """The positions of every order's lines; most of them in a temporary database, so that memory is bounded."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a file that SQLite makes for itself and removes
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute(
            "CREATE TABLE lines (order_id TEXT, first INTEGER, positions BLOB, PRIMARY KEY (order_id, first))"
            " WITHOUT ROWID"
        )
        self._gathered: defaultdict[str, list[Position]] = defaultdict(list)
        self._count = 0

    def add(self, order_id: str, at: Position) -> None:
        """Add the log's next line: its order, and where it begins."""
        self._gathered[order_id].append(at)
        self._count += 1
        if self._count >= FLUSH_EVENTS:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; StorageFailed where there is no room for it."""
        gathered = sorted(self._gathered.items())
        rows = ((order_id, found[0], struct.pack(f">{len(found)}q", *found)) for order_id, found in gathered)
        try:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StorageFailed(
                f"the places of lines cannot be kept aside: {error}",
                why="the ledger itself is as it was",
                hint="give $TMPDIR more room",
            ) from error
        self._gathered.clear()
        self._count = 0

    def of(self, order_id: str) -> list[Position]:
        """Where the order's lines are, oldest first."""
        rows = self._db.execute("SELECT positions FROM lines WHERE order_id = ? ORDER BY first", (order_id,))
        found = [at for (packed,) in rows for (at,) in struct.iter_unpack(">q", packed)]
        return found + self._gathered.get(order_id, [])

    def known(self, order_ids: list[str]) -> set[str]:
        """Which of these orders have a line; all at once, because one by one it costs more than deciding does."""
        rows = self._db.execute(_KNOWN, (msgspec.json.encode(order_ids).decode(),))
        return {order_id for (order_id,) in rows} | {one for one in order_ids if one in self._gathered}

    def close(self) -> None:
        """Drop everything."""
        self._db.close()

    def differences(
        self, index: Path, files: Sequence[LogFile], sizes_now: Callable[[], Sequence[int]]
    ) -> Iterator[Told]:
        """What an index has otherwise, as far as it covers the log; one that lags behind, or is not there, is well.

        Lines that it has and the log has not are told of the log.

        `files` is the log as it was gathered; a writer may have gone on since: `sizes_now` tells how long it is by now.
        """
        if not os.path.lexists(index):
            return
        self.flush()
        try:
            plain.check_sqlite(index)
            with closing(sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True)) as db:
                yield from self._differences(db, files, sizes_now)
        except (OSError, struct.error, TypeError, ValueError) as error:
            yield Told("index", f"it cannot be read: {error}")
        except sqlite3.Error as error:
            # Somebody may be writing it, or was killed while he did: who uses it next sees to that.
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in NO_INDEX:
                yield Told("index", f"it cannot be read: {error}")

    def _differences(
        self, db: sqlite3.Connection, files: Sequence[LogFile], sizes_now: Callable[[], Sequence[int]]
    ) -> Iterator[Told]:
        db.execute("BEGIN")
        if db.execute("PRAGMA user_version").fetchone() != (FORMAT,):
            yield Told("index", "it is of another format")
            return
        covered = db.execute("SELECT segment, bytes, crc FROM covered ORDER BY segment").fetchall()
        reach, sizes = 0, sizes_now()
        for due, (ordinal, size, crc) in enumerate(covered):
            if ordinal != due or size <= 0:
                yield Told("index", f"it covers {size} bytes of segment {ordinal + 1}")
                return
            if due >= len(sizes) or size > sizes[due]:
                yield Told("segments", "the log is shorter than its index knew it: events are missing from its end")
                return
            if due < len(files):
                file = files[due]
                if size <= file.size and _last_crc(file, size) != crc:
                    yield Told("index", f"{file.path.name} has another line before byte {size} than it was made from")
                    return
                reach = position(due, min(size, file.size))
        yield from (Told("index", one) for one in _compared(_rows(db, reach), _rows(self._db, reach)))


def _last_crc(file: LogFile, size: int) -> int | None:
    """The CRC-32 of the line that ends there."""
    with suppress(Damaged), file.path.open("rb") as stream:
        return crc32(line_before(stream.fileno(), size, file.path))
    return None


def _rows(db: sqlite3.Connection, reach: Position) -> Rows:
    """Every order with its positions before `reach`, by its id."""
    for order_id, rows in groupby(db.execute(_ALL), itemgetter(0)):
        found = [at for _, packed in rows for (at,) in struct.iter_unpack(">q", packed)]
        if found and found[-1] >= reach:
            found = [at for at in found if at < reach]
        if found:
            yield order_id, found


def _compared(theirs: Rows, ours: Rows) -> Iterator[str]:
    """What is told of each order that differs."""
    their, our = next(theirs, None), next(ours, None)
    while their or our:
        if their == our:
            their, our = next(theirs, None), next(ours, None)
        elif our is None or (their is not None and their[0] < our[0]):
            assert their is not None  # one of them is there
            yield f"order {their[0]}: it names {len(their[1])} lines, the log has none"
            their = next(theirs, None)
        elif their is None or our[0] < their[0]:
            yield f"order {our[0]}: it names none of {len(our[1])} lines"
            our = next(ours, None)
        else:
            yield f"order {our[0]}: it names other lines than the {len(our[1])} that there are"
            their, our = next(theirs, None), next(ours, None)
