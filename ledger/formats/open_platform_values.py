"""Values of the Open Platform's JSON: fields however they are spelt, times, amounts, and the problems with them."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

from ledger import events as e
from ledger import money
from ledger.errors import Malformed, Refused
from ledger.formats.foreign import Asked
from ledger.formats.local_time import Moment, moment

NAME = "open-platform"
"""The source of its facts."""

LOOK_UP = "look the order up in the marketplace"

_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")


@lru_cache(1024)
def _snake(name: str) -> str:
    return _HUMP.sub(lambda hump: "_" + hump[0], name).lower()


class Node:
    """An object of the interface, its fields by their snake_case names, however they were written."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.fields: dict[str, Any] = {}
        self._rows: dict[tuple[str, ...], list[Node]] = {}
        for name, value in raw.items():
            self.fields.setdefault(_snake(name), value)

    def text(self, *names: str) -> str | None:
        """Return the first of the fields that holds a text or a whole number."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return str(value)
            if isinstance(value, str) and value.strip():
                return value.strip()
        return None

    def id(self, *names: str) -> str | None:
        """Return the first of the fields that holds an id."""
        found = (self.text(name) for name in names)
        return next((text for text in found if text and text != "0" and re.match(e.ID_PATTERN, text)), None)

    def number(self, *names: str) -> str | None:
        """Return the first of the fields that holds an order's number: digits, and no others."""
        found = self.id(*names)
        return found if found and re.fullmatch("[0-9]{1,128}", found) else None

    def rows(self, *names: str) -> list["Node"]:
        """Return the objects of the first list that is there, be it a list or one wrapped in an object."""
        if names not in self._rows:  # an order of many children is asked for them by each
            self._rows[names] = self._read_rows(names)
        return self._rows[names]

    def _read_rows(self, names: tuple[str, ...]) -> list["Node"]:
        for name in names:
            value = self.fields.get(name)
            while isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict | list):
                value = next(iter(value.values()))
            if isinstance(value, dict) and value:
                return [Node(value)]
            if isinstance(value, list) and value:
                return [Node(one) for one in value if isinstance(one, dict)]
        return []

    def part(self, *names: str) -> "Node":
        """Return the first of the fields that holds an object, an empty one if none does."""
        found = (self.fields.get(name) for name in names)
        return Node(next((value for value in found if isinstance(value, dict)), {}))


class Time(NamedTuple):
    """A time as a fact has it, and what to add to the fact's note."""

    at: datetime
    ambiguous: bool
    note: str | None


class Reading:
    """What is read of a record: values, and the problems that were met; each is told once."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.problems: list[Malformed] = []
        self._met: set[str] = set()

    def problem(self, what: str, *, why: str, hint: str = LOOK_UP) -> None:
        """Keep what could not be told, unless it is known already."""
        if what not in self._met:
            self._met.add(what)
            self.problems.append(Malformed(what, why=why, hint=hint))

    def check_shapes(self, node: Node, *, lists: Sequence[str], objects: Sequence[str]) -> None:
        """Keep as problems the fields that hold neither nothing nor what they should: what is in them is not read."""
        for name in (*lists, *objects):
            value = node.fields.get(name)
            if value and not isinstance(value, dict) and (name in objects or not isinstance(value, list)):
                kind = "an object" if name in objects else "a list"
                self.problem(f"{name} is not {kind}", why="nothing of it can be told")
            elif isinstance(value, list) and not all(isinstance(one, dict) for one in value):
                self.problem(f"{name}: some of it are no objects", why="nothing of those can be told")

    def time(self, node: Node, *names: str) -> Time | None:
        """Return the time in the first of the fields that is given; what is no time is a problem."""
        for name in names:
            text = node.text(name)
            if text is None:
                continue
            try:
                found: Moment = moment(text)
            except ValueError as error:
                self.problem(
                    f"{name}: {error}",
                    why="a fact needs the time when it happened",
                    hint="a time looks like 2021-06-14 03:04:05",
                )
                return None
            note = f"the clock in Los Angeles skipped {text}" if found.skipped else None
            return Time(found.at, found.ambiguous, note)
        return None

    def money(self, node: Node, names: Sequence[str], currency: str | None) -> tuple[int, str] | None:
        """Return the amount in the first of the fields that holds one, in minor units, and its currency.

        `currency` is that of an amount that names none. What cannot be read is a problem.
        """
        for name in names:
            value = node.fields.get(name)
            if value in (None, "", {}, []):
                continue
            try:
                return _amount(value, currency)
            except Refused as refused:
                self.problem(f"{name}: {refused.what}", why=refused.why, hint=refused.hint)
                return None
        return None


_DIGITS = re.compile(r"[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20}")


def _amount(value: Any, currency: str | None) -> tuple[int, str]:
    """Return minor units and currency; cent / cent_factor counts more than the amount beside it."""
    node = Node(value if isinstance(value, dict) else {"amount": value})
    inner = node.part("currency")
    named = {code for code in (node.text("currency_code", "currency"), inner.text("currency_code")) if code}
    if len(named) > 1:
        raise Malformed(f"it names two currencies: {', '.join(sorted(named))}", why="an amount is in one", hint=LOOK_UP)
    code = next(iter(named), currency)
    if code is None:
        raise Malformed("it names no currency", why="an amount needs one", hint="give it with --currency, such as USD")
    decimals = money.exponent(code)
    if node.fields.get("cent") not in (None, ""):
        units = _exact(node.fields["cent"]) / _cents_a_unit(node, inner, decimals)
    else:
        units = _exact(node.fields.get("amount", node.fields.get("amount_str")))
    minor = units * 10**decimals
    if minor.denominator != 1:
        raise Malformed(f"it has more decimals than {code}", why=f"{code} has {decimals} decimals (R11)", hint=LOOK_UP)
    return minor.numerator, code


def _cents_a_unit(node: Node, inner: Node, decimals: int) -> Fraction:
    factor = node.fields.get("cent_factor")
    if factor in (None, ""):
        told = inner.text("default_fraction_digits")
        return Fraction(10 ** (int(told) if told in {"0", "1", "2", "3", "4"} else decimals))
    found = _exact(factor)
    if not found:
        raise Malformed("its cent_factor is zero", why="cents are divided by it", hint=LOOK_UP)
    return found


def _exact(value: Any) -> Fraction:
    """Return what is written as a number or as text; Malformed if it is no number, negative or far too large."""
    if isinstance(value, Decimal) and abs(value.adjusted()) < 20:
        value = f"{value:f}"
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return Fraction(value.strip())
    raise Malformed(
        f"{str(value)[:40]!r} is no amount" if value not in (None, "") else "it holds no amount",
        why="an amount is digits with at most one point, and not negative",
        hint=LOOK_UP,
    )


def split(whole: int, weights: Sequence[int]) -> list[int]:
    """Share an amount by weight, so that the shares add up to it: the largest remainders get what is left (R5a)."""
    total = sum(weights)
    if not total:
        weights, total = [1] * len(weights), len(weights)
    shares = [whole * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda place: -(whole * weights[place] % total))
    for place in by_remainder[: whole - sum(shares)]:
        shares[place] += 1
    return shares
