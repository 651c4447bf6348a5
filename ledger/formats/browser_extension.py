"""The orders that a browser extension collects from the marketplace's pages, exported as CSV or JSON.

It tells what was ordered from whom, for how much and on which day. The status it shows has no time, and neither has
anything after the order was placed, so that `placed` is the only fact in it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from ledger import money
from ledger.errors import UNREADABLE, BadInput, Malformed
from ledger.events import Item, Placed
from ledger.formats import marketplace
from ledger.formats.foreign import BOM, UNKNOWN_SELLER, Asked, Format, Record
from ledger.formats.local_time import Moment, moment
from ledger.formats.prices import price

NAME = "browser-extension"

COLUMNS: dict[str, str] = {
    "Order ID": "orderId",
    "Order Date": "orderDateIso",
    "Title": "title",
    "Qty": "quantity",
    "Price": "price",
    "Store": "storeName",
    "Product ID": "productId",
    "SKU ID": "skuId",
    "Attributes": "attributes",
    "Price Info": "priceInfo",
    "Currency": "currency",
    "Status": "status",
    "Product Url": "productUrl",
    "Store Url": "storePageUrl",
}
"""The columns of the CSV that are read, and what the same is called in the JSON."""

FIELDS: tuple[tuple[str, str], ...] = (
    ("Order ID, orderId", "the order"),
    ("orderLineId", "line_id of the item; in the CSV there is none"),
    ("Order Date, orderDateIso", "placed: occurred_at, midnight of that day in Los Angeles"),
    ("orderDate", "the same where orderDateIso is missing, else note where it names another day"),
    ("Price × Qty, price × quantity", "placed: amount, summed over the rows of the order; items"),
    ("Price Info, priceInfo", "settles a price that could be read in two ways"),
    ("Currency, currency", "placed: currency"),
    ("Store Url, storePageUrl", "placed: seller, the number in it"),
    ("Store, storeName", "note"),
    ("Status, status", "note, because it has no time"),
    ("Title, Attributes", "placed: title; items"),
    ("Product ID, SKU ID", "items"),
    ("Product Url, productUrl", "placed: marketplace, if it is AliExpress"),
    ("Product Image Url, imageUrl, Tags, tags, id, timestamp, ignoreExport", "not kept"),
)
"""The fields of a row, and what becomes of them."""

TABLES: dict[str, Sequence[tuple[str, str]]] = {"Fields": FIELDS}

_NEEDED = ("Order ID", "Order Date", "Price")
_DELIMITERS = ",;\t"
_NOT_COMPARED = {"timestamp", "ignoreExport", "tags", "imageUrl"}
"""What may differ where the same line was collected twice."""

_STORE = re.compile(r"/store/(?:[^/?#]*[-_])?([0-9]{3,20})(?![0-9])", re.ASCII)
_MARKETPLACE = re.compile(r"(?:https?:)?//(?:[a-z0-9-]+\.)*aliexpress\.[a-z.]{2,6}/", re.IGNORECASE)
_MOST_PIECES = 1_000_000


class _Line(NamedTuple):
    """A line of an order, as far as it can be read."""

    number: int
    text: bytes
    order_id: str
    at: Moment | None
    shown: str
    item: Item | None
    total: int | None
    currency: str | None
    seller: str | None
    store: str
    shop: str | None
    status: str
    title: str
    problems: list[Malformed]


def _sniff(start: bytes) -> bool:
    start = start.removeprefix(BOM).lstrip()
    if start.startswith(b"["):
        return b'"orderLineId"' in start and (b'"storePageUrl"' in start or b'"priceInfo"' in start)
    header = start.partition(b"\n")[0].decode("utf-8", "replace")
    return _delimiter(header) is not None and "Store" in header


def read(content: bytes, asked: Asked) -> Iterator[Record]:
    """Give the orders of the export, each at the number of its first row."""
    body = content.removeprefix(BOM)
    rows = _json(body) if body.lstrip()[:1] in (b"[", b"{") else _csv(body)
    orders: dict[str, list[_Line]] = {}
    seen: set[tuple[str, bytes]] = set()
    for number, text, row in rows:
        line = _line(number, text, row, asked.currency)
        if isinstance(line, Record):
            yield line
            continue
        same = msgspec.json.encode({name: value for name, value in row.items() if name not in _NOT_COMPARED})
        if (line.order_id, same) not in seen:  # a line that is told twice is one line
            seen.add((line.order_id, same))
            orders.setdefault(line.order_id, []).append(line)
    for order_id, lines in orders.items():
        yield from _told(order_id, lines, asked)


def _csv(content: bytes) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    """Give the rows of a CSV by the names that the JSON has for its columns; the header is row 1."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInput(
            "the CSV is not in UTF-8",
            why=f"byte {error.start} is not part of any character",
            hint="save it as CSV UTF-8, or export it again",
        ) from None
    delimiter = _delimiter(text.lstrip().partition("\n")[0])
    if delimiter is None:
        raise BadInput(
            "the CSV has no header of the extension",
            why=f"the columns {', '.join(_NEEDED)} were looked for in its first line",
            hint="other tables are imported with --map MAP.sql NAME=FILE",
        )
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header: list[str] | None = None
    number = 0
    try:
        for number, cells in enumerate(rows, 1):
            if header is None:
                header = [cell.strip() for cell in cells] if any(cells) else None
            elif any(cell.strip() for cell in cells):
                named = dict(zip(header, cells, strict=False))
                row: dict[str, Any] = {inside: named[column] for column, inside in COLUMNS.items() if column in named}
                if len(cells) > len(header):
                    row = {"orderId": row.get("orderId"), "_": f"it has {len(cells)} cells, the header {len(header)}"}
                yield number, _written(cells, delimiter), row
    except csv.Error as error:
        raise BadInput(
            f"row {number + 1} cannot be read as CSV", why=str(error), hint="look for a quote that is not closed"
        ) from None


