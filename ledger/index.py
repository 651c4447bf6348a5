"""The index: which lines of the log belong to an order.

It is derived: whatever does not fit the log is thrown away and made again from it, unless it shows that lines are gone.
It may lag behind the log, then the lines after its reach are searched. Only the lock's holder writes it; readers take
it as it is, or leave it.
"""

import os
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from zlib import crc32

import msgspec

from ledger import plain
from ledger.disk import REPAIR
from ledger.errors import UNREADABLE, Damaged
from ledger.events import Recorded
from ledger.line import check_crc, decode
from ledger.segments import Position, Snapshot, offset_of, position, segment_of
from ledger.store import EventStore

Covered = dict[int, tuple[int, int]]
"""Per segment's ordinal the bytes indexed and the CRC-32 of the last line of them."""

FOREIGN: Covered = {-1: (0, 0)}
FORMAT = 1
NO_INDEX = (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
"""What SQLite says of a file that is no database, or one without our tables."""

FLUSH_EVENTS = 400_000
LAG_BYTES = 1 << 20

_SCHEMA = f"""
CREATE TABLE lines (order_id TEXT, first INTEGER, positions BLOB, PRIMARY KEY (order_id, first)) WITHOUT ROWID;
CREATE TABLE covered (segment INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, crc INTEGER NOT NULL);
PRAGMA user_version = {FORMAT};
"""


class IndexFailed(Exception):
    """The index could not be written: the log stands, and the next writer catches up."""


class Mismatch(Exception):
    """The index named other lines than the order's versions 1, 2, 3 …: rebuild it, or search the log."""


class _Key(msgspec.Struct, gc=False):
    """The one field of an event that the index needs."""

    order_id: str


class _Line(msgspec.Struct, gc=False):
    """The fields of a line that the index needs."""

    seq: int
    event: _Key


_KNOWN = "SELECT DISTINCT order_id FROM json_each(?) JOIN lines ON order_id = value"
_BEGINNING = "SELECT DISTINCT order_id FROM lines WHERE order_id >= ? AND order_id < ? ORDER BY order_id LIMIT ?"
_LOOK_UP = "SELECT positions FROM lines WHERE order_id = ? ORDER BY first"
_LINE = msgspec.json.Decoder(_Line)


class Index:
    """The lines of every order up to `reach`, the position after the last line indexed.

    Each time the lock was taken, and before a reader asks, `catch_up` or `look` comes first. New lines are gathered in
    memory and written FLUSH_EVENTS at a time, or by `flush`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._snapshot = Snapshot(())
        self._stored: Covered = {}
        self._covered: Covered = {}
        self._lagging = True
        self.rebuilt = False
        self._pending: defaultdict[str, list[Position]] = defaultdict(list)
        self._count = 0
        self._flush_events = FLUSH_EVENTS

    @property
    def reach(self) -> Position:
        """The position after the last line indexed."""
        if not self._covered:
            return 0
        ordinal = max(self._covered)
        return position(ordinal, self._covered[ordinal][0])

    def look(self, store: EventStore) -> None:
        """Use the file as it is, if it fits the log; never write and take no lock."""
        self.close()
        self._snapshot = store.snapshot()
        try:
            plain.check_sqlite(self.path)
            self._db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            covered = self._read_covered()
        except (OSError, sqlite3.Error):
            covered = FOREIGN
        if _fits(covered, store, self._snapshot):
            self._covered = covered
        else:
            self.close()

    def check(self, store: EventStore) -> None:
        """Raise Damaged where the file has lines that the log has lost from its end; asked before that is mended."""
        try:
            plain.check_sqlite(self.path)
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                covered = _covered(db)
        except (OSError, sqlite3.Error):
            return  # there is none, or none that could tell
        if _is_cut(covered, store.sizes()):
            raise _shorter()

    def catch_up(self, store: EventStore, lag_bytes: int = 0) -> None:
        """Index the lines that are not yet, unless they are no more than `lag_bytes`; under the lock.

        Damaged when such a line is; IndexFailed when the file cannot be used or written.
        """
        snapshot = store.snapshot()
        if self._db is None and snapshot.bytes_after(0) < lag_bytes:
            self._snapshot = snapshot
            return
        try:
            self._follow(store, snapshot)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise IndexFailed(f"the index cannot be used: {error}") from error
        finally:
            self._snapshot = snapshot
        missing_bytes = snapshot.bytes_after(self.reach)
        self._lagging = 0 < missing_bytes <= lag_bytes
        if missing_bytes > lag_bytes:
            self._read(store)
            self.flush()

    def extend(self, store: EventStore, order_ids: list[str], places: Iterable[Position], end: Position) -> None:
        """Index a chunk just appended: the order of each line and where it begins; under the lock.

        `end` is the position after the chunk. An index that lags behind goes on lagging. IndexFailed.
        """
        try:
            if self._lagging:
                self._snapshot = store.snapshot()
                return
            pending = self._pending
            for order_id, at in zip(order_ids, places, strict=True):
                pending[order_id].append(at)
            self._count += len(order_ids)
            self._cover(store, end)
        except OSError as error:
            self._covered = {}  # begin anew from the file
            raise IndexFailed(f"the index could not be extended: {error}") from error
        if self._count >= self._flush_events:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; after IndexFailed it is still known here."""
        if failed := self._flushed():
            raise failed

    def rebuild(self, store: EventStore) -> None:
        """Throw the file away and make it again from the whole log; under the lock. Damaged, IndexFailed."""
        try:
            self._discard()
        except OSError as error:
            raise IndexFailed(f"the index cannot be thrown away: {error}") from error
        self.rebuilt = True
        self.catch_up(store)
        self.flush()

    def discard(self) -> None:
        """Throw the file away; it is made again when it is needed. Under the lock."""
        with suppress(OSError):
            self._discard()

    def positions(self, order_id: str) -> list[Position]:
        """Where the indexed lines of an order are, oldest first; Mismatch when the file cannot say."""
        found: list[Position] = []
        if self._db is not None:
            try:
                rows = self._db.execute(_LOOK_UP, (order_id,)).fetchall()
                found = [at for row in rows for (at,) in struct.iter_unpack(">q", row[0])]
            except (sqlite3.Error, struct.error, TypeError) as error:
                raise Mismatch(str(error)) from error
        return found + self._pending.get(order_id, [])

    @contextmanager
    def held(self) -> Iterator[None]:
        """Look orders up in one transaction, which is four times as fast; only as long as the lock is held.

        Another writer could not write the index meanwhile.
        """
        if self._db is not None:
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            if self._db is not None and self._db.in_transaction:
                with suppress(sqlite3.Error):  # it has only read
                    self._db.execute("COMMIT")

    def order_ids(self, store: EventStore, prefix: str, limit: int) -> list[str]:
        """Up to `limit` orders whose ids begin so, to complete what somebody types; an unreadable file knows none."""
        found = {
            order_id for _, line in self.lag(store) if (order_id := _parsed(line).event.order_id).startswith(prefix)
        }
        if self._db is not None:
            with suppress(sqlite3.Error):
                rows = self._db.execute(_BEGINNING, (prefix, prefix + "\U0010ffff", limit))
                found.update(order_id for (order_id,) in rows)
        return sorted(found)[:limit]

    def without_lines(self, order_ids: list[str]) -> list[str]:
        """Which of these orders have no line in the log; an index that lags behind knows of none. Mismatch."""
        if self._lagging:
            return []
        unknown = [order_id for order_id in order_ids if order_id not in self._pending]
        if self._db is None or not unknown:
            return unknown
        try:
            rows = self._db.execute(_KNOWN, (msgspec.json.encode(unknown).decode(),)).fetchall()
        except sqlite3.Error as error:
            raise Mismatch(str(error)) from error
        known = {order_id for (order_id,) in rows}
        return [order_id for order_id in unknown if order_id not in known]

    def lag(self, store: EventStore) -> Iterator[tuple[Position, bytes]]:
        """The lines after the reach, as `catch_up` or `look` found the log, each checked against its CRC; Damaged."""
        if self.lag_bytes > 0:
            for at, line in store.lines(self.reach, self._snapshot):
                check_crc(line)
                yield at, line

    @property
    def lag_bytes(self) -> int:
        """How much of the log, as `catch_up` or `look` found it, is not indexed."""
        return self._snapshot.bytes_after(self.reach)

    def close(self) -> None:
        """Let the file go, and what was gathered but not written."""
        if self._db is not None:
            self._db.close()
            self._db = None
        self._stored = {}
        self._begin({})

    def _begin(self, covered: Covered) -> None:
        """Start from what the file covers, with nothing gathered."""
        self._covered = covered
        self._pending = defaultdict(list)
        self._count = 0
        self._flush_events = FLUSH_EVENTS
        self._lagging = True

    def _follow(self, store: EventStore, snapshot: Snapshot) -> None:
        """Open the file, or see whether another writer has written it since; begin anew when it does not fit."""
        try:
            if self._db is None:
                self._open()
            stored = self._read_covered()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in NO_INDEX:
                raise
            stored = FOREIGN
        if stored != self._stored or not self._covered:
            self._stored = stored
            self._begin(dict(stored))
        if not _fits(self._covered, store, snapshot):
            if _is_cut(self._covered, [file.size for file in snapshot.files]):
                raise _shorter()
            self._discard()
            self._open()

    def _open(self) -> None:
        """Open the file for writing; a new one is empty and private."""
        plain.check_sqlite(self.path)
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        self._db = sqlite3.connect(self.path, isolation_level=None)
        self._db.execute("PRAGMA cache_size = -16384")
        if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            self._db.executescript(_SCHEMA)

    def _read_covered(self) -> Covered:
        assert self._db is not None
        return _covered(self._db)

    def _discard(self) -> None:
        """Throw the file away."""
        self.close()
        for path in (self.path, self.path.with_name(self.path.name + "-journal")):
            path.unlink(missing_ok=True)

    def _read(self, store: EventStore) -> None:
        """Index every line after the reach."""
        failed = None
        due = None
        for ordinal in range(segment_of(self.reach), len(self._snapshot.files)):
            for at, line in store.lines(max(self.reach, position(ordinal, 0)), self._snapshot.until(ordinal)):
                found = _parsed(line)
                due = self._snapshot.files[ordinal].first_seq if at == position(ordinal, 0) else due
                if found.seq != (due or found.seq):
                    raise Damaged(
                        f"the log has seq {found.seq} where {due} is due", why="lines are missing", hint=REPAIR
                    )
                due = found.seq + 1
                self._pending[found.event.order_id].append(at)
                self._count += 1
                if self._count >= self._flush_events:
                    self._cover(store, at + len(line) + 1)
                    failed = self._flushed() or failed
            self._cover(store, position(ordinal, self._snapshot.files[ordinal].size))
        if failed:
            raise failed

    def _flushed(self) -> IndexFailed | None:
        """Write what was gathered and say what went wrong; what was not written is tried again, but later each time."""
        try:
            if self._pending:
                self._write()
        except (OSError, sqlite3.Error) as error:
            self._flush_events *= 2
            return IndexFailed(f"the index was not written: {error}")
        return None

    def _cover(self, store: EventStore, end: Position) -> None:
        """Note that every line of the segment before `end` is indexed."""
        self._covered[segment_of(end)] = (offset_of(end), crc32(store.line_before(end)))

    def _write(self) -> None:
        """Write what was gathered in one transaction."""
        db = self._db
        assert db is not None  # lines are gathered only beside an open file
        gathered = sorted(self._pending.items())
        lines = ((order_id, found[0], struct.pack(f">{len(found)}q", *found)) for order_id, found in gathered)
        covered = [(ordinal, *of) for ordinal, of in self._covered.items() if self._stored.get(ordinal) != of]
        if db.in_transaction:
            db.execute("COMMIT")
        db.execute("BEGIN IMMEDIATE")
        try:
            db.executemany("INSERT INTO lines VALUES (?, ?, ?)", lines)
            db.executemany("INSERT OR REPLACE INTO covered VALUES (?, ?, ?)", covered)
            db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise
        self._stored = dict(self._covered)
        self._pending = defaultdict(list)
        self._count = 0


def _parsed(line: bytes) -> _Line:
    """What the index needs of a line; Damaged when the line is."""
    check_crc(line)
    try:
        return _LINE.decode(line)
    except UNREADABLE as error:
        raise Damaged("a line of the log is damaged", why=str(error), hint=REPAIR) from error


def _covered(db: sqlite3.Connection) -> Covered:
    """What a file covers, as it says itself."""
    if db.execute("PRAGMA user_version").fetchone() != (FORMAT,):
        return FOREIGN
    rows = db.execute("SELECT segment, bytes, crc FROM covered ORDER BY segment").fetchall()
    return {ordinal: (size, crc) for ordinal, size, crc in rows}


def _shorter() -> Damaged:
    return Damaged(
        "the log is shorter than it was: events are missing from its end",
        why="the index has their places",
        hint="bring the segments back from a backup; if it is meant to be so, run `orderledger rebuild`",
    )


def _is_cut(covered: Covered, sizes: Sequence[int]) -> bool:
    """Whether lines were indexed that a log whose segments are of these sizes does not have any more at its end."""
    newest = max(covered, default=-1)
    return newest >= 0 and (newest >= len(sizes) or covered[newest][0] > sizes[newest])


def _fits(covered: Covered, store: EventStore, snapshot: Snapshot) -> bool:
    """Whether the log is still what was indexed: the segments' sizes, and the last line of the newest one indexed."""
    if not covered:
        return True
    newest = len(covered) - 1
    if list(covered) != list(range(newest + 1)) or newest >= len(snapshot.files):
        return False
    if any(covered[ordinal][0] != snapshot.files[ordinal].size for ordinal in range(newest)):
        return False
    size, crc = covered[newest]
    try:
        return 0 < size <= snapshot.files[newest].size and crc32(store.line_before(position(newest, size))) == crc
    except Damaged:
        return False


def lines_of(store: EventStore, index: Index | None, order_id: str) -> list[Recorded]:
    """An order's lines in version order; empty when it is unknown. Without an index the whole log is searched.

    Mismatch when the index does not lead to versions 1, 2, 3 …; Damaged when it was rebuilt before or there is none.
    """
    try:
        found = [decode(store.read_line(at)) for at in index.positions(order_id)] if index else []
        needle = _needle(order_id)
        found += [decode(line) for _, line in (index.lag(store) if index else store.lines()) if needle in line]
        if any(line.event.order_id != order_id or line.version != n for n, line in enumerate(found, 1)):
            why = "they are not versions 1, 2, 3 … of it"
            raise Damaged(f"order {order_id}: lines are missing from the log", why=why, hint=REPAIR)
    except Damaged as error:
        if index is None or index.rebuilt:
            raise
        raise Mismatch(str(error)) from error
    return found


def lines_before_damage(store: EventStore, order_id: str) -> list[Recorded]:
    """An order's lines in version order, up to the first that is damaged or missing; the whole log is searched."""
    found: list[Recorded] = []
    needle = _needle(order_id)
    with suppress(Damaged):
        for _, line in store.lines():
            if needle in line and (recorded := decode(line)).version == len(found) + 1:
                found.append(recorded)
    return found


def _needle(order_id: str) -> bytes:
    """The bytes that every line of an order has."""
    return b'"order_id":' + msgspec.json.encode(order_id)
