"""Writing under the lock: orders as they stand, decisions made into lines, lines committed and their places indexed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate
from typing import Never, TypeVar

from msgspec.structs import replace

from ledger.decide import Decision
from ledger.draft import DraftLines
from ledger.errors import Locked, StorageFailed
from ledger.events import Recorded
from ledger.index import LAG_BYTES, Index, IndexFailed, Mismatch, lines_of
from ledger.kept import Kept
from ledger.line import encode
from ledger.order import Order, evolve, fold
from ledger.segments import Position, segment_of
from ledger.store import EventStore

T = TypeVar("T")


class Writer:
    """The log's end and the orders as one writer knows them; good for as long as nobody else writes."""

    def __init__(self, store: EventStore, index: Index, warnings: list[str]) -> None:
        self.now: datetime
        self._store = store
        self._index = index
        self._warnings = warnings
        self._seq = 0
        self._end: Position | None = None
        self._kept = Kept[Never]()
        self._chunk: list[bytes] = []
        self._chunk_orders: list[str] = []
        self._draft: DraftLines | None = None

    @contextmanager
    def lock(self, wait: float, now: Callable[[], datetime], lag: int = 0) -> Iterator[None]:
        """Be the only writer; begin where the log ends now. `lag`: bytes that may stay unindexed."""
        with self._store.lock(wait), self._told_what_was_mended():
            if self._end is None:
                self._index.check(self._store)
            end = self._store.ready()
            if end.position != self._end:
                self._forget()
                self._warn_of(lambda: self._index.catch_up(self._store, lag))
            self._seq, self._end = end.seq, end.position
            present = now()
            self.now = present if end.recorded_at is None else max(present, end.recorded_at)
            try:
                with self._index.held():
                    yield
            except BaseException:
                self._forget()
                raise

    @contextmanager
    def _told_what_was_mended(self) -> Iterator[None]:
        try:
            yield
        finally:
            self._warnings += self._store.repaired
            self._store.repaired.clear()

    def expect(self, order_ids: Iterable[str]) -> None:
        """Learn which of these orders are new, all at once: one by one it costs more than deciding does."""
        if self._draft is None:
            kept = self._kept
            unseen = [one for one in dict.fromkeys(order_ids) if one not in kept]
            for order_id in self._sure(lambda: self._index.without_lines(unseen)):
                kept.put(order_id, Order(order_id))

    def order(self, order_id: str) -> Order:
        """Return the order as it stands after every line decided so far; some of its lines may be unread."""
        kept = self._kept
        order = kept.recent.get(order_id) or kept.recall(order_id)
        if order is None:
            lines = self._lines_of(order_id)
            order = fold(order_id, lines)
            order.lines = [*_encoded(lines)]  # which take a third of the room
            kept.put(order_id, order)
        return order

    def read_lines(self, order: Order) -> None:
        """Read the lines of an order that are unread."""
        if order.unread:
            self._kept.restore(order, _encoded(self._lines_of(order.order_id)[: order.unread]))

    def add(self, order: Order, decision: Decision) -> Recorded:
        """Make the decision the order's next line; `commit` writes it."""
        self._seq += 1
        recorded = Recorded(
            seq=self._seq,
            version=order.version + 1,
            recorded_at=self.now,
            status=decision.status,
            odd=decision.odd,
            effective_at=decision.effective_at,
            event=decision.event,
        )
        evolve(order, recorded)
        line = encode(recorded)
        order.lines[-1] = line  # as bytes it takes a third of the room
        self._chunk.append(line)
        self._chunk_orders.append(order.order_id)
        return recorded

    def commit(self) -> None:
        """Write what was added at once, sync it and index it; after StorageFailed the log is as it was."""
        lines, order_ids = self._chunk, self._chunk_orders
        if lines:
            self._chunk, self._chunk_orders = [], []
            if self._draft is not None:
                self._draft.append(order_ids, lines)
            else:
                self._append(lines, order_ids)
            self._kept.bytes += sum(map(len, lines))
        self._kept.turn()

    def _append(self, lines: list[bytes], order_ids: list[str]) -> None:
        chunk = b"".join(lines)
        start = self._store.append(chunk, self._seq - len(lines) + 1, self._seq)
        self._end = end = start + len(chunk)
        places = accumulate(map(len, lines[:-1]), initial=start)
        if not self._warn_of(lambda: self._index.extend(self._store, order_ids, places, end)):
            self._end = None  # the next batch brings the index up to date first

    def save_index(self, wait: float, now: Callable[[], datetime]) -> None:
        """Write what is gathered for the index; where somebody else is writing, the next writer catches up."""
        try:
            with self.lock(wait, now):
                self._warn_of(self._index.flush)
        except Locked:
            return
        except (StorageFailed, OSError) as error:
            self._warnings.append(f"the index was not saved: {error}; the events stand".replace("\n", ": "))

    @contextmanager
    def draft(self, wait: float, now: Callable[[], datetime], *, keep: bool) -> Iterator[DraftLines]:
        """Commit beside the log for a while: under the lock if it is to be kept, else without touching the log."""
        with self.lock(wait, now) if keep else self._looking(wait, now):
            self._draft = DraftLines(self._store, self._seq + 1)
            try:
                yield self._draft
            finally:
                self._draft.close()
                self._draft = None
                self._forget()

    @contextmanager
    def _looking(self, wait: float, now: Callable[[], datetime]) -> Iterator[None]:
        """See the log as it is. Only where much of it is not indexed, that is done first, under the lock."""
        self._index.look(self._store)
        if self._index.lag_bytes > LAG_BYTES:
            with self._store.lock(wait), self._told_what_was_mended():
                self._index.check(self._store)
                self._store.ready()  # what is indexed has to be on the disk
                self._warn_of(lambda: self._index.catch_up(self._store))
            self._index.look(self._store)
        end = self._store.end()
        self._seq = end.seq
        self.now = now() if end.recorded_at is None else max(now(), end.recorded_at)
        try:
            yield
        finally:
            self._index.close()

    @property
    def segment(self) -> int:
        """The ordinal of the segment that it wrote to last; those before it do not grow any more."""
        return segment_of(self._end or 0)

    @property
    def crowded(self) -> bool:
        """Whether so much is in memory that it is time to commit."""
        return self._kept.crowded

    def _lines_of(self, order_id: str) -> list[Recorded]:
        lines = self._sure(lambda: lines_of(self._store, self._index, order_id))
        return lines if self._draft is None else lines + self._draft.lines_of(order_id)

    def _sure(self, ask: Callable[[], T]) -> T:
        """Ask the index; if it does not fit the log, make it again and ask once more."""
        try:
            return ask()
        except Mismatch:
            self._warn_of(lambda: self._index.rebuild(self._store))
            return ask()

    def _warn_of(self, write_index: Callable[[], None]) -> bool:
        """Say whether the index was written; where it was not, that is a warning, for the events stand."""
        try:
            write_index()
        except IndexFailed as error:
            self._warnings.append(f"{error}; the events stand, reading is slower until it is made again")
            return False
        return True

    def _forget(self) -> None:
        self._end = None
        self._kept = Kept()
        self._chunk, self._chunk_orders = [], []


def _encoded(lines: Iterable[Recorded]) -> list[bytes]:
    """The bytes of lines."""
    return [encode(replace(line, crc="")) for line in lines]
