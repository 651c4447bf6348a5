"""Laws of a whole ledger on random histories: the relations agree with the fold, and the log with the facts told."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ledger import money
from ledger.book import Ledger
from ledger.errors import Refused
from ledger.events import DeliveryScan, Fact, Paid, Placed, Recorded, Refunded, RefundFailed, Retracted
from ledger.formats.facts import Reject, parse
from ledger.importing import Line, Summary
from ledger.order import Closing, Order, as_believed, closure_reason, fold
from ledger.redecide import with_zeros
from queries.relations import VIEWS
from tests.logs import naive, relations, rows
from tests.scenario import DUE_AFTER_CLOSING, DUE_WHILE_OPEN, NOW, START
from tests.strategies import examples, histories
from tests.test_laws_order import per_order, postings, without_completed

D = Decimal
Row = dict[str, Any]
Moment = tuple[datetime | None, datetime | None]
LINES = msgspec.json.Decoder(Recorded)
TICK = timedelta(microseconds=1)
ORDERS = histories(min_orders=4, max_orders=8, max_facts=16)
EVENT_COLUMNS = "seq, order_id, version, status, type, odd, recorded_at, effective_at, retracted_by"
FIRST_OF = {
    "placed_at": "placed",
    "paid_at": "paid",
    "verified_at": "verified",
    "shipped_at": "shipped",
    "delivered_at": "delivered-scan",
    "disputed_at": "dispute-opened",
}


# What the relations should say, worked out event by event.


def tag(event: Fact) -> str:
    return str(event.__struct_config__.tag)


def effective_at(line: Recorded) -> datetime:
    return line.effective_at or line.event.occurred_at


def standing(log: list[Recorded], as_of: datetime | None, known_at: datetime | None) -> list[Order]:
    """Return the orders that are known at a moment, each folded from the lines believed in then."""
    orders = [
        fold(lines[0].event.order_id, as_believed(lines, as_of=as_of, known_at=known_at)) for lines in per_order(log)
    ]
    return sorted((order for order in orders if order.known), key=lambda order: order.order_id)


def cents(minor: int, currency: str) -> Decimal:
    return D(money.text(minor, currency))


def orders_row(order: Order, now: datetime) -> Row:
    """Return the order's row of `orders`."""
    lines = order.in_force()
    events = [line.event for line in lines]
    closed = order.status == "closed"
    windows = [until for until in (order.dispute_until, order.feedback_until) if until is not None]
    sums = {name: getattr(order, name) for name in ("amount", "paid", "escrow", "to_seller", "to_buyer", "refunded")}
    first: dict[str, datetime | None] = {
        name: min((event.occurred_at for event in events if tag(event) == kind), default=None)
        for name, kind in FIRST_OF.items()
    }
    due = {name: getattr(order, name) for name in (*DUE_WHILE_OPEN, *DUE_AFTER_CLOSING)}
    instants = first | due | {"closed_at": order.closed_at, "last_event_at": max(e.occurred_at for e in events)}
    numbers = [event.tracking for event in events if tag(event) == "shipped"]  # type: ignore[union-attr]
    return {
        "order_id": order.order_id,
        "marketplace": next(event.marketplace for event in events if isinstance(event, Placed)),
        "seller": order.seller,
        "title": order.title,
        "currency": order.currency,
        "status": order.status,
        "closure_reason": order.closure_reason,
        "closed_by": order.closed_by,
        "refund_pending": cents(order.pending, order.currency),
        "money_went_to": order.money_went_to,
        "archived": closed and all(until < now for until in windows) and not (order.pending or order.escrow),
        "tracking": next((number for number in reversed(numbers) if number is not None), None),
        "version": lines[-1].version,
        "event_count": len(lines),
        "odd_events": sum(bool(line.odd) for line in lines),
        **{name: cents(amount, order.currency) for name, amount in sums.items()},
        **{name: naive(instant) for name, instant in instants.items()},
        "refund_failed": order.pending > 0 and bounced(events),
    }


def bounced(events: list[Fact]) -> bool:
    """Return whether a refund failed and neither a closing nor a refund came after it."""
    news = [event for event in events if isinstance(event, Closing | Refunded | RefundFailed)]
    return bool(news) and isinstance(news[-1], RefundFailed)


def moved(events: Iterable[Fact], field: str) -> Decimal:
    """Return the sum of a field over the events that have it."""
    return sum((D(getattr(event, field, None) or 0) for event in events), D(0))


