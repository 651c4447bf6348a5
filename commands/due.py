"""`orderledger due`: what runs out, and what to do before it is too late."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from commands import clock, context, output, reading, render
from ledger.errors import Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from ledger.events import Closed, Fact
    from ledger.order import Order
    from queries.engine import Relations, Result
    from queries.moment import Moment

COLUMNS = {
    "order_id": "VARCHAR",
    "seller": "VARCHAR",
    "status": "VARCHAR",
    "timer": "VARCHAR",
    "due_at": "TIMESTAMP",
    "overdue": "BOOLEAN",
    "currency": "VARCHAR",
    "escrow": "DECIMAL(38,4)",
    "consequence": "VARCHAR",
    "advice": "VARCHAR",
}
"""What csv, json and the like give of a timer."""

FOR_EYES = {
    "order": "VARCHAR",
    "seller": "VARCHAR",
    "what": "VARCHAR",
    "due": "TIMESTAMP",
    "time_left": "VARCHAR",
    "then": "VARCHAR",
    "advice": "VARCHAR",
}
WIDE_ENOUGH = 140
"""Columns from which on a table can be read; its last column is a sentence."""

LABELS = ("order_id", "seller")
MOST_LABEL = 24
"""Cells for an order's id and seller; longer ones push the text to the right."""

# A refund that bounced is overdue, whenever it is due; it may have no date at all.
QUERY = """
    WITH running AS (
        SELECT order_id, timer, due_at FROM timers WHERE running
        UNION ALL
        SELECT order_id, 'refund_by', NULL FROM orders
        WHERE refund_failed AND refund_by IS NULL
    ),
    listed AS (
        SELECT
            orders.order_id,
            orders.seller,
            orders.status,
            running.timer,
            running.due_at,
            running.timer = 'refund_by' AND orders.refund_failed AS failed,
            failed OR running.due_at < clock.now AS overdue,
            orders.currency,
            orders.escrow,
            orders.escrow + orders.to_seller > 0 AS something_left
        FROM running
        INNER JOIN orders ON orders.order_id = running.order_id
        CROSS JOIN clock
    )
    SELECT * FROM listed
    WHERE ($until IS NULL OR due_at IS NULL OR due_at <= $until) AND (overdue OR NOT $overdue)
    ORDER BY due_at NULLS FIRST, order_id, timer
"""

COME_DUE = """
    SELECT DISTINCT timers.order_id
    FROM timers
    CROSS JOIN clock
    WHERE timers.running AND timers.due_at < clock.now AND list_contains($closing, timers.timer)
"""


def command(
    ctx: typer.Context,
    within: Annotated[
        str | None, typer.Option("--within", metavar="SPAN", help="only what runs out within 12h, 7d, 2w")
    ] = None,
    overdue: Annotated[bool, typer.Option("--overdue", help="only what has run out")] = False,
    facts: Annotated[
        bool, typer.Option("--facts", help="print the closings that have come due as facts, for `import -`")
    ] = False,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
) -> None:
    """List what runs out, soonest first, with what comes then and what to do before it does.

    Example: orderledger due --within 7d
    """
    if facts and within is not None:
        raise Usage("--facts does not go with --within", hint="only what has run out can be recorded")
    zone = clock.zone(tz)
    target = output.choose(
        output_ or ("jsonl" if facts and to is None else None),
        to,
        pipe="jsonl" if facts else "csv",
        no_color=no_color,
        tz=zone,
        only="jsonl" if facts else "",
    )
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    until = None if within is None else reading.naive(clock.ahead(within, moment.now))
    ledger = context.open_ledger(ctx)
    with reading.of_ledger(ledger, moment) as relations:
        if facts:
            print_facts(target, come_due(ledger, relations, moment))
        else:
            show(target, advised(relations.run(QUERY, {"until": until, "overdue": overdue})), moment.now)


def advised(found: "Result") -> "Result":
    """Put what comes next, in words, and what to do about it in the places of what tells them."""
    from queries.options import advice
    from queries.words import after

    rows = []
    for values in found.rows:
        row = dict(zip(found.columns, values, strict=True))
        what = advice(
            row["timer"], row["status"], overdue=row["overdue"], failed=row["failed"], left=row["something_left"]
        )
        held = row["status"] in ("disputed", "frozen")
        row |= {"advice": what.text, "consequence": after(row["timer"], held=held, base=row["status"])}
        rows.append(tuple(row[name] for name in COLUMNS))
    return found._replace(columns=list(COLUMNS), types=list(COLUMNS.values()), rows=rows)


