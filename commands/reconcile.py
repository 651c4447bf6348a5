"""`orderledger reconcile`: a bank or card statement beside the log: what arrived, what is missing, what is neither."""

import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from commands import clock, context, output, reading, render
from commands.due import print_facts
from ledger import money
from ledger import reconcile as core
from ledger.errors import BadInput, Usage
from ledger.formats import statement
from ledger.formats.foreign import MAX_BYTES
from ledger.formats.statement import Entry

if TYPE_CHECKING:
    from queries.engine import Relations
    from queries.moment import Moment

COLUMNS = {
    "section": "VARCHAR",
    "line": "BIGINT",
    "date": "DATE",
    "amount": "DECIMAL(38,4)",
    "currency": "VARCHAR",
    "text": "VARCHAR",
    "order_id": "VARCHAR",
    "seller": "VARCHAR",
    "event": "VARCHAR",
    "seq": "BIGINT",
    "event_at": "TIMESTAMP",
    "event_amount": "DECIMAL(38,4)",
    "event_currency": "VARCHAR",
    "due_at": "TIMESTAMP",
    "matched_by": "VARCHAR",
    "candidates": "VARCHAR[]",
    "why": "VARCHAR",
}
"""What csv, json and the like give of a line, of a refund, or of both."""

SECTIONS = {
    "paid": "payments that left the account",
    "arrived": "refunds that arrived",
    "missing": "refunds that should have arrived",
    "on-its-way": "refunds on their way",
    "ambiguous": "lines that could be several things",
    "not-explained": "lines that nothing explains",
}
"""Every section with its head, in the order in which they are told."""

PENDING = "pending"
"""What stands for an event where a refund is on its way and none has come."""

FIELDS = ("date", "amount", "currency", "text")

_MOST_NAMED = 3
"""Orders named of those that a line may be of; `candidates` has all."""

_NO_DAY = datetime(1900, 1, 1, tzinfo=UTC)
"""Before any fact: what stands for the days of a statement without lines."""

_SOON = timedelta(minutes=5)
"""A fact that is later than that is in the future (R9)."""

# One statement, so that the log is read once.
QUERY = """
    WITH standing AS MATERIALIZED (
        SELECT order_id, seller, currency, paid, refund_pending, refund_by, refund_failed FROM orders
    ),
    live AS MATERIALIZED (
        SELECT order_id, seq, type, occurred_at, amount, currency, account_amount, account_currency, fact_id, to_buyer
        FROM events
        WHERE retracted_by IS NULL AND (type IN ('paid', 'refunded') OR to_buyer > 0)
    ),
    decided AS (
        SELECT
            order_id,
            max(occurred_at) FILTER (WHERE type <> 'refunded' AND to_buyer > 0) AS since,
            count(*) FILTER (WHERE type = 'paid') AS payments,
            count(account_amount) FILTER (WHERE type = 'paid') AS shown,
            count(DISTINCT account_currency) FILTER (WHERE type = 'paid') AS currencies,
            sum(account_amount) FILTER (WHERE type = 'paid') AS debited,
            max(account_currency) FILTER (WHERE type = 'paid') AS account_currency
        FROM live
        GROUP BY order_id
    ),
    named AS (SELECT unnest(CAST($named AS VARCHAR[])) AS order_id),
    amounts AS (SELECT unnest(CAST($amounts AS DECIMAL(38,4)[])) AS amount)
    SELECT
        live.type AS kind,
        live.order_id,
        standing.seller,
        live.seq,
        live.occurred_at AS happened_at,
        live.amount,
        live.currency,
        live.account_amount,
        live.account_currency,
        live.fact_id,
        NULL AS due_at,
        false AS failed
    FROM live
    INNER JOIN standing ON standing.order_id = live.order_id
    WHERE
        live.type IN ('paid', 'refunded')
        AND (
            live.order_id IN (SELECT order_id FROM named)
            OR live.fact_id IN (SELECT unnest(CAST($ids AS VARCHAR[])))
            OR (
                live.occurred_at BETWEEN $since AND $until
                AND (
                    live.type = 'refunded'
                    OR live.amount IN (SELECT amount FROM amounts)
                    OR live.account_amount IN (SELECT amount FROM amounts)
                )
            )
        )
    UNION ALL
    SELECT
        'pending',
        standing.order_id,
        standing.seller,
        0,
        decided.since,
        standing.refund_pending,
        standing.currency,
        CASE WHEN whole.is_whole THEN decided.debited END,
        CASE WHEN whole.is_whole THEN decided.account_currency END,
        NULL,
        standing.refund_by,
        standing.refund_failed
    FROM standing
    INNER JOIN decided ON decided.order_id = standing.order_id
    CROSS JOIN LATERAL (
        SELECT
            standing.refund_pending = standing.paid
            AND decided.payments = decided.shown
            AND decided.currencies = 1 AS is_whole
    ) AS whole
    WHERE standing.refund_pending > 0
    UNION ALL
    SELECT 'named', order_id, seller, 0, NULL, NULL, currency, NULL, NULL, NULL, NULL, false
    FROM standing
    WHERE order_id IN (SELECT order_id FROM named)
"""


