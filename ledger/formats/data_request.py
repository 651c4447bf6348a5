"""The file that the marketplace gives to a buyer who asks for their data: a workbook with a sheet of orders.

It is the only one of a buyer's that says why an order ended. It names no currency, no seller and no zone, and it proves
no refund: a closing decides that money goes back, whether it came is told by other sources.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from ledger import events as e
from ledger import money
from ledger.errors import BadInput, Malformed
from ledger.formats import marketplace, sheets
from ledger.formats.foreign import UNKNOWN_SELLER, Asked, Format, Record, merged
from ledger.formats.local_time import Moment, moment

NAME = "data-request"
SHEET = "Order Information"

COLUMNS: dict[str, str] = {
    "order_id": "the order; its item's line_id where the parent was recorded as one order before",
    "parent_orderid": "placed: parent; the order itself where it was recorded as one before",
    "gmt_create_order_time": "placed: occurred_at, as a time of Los Angeles",
    "order_status": "note of placed, because it has no time of its own",
    "item_name": "placed: title",
    "unit_price": "placed: items, where the prices add up to what was paid; else note",
    "payable_amt": "amount of placed and paid, in the smallest unit of the currency (cents, whole yen)",
    "gmt_pay_order_time": "paid: occurred_at, where is_success_pay is true",
    "gmt_trade_end_time": "occurred_at of the closing",
    "end_reason": "which closing it is; the word is kept in its note",
    "is_success_pay": "whether there is a paid at all",
    "frozen_status": "note of placed, because it has no time of its own",
}
"""The columns that are read, and what becomes of them."""

END_REASONS = marketplace.END_REASONS | {"end_issue": "closed: unknown"}
"""What a word in `end_reason` becomes. `end_issue` does not say who won; any other word is `closed: unknown` too."""

PAYMENT_MADE = {"true": True, "1": True, "false": False, "0": False, "": False}
"""What `is_success_pay` may say."""

NOT_FROZEN = frozenset({"", "0", "NO_FROZEN", "false"})
"""What `frozen_status` says of an order that is not frozen; other words go into the note."""

TABLES: dict[str, Sequence[tuple[str, str]]] = {
    "Columns": tuple(COLUMNS.items()),
    "Words of end_reason": tuple((word or "(empty)", becomes) for word, becomes in END_REASONS.items()),
}

_NEEDED = ("order_id", "gmt_create_order_time", "payable_amt")
_HEADER_WITHIN = 20
_EMPTY = frozenset({"", "null", "none", "nan", "-", "\\n"})
_EXACT_DIGITS = 15
_HALF_A_SECOND = timedelta(seconds=0.5)


class _Line(NamedTuple):
    """A row of the sheet that names an order, as far as it can be read."""

    number: int
    text: bytes
    order_id: str
    parent: str | None
    created: Moment | None
    amount: int | None
    unit: int | None
    name: str
    paid: Moment | None
    ended: Moment | None
    reason: str | None
    words: str
    problems: list[Malformed]


def _sniff(start: bytes) -> bool:
    return sheets.looks_like_one(start)


def read(content: bytes, asked: Asked) -> Iterator[Record]:
    """Give the orders of the workbook, each at the number of its first row."""
    header, rows = _table(content)
    if asked.currency is None:
        raise BadInput(
            "the file does not say which currency its amounts are in",
            why="a data request has no such column",
            hint="say it with --currency, such as --currency USD",
        )
    ids = [header[name] for name in ("order_id", "parent_orderid") if name in header]
    rounded = any(_rounded(cells[place] for _, cells in rows if len(cells) > place) for place in ids)
    orders: dict[str, list[_Line]] = {}
    seen: set[bytes] = set()
    for number, cells in rows:
        line = _line(number, cells, header, rounded=rounded)
        if isinstance(line, Record):
            yield line
        elif line.text not in seen:  # a row that stands twice is one row
            seen.add(line.text)
            orders.setdefault(line.order_id, []).append(line)
    yield from _told(list(orders.values()), asked.currency, asked)


def _table(content: bytes) -> tuple[dict[str, int], list[tuple[int, list[Any]]]]:
    """Return where each column stands and the rows below the header, from the sheet of orders."""
    titles = []
    for sheet in sheets.read(content, SHEET):
        titles.append(sheet.title)
        for place, (_, cells) in enumerate(sheet.rows[:_HEADER_WITHIN]):
            names = [re.sub(r"[\s_]+", "_", _text(cell).strip().lower()) for cell in cells]
            if all(name in names for name in _NEEDED):
                return {name: names.index(name) for name in COLUMNS if name in names}, sheet.rows[place + 1 :]
    raise BadInput(
        f"the workbook has no sheet of orders; its sheets are: {', '.join(titles)[:200] or 'none'}",
        why=f"one with the columns {', '.join(_NEEDED)} was looked for, as {SHEET!r} of a data request has them",
        hint="other tables are saved as CSV and imported with --map",
    )


def _line(number: int, cells: list[Any], header: dict[str, int], *, rounded: bool) -> _Line | Record:
    cell = {name: cells[place] if place < len(cells) else None for name, place in header.items()}
    text = "\t".join(_text(one) for one in cells).rstrip("\t").encode()
    problems: list[Malformed] = []
    try:
        order_id = _id(cell["order_id"], rounded=rounded)
        parent = _id(cell.get("parent_orderid"), rounded=rounded)
        if order_id is None:
            raise Malformed("the row has no order_id", why="it cannot be known which order it is of")
    except Malformed as problem:
        return Record(number, text, [], [problem])

    def get(name: str, parse: Callable[[Any], Any]) -> Any:
        try:
            return parse(cell.get(name))
        except (ValueError, OverflowError) as error:
            problems.append(Malformed(f"order {order_id}: {name}: {error}", hint="see what stands in the file"))
            return None

    paid, success = get("gmt_pay_order_time", _moment), get("is_success_pay", _whether)
    problems += _untold_payment(order_id, cell, paid, success=success)
    paid_or_not = not problems  # what a closing did with the money is not known where that is in doubt
    ended, reason = get("gmt_trade_end_time", _moment), _word(cell.get("end_reason"))
    if reason and not _word(cell.get("gmt_trade_end_time")):
        problems.append(
            Malformed(
                f"order {order_id}: it ended ({reason}), but the row does not say when", why="a fact has its time"
            )
        )
    status, frozen = _word(cell.get("order_status")), _word(cell.get("frozen_status"))
    words = [f"order_status {status}"] if status else []
    words += [f"frozen_status {frozen}"] if frozen not in NOT_FROZEN else []
    return _Line(
        number,
        text,
        order_id,
        None if parent == order_id else parent,
        get("gmt_create_order_time", _moment),
        get("payable_amt", _units),
        get("unit_price", _units),
        " ".join(_text(cell.get("item_name")).split()),
        paid if success else None,
        ended if paid_or_not else None,
        reason,
        ", ".join(words),
        problems,
    )


def _untold_payment(
    order_id: str, cell: dict[str, Any], paid: Moment | None, *, success: bool | None
) -> Iterator[Malformed]:
    """Give what a row says of a payment without the rest that would make a fact of it."""
    if success and not _word(cell.get("gmt_pay_order_time")):
        yield Malformed(f"order {order_id}: it was paid, but the row does not say when", why="a fact has its time")
    if paid is not None and not _word(cell.get("is_success_pay")):
        yield Malformed(
            f"order {order_id}: is_success_pay is empty, but there is a time of payment",
            why="it does not say whether the payment succeeded",
            hint="record it by hand, if it did",
        )
    if paid is not None and success is False:
        yield Malformed(
            f"order {order_id}: is_success_pay is false, but there is a time of payment",
            why="the row contradicts itself",
            hint="record the payment by hand, if it succeeded",
        )


def _told(orders: list[list[_Line]], currency: str, asked: Asked) -> Iterator[Record]:
    """Give the facts of the orders, the parts of a parent as the ledger already knows them."""
    families: dict[str, list[list[_Line]]] = {}
    for lines in orders:
        parent = next((line.parent for line in lines if line.parent), None)
        families.setdefault(parent or lines[0].order_id, []).append(lines)
    for family, parts in families.items():
        # The number that a shop shows is the parent's: another source may have told all of it as one order.
        whole = asked.placed(family) is not None and not asked.parts_of(family)
        if whole and len(parts) > 1:
            yield _as_one(family, parts, currency, asked)
            continue
        for lines in parts:
            yield _record(family if whole else lines[0].order_id, family, lines, currency, asked)


def _record(order_id: str, family: str, lines: list[_Line], currency: str, asked: Asked) -> Record:
    """Give what the rows of one order tell."""
    problems = [problem for line in lines for problem in line.problems]
    amount, items = _amount(lines, order_id, currency, problems)
    created: Moment | None = _agreed(lines, "created", "gmt_create_order_time", problems)
    facts: list[e.Fact] = []
    if created is not None and amount is not None:
        units = [line.unit for line in lines if line.unit is not None]
        notes = [lines[0].words, _skipped(created)]
        if not items and units:
            notes.append(f"unit_price {', '.join(money.text(unit, currency) for unit in units)}")
        facts.append(
            e.Placed(
                order_id=order_id,
                occurred_at=created.at,
                ambiguous_time=created.ambiguous,
                seller=UNKNOWN_SELLER,
                amount=money.text(amount, currency),
                currency=currency,
                title="; ".join(dict.fromkeys(line.name for line in lines if line.name)) or None,
                items=items,
                marketplace=marketplace.NAME,
                parent=family if order_id != family else None,
                source=NAME,
                note=_note(notes),
            )
        )
    elif not any(line.created or line.problems for line in lines):
        problems.append(Malformed(f"order {order_id}: the row does not say when it was placed"))
    if not facts and asked.placed(order_id) is None:
        return Record(lines[0].number, _texts(lines), [], problems)  # nothing can be said of an order nobody placed
    rest: list[e.Fact] = []
    paid: Moment | None = _agreed(lines, "paid", "gmt_pay_order_time", problems)
    if paid is not None and amount is not None:
        rest.append(_paid(order_id, paid, amount, currency))
    ended: Moment | None = _agreed(lines, "ended", "gmt_trade_end_time", problems)
    reasons = {line.reason for line in lines if line.ended is not None}
    if ended is not None and len(reasons) == 1:
        rest.append(closing(order_id, ended, reasons.pop() or ""))
    elif len(reasons) > 1:
        problems.append(_disagree(order_id, "end_reason", sorted(reason or "(empty)" for reason in reasons)))
    return Record(lines[0].number, _texts(lines), facts + merged(rest), problems)


def _as_one(order_id: str, parts: list[list[_Line]], currency: str, asked: Asked) -> Record:
    """Give what the parts tell together, because another source told them as one order."""
    records = [_record(order_id, order_id, lines, currency, asked) for lines in parts]
    facts = [fact for record in records for fact in record.facts]
    problems = [problem for record in records for problem in record.problems]
    number, text = records[0].number, b"\n".join(record.text for record in records)
    placed = [fact for fact in facts if isinstance(fact, e.Placed)]
    if len(placed) < len(parts):
        return Record(number, text, [], problems)
    first = min(placed, key=lambda fact: fact.occurred_at)
    title = "; ".join(dict.fromkeys(fact.title for fact in placed if fact.title)) or None
    items = [item for fact in placed for item in fact.items or ()] if all(fact.items for fact in placed) else None
    told: list[e.Fact] = [
        e.Placed(
            order_id=order_id,
            occurred_at=first.occurred_at,
            ambiguous_time=first.ambiguous_time,
            seller=UNKNOWN_SELLER,
            amount=_sum(placed, currency),
            currency=currency,
            title=title,
            items=tuple(items) if items else None,
            marketplace=marketplace.NAME,
            source=NAME,
            note=f"told as {len(parts)} orders: {', '.join(lines[0].order_id for lines in parts)}",
        )
    ]
    rest: list[e.Fact] = []
    payments = [fact for fact in facts if isinstance(fact, e.Paid)]
    for at in dict.fromkeys(fact.occurred_at for fact in payments):
        together = [fact for fact in payments if fact.occurred_at == at]
        amount = money.minor(_sum(together, currency))
        rest.append(_paid(order_id, Moment(at, ambiguous=together[0].ambiguous_time), amount, currency))
    closings = [fact for fact in facts if type(fact).closing]
    kinds = {(e.tag_of(fact), getattr(fact, "reason", None)) for fact in closings}
    if len(kinds) == 1 and len(closings) == len(parts):
        rest.append(max(closings, key=lambda fact: fact.occurred_at))
    elif closings:
        problems.append(
            Malformed(
                f"order {order_id}: its {len(parts)} parts did not all end alike",
                why="it was recorded as one order, and that cannot be closed in parts",
                hint=f"look at it (orderledger show {order_id}) and record how it ended",
            )
        )
    return Record(number, text, told + merged(rest), problems)


def closing(order_id: str, ended: Moment, reason: str) -> e.Fact:
    """Return the closing that an `end_reason` means."""
    becomes = END_REASONS.get(reason, END_REASONS[""])
    kind, _, rest = becomes.partition(": ")
    told: dict[str, Any] = {"order_id": order_id, "occurred_at": ended.at, "ambiguous_time": ended.ambiguous}
    told["source"] = NAME
    told["note"] = _note([f"end_reason {reason}" if reason else "end_reason empty", _skipped(ended)])
    if rest:
        told["outcome" if kind == "dispute-resolved" else "reason"] = rest
    fact: e.Fact = e.TYPES[kind](**told)  # type: ignore[assignment]  # every type is one of Fact
    return fact


def _paid(order_id: str, paid: Moment, amount: int, currency: str) -> e.Paid:
    return e.Paid(
        order_id=order_id,
        occurred_at=paid.at,
        ambiguous_time=paid.ambiguous,
        amount=money.text(amount, currency),
        currency=currency,
        source=NAME,
        note=_note([_skipped(paid)]),
    )


def _amount(
    lines: list[_Line], order_id: str, currency: str, problems: list[Malformed]
) -> tuple[int | None, tuple[e.Item, ...] | None]:
    """Return what was to be paid for an order, and its items where the prices prove that each is one piece."""
    amounts = [line.amount for line in lines if line.amount is not None]
    if len(amounts) < len(lines):
        if not any(line.problems for line in lines):
            problems.append(Malformed(f"order {order_id}: payable_amt is empty", why="the order's amount is not known"))
        return None, None
    names = {line.name for line in lines}
    if len(lines) > 1 and (len(names) < len(lines) or "" in names):
        problems.append(
            Malformed(
                f"order {order_id}: {len(lines)} rows that differ, and not each is of another item",
                why="they may tell one order twice or its parts, and which of them is right is not said",
                hint="leave the row that holds; or record the order by hand",
            )
        )
        return None, None
    if not any(amounts):
        problems.append(Malformed(f"order {order_id}: payable_amt is 0", why="an amount of nothing says nothing (R11)"))
        return None, None
    units = [line.unit for line in lines]
    one_each = [
        e.Item(
            quantity=1,
            price=money.text(line.unit or 0, currency),
            title=line.name or None,
            line_id=line.order_id if line.order_id != order_id else None,
        )
        for line in lines
    ]
    if units == amounts:
        return sum(amounts), tuple(one_each)
    if len(set(amounts)) > 1:
        return sum(amounts), None  # they differ, so they are the rows' own
    if len(lines) == 1:
        return amounts[0], None
    if None not in units and sum(unit or 0 for unit in units) == amounts[0]:
        return amounts[0], tuple(one_each)
    problems.append(
        Malformed(
            f"order {order_id}: {len(lines)} rows say {money.text(amounts[0], currency)}",
            why="that may be the amount of each or of all of them",
            hint="record the order by hand",
        )
    )
    return None, None


def _agreed(lines: list[_Line], field: str, column: str, problems: list[Malformed]) -> Any:
    """Return what the rows of an order say in a field, None where they say nothing or do not agree."""
    said = list(dict.fromkeys(value for line in lines if (value := getattr(line, field)) is not None))
    if len(said) > 1:
        problems.append(_disagree(lines[0].order_id, column, [f"{one.at:%Y-%m-%d %H:%M:%SZ}" for one in said]))
        return None
    return said[0] if said else None


def _disagree(order_id: str, column: str, said: list[str]) -> Malformed:
    return Malformed(
        f"order {order_id}: its rows do not agree in {column}: {', '.join(said)}",
        why="an order has one of it",
        hint="record by hand what is right",
    )


def _sum(facts: Iterable[e.Placed | e.Paid], currency: str) -> str:
    return money.text(sum(money.minor(fact.amount) for fact in facts), currency)


def _rounded(cells: Iterable[Any]) -> bool:
    """Tell whether all the long ids that stand as numbers end in noughts: a spreadsheet keeps 15 digits of a number."""
    tails = [
        int(str(cell)[_EXACT_DIGITS:])
        for cell in cells
        if isinstance(cell, int) and not isinstance(cell, bool) and cell > 10**_EXACT_DIGITS
    ]
    return bool(tails) and not any(tails)


def _id(cell: Any, *, rounded: bool) -> str | None:
    """Return an order's id; Malformed where it is none, or a number that may have lost its last digits."""
    text = _word(cell)
    if not text or text == "0":
        return None
    number = isinstance(cell, int | float) and not isinstance(cell, bool)
    if number and isinstance(cell, float) and cell.is_integer() and 0 < cell < 10**_EXACT_DIGITS:
        return str(int(cell))
    lost = isinstance(cell, float) or (number and rounded and len(text) > _EXACT_DIGITS)
    if lost or re.fullmatch(r"[0-9.,]+e\+?[0-9]+", text, re.IGNORECASE):
        raise Malformed(
            f"the order id {text} is a number that has lost its last digits",
            why=f"a spreadsheet keeps {_EXACT_DIGITS} digits of a number, and ids have more",
            hint="import the file as it was downloaded; it must not be saved by a spreadsheet program before",
        )
    if not re.fullmatch(r"[0-9]{1,32}", text, re.ASCII):
        raise Malformed(f"{text[:60]!r} is no order id", why="order ids are digits")
    return text


