"""A beancount file of the money flow, which `bean-check` accepts."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from ledger.formats.accounting import Balance, Movement, amount, columns, number, plain_name

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def opening(currencies: Iterable[str], accounts: Iterable[str], first: date) -> Iterator[str]:
    """Yield what comes before the movements: the title, and the currencies and accounts, open from the first day on."""
    yield 'option "title" "The money of the orders, from orderledger"\n\n'
    for currency in currencies:
        yield f"{first} commodity {currency}\n"
    for account in accounts:
        yield f"{first} open {account}\n"
    yield "\n"


def transaction(movement: Movement) -> str:
    """Write a movement: the seller is its payee, the order its link; `!` where the event is flagged as odd."""
    words = (movement.seller, movement.words)
    more = {"order": movement.order_id, "type": movement.type, "time": movement.time}
    more |= {"odd": movement.odd or "", "title": movement.title or ""}
    return "".join(
        [
            f"{movement.day} {'!' if movement.odd else '*'} {' '.join(map(_string, words))}"
            f" ^{plain_name(movement.order_id)}\n",
            f"  seq: {movement.seq}\n  version: {movement.version}\n",
            *(f"  {name}: {_string(value)}\n" for name, value in more.items() if value),
            columns(((account, amount(value, movement.currency)) for account, value in movement.legs), "  "),
            "\n",
        ]
    )


def closing(balances: Iterable[Balance], last: date) -> Iterator[str]:
    """Yield what comes after the movements: what each account has to have when the last day of them is over."""
    day = min(last, date.max - timedelta(days=1)) + timedelta(days=1)  # a balance is that at the beginning of its day
    for balance in balances:
        # Without a tolerance of nothing, a balance that is wrong by a cent would do.
        value = number(balance.amount, balance.currency)
        yield f"{day} balance {balance.account}  {value} ~ 0 {balance.currency}\n"


def _string(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