def closures_rows(order: Order) -> Iterator[Row]:
    """Yield the order's rows of `closures`: each closing with what moved until the next one."""
    lines = order.in_force()
    events = [line.event for line in lines]
    at = [number for number, event in enumerate(events) if isinstance(event, Closing)]
    refunds = [event for event in events if isinstance(event, Refunded)]
    for begin, end in pairwise([*at, len(lines)]):
        event = events[begin]
        assert isinstance(event, Closing)
        to_buyer, to_seller = (moved(events[begin:end], field) for field in ("to_buyer", "to_seller"))
        own = {(True, True): "split", (True, False): "buyer", (False, True): "seller"}
        yield {
            "seq": lines[begin].seq,
            "order_id": order.order_id,
            "seller": order.seller,
            "title": order.title,
            "reason": closure_reason(event),
            "closed_by": event.actor,
            "closed_at": naive(event.occurred_at),
            "status_before": lines[begin - 1].status,
            "delivered": any(isinstance(e, DeliveryScan) and e.occurred_at <= event.occurred_at for e in events),
            "paid": moved((e for e in events if isinstance(e, Paid)), "amount"),
            "currency": order.currency,
            "to_buyer": to_buyer,
            "to_seller": to_seller,
            "money_went_to": own.get((to_buyer > 0, to_seller > 0), "escrow" if order.escrow else "nobody"),
            "refund_by": naive(getattr(event, "refund_by", None)),
            "refunded": moved(refunds, "amount"),
            "refunded_at": naive(max((refund.occurred_at for refund in refunds), default=None)),
        }


def balances(order: Order) -> Row:
    """Return what the order's four accounts hold, empty ones left out."""
    held = {
        "buyer": order.refunded - order.paid,
        "escrow": order.escrow,
        "seller": order.to_seller,
        "refunds": order.pending,
    }
    return {account: cents(amount, order.currency) for account, amount in held.items() if amount}


def legs(order: Order) -> Iterator[tuple[Any, ...]]:
    """Yield the order's legs as `postings` has them."""
    for line in order.in_force():
        event = line.event
        for account, amount in postings(event):
            if amount:
                when = naive(event.occurred_at)
                yield line.seq, order.order_id, when, tag(event), account, amount, order.currency


def events_rows(log: list[Recorded], as_of: datetime | None, known_at: datetime | None) -> list[Row]:
    """Return seq, version and who took it back, of every line up to a moment."""
    known = [line for line in log if known_at is None or line.recorded_at <= known_at]
    taken_back = {(r.event.order_id, r.event.retracts): r.seq for r in known if isinstance(r.event, Retracted)}
    return [
        {
            "seq": line.seq,
            "order_id": line.event.order_id,
            "version": line.version,
            "status": line.status,
            "type": tag(line.event),
            "odd": ",".join(line.odd) or None,
            "recorded_at": naive(line.recorded_at),
            "effective_at": naive(effective_at(line)),
            "retracted_by": taken_back.get((line.event.order_id, line.version)),
        }
        for line in known
        if as_of is None or effective_at(line) <= as_of
    ]


# Ledgers on disk.


def facts_of(lines: Iterable[Recorded]) -> list[Fact]:
    """Return facts that make the same lines again: with the amounts that a line leaves out because they are zero."""
    return [with_zeros(line.event) for line in lines]


def texts(facts: Iterable[Fact]) -> list[bytes]:
    return [msgspec.json.encode(fact) for fact in facts]


def clock(start: datetime = NOW) -> Callable[[], datetime]:
    """Return a clock that is a minute later whenever it is read."""
    passed = iter(range(1 << 30))
    return lambda: start + timedelta(minutes=next(passed))


def new_ledger(folder: str, name: str = "ledger") -> Ledger:
    return Ledger.create(Path(folder, name), policy="aliexpress", now=START, ledger_id="0" * 32)


def tell(ledger: Ledger, lines: Iterable[bytes | None], **how: Any) -> tuple[Summary, list[str]]:
    """Import lines and return the summary and the rules that refused; at None the input pauses, and a batch ends."""
    rejects: list[Reject] = []
    read = (line if line is None else Line("facts", number, line) for number, line in enumerate(lines, 1))
    summary = ledger.import_facts(read, now=how.pop("now", clock()), reject=rejects.append, **how)
    assert summary.read == summary.recorded + summary.duplicates + summary.refused
    assert len(rejects) == summary.refused
    return summary, [reject.rule for reject in rejects]


def log_bytes(ledger: Ledger) -> bytes:
    return b"".join(path.read_bytes() for path in sorted((ledger.path / "events").iterdir()))


def log_of(ledger: Ledger) -> list[Recorded]:
    return LINES.decode_lines(log_bytes(ledger))


def content(ledger: Ledger) -> list[Recorded]:
    """Return the log without what differs from run to run: when a line was recorded, and its check sum."""
    return [msgspec.structs.replace(line, recorded_at=NOW, crc="") for line in log_of(ledger)]


