"""Colour by meaning: green is money to the buyer, cyan to the seller, yellow asks for a look, red is late or lost."""

from decimal import Decimal

CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36", "magenta": "35"}

COLUMNS = {
    "to_buyer": "green",
    "refunded": "green",
    "refund_pending": "green",
    "to_seller": "cyan",
    "escrow": "yellow",
    "odd": "yellow",
    "flag": "yellow",
    "days_late": "red",
    "days_over": "red",
}
WORDS = {
    "buyer": "green",
    "refunds": "green",
    "seller": "cyan",
    "split": "magenta",
    "escrow": "yellow",
    "disputed": "yellow",
    "frozen": "yellow",
    "cancelling": "yellow",
    "closed": "dim",
    "unknown": "red",
    "security": "red",
    "nobody": "dim",
}
WORDED = ("status", "reason", "closure_reason", "money_went_to", "account", "actor", "closed_by")
"""The columns whose words have a colour; anywhere else a word of the log is only a word."""


def of_cell(column: str, value: object, text: str) -> str:
    """Name the style of a cell by what its column and value mean; empty where it means nothing special."""
    if column in ("overdue", "failed"):
        return "red" if value is True else ""
    if column == "time_left":
        return "red" if text.endswith(("overdue", "bounced")) else ""
    if isinstance(value, Decimal) and not value:
        return "dim"
    if column in WORDED:
        whole, _, reason = text.partition(": ")
        return WORDS.get(reason) or WORDS.get(whole, "")
    return COLUMNS.get(column, "") if text else ""


def paint(text: str, style: str, on: bool) -> str:
    """Wrap text in the terminal's codes for a style, where colour is on."""
    return f"\x1b[{CODES[style]}m{text}\x1b[0m" if on and style and text else text
