"""How rows are printed: one table in seven formats; a terminal gets a drawn table, everything else exact values."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from commands.output import Target, Writer, opened, visible, visible_json, whole_file
from ledger.errors import StorageFailed
from ledger.money import EXPONENTS

Row = Sequence[object]
BATCH = 1000
"""Rows drawn at a time: a longer table repeats its head, so that any length is printed in bounded memory."""

_HUNDREDTHS = frozenset(code for code, decimals in EXPONENTS.items() if decimals == 2)
_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~&]")
_SPECIAL = re.compile(r"[\\\t\r\n]")
SEPARATED = ("csv", "tsv")
_INERT = frozenset({bool, int, float, Decimal, datetime})
"""Types whose values have nothing in them that a separated line would have to quote."""
_ESCAPES = {"\\": r"\\", "\t": r"\t", "\r": r"\r", "\n": r"\n"}
_QUOTED = re.compile('[",\r\n]')


class Result(Protocol):
    """What a query gives: names, SQL types and rows, all in the same order."""

    @property
    def columns(self) -> Sequence[str]:
        """The columns' names."""

    @property
    def types(self) -> Sequence[str]:
        """The columns' SQL types."""

    @property
    def rows(self) -> Sequence[Row]:
        """The rows; a decimal may be given as its text."""


def result(target: Target, answer: Result, *, optional: Sequence[str] = (), note: str = "") -> None:
    """Print a whole answer; see `table`."""
    rows = answer.rows
    batches = (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))
    table(target, answer.columns, answer.types, batches, optional=optional, note=note)


def table(
    target: Target,
    columns: Sequence[str],
    types: Sequence[str],
    batches: Iterable[Sequence[Row]],
    *,
    optional: Sequence[str] = (),
    note: str = "",
    live: bool = False,
) -> None:
    """Print rows as they come. A narrow drawn table leaves out the `optional` columns, the first first; `note` ends it.

    Instants are naive UTC or have a zone. Decimals, or their texts in a column of them, are amounts in the currency of
    their row. A `live` table goes on for as long as somebody looks: without a pager, under one head.
    """
    columns = _distinct(columns)
    if target.format not in SEPARATED:
        batches = _with_decimals(types, batches)
    if target.format == "parquet":
        _parquet(target, columns, types, batches)
        return
    with opened(target, paged=not live) as writer:
        if target.format == "table":
            from commands.drawing import draw

            draw(target, writer, columns, types, batches, optional=optional, note=note, live=live)
        else:
            _PRINTERS[target.format](target, writer, columns, types, batches)


def text(target: Target, words: str) -> None:
    """Print running text; on a terminal long text goes through the pager."""
    with opened(target, paged=True) as writer:
        writer.write(words)


def record(target: Target, value: object) -> None:
    """Print one JSON value: over several lines as `json`, on one as `jsonl`."""
    with opened(target, paged=True) as writer:
        shaped = _dumps(_jsonable(value, None), indent=None if target.format == "jsonl" else 2) + "\n"
        writer.write(visible_json(shaped) if target.screen else shaped)


def amounts(columns: Sequence[str]) -> Callable[[int, Row], object]:
    """Return what finds the currency of a row's amount: `X_amount` goes by `X_currency`, all others by `currency`."""
    own = _currency_columns(columns)

    def currency(column: int, row: Row) -> object:
        place = own[column]
        return None if place is None else row[place]

    return currency


def _currency_columns(columns: Sequence[str]) -> list[int | None]:
    """Return the place of the column that has the currency of each one's amounts."""
    places = {name: place for place, name in enumerate(columns)}
    common = places.get("currency")
    return [places.get(name.removesuffix("_amount") + "_currency", common) for name in columns]


def amount(value: Decimal | str, currency: object) -> str:
    """Write an amount with its currency's decimals; more only if it has them, two where the currency is not known."""
    decimals = EXPONENTS.get(currency, 2) if isinstance(currency, str) else 2
    number = value if isinstance(value, str) else f"{value:f}"
    whole, _, fraction = number.partition(".")
    fraction = fraction.rstrip("0").ljust(decimals, "0")
    return f"{whole}.{fraction}" if fraction else whole


def instant(value: datetime) -> str:
    """Write an instant in UTC with Z; one without a zone is UTC already."""
    moment = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
    return moment.isoformat() + "Z"


