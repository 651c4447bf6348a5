"""Writing under the lock: orders as they stand, decisions made into lines, lines committed and their places indexed."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import accumulate

from ledger.decide import Decision
from ledger.draft import DraftLines
from ledger.errors import Locked
from ledger.events import Recorded
from ledger.index import Index, IndexFailed, Mismatch, lines_of
from ledger.order import Order, evolve, fold
from ledger.store import EventStore, Position, encode

KEPT_BYTES = 40 << 20
"""So many bytes of lines are a generation of orders in memory; there are two, what is older is read again if needed."""


class Writer:
    """The log's end and the orders as one writer knows them; good for as long as nobody else writes."""

    def __init__(self, store: EventStore, index: Index) -> None:
        self.warnings: list[str] = []
        self.now: datetime
        self._store = store
        self._index = index
        self._seq = 0
        self._end: Position | None = None
        self._recent: dict[str, Order] = {}
        self._older: dict[str, Order] = {}
        self._recent_bytes = 0
        self._chunk: list[bytes] = []
        self._chunk_orders: list[str] = []
        self._draft: DraftLines | None = None

    @contextmanager
    def lock(self, wait: float, now: Callable[[], datetime], lag: int = 0) -> Iterator[None]:
        """Be the only writer; begin where the log ends now. `lag`: bytes that may stay unindexed."""
        with self._store.lock(wait):
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
            finally:
                self.warnings += self._store.repaired
                self._store.repaired.clear()

    def expect(self, order_ids: Iterable[str]) -> None:
        """Learn which of these orders are new, all at once: one by one it costs more than deciding does."""
        if self._draft is None:
            unseen = [order_id for order_id in dict.fromkeys(order_ids) if order_id not in self._recent]
            unseen = [order_id for order_id in unseen if order_id not in self._older]
            for order_id in self._index.without_lines(unseen):
                self._recent[order_id] = Order(order_id)

    def order(self, order_id: str) -> Order:
        """Return the order as it stands after every line decided so far."""
        order = self._recent.get(order_id)
        if order is None:
            order = self._older.pop(order_id, None) or fold(order_id, self._lines_of(order_id))
            self._recent[order_id] = order
            self._recent_bytes += sum(len(encode(line)) for line in order.history)
        return order

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
        self._chunk.append(line)
        self._chunk_orders.append(order.order_id)
        return recorded

    def commit(self) -> None:
        """Write what was added at once, sync it and index it; after StorageFailed the log is as it was."""
        if self._chunk:
            chunk, order_ids, lengths = b"".join(self._chunk), self._chunk_orders, [len(line) for line in self._chunk]
            first = self._seq - len(self._chunk) + 1
            self._chunk, self._chunk_orders = [], []
            if self._draft is not None:
                self._draft.append(chunk, zip(order_ids, accumulate(lengths[:-1], initial=0), strict=True))
            else:
                start = self._store.append(chunk, first, self._seq)
                self._end = start + len(chunk)
                places = accumulate(lengths[:-1], initial=start)
                self._warn_of(lambda: self._index.extend(self._store, order_ids, places, start + len(chunk)))
            self._recent_bytes += len(chunk)
        if self._recent_bytes > KEPT_BYTES:
            self._older, self._recent, self._recent_bytes = self._recent, {}, 0

    def save_index(self, wait: float, now: Callable[[], datetime]) -> None:
        """Write what is gathered for the index; where somebody else is writing, the next writer catches up."""
        try:
            with self.lock(wait, now):
                self._warn_of(self._index.flush)
        except Locked:
            return

    @contextmanager
    def draft(self) -> Iterator[DraftLines]:
        """Commit beside the log for a while; what is not kept is dropped."""
        self._draft = DraftLines(self._store, self._seq + 1)
        try:
            yield self._draft
        finally:
            self._draft.close()
            self._draft = None
            self._forget()

    @property
    def crowded(self) -> bool:
        """Whether so much is in memory that it is time to commit."""
        return self._recent_bytes > KEPT_BYTES

    def _lines_of(self, order_id: str) -> list[Recorded]:
        try:
            lines = lines_of(self._store, self._index, order_id)
        except Mismatch:
            self._warn_of(lambda: self._index.rebuild(self._store))
            lines = lines_of(self._store, self._index, order_id)
        return lines if self._draft is None else lines + self._draft.lines_of(order_id)

    def _warn_of(self, write_index: Callable[[], None]) -> None:
        try:
            write_index()
        except IndexFailed as error:
            self.warnings.append(f"{error}; the events stand, reading is slower until it is made again")

    def _forget(self) -> None:
        self._end = None
        self._recent, self._older, self._recent_bytes = {}, {}, 0
        self._chunk, self._chunk_orders = [], []
