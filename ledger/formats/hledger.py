"""An hledger journal of the money flow, which `hledger check --strict` accepts."""

import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from ledger.formats.accounting import Balance, Movement, amount, columns
from ledger.money import EXPONENTS

_IN_AN_ID = re.compile("[%();|]")
_BLANKS = re.compile("[\\s\x00-\x1f\x7f-\x9f]+")


def opening(currencies: Iterable[str], accounts: Iterable[str], first: date) -> Iterator[str]:
    """Yield what comes before the movements: the decimal mark, the currencies and the accounts, which have no date."""
    yield "; The money of the orders, from orderledger\n\ndecimal-mark .\n"
    for currency in currencies:
        yield f"commodity 1000.{'0' * EXPONENTS[currency]} {currency}\n"
    for account in accounts:
        yield f"account {account}\n"
    yield "\n"


def transaction(movement: Movement) -> str:
    """Write a movement: the order is its code, the seller its payee; `!` where the event is flagged as odd."""
    who = f"({_id(movement.order_id)}) {_id(movement.seller)}"
    odd = f", odd:{movement.odd.replace(',', ' ')}" if movement.odd else ""
    # A comma would end the value of a tag.
    title = _BLANKS.sub(" ", movement.title or "").replace(",", ";").strip()
    return "".join(
        [
            f"{movement.day} {'!' if movement.odd else '*'} {who} | {movement.words}\n",
            f"    ; seq:{movement.seq}, version:{movement.version}, type:{movement.type}, time:{movement.time}{odd}\n",
            f"    ; title:{title}\n" if title else "",
            columns(((account, amount(value, movement.currency)) for account, value in movement.legs), "    "),
            "\n",
        ]
    )


def closing(balances: Iterable[Balance], last: date) -> Iterator[str]:
    """Yield what comes after the movements: what each account has to have at the end of the last day of them."""
    yield f"{last} * closing balances\n"
    for balance in balances:
        nothing = amount(Decimal(0), balance.currency)
        yield f"    {balance.account}  {nothing} = {amount(balance.amount, balance.currency)}\n"


def _id(text: str) -> str:
    """Write an id without the characters that mean something there; different ids stay different."""
    return _IN_AN_ID.sub(lambda found: f"%{ord(found[0]):02X}", text)
