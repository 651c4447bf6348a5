"""Importing: many facts decided and appended in batches, each line answered for."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from ledger.decide import Decision, decide, refuse_odd
from ledger.errors import Malformed, Refused
from ledger.events import Fact, Placed, Recorded
from ledger.formats.facts import Reject, original, parse, parse_all
from ledger.order import Order, Unread
from ledger.policy import Policy
from ledger.retold import retold
from ledger.writer import Writer

BATCH_LINES = 16384
"""So many lines, or so many bytes of them, are decided under one lock, written at once and synced once."""
BATCH_BYTES = 16 << 20

BLOCK_LINES = 512
"""So many lines are parsed at once: few enough to stay in the processor's cache until they are decided."""


class Line(Struct, frozen=True, gc=False):
    """One line of input: where it stands (counted from 1, blank lines included), and its bytes.

    Of a foreign file it is one fact that a record tells, or the record itself and the `problem` with it.
    """

    name: str
    number: int
    text: bytes
    foreign: bool = False
    problem: str = ""


class Summary(Struct):
    """What became of the lines so far: read = recorded + duplicates + refused; odd ones are among the recorded."""

    read: int = 0
    recorded: int = 0
    duplicates: int = 0
    odd: int = 0
    refused: int = 0


class Import:
    """One import: the batches, and what is counted."""

    def __init__(
        self,
        writer: Writer,
        policy: Policy,
        *,
        now: Callable[[], datetime],
        reject: Callable[[Reject], None],
        strict: bool,
        progress: Callable[[Summary], None] | None,
        stop: Callable[[], bool],
    ) -> None:
        self._writer = writer
        self._policy = policy
        self._now = now
        self._reject = reject
        self._strict = strict
        self._progress = progress
        self._stop = stop
        self._summary = Summary()

    def run(self, lines: Iterable[Line | None], *, wait: float) -> Summary:
        """Record batch after batch, one also where None says that the input pauses; what is counted is on disk."""
        for batch in _batches(lines):
            with self._writer.lock(wait, self._now):
                self._commit(batch)
            if self._stop():
                break
        self._writer.save_index(wait, self._now)
        return self._summary

    def run_at_once(self, lines: Iterable[Line | None], *, wait: float, keep: bool) -> Summary:
        """Decide everything beside the log, and add it as one segment if it is kept and nothing was refused."""
        kept = False
        try:
            with self._writer.draft(wait, self._now, keep=keep) as draft:
                for batch in _batches(lines):
                    self._commit(batch)
                    if self._stop():
                        break
                if keep and not self._summary.refused and not self._stop():
                    draft.keep()
                    kept = True
        finally:
            if keep and not kept:
                self._summary.recorded = self._summary.odd = 0
        if kept:
            self._writer.save_index(wait, self._now)
        return self._summary

    def _commit(self, batch: list[Line]) -> None:
        """Decide, write and count a batch: at once, unless its orders are too long to be kept in memory together."""
        blocks = [batch[start : start + BLOCK_LINES] for start in range(0, len(batch), BLOCK_LINES)]
        while blocks:
            counted = Summary()
            rejects: list[Reject] = []
            while blocks and not (counted.read and self._writer.crowded):
                self._decide(blocks.pop(0), counted, rejects)
            self._writer.commit()
            self._count(counted, rejects)

    def _decide(self, block: list[Line], counted: Summary, rejects: list[Reject]) -> None:
        policy, now = self._policy, self._writer.now
        order_of, add = self._writer.order, self._writer.add
        counted.read += len(block)
        for line, known in self._parsed(block):
            try:
                fact = known or _fact_of(line)
                order = order_of(fact.order_id)
                try:
                    decision = _decided(line, order, fact, policy, now)
                except Unread:
                    self._writer.read_lines(order)
                    decision = _decided(line, order, fact, policy, now)
                if isinstance(decision, Recorded):
                    counted.duplicates += 1
                    continue
                if decision.odd:
                    if self._strict:
                        refuse_odd(fact, decision.odd, hint="without --strict it is recorded, with its flag")
                    counted.odd += 1
                add(order, decision)
            except Refused as refused:
                rejects.append(_reject(line, refused))
        counted.refused = len(rejects)
        counted.recorded = counted.read - counted.duplicates - counted.refused

    def _parsed(self, block: list[Line]) -> Iterable[tuple[Line, Fact | None]]:
        """Return each line with its fact, or None where it has to be parsed alone to say what is wrong with it."""
        facts = None if any(line.problem for line in block) else parse_all([line.text for line in block])
        if facts is None:
            return [(line, None) for line in block]
        self._writer.expect(fact.order_id for fact in facts if type(fact) is Placed)
        return zip(block, facts, strict=True)

    def _count(self, counted: Summary, rejects: list[Reject]) -> None:
        for name in counted.__struct_fields__:
            setattr(self._summary, name, getattr(self._summary, name) + getattr(counted, name))
        for reject in rejects:
            self._reject(reject)
        if self._progress is not None:
            self._progress(self._summary)


def _batches(lines: Iterable[Line | None]) -> Iterator[list[Line]]:
    batch: list[Line] = []
    room = BATCH_BYTES
    for line in lines:
        if line is not None:
            batch.append(line)
            room -= len(line.text)
            if room > 0 and len(batch) < BATCH_LINES:
                continue
        if batch:
            yield batch
            batch, room = [], BATCH_BYTES
    if batch:
        yield batch


def _fact_of(line: Line) -> Fact:
    if line.problem:
        raise Malformed(line.problem)
    return parse(line.text)


def _decided(line: Line, order: Order, fact: Fact, policy: Policy, now: datetime) -> Decision | Recorded:
    return (retold(order, fact) if line.foreign else None) or decide(order, fact, policy, now)


def _reject(line: Line, refused: Refused) -> Reject:
    reason = "; ".join(part for part in (refused.what, refused.why, refused.hint) if part)
    told = original(line.text)
    try:
        return Reject(line.name, line.number, refused.rule, reason, text=told.decode("utf-8"))
    except UnicodeDecodeError:
        return Reject(line.name, line.number, refused.rule, reason, raw=told)