def command(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="the statement in CSV, - for stdin")],
    map_file: Annotated[
        Path | None,
        typer.Option("--map", metavar="MAP.sql", help="a SELECT of date, amount, currency, text from `statement`"),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", metavar="CODE", help="of a statement that names none")
    ] = None,
    facts: Annotated[
        bool, typer.Option("--facts", help="print the refunds that have arrived as facts, for `import -`")
    ] = False,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
) -> None:
    """Match a bank or card statement with payments and refunds: what arrived, what is missing, what nothing explains.

    Example: orderledger reconcile march.csv

    Example: orderledger reconcile march.csv --facts | orderledger import -
    """
    context.check_currency(currency)
    if map_file and file == "-":
        raise Usage("--map reads no pipe", why="a table is read more than once", hint="name a file")
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
    ledger = context.open_ledger(ctx)
    entries = _entries(file, map_file, currency)
    if moment.as_of is not None:
        last = moment.as_of.astimezone(zone).date()
        entries = [entry for entry in entries if entry.date <= last]
    ids = core.statement_ids(entries)
    with reading.of_ledger(ledger, moment) as relations:
        answer = _reconciled(relations, entries, list(ids.values()))
        if facts and relations.damage is not None:
            raise relations.damage  # a refund that ends before the damage may have arrived after it
        if facts:
            print_facts(target, arrived(answer, ids, moment.now, zone))
        else:
            show(target, answer, moment)


def _entries(file: str, map_file: Path | None, currency: str | None) -> list[Entry]:
    """Read the lines of a statement; BadInput names the file."""
    rows = [*_mapped(map_file, Path(file))] if map_file else None
    content = b"" if map_file else _content(file)
    try:
        return statement.read(content, currency) if rows is None else statement.entries(rows, currency, ".")
    except BadInput as error:
        what = f"{'stdin' if file == '-' else file}: {error.what}"
        raise BadInput(what, why=error.why, hint=error.hint) from None


def _content(file: str) -> bytes:
    try:
        if file == "-":
            return sys.stdin.buffer.read(MAX_BYTES + 1)
        with open(file, "rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot read {file}", why=error.strerror or str(error), hint="name a file that can be read"
        ) from None


def _mapped(map_file: Path, file: Path) -> Iterator[statement.Row]:
    """Give the lines that a map makes of the table `statement`; a line's number is the row's."""
    from queries.mapping import Wanted, fact_lines

    hint = f"there are {', '.join(FIELDS)}"
    wanted = Wanted("line of a statement", frozenset(FIELDS), hint, days=True)
    has_rows = has_amounts = False
    for number, text in enumerate(fact_lines(map_file, {"statement": file}, wanted), 1):
        values: dict[str, Any] = msgspec.json.decode(text)
        if not all(isinstance(value, str) for value in values.values()):
            raise BadInput(f"row {number} cannot be read", why="a line has texts, numbers and dates", hint=hint)
        has_rows, has_amounts = True, has_amounts or "amount" in values
        yield statement.Row(number, sign=0, **{name: values.get(name, "") for name in FIELDS})
    if has_rows and not has_amounts:
        raise Usage(f"{map_file} gives no amount", hint="a line has a date and an amount")


