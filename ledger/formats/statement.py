"""Bank and card statements in CSV: what left an account and what arrived on it, in whichever words a bank has for that.

A column is known by its name. What its cells mean, decimal comma or point, day or month first, is told by the whole
column or not at all: nothing is guessed, and BadInput says which line cannot be read and why.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import NamedTuple

from ledger.errors import BadInput
from ledger.formats.foreign import MAX_BYTES
from ledger.money import EXPONENTS, TOO_MUCH

COLUMNS: dict[str, tuple[str, ...]] = {
    "date": (
        *("booking date", "booked", "date booked", "posting date", "post date", "posted date", "completed date"),
        *("buchungsdatum", "buchungstag", "buchung", "date de comptabilisation", "date comptable", "date operation"),
        *("date d operation", "fecha contable", "fecha operacion", "fecha de operacion", "data lancamento"),
        *("data de lancamento", "data movimento", "data contabile", "data operazione", "boekdatum", "boekingsdatum"),
        *("data ksiegowania", "data operacji", "дата проводки", "дата платежа", "дата операции", "transaction date"),
        *("date", "datum", "data", "fecha", "дата", "value date", "valutadatum", "wertstellung", "wertstellungsdatum"),
    ),
    "amount": (
        *("amount", "transaction amount", "betrag", "umsatz", "montant", "importe", "monto", "valor", "importo"),
        *("bedrag", "kwota", "kwota operacji", "kwota transakcji", "belopp", "belop", "сумма платежа"),
        *("сумма операции", "сумма", "gross"),
    ),
    "debit": (
        *("debit", "debits", "debit amount", "paid out", "money out", "withdrawal", "withdrawals", "soll"),
        *("belastung", "cargo", "cargos", "debito", "debe", "saida", "addebiti", "addebito", "uscite", "dare"),
        *("obciazenia", "obciazenie", "списание", "расход", "дебет"),
    ),
    "credit": (
        *("credit", "credits", "credit amount", "paid in", "money in", "deposit", "deposits", "haben", "gutschrift"),
        *("credito", "abono", "abonos", "haber", "entrada", "accrediti", "accredito", "entrate", "avere"),
        *("uznania", "uznanie", "зачисление", "приход", "кредит"),
    ),
    "direction": (
        *("debit credit", "credit debit", "debit credit indicator", "credit debit indicator", "dr cr", "cr dr"),
        *("soll haben", "soll haben kennzeichen", "af bij"),
    ),
    "currency": (
        *("currency", "wahrung", "waehrung", "devise", "divisa", "moneda", "moeda", "munt", "waluta", "valuta"),
        *("валюта платежа", "валюта операции", "валюта"),
    ),
    "text": (
        *("description", "transaction description", "text", "reference", "payment reference", "payee", "name"),
        *("partner name", "merchant", "merchant name", "memo", "details", "particulars", "narrative", "note", "notes"),
        *("message", "verwendungszweck", "buchungstext", "beschreibung", "beguenstigter zahlungspflichtiger"),
        *("auftraggeber empfanger", "zahlungsempfanger in", "zahlungspflichtige r", "empfanger", "libelle"),
        *("libelle operation", "concepto", "descripcion", "descricao", "historico", "causale", "descrizione"),
        *("omschrijving", "naam omschrijving", "mededelingen", "opis", "opis operacji", "tytul", "tytul operacji"),
        *("описание", "описание операции", "назначение платежа", "контрагент"),
    ),
    "status": ("status", "state", "estado", "stato", "statut", "статус", "zustand"),
}
"""The names of each column, without accents, marks and what stands in brackets; the first that is there is taken.

Of the text, all that are there are joined.
"""

DIRECTIONS = {"debit": -1, "dr": -1, "d": -1, "s": -1, "soll": -1, "af": -1} | {
    "credit": 1,
    "cr": 1,
    "c": 1,
    "h": 1,
    "haben": 1,
    "bij": 1,
}
"""The words for which way the money went, seen from the account."""

NOT_BOOKED = frozenset(
    {
        *("pending", "declined", "failed", "reverted", "cancelled", "canceled", "rejected", "expired"),
        *("authorized", "authorised", "vorgemerkt", "abgelehnt", "pendiente", "rechazado", "отклонен"),
    }
)
"""What a status says of a line that moved no money, or not yet: such a line is passed over."""

SIGNS = {"€": "EUR", "£": "GBP", "R$": "BRL", "zł": "PLN", "₽": "RUB", "₴": "UAH", "US$": "USD", "$": "", "¥": ""}
"""Signs of currencies; the last two belong to several and say nothing."""

HEADER_WITHIN_LINES = 40
"""Banks put the account's number and balance before the table."""

