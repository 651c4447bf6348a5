"""`orderledger list`: the orders."""

from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import clock, context, output, reading, render
from ledger.errors import Usage
from ledger.lifecycle import STATUSES

if TYPE_CHECKING:
    from queries.engine import Answering, Result

MAIN = (
    "order_id",
    "seller",
    "title",
    "currency",
    "amount",
    "status",
    "closure_reason",
    "closed_by",
    "paid",
    "escrow",
    "to_seller",
    "to_buyer",
    "refund_pending",
    "refunded",
    "money_went_to",
    "archived",
    "placed_at",
    "closed_at",
    "last_event_at",
    "version",
)
"""What csv, json and the like give of an order; `sql` gives the rest."""

FOR_EYES = {
    "ledger": "VARCHAR",
    "order_id": "VARCHAR",
    "placed": "DATE",
    "seller": "VARCHAR",
    "title": "VARCHAR",
    "amount": "DECIMAL",
    "status": "VARCHAR",
    "money_went_to": "VARCHAR",
}
CHOSEN = """
    ($status IS NULL OR status = $status)
    AND ($seller IS NULL OR seller = $seller)
    AND ($since IS NULL OR placed_at >= $since)
    AND ($until IS NULL OR placed_at <= $until)
"""
MOST = 2**31 - 1
"""More orders than anybody lists."""

OPTIONAL = ("placed", "seller", "title")


def command(
    ctx: typer.Context,
    status: Annotated[
        str | None,
        typer.Option("--status", metavar="S", help="only orders of this status", autocompletion=lambda: STATUSES),
    ] = None,
    seller: Annotated[str | None, typer.Option("--seller", metavar="S", help="only orders from this seller")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="T", help="only orders placed from then on")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="T", help="only orders placed up to then")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="also orders with nothing left to do")] = False,
    sort: Annotated[
        str, typer.Option("--sort", metavar="COL", help="a column of the relation orders", autocompletion=lambda: MAIN)
    ] = "placed_at",
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, max=MOST, help="at most so many orders")
    ] = None,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
    engine: context.Engine = "duckdb",
    connect: context.Connect = None,
) -> None:
    """List the orders, by the time they were placed.

    Example: orderledger list --status closed --since "30d ago"
    """
    if status is not None and status not in STATUSES:
        raise Usage(f"no status {status!r}", hint=f"statuses are {', '.join(STATUSES)}")
    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="csv", no_color=no_color, tz=zone)
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    chosen = {
        "status": status,
        "seller": seller,
        "since": reading.naive(clock.parse(since, zone, moment.now)) if since else None,
        "until": reading.naive(clock.parse(until, zone, moment.now)) if until else None,
        "archived": archived,
    }
    with reading.of_ledgers(ctx, moment, cluster=context.cluster(engine, connect)) as relations:
        found = orders(relations, chosen, sort=sort, limit=limit)
        show(target, found, note=_not_shown(relations, chosen) if target.format == "table" else "")


def show(target: output.Target, found: "Result", *, note: str) -> None:
    """Print orders: all main columns, or the few that a person reads, with a note at the end."""
    if target.format == "table":
        columns = {name: FOR_EYES[name] for name in FOR_EYES if name != "ledger" or name in found.columns}
        batches = _for_eyes(target, found, list(columns))
        render.table(target, list(columns), list(columns.values()), batches, optional=OPTIONAL, note=note)
    else:
        render.result(target, found)


def orders(
    relations: "Answering", chosen: dict[str, Any], *, sort: str = "placed_at", limit: int | None = None
) -> "Result":
    """Ask for the main columns of the chosen orders; Usage when there is no column to sort by."""
    empty = relations.run("SELECT * FROM orders LIMIT 0", {})
    known = dict(zip(empty.columns, empty.types, strict=True))
    if sort not in known:
        raise Usage(f"orders have no column {sort!r}", hint=f"columns are {', '.join(known)}")
    by_currency = "currency, " if known[sort].startswith("DECIMAL") else ""  # 64 EUR and 5620 JPY do not compare
    # Nothing but names that were found in the relation or stand above is put into the text.
    query = f"""
        SELECT {", ".join(MAIN)} FROM orders
        WHERE {CHOSEN} AND ($archived OR NOT archived)
        ORDER BY {by_currency}"{sort}" NULLS LAST, order_id
        LIMIT $limit
    """  # noqa: S608
    return relations.run(query, chosen | {"limit": MOST if limit is None else limit})


def _not_shown(relations: "Answering", chosen: dict[str, Any]) -> str:
    """Say how many archived orders were chosen and are not shown."""
    query = f"SELECT count(*) FROM orders WHERE {CHOSEN} AND archived AND NOT $archived"  # noqa: S608 - the text above
    [(count,)] = relations.run(query, chosen).rows
    return f"{count:,} archived order{'' if count == 1 else 's'} not shown: --archived" if count else ""


def _for_eyes(target: output.Target, found: "Result", columns: Sequence[str]) -> Iterator[Sequence[render.Row]]:
    for at in range(0, len(found.rows), render.BATCH):
        shown = (
            _shown(target, dict(zip(found.columns, row, strict=True))) for row in found.rows[at : at + render.BATCH]
        )
        yield [[cells[name] for name in columns] for cells in shown]


def _shown(target: output.Target, order: dict[str, Any]) -> dict[str, Any]:
    """Give the cells that a person reads."""
    status = order["status"]
    if status == "closed":
        status += f": {order['closure_reason']}"
    return order | {
        "placed": render.short_instant(order["placed_at"].replace(tzinfo=UTC), target.tz)[:10],
        "amount": f"{render.amount(order['amount'], order['currency'])} {order['currency']}",
        "status": status,
    }
