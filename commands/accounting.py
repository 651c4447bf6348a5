"""The money flow for programs of accounting: what moved, day by day, and what each account has in the end."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import chain, groupby
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from commands import output, reading
from ledger.errors import Usage
from ledger.events import TYPES
from ledger.formats import beancount, hledger
from ledger.formats.accounting import Accounts, Balance, Movement, account, number

if TYPE_CHECKING:
    from commands.export import Job
    from queries.engine import Relations

PAGE = 5000
"""Rows taken from the engine at a time."""


class Book(Protocol):
    """How a format writes the money flow."""

    def opening(self, currencies: Iterable[str], accounts: Iterable[str], first: date, /) -> Iterable[str]:
        """Yield what comes before the movements; `first` is the day of the first."""

    def transaction(self, movement: Movement, /) -> str:
        """Write a movement."""

    def closing(self, balances: Iterable[Balance], last: date, /) -> Iterable[str]:
        """Yield what comes after the movements; `last` is the day of the last."""


BOOKS: dict[str, Book] = {"hledger": hledger, "beancount": beancount}

OWNERS: dict[Accounts, str] = {
    "plain": "CAST(NULL AS VARCHAR)",
    "seller": "o.seller",
    "order": "o.order_id",
    "marketplace": "o.marketplace",
}
"""Whose account an event moves, for each kind of accounts."""

LEGS = """
    CREATE TABLE internal.legs AS
    SELECT
        p.seq,
        e.version,
        p.type,
        p.order_id,
        p.occurred_at,
        e.actor,
        e.odd,
        e.reason,
        e.outcome,
        e.amount AS told,
        o.seller,
        o.title,
        {owner} AS owner,
        p.currency,
        p.account,
        p.amount
    FROM postings AS p
    INNER JOIN events AS e ON e.seq = p.seq
    INNER JOIN events AS o ON o.order_id = p.order_id AND o.type = 'placed' AND o.retracted_by IS NULL
    ORDER BY CAST(p.occurred_at AS DATE), p.seq, p.amount > 0, p.account, p.amount
"""
"""One row a leg, by the day on which it happened; what an event takes comes before what it gives."""

BALANCES = """
    CREATE TABLE internal.balances AS
    SELECT account, owner, currency, CAST(sum(amount) AS DECIMAL(38,4)) AS balance
    FROM internal.legs
    GROUP BY account, owner, currency
    ORDER BY account, owner, currency
"""


class _Leg(NamedTuple):
    """A row of `internal.legs`."""

    seq: int
    version: int
    type: str
    order_id: str
    occurred_at: datetime
    actor: str
    odd: str | None
    reason: str | None
    outcome: str | None
    told: Decimal | None
    seller: str
    title: str | None
    owner: str | None
    currency: str
    account: str
    amount: Decimal


def export(job: "Job") -> None:
    """Print the money flow of what is in force: the accounts, a transaction an event, and the closing balances."""
    if job.since_seq is not None:
        raise Usage(
            f"--since-seq does not go with {job.format}",
            why="its closing balances are those of all that moved",
            hint="export it whole, in the place of the one before",
        )
    target = output.choose("jsonl", job.to, pipe="jsonl")
    with reading.relations(job.ctx, job.moment) as relations:
        prepare(relations, job.accounts)
        with output.opened(target, paged=True) as writer:
            for part in parts(relations, BOOKS[job.format], job.accounts):
                writer.write("\n".join(map(output.visible, part.split("\n"))) if target.screen else part)


def prepare(relations: "Relations", accounts: Accounts) -> None:
    """Put the legs and balances into tables, so that damage of the log is known before the first line is printed.

    What is more than the memory for a query waits on the disk.
    """
    relations.run(LEGS.format(owner=OWNERS[accounts]), {})
    relations.run(BALANCES, {})


def parts(relations: "Relations", book: Book, accounts: Accounts) -> Iterator[str]:
    """Yield the file in parts that are whole lines, from what was prepared."""
    [(first, last)] = relations.run(
        "SELECT CAST(min(occurred_at) AS DATE), CAST(max(occurred_at) AS DATE) FROM internal.legs", {}
    ).rows
    if first is None:
        yield from book.opening([], [], date.min)
        return
    currencies = relations.run("SELECT DISTINCT currency FROM internal.balances ORDER BY currency", {}).rows
    names = (balance.account for balance in _balances(relations, accounts))
    yield from book.opening([code for (code,) in currencies], (name for name, _ in groupby(names)), first)
    rows = chain.from_iterable(relations.pages("legs", PAGE))
    for _, legs in groupby(map(_Leg._make, rows), lambda leg: leg.seq):
        yield book.transaction(_movement([*legs], accounts))
    yield from book.closing(_balances(relations, accounts), last)


def _balances(relations: "Relations", accounts: Accounts) -> Iterator[Balance]:
    for name, owner, currency, balance in chain.from_iterable(relations.pages("balances", PAGE)):
        yield Balance(account(name, accounts, owner), currency, balance)


def _movement(legs: list[_Leg], accounts: Accounts) -> Movement:
    leg = legs[0]
    return Movement(
        seq=leg.seq,
        version=leg.version,
        type=leg.type,
        order_id=leg.order_id,
        occurred_at=leg.occurred_at.replace(tzinfo=UTC),
        seller=leg.seller,
        title=leg.title,
        odd=leg.odd,
        words=_words(leg),
        currency=leg.currency,
        legs=tuple((account(leg.account, accounts, leg.owner), leg.amount) for leg in legs),
    )


def _words(leg: _Leg) -> str:
    """Say who did what; nothing of it is somebody's own words, which might mean something to the program."""
    from queries.words import ACTORS, sentence

    made: dict[str, Any] = {"order_id": leg.order_id, "occurred_at": leg.occurred_at, "actor": leg.actor}
    if leg.told is not None:
        made["amount"] = number(leg.told, leg.currency)
    if leg.type == "closed":
        made["reason"] = leg.reason
    if leg.outcome is not None:
        made["outcome"] = leg.outcome
    text = f"{ACTORS[leg.actor]} {sentence(TYPES[leg.type](**made), leg.currency, str)}"
    return text[0].upper() + text[1:]