_HINT = "say with --map which column is what; see `orderledger reconcile --help`"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(r"([0-9]{4})([-/.]?)([0-9]{2})\2([0-9]{2})(?:[T ,].{0,40})?")
_DAYS = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:[T ,].{0,40})?")
_NAMED = re.compile(r"([0-9]{1,2})[ -]([A-Za-z]{3,9})[ -]([0-9]{4})|([A-Za-z]{3,9}) ([0-9]{1,2}),? ([0-9]{4})")
_MONEY = re.compile(r"(\()?([+-]?)([^0-9.,()+-]{0,8})([+-]?)([0-9][0-9.,]*|[.,][0-9]+)([+-]?)([^0-9.,()+-]{0,8})(\))?")

_WHOLE = re.compile(r"[0-9]*|[0-9]{1,3}(?:([.,])[0-9]{2,3}(?:\1[0-9]{2,3})*)?")  # by thousands, or as in India


class Entry(NamedTuple):
    """One line of a statement. `amount` is in minor units: negative what left the account, positive what arrived."""

    number: int
    date: date
    amount: int
    currency: str
    text: str


class Row(NamedTuple):
    """One line of a statement as text; its sign is told apart from its amount where the statement does so."""

    number: int
    date: str
    amount: str
    sign: int
    currency: str
    text: str


class Money(NamedTuple):
    """An amount as it stood: its sign, its digits with what parts them, and the currency beside it, if any."""

    sign: int
    digits: str
    currency: str


def read(content: bytes, currency: str | None = None) -> list[Entry]:
    """Return the lines of a statement in CSV that move money; BadInput where one cannot be read, or it is none.

    `currency` is the code for a statement that names none.
    """
    if len(content) > MAX_BYTES:
        raise BadInput(f"it is larger than {MAX_BYTES >> 20} MiB", hint="split it by months")
    return entries(_rows(_decoded(content)), currency)


def entries(rows: Iterable[Row], currency: str | None = None, point: str = "") -> list[Entry]:
    """Return rows of text as lines of a statement; BadInput where one cannot be read.

    `point` is the only sign that their amounts may have, where that is known.
    """
    kept = [row for row in rows if row.amount.strip()]
    day = _days([(row.number, row.date) for row in kept])
    moved = [_money(row) for row in kept]
    if point:
        _check_plain(kept, moved, point)
    else:
        codes = (money.currency or currency or "" for money in moved)
        point = _point([(row.number, one.digits, code) for row, one, code in zip(kept, moved, codes, strict=True)])
    found = (_entry(row, money, day, point, currency) for row, money in zip(kept, moved, strict=True))
    return [entry for entry in found if entry.amount]


def _entry(row: Row, money: Money, day: Callable[[str], date], point: str, currency: str | None) -> Entry:
    code = money.currency or currency
    if not code:
        raise BadInput(
            f"line {row.number} does not say its currency",
            why="the statement has no column for it",
            hint="say it with --currency, such as --currency EUR",
        )
    decimals = EXPONENTS[code]
    whole, _, fraction = money.digits.partition(point)
    if not _WHOLE.fullmatch(whole) or not re.fullmatch("[0-9]*", fraction):
        raise _unread(row.number, f"{row.amount} is no amount")
    whole, fraction = re.sub("[.,]", "", whole), fraction.rstrip("0")
    if len(fraction) > decimals:
        raise _unread(row.number, f"{money.digits} has more decimals than {code}")
    minor = int((whole + fraction.ljust(decimals, "0")) or "0") if len(whole) < 20 else TOO_MUCH * 10**decimals
    if minor >= TOO_MUCH * 10**decimals:
        raise _unread(row.number, f"{money.digits} is 10^14 or more")
    return Entry(row.number, day(row.date), money.sign * minor, code, " ".join(row.text.split()))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")  # what banks write that do not write UTF-8


class _Header(NamedTuple):
    """Where each column is, and the currency that the name of the amount's column tells."""

    places: dict[str, list[int]]
    currency: str