def files_of(ledger: Ledger) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in ledger.path.rglob("*") if path.is_file()}


@st.composite
def arrivals(draw: st.DrawFn) -> list[bytes | None]:
    """Draw facts in the order in which somebody tells them: shuffled a little or altogether, with pauses.

    Some are told twice, some are told without what the decider completes, and one is no fact.
    """
    facts = facts_of(draw(ORDERS))
    if draw(st.booleans()):
        facts = draw(st.permutations(facts))
    else:
        for at in draw(st.lists(st.integers(0, len(facts) - 1), max_size=12)):
            facts.insert(max(0, at - 3), facts.pop(at))
    if draw(st.booleans()):
        facts = [without_completed(fact) for fact in facts]
    facts += draw(st.lists(st.sampled_from(facts), max_size=4))
    lines: list[bytes | None] = [*texts(facts)]
    lines.insert(draw(st.integers(0, len(lines))), b'{"type": "parcel-lost"}')
    for at in sorted(draw(st.sets(st.integers(1, len(lines) - 1), max_size=6)), reverse=True):
        lines.insert(at, None)
    return lines


def draw_moment(draw: Callable[..., Any], log: list[Recorded]) -> Moment:
    """Draw the present, an as-of, a known-at, or both at once, on a line's instants or just before."""
    happened = [effective_at(line) - less for line in log for less in (timedelta(0), TICK)]
    recorded = [line.recorded_at - less for line in log for less in (timedelta(0), TICK)]
    as_of, known_at = st.sampled_from(happened), st.sampled_from(recorded)
    nothing = st.none()
    pairs = (st.tuples(*pair) for pair in product((nothing, as_of), (nothing, known_at)))
    found: Moment = draw(st.one_of(*pairs))
    return found


# (a) The relations and the fold.


def agree(log: list[Recorded], moment: Moment, now: datetime) -> None:
    """Check every relation against the fold at one moment."""
    as_of, known_at = moment
    orders = standing(log, as_of, known_at)
    with (
        TemporaryDirectory() as folder,
        relations(Path(folder), log, now=now, as_of=as_of, known_at=known_at, per_segment=40) as found,
    ):
        assert rows(found, "SELECT * FROM orders ORDER BY order_id") == [orders_row(order, now) for order in orders]
        shown = rows(found, "SELECT * FROM closures ORDER BY order_id, seq")
        assert shown == [row for order in orders for row in closures_rows(order)]
        shown_legs = found.run("SELECT * FROM postings", {}).rows
        assert Counter(shown_legs) == Counter(leg for order in orders for leg in legs(order))
        sums = "SELECT order_id, account, sum(amount) FROM postings GROUP BY ALL HAVING sum(amount) <> 0"
        held = {(order_id, account): balance for order_id, account, balance in found.run(sums, {}).rows}
        wanted = {
            (order.order_id, account): balance for order in orders for account, balance in balances(order).items()
        }
        assert held == wanted
        shown = rows(found, f"SELECT {EVENT_COLUMNS} FROM events ORDER BY seq")
        assert shown == events_rows(log, as_of, known_at)


@examples(25)
@given(st.data())
def test_the_relations_agree_with_the_fold_at_any_moment(data: st.DataObject) -> None:
    """Status, money, dates, closures, postings: one row an order, whatever the as-of and known-at instants."""
    log = data.draw(ORDERS)
    now = START + timedelta(days=data.draw(st.integers(0, 200)))
    agree(log, draw_moment(data.draw, log), now)


@examples(20)
@given(arrivals(), st.data())
def test_they_agree_whatever_the_order_of_arrival(lines: list[bytes | None], data: st.DataObject) -> None:
    """Facts told in any order, some of them refused, leave a log of which the same is true."""
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        tell(ledger, lines, now=clock(datetime(2024, 9, 1, tzinfo=UTC)))
        log = log_of(ledger)
        for order in standing(log, None, None):
            assert ledger.history(order.order_id) == order.history
    if log:
        agree(log, draw_moment(data.draw, log), NOW)


# (b) The same facts twice.


@examples(25)
@given(ORDERS, st.booleans(), st.booleans())
def test_the_same_facts_twice_are_recorded_once(log: list[Recorded], bare: bool, atomic: bool) -> None:
    """R10: the second time every line is a duplicate, and no byte of the log changes."""
    events = facts_of(log)
    again = [without_completed(event) for event in events] if bare else events
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        first, _ = tell(ledger, texts(events))
        assert (first.recorded, first.duplicates) == (len(log), 0)
        before = log_bytes(ledger)
        second, _ = tell(ledger, texts(again), atomic=atomic)
        assert (second.recorded, second.duplicates, second.refused) == (0, len(log), 0)
        assert log_bytes(ledger) == before


