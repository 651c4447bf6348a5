"""`orderledger log`: the events themselves, oldest first."""

import select
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from commands import clock, context, output, render
from ledger.errors import Damaged, LedgerError, NotFound, Usage
from ledger.events import TYPES

if TYPE_CHECKING:
    from ledger.book import Ledger
    from ledger.events import Recorded
    from ledger.store import EventStore
    from queries.moment import Moment
    from queries.words import Day

POLL_SECONDS = 0.5
COLUMNS = {
    "seq": "BIGINT",
    "occurred_at": "TIMESTAMP",
    "order_id": "VARCHAR",
    "version": "BIGINT",
    "type": "VARCHAR",
    "actor": "VARCHAR",
    "status": "VARCHAR",
    "odd": "VARCHAR",
    "details": "VARCHAR",
}
OPTIONAL = ("version", "status", "actor")


class Wanted(msgspec.Struct, frozen=True):
    """Which lines of the log to print."""

    order_id: str | None
    type: str | None
    since_seq: int
    moment: "Moment"

    def maybe(self, line: bytes) -> bool:
        """Whether the bytes of a line may be wanted: cheap, and right whenever it says no."""
        return self.order_id is None or msgspec.json.encode(self.order_id) in line

    def has(self, recorded: "Recorded") -> bool:
        """Whether the event is wanted."""
        event = recorded.event
        happened = recorded.effective_at or event.occurred_at
        return (
            recorded.seq >= self.since_seq
            and (self.order_id is None or event.order_id == self.order_id)
            and (self.type is None or event.__struct_config__.tag == self.type)
            and (self.moment.as_of is None or happened <= self.moment.as_of)
            and (self.moment.known_at is None or recorded.recorded_at <= self.moment.known_at)
        )


def command(
    ctx: typer.Context,
    order: Annotated[str | None, typer.Option("--order", metavar="ORDER", help="only events of this order")] = None,
    kind: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help="only events of this type", autocompletion=lambda: list(TYPES)),
    ] = None,
    since_seq: Annotated[int, typer.Option("--since-seq", metavar="N", min=0, help="only from this seq on")] = 1,
    follow: Annotated[bool, typer.Option("--follow", help="wait for more events, until interrupted")] = False,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
) -> None:
    """Print the events, oldest first; `-o jsonl` prints the exact lines of the log.

    Example: orderledger log --order 8123456789012345
    """
    if kind is not None and kind not in TYPES:
        raise Usage(f"no event type {kind!r}", hint=f"types are {', '.join(TYPES)}")
    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="csv", no_color=no_color, tz=zone)
    if follow and to is not None:
        raise Usage(
            "--follow does not go with --to",
            why="the file appears when it is complete, and a log that is followed never is",
            hint=f"leave out --follow, or let it go on: orderledger log --follow -o jsonl >> {to}",
        )
    if follow and target.format == "json":
        raise Usage(
            "--follow does not go with -o json",
            why="an array is closed at its end, and a log that is followed has none",
            hint="-o jsonl prints one object a line",
        )
    wanted = Wanted(order, kind, since_seq, context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone))
    ledger = context.open_ledger(ctx)
    if order is not None:
        _check_known(ledger, order, wanted.moment)
    lines = Lines(ledger.store, wanted, follow=follow)
    if target.format == "jsonl":
        print_lines(target, lines)
    else:
        print_events(target, lines)
    if lines.damaged is not None:
        raise lines.damaged


def _check_known(ledger: "Ledger", order_id: str, moment: "Moment") -> None:
    """Raise NotFound when there is no such order; behind damage it may be, and what comes before is printed."""
    try:
        ledger.order(order_id, as_of=moment.as_of, known_at=moment.known_at)
    except Damaged:
        return
    except NotFound:
        if ledger.damage is None:
            raise


class Lines:
    """The wanted lines of the log in batches; what ends the reading early is kept as `damaged`."""

    def __init__(self, store: "EventStore", wanted: Wanted, *, follow: bool = False) -> None:
        self.store = store
        self.wanted = wanted
        self.follow = follow
        self.damaged: LedgerError | None = None
        self._next = _start(store, wanted.since_seq)

    def __iter__(self) -> Iterator[list[tuple[bytes, "Recorded"]]]:
        """Give batches of lines with their events, each as soon as there is no more to read at once."""
        while True:
            yield from self._batches()
            if self.damaged is not None or not self.follow or _reader_left(POLL_SECONDS):
                return

    def _batches(self) -> Iterator[list[tuple[bytes, "Recorded"]]]:
        batch: list[tuple[bytes, Recorded]] = []
        try:
            for line, recorded in self._read():
                batch.append((line, recorded))
                if len(batch) == render.BATCH:
                    yield batch
                    batch = []
        except Damaged as error:
            self.damaged = error
        if batch:
            yield batch

    def _read(self) -> Iterator[tuple[bytes, "Recorded"]]:
        from ledger.line import decode

        for at, line in self.store.lines(self._next):
            if self.wanted.maybe(line):
                recorded = decode(line)
                if self.wanted.has(recorded):
                    yield line, recorded
            self._next = at + len(line) + 1


def _reader_left(seconds: float) -> bool:
    """Wait, and tell whether nobody reads stdout any more; a terminal or a file always has its reader."""
    poll = select.poll()
    poll.register(1, 0)  # broken pipes are reported unasked
    events = poll.poll(seconds * 1000)
    if any(event & (select.POLLERR | select.POLLHUP) for _, event in events):
        return True
    if events:
        time.sleep(seconds)  # what cannot be polled answers at once
    return False


def _start(store: "EventStore", since_seq: int) -> int:
    """Find the position of the segment that has this seq; the lines before it need not be read."""
    from ledger.segments import position

    before = [ordinal for ordinal, file in enumerate(store.snapshot().files) if file.first_seq <= since_seq]
    return position(before[-1], 0) if before else 0


def print_lines(target: output.Target, lines: Lines) -> None:
    """Print the lines themselves, byte by byte."""
    with output.opened(target, paged=not lines.follow) as writer:
        for batch in lines:
            chunk = b"".join(line + b"\n" for line, _ in batch)
            writer.write(output.visible_json(chunk.decode()) if target.screen else chunk)
            writer.flush()


def print_events(target: output.Target, lines: Lines) -> None:
    """Print one row an event."""

    def day(instant: object) -> str:
        return render.short_instant(instant, target.tz)[:10]  # type: ignore[arg-type]

    rows = ([_row(recorded, day) for _, recorded in batch] for batch in lines)
    render.table(target, list(COLUMNS), list(COLUMNS.values()), rows, optional=OPTIONAL, live=lines.follow)


def _row(recorded: "Recorded", day: "Day") -> render.Row:
    from queries.words import details

    event = recorded.event
    return (
        recorded.seq,
        event.occurred_at,
        event.order_id,
        recorded.version,
        event.__struct_config__.tag,
        event.actor,
        recorded.status,
        ",".join(recorded.odd) or None,
        details(recorded, day),
    )