def _reconciled(relations: "Relations", entries: list[Entry], ids: list[str]) -> core.Answer:
    """Match the lines with what the log has of their days, amounts and orders."""
    days = sorted(core.began(entry.date, UTC) for entry in entries) or [_NO_DAY]
    found = relations.run(
        QUERY,
        {
            "named": sorted({word for entry in entries for word in core.spelled(entry.text)}),
            "ids": ids,
            "amounts": sorted({str(abs(_decimal(entry.amount, entry.currency))) for entry in entries}),
            "since": days[0] - core.ARRIVES_WITHIN - core.ONE_DAY,
            "until": days[-1] + core.SEEN_WITHIN + core.ONE_DAY,
        },
    )
    known: list[core.Known] = []
    pending: list[core.Pending] = []
    orders: set[str] = set()
    for values in found.rows:
        row = dict(zip(found.columns, values, strict=True))
        if row["kind"] == "named":
            orders.add(row["order_id"])
            continue
        about = (row["order_id"], row["seller"])
        at = row["happened_at"].replace(tzinfo=UTC)
        amount = (_minor(row["amount"], row["currency"]), row["currency"])
        account = row["account_currency"] if row["account_currency"] in money.EXPONENTS else None
        shown = (_minor(row["account_amount"], account) if account else None, account)
        if row["kind"] == "pending":
            due_at = row["due_at"] and row["due_at"].replace(tzinfo=UTC)
            pending.append(core.Pending(*about, *amount, at, due_at, row["failed"], *shown))
        else:
            known.append(core.Known(row["kind"], *about, row["seq"], at, *amount, *shown, row["fact_id"]))
    return core.reconcile(entries, known, pending, orders)


def arrived(answer: core.Answer, ids: dict[Entry, str], now: datetime, tz: tzinfo) -> list[Any]:
    """Return the refunds that have arrived and are not recorded yet as facts; none of a day that is still to come."""
    new = [match for match in answer.matches if isinstance(match.found, core.Pending)]
    told = [core.fact_of(match, ids[match.entry], tz) for match in new]
    facts = [fact for fact in told if fact.occurred_at <= now + _SOON]
    return sorted(facts, key=lambda fact: (fact.occurred_at, fact.order_id, fact.fact_id or ""))


def show(target: output.Target, answer: core.Answer, moment: "Moment") -> None:
    """Print all sections: rows, or for a person one section below the other."""
    found = sorted(_rows(answer, moment.now), key=lambda row: list(SECTIONS).index(row["section"]))
    if target.format == "table":
        render.text(target, _page(target, found))
        return
    rows = [tuple(row.get(name) for name in COLUMNS) for row in found]
    batches = (rows[at : at + render.BATCH] for at in range(0, len(rows), render.BATCH))
    render.table(target, list(COLUMNS), list(COLUMNS.values()), batches)


def _rows(answer: core.Answer, now: datetime) -> Iterator[dict[str, Any]]:
    """Give what is known of each line, and of each refund that has not arrived, those of a section in their order."""
    for match in answer.matches:
        section = "arrived" if match.entry.amount > 0 else "paid"
        yield {
            "section": section,
            **_of_entry(match.entry),
            **_of_fact(match.found, match.amount),
            "matched_by": match.by,
            "why": _settled(match),
        }
    for fact in answer.unseen:
        why = f"recorded as arrived on {fact.at:%Y-%m-%d} (seq {fact.seq}), but the statement does not show it"
        yield {"section": "missing", **_of_fact(fact, fact.amount), "why": why}
    candidates = [fact for doubt in answer.ambiguous for fact in doubt.candidates]
    doubted = {fact.order_id for fact in candidates if isinstance(fact, core.Pending)}
    for refund in sorted(answer.open, key=lambda refund: (refund.due_by or refund.since, refund.order_id)):
        section = "missing" if refund.late(now) else "on-its-way"
        why = _awaited(refund, now) + ("; an ambiguous line may be it" if refund.order_id in doubted else "")
        yield {"section": section, **_of_fact(refund, refund.amount), "why": why}
    for doubt in answer.ambiguous:
        yield {
            "section": "ambiguous",
            **_of_entry(doubt.entry),
            "candidates": list(dict.fromkeys(fact.order_id for fact in doubt.candidates)),
            "why": _doubtful(doubt),
        }
    for entry, why in answer.unexplained:
        yield {"section": "not-explained", **_of_entry(entry), "why": why}