def _rows(text: str) -> Iterator[Row]:
    """Give the records of the table after its header, whichever of ; , and tab parts its fields."""
    start = "".join(text.splitlines(keepends=True)[:HEADER_WITHIN_LINES])
    found = [
        (header, at, delimiter)
        for delimiter in ";\t,"
        for at, (_, record) in enumerate(_records(start, delimiter))
        if (header := _header(record)) is not None
    ]
    if not found:
        raise BadInput(
            "no line names a date and an amount",
            why="a statement in CSV has a header with such columns, parted by semicolons, commas or tabs",
            hint=_HINT,
        )
    header, at, delimiter = max(found, key=lambda one: (len(one[0].places), -one[1]))
    for number, record in islice(_records(text, delimiter), at + 1, None):
        yield _row(number, record, header)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give each record that is not blank with the number of its first line."""
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    start = 1
    try:
        for record in lines:
            if any(field.strip() for field in record):
                yield start, record
            start = lines.line_num + 1
    except csv.Error as error:
        raise BadInput(f"line {start} cannot be read", why=str(error)) from None


def _header(record: Sequence[str]) -> _Header | None:
    """Return where the columns are, None where a record is no header: it has a date, and an amount or two."""
    names = [_plain(name) for name in record]
    places: dict[str, list[int]] = {}
    for role, known in COLUMNS.items():
        found = [at for name in known for at, given in enumerate(names) if given == name]
        places[role] = sorted(found) if role == "text" else found[:1]
    moved = places["amount"] or places["debit"] or places["credit"]
    if not places["date"] or not moved:
        return None
    if places["amount"] and len(named := [at for at, name in enumerate(names) if name in COLUMNS["currency"]]) > 1:
        # A balance may have a currency of its own: what stands after the amount is the amount's.
        places["currency"] = [next((at for at in named if at == moved[0] + 1), places["currency"][0])]
    codes = {_code_in(record[at]) for role in ("amount", "debit", "credit") for at in places[role]} - {""}
    return _Header({role: found for role, found in places.items() if found}, codes.pop() if len(codes) == 1 else "")


def _plain(name: str) -> str:
    """Return the name of a column in small letters, without accents, marks, brackets and a currency."""
    kept = re.sub(r"[(\[][^()\[\]]*[)\]]", " ", name)
    kept = re.sub(r"\b[A-Z]{3}\s*$", lambda code: "" if code[0].strip() in EXPONENTS else code[0], kept)
    parts = unicodedata.normalize("NFKD", kept.casefold().replace("ł", "l").replace("ø", "o"))
    return " ".join(re.sub(r"[\W_]+", " ", "".join(c for c in parts if not unicodedata.combining(c))).split())


def _code_in(name: str) -> str:
    """Return the currency that the name of a column tells: `Amount (EUR)`, `Betrag (€)`."""
    for word in re.findall(r"[^\s()\[\],/]+", name):
        if word in EXPONENTS or SIGNS.get(word):
            return SIGNS.get(word) or word
    return ""


def _row(number: int, record: Sequence[str], header: _Header) -> Row:
    def cell(role: str) -> str:
        at = header.places.get(role, [])
        return record[at[0]].strip() if at and at[0] < len(record) else ""

    currency = cell("currency") or header.currency
    texts = [record[at].strip() for at in header.places.get("text", []) if at < len(record)]
    text = " ".join(part for part in texts if part)
    amount, sign = cell("amount"), 0
    if cell("status").casefold() in NOT_BOOKED:
        return Row(number, cell("date"), "", 0, currency, text)
    if "amount" not in header.places:
        amount, sign = _one_of(number, cell("debit"), cell("credit"))
    elif amount and "direction" in header.places:
        word = cell("direction")
        sign = DIRECTIONS.get(word.casefold(), 0)
        if not sign:
            raise _unread(number, f"{word or 'nothing'!r} does not say which way the money went")
    return Row(number, cell("date"), amount, sign, currency, text)


def _one_of(number: int, debit: str, credit: str) -> tuple[str, int]:
    """Return the amount of two columns that is not empty or zero, and its sign."""
    filled = [(text, sign) for text, sign in ((debit, -1), (credit, 1)) if re.search("[1-9]", text)]
    if len(filled) > 1:
        raise _unread(number, f"it has both a debit {debit} and a credit {credit}")
    return filled[0] if filled else ("", 0)


def _money(row: Row) -> Money:
    """Take an amount apart: `-12.30`, `12,30-`, `(12.30)`, `US$ 12.30`, `129,46 zł`, `12.30 DR`."""
    text = unicodedata.normalize("NFKC", row.amount).replace("−", "-")
    text = re.sub(r"[\s'’]", "", text)
    matched = _MONEY.fullmatch(text)
    if matched is None or (matched[1] is None) != (matched[8] is None):
        raise _unread(row.number, f"{row.amount} is no amount")
    opened, first, before, second, digits, last, after, _ = matched.groups()
    marks = [mark for mark in (first, second, last, "-" if opened else "") if mark]
    word = DIRECTIONS.get(after.casefold(), 0)
    beside = [part for part in (before, "" if word else after) if part]
    if len(marks) > 1 or (marks and word) or len(beside) > 1:
        raise _unread(row.number, f"{row.amount} is no amount")
    sign = word or (-1 if marks == ["-"] else 1)
    if row.sign > 0 > sign or (row.sign < 0 and (word > 0 or marks == ["+"])):
        raise _unread(row.number, f"{row.amount} has another sign than its column")
    return Money(row.sign or sign, digits, _currency(row, beside))


def _currency(row: Row, beside: list[str]) -> str:
    """Return the code of a row, from its column or beside its amount; empty where neither says it."""
    named = [part for part in (row.currency, *beside) if part]
    for part in named:
        if part.upper() not in EXPONENTS and part not in SIGNS:
            raise _unread(row.number, f"{part} is no currency of ISO 4217")
    codes = {SIGNS.get(part, part.upper()) for part in named} - {""}
    if len(codes) > 1:
        raise _unread(row.number, f"it names two currencies, {' and '.join(sorted(codes))}")
    return codes.pop() if codes else ""


def _check_plain(rows: Sequence[Row], moved: Sequence[Money], point: str) -> None:
    for row, one in zip(rows, moved, strict=True):
        if one.digits.count(point) > 1 or set(one.digits) & set(".,") - {point}:
            raise _unread(row.number, f"{row.amount} is no number with at most one {point!r}")


def _point(amounts: Sequence[tuple[int, str, str]]) -> str:
    """Return the decimal sign of a column: point or comma, whichever its amounts prove."""
    proved: dict[str, int] = {}
    doubtful: tuple[int, str] | None = None
    for number, digits, currency in amounts:
        signs = [sign for sign in ".," if sign in digits]
        if len(signs) == 2:
            found = max(signs, key=digits.rfind)
            if digits.count(found) > 1:
                raise _unread(number, f"{digits} is no amount")
        elif not signs:
            continue
        else:
            [sign] = signs
            after = len(digits) - digits.rfind(sign) - 1
            if digits.count(sign) > 1:
                found = "," if sign == "." else "."
            elif after != 3:
                found = sign
            elif EXPONENTS.get(currency) == 0:
                found = "," if sign == "." else "."
            else:
                doubtful = doubtful or (number, digits)
                continue
        proved.setdefault(found, number)
    if len(proved) > 1:
        (one, first), (other, second) = proved.items()
        raise BadInput(f"line {first} has decimals after {one!r} and line {second} after {other!r}", hint=_HINT)
    if doubtful and not proved:
        raise BadInput(
            f"line {doubtful[0]}: {doubtful[1]} may be thousands or decimals", why="no amount tells which", hint=_HINT
        )
    return next(iter(proved), ".")


def _days(cells: Sequence[tuple[int, str]]) -> Callable[[str], date]:
    """Return how the dates of a column are read; BadInput where one is no date, or day and month may be swapped."""
    firsts, seconds, doubtful = set(), set(), None
    for number, text in cells:
        matched = _DAYS.fullmatch(text.strip())
        if matched and matched[2] != ".":
            first, second = int(matched[1]), int(matched[3])
            firsts.add(first)
            seconds.add(second)
            if first != second:
                doubtful = doubtful or (number, text)
    day_first, month_first = any(first > 12 for first in firsts), any(second > 12 for second in seconds)
    if doubtful and day_first == month_first:
        both = "some dates have the day first and some the month" if day_first else "no date of the column tells which"
        raise BadInput(f"line {doubtful[0]}: {doubtful[1]} may be two dates, day or month first", why=both, hint=_HINT)

    def read_day(text: str) -> date:
        return _date(text.strip(), month_first=month_first)

    for number, text in cells:
        try:
            found = read_day(text)
        except ValueError:
            raise _unread(number, f"{text or 'nothing'} is no date") from None
        if not 1970 <= found.year <= 2999:
            raise _unread(number, f"{text} is of no year that a statement is of")
    return read_day


def _date(text: str, *, month_first: bool) -> date:
    """Read a date; ValueError where it is none."""
    if matched := _ISO.fullmatch(text):
        return date(int(matched[1]), int(matched[3]), int(matched[4]))
    if matched := _DAYS.fullmatch(text):
        first, mark, second, year = matched.groups()
        day, month = (second, first) if month_first and mark != "." else (first, second)
        return date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day))
    if matched := _NAMED.fullmatch(text):
        day, month, year = (matched[1], matched[2], matched[3]) if matched[1] else (matched[5], matched[4], matched[6])
        return date(int(year), _MONTHS.index(month[:3].casefold()) + 1, int(day))
    raise ValueError


def _unread(number: int, why: str) -> BadInput:
    return BadInput(f"line {number} cannot be read", why=why, hint=f"mend it, or {_HINT}")
