"""`orderledger money`: where the money is."""

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from commands import clock, context, output, reading, render

if TYPE_CHECKING:
    from queries.engine import Answering, Result

By = Literal["account", "month", "seller"]

BY_SELLER = """
    SELECT
        seller,
        currency,
        count(*) AS orders,
        CAST(sum(paid) AS DECIMAL(38,4)) AS paid,
        CAST(sum(escrow) AS DECIMAL(38,4)) AS escrow,
        CAST(sum(to_seller) AS DECIMAL(38,4)) AS to_seller,
        CAST(sum(to_buyer) AS DECIMAL(38,4)) AS to_buyer,
        CAST(sum(refund_pending) AS DECIMAL(38,4)) AS refund_pending,
        CAST(sum(refunded) AS DECIMAL(38,4)) AS refunded
    FROM orders
    GROUP BY seller, currency
    ORDER BY seller, currency
"""


def command(
    ctx: typer.Context,
    by: Annotated[By, typer.Option("--by", help="one row per account, month or seller, and currency")] = "account",
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
    """Say where the money is: with the buyer, in escrow, with the seller, on its way back.

    Example: orderledger money --by seller
    """
    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="csv", no_color=no_color, tz=zone)
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    with reading.of_ledgers(ctx, moment, cluster=context.cluster(engine, connect)) as relations:
        answer = _ask(relations, by)
        note = balance(answer) if by == "account" else ""
        render.result(target, answer, optional=("orders", "refund_pending"), note=note)


def _ask(relations: "Answering", by: By) -> "Result":
    if by == "seller":
        return relations.run(BY_SELLER, {})
    from queries.catalog import audits

    name = f"money-by-{by}"
    return relations.run(audits(only=name)[name].sql, {})


def balance(answer: render.Result) -> str:
    """Say whether the balances of each currency sum to zero (R14)."""
    currency, amount = answer.columns.index("currency"), answer.columns.index("balance")
    sums: dict[str, Decimal] = {}
    for row in answer.rows:
        code = str(row[currency])
        sums[code] = sums.get(code, Decimal(0)) + cast(Decimal, row[amount])
    wrong = [f"{code} does not sum to zero: {render.amount(left, code)}" for code, left in sums.items() if left]
    if wrong:
        return "; ".join(wrong)
    return f"every cent accounted for: {', '.join(sums)} sum{'s' * (len(sums) == 1)} to zero" if sums else ""