def show(target: output.Target, found: "Result", now: datetime) -> None:
    """Print timers: all columns, or what a person reads, beside each other or below each other as there is room."""
    if target.format != "table":
        render.result(target, found)
    elif target.table_width >= WIDE_ENOUGH:
        render.table(target, list(FOR_EYES), list(FOR_EYES.values()), _for_eyes(found, now))
    else:
        render.text(target, _in_blocks(target, found, now))


def _for_eyes(found: "Result", now: datetime) -> Iterator[Sequence[render.Row]]:
    for at in range(0, len(found.rows), render.BATCH):
        yield [_row(dict(zip(COLUMNS, row, strict=True)), now) for row in found.rows[at : at + render.BATCH]]


def _row(timer: dict[str, Any], now: datetime) -> render.Row:
    what, left = _what(timer), _left(timer, now)
    return (timer["order_id"], timer["seller"], what, timer["due_at"], left, timer["consequence"], timer["advice"])


def _what(timer: dict[str, Any]) -> str:
    from queries.words import TIMERS

    return TIMERS[timer["timer"]][0]


def _left(timer: dict[str, Any], now: datetime) -> str:
    from queries.words import time_left

    due_at = timer["due_at"] and timer["due_at"].replace(tzinfo=UTC)
    if timer["overdue"] and (due_at is None or due_at >= now):
        return "bounced"
    return time_left(due_at - now)


def _in_blocks(target: output.Target, found: "Result", now: datetime) -> str:
    """Write each timer beside its order and seller, and below it what to do."""
    from commands.story import Page, cells

    page = Page(target)
    timers = [dict(zip(COLUMNS, row, strict=True)) for row in found.rows]
    labels = [[output.visible(timer[name]) if target.screen else timer[name] for name in LABELS] for timer in timers]
    widest = min(max((cells(label) for pair in labels for label in pair), default=0), MOST_LABEL)
    for timer, pair in zip(timers, labels, strict=True):
        when = f"{page.minute(timer['due_at'])}, " if timer["due_at"] else ""
        first, second = (label + " " * max(widest - cells(label), 0) + "  " for label in pair)
        page.add(f"{_what(timer)} {when}{_left(timer, now)}", "red" if timer["overdue"] else "bold", before=first)
        if not timer["overdue"]:
            page.add(f"then {timer['consequence']}", before=second)
            second = " " * cells(second)
        page.add(timer["advice"], before=second)
        page.lines.append("")
    count = f"{len(timers):,} timer{'' if len(timers) == 1 else 's'} · times in {target.tz}"
    page.add(count if timers else "nothing to show", "dim")
    return "\n".join(page.lines) + "\n"


def come_due(ledger: "Ledger", relations: "Relations", moment: "Moment") -> "list[Closed]":
    """Give the closings that have come due, one for each order, in that order (R21)."""
    from ledger import timers

    orders = [
        ledger.order(order_id, as_of=moment.as_of, known_at=moment.known_at)
        for (order_id,) in relations.run(COME_DUE, {"closing": list(timers.CLOSES)}).rows
    ]
    if ledger.damage is not None:
        raise ledger.damage  # an order that ends before the damage may have gone on after it
    facts = [fact for order in orders if (fact := timers.come_due(order, moment.now))]
    silent = {order.order_id for order in orders if _may_be_paid(order)}
    left_out = sum(fact.order_id in silent for fact in facts)
    if left_out:
        told = "1 order is left out: its" if left_out == 1 else f"{left_out:,} orders are left out: their"
        context.say(f"{told} source does not tell whether anything was paid", err=True)
    return sorted(
        (fact for fact in facts if fact.order_id not in silent), key=lambda fact: (fact.occurred_at, fact.order_id)
    )


def _may_be_paid(order: "Order") -> bool:
    """Whether an order without a payment is known only from a source that tells of none."""
    from ledger.events import Placed
    from ledger.formats.catalog import FORMATS

    sources = [FORMATS.get(line.event.source or "") for line in order.in_force() if isinstance(line.event, Placed)]
    return not order.paid and any(source is not None and not source.tells_payments for source in sources)


def print_facts(target: output.Target, facts: "Sequence[Fact]") -> None:
    """Print facts as lines of JSON."""
    lines = "".join(msgspec.json.encode(fact).decode() + "\n" for fact in facts)
    render.text(target, output.visible_json(lines) if target.screen else lines)