def _moment(cell: Any) -> Moment | None:
    """Return the instant that a cell means; ValueError where it means none."""
    if isinstance(cell, datetime):
        cell = (cell + _HALF_A_SECOND).replace(microsecond=0, tzinfo=None)  # a number of days is never quite exact
    elif isinstance(cell, float) or (isinstance(cell, int) and 0 < cell < 10**12):
        raise ValueError(f"{cell} is a number, not a time")
    text = _word(cell)
    return moment(text) if text and text != "0" else None


def _whether(cell: Any) -> bool | None:
    text = _word(cell)
    if text.lower() not in PAYMENT_MADE:
        raise ValueError(f"{text[:60]!r} says neither yes nor no")
    return PAYMENT_MADE[text.lower()] if text else None


def _units(cell: Any) -> int | None:
    """Return a number of smallest units; ValueError where it is not a whole one."""
    text = _word(cell)
    if not text:
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 10**_EXACT_DIGITS:
        text = str(int(cell))
    if not re.fullmatch(r"[0-9]{1,18}(\.0+)?", text, re.ASCII) or isinstance(cell, bool):
        raise ValueError(f"{text[:60]!r} is no whole number of the smallest unit")
    return int(text.partition(".")[0])


def _word(cell: Any) -> str:
    text = _text(cell).strip()
    return "" if text.lower() in _EMPTY else text


def _text(cell: Any) -> str:
    """Return what stands in a cell; times as they are written, without a zone."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, datetime | date):
        return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()
    return str(cell).replace("\0", "").encode("utf-8", "replace").decode()


def _texts(lines: list[_Line]) -> bytes:
    return b"\n".join(line.text for line in lines)


def _skipped(at: Moment) -> str:
    return "the clock skipped this hour" if at.skipped else ""


def _note(parts: Iterable[str]) -> str | None:
    return "; ".join(part for part in parts if part) or None


DATA_REQUEST = Format(NAME, "the marketplace's answer to a data request (XLSX)", _sniff, read)