def _of_entry(entry: Entry) -> dict[str, Any]:
    return {
        "line": entry.number,
        "date": entry.date,
        "amount": _decimal(entry.amount, entry.currency),
        "currency": entry.currency,
        "text": entry.text,
    }


def _of_fact(fact: core.Known | core.Pending, amount: int) -> dict[str, Any]:
    about = {
        "order_id": fact.order_id,
        "seller": fact.seller,
        "event_amount": _decimal(amount, fact.currency),
        "event_currency": fact.currency,
    }
    if isinstance(fact, core.Pending):
        return about | {"event": PENDING, "event_at": fact.since, "due_at": fact.due_by}
    return about | {"event": fact.kind, "event_at": fact.at, "seq": fact.seq}


def _settled(match: core.Match) -> str:
    fact, amount = match.found, money.text(match.amount, match.found.currency)
    if isinstance(fact, core.Known):
        return f"{fact.kind} {amount} {fact.currency} on {fact.at:%Y-%m-%d} (seq {fact.seq})"
    part = "" if match.amount == fact.amount else f" of {money.text(fact.amount, fact.currency)}"
    return f"{amount}{part} {fact.currency} on its way since {fact.since:%Y-%m-%d}; `--facts` tells that it arrived"


def _awaited(refund: core.Pending, now: datetime) -> str:
    from queries.words import time_left

    since = f"on its way since {refund.since:%Y-%m-%d}"
    if refund.failed:
        return f"{since}; it bounced and is still owed"
    if refund.due_by is None:
        return since
    return f"{since}, due by {refund.due_by:%Y-%m-%d}, {time_left(refund.due_by - now)}"


def _doubtful(doubt: core.Doubt) -> str:
    named = [
        f"{fact.order_id} ({f'seq {fact.seq}' if isinstance(fact, core.Known) else 'on its way'})"
        for fact in doubt.candidates
    ]
    if len(named) == 1:
        return f"may be {named[0]}, as other lines may"
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return f"may be {', '.join(named[:_MOST_NAMED])}{more}"


def _page(target: output.Target, rows: Sequence[dict[str, Any]]) -> str:
    """Write the sections below each other: the day, the amount, and beside them what they are."""
    from commands.story import Page, cells

    page = Page(target)
    amounts = [_shown(row) for row in rows]
    widest = max(map(cells, amounts), default=0)
    before = ""
    for row, amount in zip(rows, amounts, strict=True):
        if row["section"] != before:
            before = row["section"]
            count = sum(other["section"] == before for other in rows)
            page.head(f"{SECTIONS[before]} ({count:,})")
        day = row.get("date") or (row.get("due_at") or row["event_at"]).date()
        lead = f"  {day}  {amount:>{widest}}  "
        order = f"{row['order_id']} ({row['seller']}): " if "order_id" in row else ""
        page.add(f"{order}{row['why']}", "red" if before == "missing" else "", before=lead)
        if "text" in row and "order_id" not in row:
            page.add(row["text"], "dim", before=" " * len(lead))
    lines = sum("line" in row for row in rows)
    told = f"{lines:,} line{'' if lines == 1 else 's'} of the statement · days in UTC"
    page.lines.append("")
    page.add(told if rows else "nothing to show", "dim")
    return "\n".join(page.lines[1:]) + "\n"


def _shown(row: dict[str, Any]) -> str:
    of = "" if "amount" in row else "event_"
    return f"{render.amount(row[f'{of}amount'], row[f'{of}currency'])} {row[f'{of}currency']}"


def _decimal(minor: int, currency: str) -> Decimal:
    return Decimal(money.text(minor, currency))


def _minor(amount: Decimal, currency: str) -> int:
    return int(amount.scaleb(money.EXPONENTS[currency]))