def _json(content: bytes) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
    try:
        rows = msgspec.json.decode(content)
    except UNREADABLE as error:
        raise BadInput("the file is no JSON", why=str(error)[:200], hint="export it again") from None
    if not isinstance(rows, list):
        raise BadInput("the JSON is no list of orders", hint="import the extension's own export, as it was saved")
    for number, row in enumerate(rows, 1):
        yield number, msgspec.json.encode(row), row if isinstance(row, dict) else {}


def _line(number: int, text: bytes, row: Mapping[str, Any], currency: str | None) -> _Line | Record:
    order_id = _text(row, "orderId")
    if not re.fullmatch(r"[0-9]{1,32}", order_id, re.ASCII) or isinstance(row.get("orderId"), float):
        lost = re.fullmatch(r"[0-9.,]+(e\+?[0-9]+)?", order_id, re.IGNORECASE)
        problem = Malformed(
            f"{order_id[:60]!r} is no order id" if order_id else "the row has no order id",
            why="a spreadsheet has taken it for a number" if lost else "order ids are digits",
            hint="import the export as the extension saved it",
        )
        return Record(number, text, [], [problem])
    problems: list[Malformed] = []
    if "_" in row:
        problems.append(Malformed(f"order {order_id}: the row is of another shape", why=str(row["_"])))
        return _Line(number, text, order_id, None, "", None, None, None, None, "", None, "", "", problems)
    code = _text(row, "currency") or currency
    if code not in money.EXPONENTS:
        problems.append(
            Malformed(
                f"order {order_id}: no currency {code!r}" if code else f"order {order_id}: the row names no currency",
                why="amounts are kept in a currency of ISO 4217",
                hint="correct it in the file" if code else "say it with --currency, such as --currency USD",
            )
        )
        code = None
    at, shown = _when(row, order_id, problems)
    item = None if code is None else _item(row, order_id, code, problems)
    store = _STORE.search(_text(row, "storePageUrl"))
    return _Line(
        number,
        text,
        order_id,
        at,
        shown,
        item,
        item.quantity * money.minor(item.price) if item else None,
        code,
        store[1] if store else None,
        _text(row, "storeName"),
        marketplace.NAME if _MARKETPLACE.match(_text(row, "productUrl")) else None,
        _text(row, "status"),
        _text(row, "title"),
        problems,
    )


def _when(row: Mapping[str, Any], order_id: str, problems: list[Malformed]) -> tuple[Moment | None, str]:
    """Return the day of the order, and the one that the page showed where it was another.

    The extension turns the page's date into midnight where the browser stands and cuts that down to a date in UTC: east
    of Greenwich that is the day before. Both exports have it, and never is it later than the order.
    """
    days: list[Moment | None] = []
    texts = {name: _text(row, name) for name in ("orderDateIso", "orderDate")}
    for name, text in texts.items():
        try:
            days.append(moment(text) if text else None)
        except ValueError as error:
            days.append(None)
            problems.append(Malformed(f"order {order_id}: {name}: {error}", hint="dates are such as 2024-03-01"))
    day, shown = days
    if not any(texts.values()):
        problems.append(Malformed(f"order {order_id}: the row has no date", why="a fact has its time"))
    differs = None not in (day, shown) and day != shown
    return day or shown, texts["orderDate"] if differs else ""


def _item(row: Mapping[str, Any], order_id: str, currency: str, problems: list[Malformed]) -> Item | None:
    pieces = _text(row, "quantity") or "1"
    if not re.fullmatch(r"[0-9]{1,9}(\.0+)?", pieces, re.ASCII) or not 1 <= int(float(pieces)) <= _MOST_PIECES:
        problems.append(Malformed(f"order {order_id}: {pieces[:60]!r} is no number of pieces"))
        return None
    try:
        each = _price(row, currency)
    except ValueError as error:
        problems.append(
            Malformed(f"order {order_id}: {error}", why=f"the price is to be one in {currency}", hint="correct it")
        )
        return None
    attributes, title = _text(row, "attributes"), _text(row, "title")
    return Item(
        quantity=int(float(pieces)),
        price=each,
        line_id=_text(row, "orderLineId") or None,
        product=_text(row, "productId") or None,
        sku=_text(row, "skuId") or None,
        title=f"{title} ({attributes})" if title and attributes else title or attributes or None,
    )


