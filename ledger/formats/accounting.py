"""The money flow in the terms of plain-text accounting, which hledger and beancount share.

There are the ledger's four accounts under one root, or those four for each seller, order or marketplace. Balances have
the signs of `orderledger money`: what the buyer paid in is negative, and all of them sum to zero. The names of accounts
are such that both programs accept them.
"""

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from ledger.money import EXPONENTS

Accounts = Literal["plain", "seller", "order", "marketplace"]
"""For what there are accounts of its own."""

ROOT = "Assets:Orderledger"

_OTHER = re.compile("[^A-Za-z0-9-]|-(?![A-Za-z0-9])")


class Movement(NamedTuple):
    """An event in force that moved money, in words and with its legs: account, and what it got; they sum to zero."""

    seq: int
    version: int
    type: str
    order_id: str
    occurred_at: datetime
    seller: str
    title: str | None
    odd: str | None
    words: str
    currency: str
    legs: tuple[tuple[str, Decimal], ...]

    @property
    def day(self) -> date:
        """The day in UTC."""
        return self.occurred_at.astimezone(UTC).date()

    @property
    def time(self) -> str:
        """The instant, as text."""
        return self.occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Balance(NamedTuple):
    """What an account has at the end in one currency."""

    account: str
    currency: str
    amount: Decimal


def account(name: str, accounts: Accounts, owner: str | None) -> str:
    """Name the account of a movement: `escrow` is Assets:Orderledger:Escrow, or Assets:Orderledger:Escrow:Seller-shop1.

    `owner` is the seller, order or marketplace; an order whose marketplace nobody told has none.
    """
    whole = f"{ROOT}:{name.capitalize()}"
    if accounts == "plain":
        return whole
    return f"{whole}:No-{accounts}" if owner is None else f"{whole}:{accounts.capitalize()}-{plain_name(owner)}"


def plain_name(text: str) -> str:
    """Write a name with ASCII letters, digits and single dashes; different names stay different.

    Any other character becomes its bytes in UTF-8, each as `--` and two hexadecimal digits: `a_b` is `a--5fb`. So does
    a dash that has no letter or digit behind it.
    """
    return _OTHER.sub(lambda found: "".join(f"--{byte:02x}" for byte in found[0].encode()), text)


def columns(rows: Iterable[tuple[str, str]], indent: str) -> str:
    """Write accounts and amounts below one another, a line each."""
    rows = [*rows]
    left, right = (max(map(len, column)) for column in zip(*rows, strict=True))
    return "".join(f"{indent}{one:<{left}}  {other:>{right}}\n" for one, other in rows)


def amount(value: Decimal, currency: str) -> str:
    """Write an amount with its currency behind it."""
    return f"{number(value, currency)} {currency}"


def number(value: Decimal, currency: str) -> str:
    """Write an amount with a point and exactly the decimals of its currency."""
    return f"{value:.{EXPONENTS[currency]}f}"