# (c) However the facts come in.


@examples(25)
@given(arrivals(), st.data())
def test_any_split_into_imports_gives_the_same_ledger(lines: list[bytes | None], data: st.DataObject) -> None:
    """One import, several, or with pauses: the same lines are recorded, the same refused by the same rules."""
    told = [line for line in lines if line is not None]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(told)), max_size=5)))
    parts = [told[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(told)], strict=True)]
    with TemporaryDirectory() as folder:
        whole, paused, split = (new_ledger(folder, name) for name in ("whole", "paused", "split"))
        summary, refused = tell(whole, told)
        assert tell(paused, lines) == (summary, refused)
        answers = [tell(split, part) for part in parts]
        for name in Summary.__struct_fields__:
            assert sum(getattr(each, name) for each, _ in answers) == getattr(summary, name)
        assert [rule for _, rules in answers for rule in rules] == refused
        assert content(whole) == content(paused) == content(split)


@examples(20)
@given(arrivals())
def test_facts_recorded_one_by_one_give_the_same_ledger(lines: list[bytes | None]) -> None:
    told = [line for line in lines if line is not None]
    with TemporaryDirectory() as folder:
        imported, recorded = new_ledger(folder, "imported"), new_ledger(folder, "recorded")
        summary, refused = tell(imported, told)
        rules = []
        now = clock()
        for line in told:
            try:
                recorded.record(parse(line), now=now(), allow_odd=True)
            except Refused as refusal:
                rules.append(refusal.rule)
        assert rules == refused
        assert content(recorded) == content(imported)
        assert len(content(recorded)) == summary.recorded


@examples(25)
@given(arrivals(), st.booleans())
def test_an_atomic_import_records_the_same_or_nothing(lines: list[bytes | None], mended: bool) -> None:
    """Where a line is refused nothing is recorded, and the summary and the refusals are those of a usual import."""
    told = [line for line in lines if line is not None]
    with TemporaryDirectory() as folder:
        usual, atomic = new_ledger(folder, "usual"), new_ledger(folder, "atomic")
        if mended:
            tell(usual, told)
            told = texts(facts_of(log_of(usual)))
            usual = new_ledger(folder, "mended")
        summary, refused = tell(usual, told)
        at_once, rules = tell_atomic(atomic, told)
        assert rules == refused
        assert (at_once.read, at_once.refused) == (summary.read, summary.refused)
        if refused:
            assert (at_once.recorded, log_bytes(atomic)) == (0, b"")
        else:
            assert content(atomic) == content(usual)


def tell_atomic(ledger: Ledger, lines: list[bytes]) -> tuple[Summary, list[str]]:
    rejects: list[Reject] = []
    read = [Line("facts", number, line) for number, line in enumerate(lines, 1)]
    summary = ledger.import_facts(read, now=clock(), reject=rejects.append, atomic=True)
    return summary, [reject.rule for reject in rejects]


@examples(25)
@given(arrivals(), st.data())
def test_a_dry_run_tells_what_would_be_and_changes_no_byte(lines: list[bytes | None], data: st.DataObject) -> None:
    told = [line for line in lines if line is not None]
    cut = data.draw(st.integers(0, len(told)))
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        tell(ledger, told[:cut])
        before = files_of(ledger)
        foretold = tell(ledger, told[cut:], dry_run=True)
        assert files_of(ledger) == before
        assert tell(ledger, told[cut:]) == foretold


# (d) What was retracted.


@examples(12)
@given(st.data())
def test_what_was_retracted_leaves_no_trace_but_in_events(data: st.DataObject) -> None:
    """R23: all relations but `events` are those of a ledger that was told neither the events nor the retractions."""
    log = data.draw(ORDERS)
    kept = {line.seq for order in standing(log, None, None) for line in order.in_force()}
    as_of = data.draw(st.sampled_from([None, *(effective_at(line) for line in log)]))
    with TemporaryDirectory() as folder:
        logs = []
        for name, lines in (("all", log), ("kept", [line for line in log if line.seq in kept])):
            ledger = new_ledger(folder, name)
            tell(ledger, texts(facts_of(lines)))
            logs.append(log_of(ledger))
        answers = []
        for name, lines in zip(("all", "kept"), logs, strict=True):
            (Path(folder) / f"read-{name}").mkdir()
            with relations(Path(folder) / f"read-{name}", lines, as_of=as_of) as found:
                answers.append([without_place(rows(found, f"SELECT * FROM {view}")) for view in VIEWS[1:]])
        assert answers[0] == answers[1]


def without_place(found: list[Row]) -> list[str]:
    """Return the rows without the numbers of their place in the log, in any order."""
    return sorted(repr({name: value for name, value in row.items() if name not in ("seq", "version")}) for row in found)