def _price(row: Mapping[str, Any], currency: str) -> str:
    """Return the price of a row; one with two readings is settled by its parts, which stand beside it."""
    text = _text(row, "price")
    try:
        return price(text, currency)
    except ValueError:
        settled = _settled(text, _text(row, "priceInfo"), currency)
        if settled is None:
            raise
        return settled


def _settled(text: str, info: str, currency: str) -> str | None:
    """Return the amount that the parts of a price give, None where they are not its own or not of the currency."""
    shown, _, parts = info.partition("|")
    whole, _, fraction = parts.partition("|")
    whole = re.sub(r"[.,'\s]", "", whole)
    digits = re.sub(r"[^0-9]", "", text)
    if shown.strip() != text or digits != whole + fraction or len(fraction) != money.EXPONENTS[currency]:
        return None
    try:
        price(re.sub(r"[0-9](?:.*[0-9])?", "1", text, count=1), currency)  # the sign is the currency's
    except ValueError:
        return None
    return f"{int(whole or 0)}.{fraction}" if fraction else str(int(whole))


def _told(order_id: str, lines: list[_Line], asked: Asked) -> Iterator[Record]:
    """Give the fact of an order, or what is wrong with its rows."""
    for line in lines:
        if line.problems:
            yield Record(line.number, line.text, [], line.problems)
    if any(line.problems for line in lines):
        return
    problems: list[Malformed] = []
    for what, said in (
        ("currency", {line.currency for line in lines}),
        ("date", {f"{line.at.at:%Y-%m-%d}" for line in lines if line.at}),
    ):
        if len(said) > 1:
            problems.append(
                Malformed(
                    f"order {order_id}: its rows do not agree in the {what}: {', '.join(sorted(map(str, said)))}",
                    why=f"an order has one {what}",
                    hint="export it again, or correct it in the file",
                )
            )
    parts = asked.parts_of(order_id)
    if not problems and asked.placed(order_id) is None and parts:
        yield from _as_parts(order_id, lines, parts)
        return
    text = b"\n".join(line.text for line in lines)
    yield Record(lines[0].number, text, [] if problems else [_placed(order_id, lines)], problems)


def _as_parts(order_id: str, lines: list[_Line], parts: list[str]) -> Iterator[Record]:
    """Give the lines of a parent as the orders that another source told its parts as."""
    if len(parts) == 1:
        text = b"\n".join(line.text for line in lines)
        yield Record(lines[0].number, text, [_placed(parts[0], lines, parent=order_id)], [])
        return
    for line in lines:
        own = line.item.line_id if line.item else None
        if own in parts:
            yield Record(line.number, line.text, [_placed(own, [line], parent=order_id)], [])
        else:
            problem = Malformed(
                f"order {order_id} was placed as {len(parts)} orders: {', '.join(parts[:5])}",
                why="the row does not say which of them it is",
                hint="the extension's JSON export does; what the ledger has of them stays as it is",
            )
            yield Record(line.number, line.text, [], [problem])


def _placed(order_id: str, lines: list[_Line], parent: str | None = None) -> Placed:
    first = lines[0]
    assert first.at is not None  # a row without has a problem
    assert first.currency is not None
    sellers = {line.seller for line in lines if line.seller}
    stores = list(dict.fromkeys(line.store for line in lines if line.store))
    states = list(dict.fromkeys(line.status for line in lines if line.status))
    items = tuple(line.item for line in lines if line.item)
    notes = [
        f"store: {', '.join(stores)}" if stores else "",
        f"status when exported: {', '.join(states)}" if states else "",
        f"the page showed {first.shown}" if first.shown else "",
        "the clock skipped this hour" if first.at.skipped else "",
        "the price is taken for that of one piece" if any(item.quantity > 1 for item in items) else "",
        f"its rows name several stores: {', '.join(sorted(sellers))}" if len(sellers) > 1 else "",
    ]
    return Placed(
        order_id=order_id,
        occurred_at=first.at.at,
        ambiguous_time=first.at.ambiguous,
        seller=sellers.pop() if len(sellers) == 1 else UNKNOWN_SELLER,
        amount=money.text(sum(line.total or 0 for line in lines), first.currency),
        currency=first.currency,
        title="; ".join(dict.fromkeys(line.title for line in lines if line.title)) or None,
        items=items,
        marketplace=first.shop,
        parent=parent,
        source=NAME,
        note="; ".join(note for note in notes if note) or None,
    )


def _delimiter(header: str) -> str | None:
    """Return what separates the columns of a header, None where it is not the extension's."""
    for delimiter in _DELIMITERS:
        names = {name.strip().strip('"') for name in header.strip().split(delimiter)}
        if names.issuperset(_NEEDED):
            return delimiter
    return None


def _written(cells: list[str], delimiter: str) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue().encode()


def _text(row: Mapping[str, Any], name: str) -> str:
    """Return the text of a field on one line; what is neither text nor a number is none."""
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).replace("\0", " ").split())


BROWSER_EXTENSION = Format(
    NAME, "a browser extension's export of a buyer's orders (CSV, JSON)", _sniff, read, tells_payments=False
)