def short_instant(value: datetime, tz: tzinfo) -> str:
    """Write an instant for a person: local date and minute; in UTC where the zone would leave the calendar."""
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    with suppress(OverflowError):
        moment = moment.astimezone(tz)
    return f"{moment:%Y-%m-%d %H:%M}"


def plain(value: object, currency: object) -> str:
    """Write one value as csv, tsv and md have it; NULL is empty."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case Decimal():
            return amount(value, currency)
        case datetime():
            return instant(value)
        case bytes():
            return value.hex()
        case list() | tuple() | dict():
            return _dumps(_jsonable(value, currency))
        case _:
            return str(value)


def _jsonable(value: object, currency: object) -> object:
    match value:
        case None | str() | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [_jsonable(part, currency) for part in value]
        case dict():
            return {str(key): _jsonable(part, currency) for key, part in value.items()}
        case _:
            return plain(value, currency)


def _dumps(value: object, indent: int | None = None) -> str:
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, indent=indent, separators=(None, (",", ":"))[not indent]
    )


def _is_decimal(kind: str) -> bool:
    return kind.startswith("DECIMAL(") and kind.endswith(")")


def _with_decimals(types: Sequence[str], batches: Iterable[Sequence[Row]]) -> Iterable[Sequence[Row]]:
    """Make the numbers that are given as text what they are."""
    places = [at for at, kind in enumerate(types) if _is_decimal(kind)]
    if not places:
        return batches

    def row_of(row: Row) -> Row:
        cells = [*row]
        for at in places:
            cell = cells[at]
            cells[at] = Decimal(cell) if isinstance(cell, str) else cell
        return cells

    return (list(map(row_of, rows)) for rows in batches)


def _distinct(columns: Sequence[str]) -> list[str]:
    """Number a name that comes again: a, a_1, a_2."""
    names: list[str] = []
    for column in columns:
        name, again = column, 0
        while name in names:
            again += 1
            name = f"{column}_{again}"
        names.append(name)
    return names


def _objects(columns: Sequence[str], batches: Iterable[Sequence[Row]]) -> Iterator[list[str]]:
    """Give the rows of each batch as JSON objects."""
    currency = amounts(columns)
    for rows in batches:
        yield [_dumps({name: _jsonable(row[at], currency(at, row)) for at, name in enumerate(columns)}) for row in rows]


def _jsonl(
    target: Target, writer: Writer, columns: Sequence[str], types: object, batches: Iterable[Sequence[Row]]
) -> None:
    for objects in _objects(columns, batches):
        lines = "".join(line + "\n" for line in objects)
        writer.write(visible_json(lines) if target.screen else lines)
        writer.flush()


def _json(
    target: Target, writer: Writer, columns: Sequence[str], types: object, batches: Iterable[Sequence[Row]]
) -> None:
    before = "[\n"
    for objects in _objects(columns, batches):
        if objects:
            lines = before + ",\n".join(objects)
            writer.write(visible_json(lines) if target.screen else lines)
            before = ",\n"
    writer.write("[]\n" if before == "[\n" else "\n]\n")


def _separated(by: str, special: re.Pattern[str], escape: Callable[[str], str]) -> Callable[..., None]:
    """Make the printer of records with this separator, each ended by a line feed; NULL is empty.

    `escape` makes a field of a text that is empty or has something `special`; any other is its own field.
    """

    def write(text: str | None) -> str:
        if text is None:
            return ""
        return text if text and not special.search(text) else escape(text)

    def print_rows(
        target: Target, writer: Writer, columns: Sequence[str], types: Sequence[str], batches: Iterable[Sequence[Row]]
    ) -> None:
        currency = amounts(columns)
        currency_columns = _currency_columns(columns)
        shown: Callable[[str], str] = visible if target.screen else str

        def field(at: int, cell: object, row: Row) -> str:
            if cell is None or type(cell) is str:
                return shown(write(cell))
            text = plain(cell, currency(at, row))
            return text if type(cell) in _INERT else shown(write(text))

        def fields(at: int, table: Sequence[Sequence[Any]], rows: Sequence[Row]) -> Iterable[str]:
            """A column of many rows; where its values are of one type, that is much faster than field by field."""
            cells = table[at]
            kinds = {*map(type, cells)} - {type(None)}
            if _is_decimal(types[at]) or kinds == {Decimal}:
                place = currency_columns[at]
                codes = [None] * len(cells) if place is None else table[place]
                return _amounts(cells, codes)
            if kinds == {str} and shown is str:
                bare = all(cells) and not special.search("".join(cells))
                return cells if bare else map(write, cells)
            if kinds == {datetime}:
                return ["" if cell is None else instant(cell) for cell in cells]
            return [field(at, cell, row) for cell, row in zip(cells, rows, strict=True)]

        writer.write(by.join([shown(write(column)) for column in columns]) + "\n")
        for rows in batches:
            table = [*zip(*rows, strict=True)]
            made = [fields(at, table, rows) for at in range(len(table))]
            writer.write("".join([line + "\n" for line in map(by.join, zip(*made, strict=True))]))
            writer.flush()

    return print_rows


def _amounts(cells: Sequence[Any], codes: Sequence[object]) -> list[str]:
    """Write a column of amounts; NULL is empty."""
    if {*map(type, cells), *map(type, codes)} == {str}:
        # Nearly all have four decimals, two zeros more than their currency: cutting those off takes half of the time.
        return [
            cell[:-2] if cell[-5:-4] == "." and cell[-2:] == "00" and code in _HUNDREDTHS else amount(cell, code)
            for cell, code in zip(cells, codes, strict=True)
        ]
    return ["" if cell is None else amount(cell, code) for cell, code in zip(cells, codes, strict=True)]


def _quoted(text: str) -> str:
    """Quote a field of csv as RFC 4180 says; empty text is quoted, so that it is not NULL."""
    return '"' + text.replace('"', '""') + '"'


def _escaped(text: str) -> str:
    r"""Escape a field of tsv, which has no quotes: tab, line ends and backslash become \t, \n, \r, \\."""
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text)


def _md(
    target: Target, writer: Writer, columns: Sequence[str], types: Sequence[str], batches: Iterable[Sequence[Row]]
) -> None:
    currency = amounts(columns)
    rules = ["---:" if numeric(kind) else "---" for kind in types]
    writer.write("| " + " | ".join(columns) + " |\n| " + " | ".join(rules) + " |\n")
    for rows in batches:
        for row in rows:
            cells = (_markdown(plain(cell, currency(at, row))) for at, cell in enumerate(row))
            line = "| " + " | ".join(cells) + " |"
            writer.write((visible(line) if target.screen else line) + "\n")


def _markdown(cell: str) -> str:
    """Make text of the log inert in Markdown; a line end becomes <br>."""
    return _MARKDOWN.sub(r"\\\g<0>", cell).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "<br>")


def numeric(kind: str) -> bool:
    """Whether an SQL type is a number."""
    return kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith(("INT", "INTEGER"))


_PRINTERS: dict[str, Callable[..., None]] = {
    "json": _json,
    "jsonl": _jsonl,
    "csv": _separated(",", _QUOTED, _quoted),
    "tsv": _separated("\t", _SPECIAL, _escaped),
    "md": _md,
}


def _parquet(target: Target, columns: Sequence[str], types: Sequence[str], batches: Iterable[Sequence[Row]]) -> None:
    """Write typed columns with DuckDB, by way of JSON lines in a temporary folder."""
    import tempfile

    import duckdb

    assert target.to is not None
    # HUGEINT has no counterpart in Parquet and would be rounded to a double.
    kinds = {f"c{at}": "DECIMAL(38,0)" if kind == "HUGEINT" else kind for at, kind in enumerate(types)}
    with tempfile.TemporaryDirectory(prefix="orderledger-") as folder, whole_file(target.to.resolve()) as path:
        lines = Path(folder, "rows.jsonl")
        with lines.open("w", encoding="utf-8") as stream:
            for objects in _objects(list(kinds), batches):
                stream.writelines(line + "\n" for line in objects)
        try:
            rows = duckdb.read_json(str(lines), format="newline_delimited", columns=kinds)
            named = ", ".join(
                f'{at} AS "{name.replace(chr(34), chr(34) * 2)}"' for at, name in zip(kinds, columns, strict=True)
            )
            # Without the engine's own temporary file, which would take the place of the private one.
            rows.project(named).write_parquet(str(path), use_tmp_file=False)
        except duckdb.IOException as error:
            raise StorageFailed(f"cannot write {target.to}", why=str(error)) from error
