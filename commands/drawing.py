"""Tables for eyes: drawn with Rich to the width there is and coloured by meaning; text of the log is never markup."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from io import TextIOBase
from itertools import chain
from typing import IO, NamedTuple, cast

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from commands.colours import of_cell
from commands.output import Target, Writer, visible
from commands.render import Row, amount, amounts, numeric, plain, short_instant

GAP = 2
"""Cells between two columns; Rich draws the second of them itself, as the divider of the box."""
LEAST_TEXT = 12
DAY = len("2024-03-01")
"""Where there is little room the time of day stands below the date."""
LONGEST_WORD = 20
"""A text column is not folded below its longest word up to this length, so that order ids stay whole."""
HEADS = {"money_went_to": "money to"}
"""Heads that are not the column's name; any other name has spaces for its underscores."""


_FILLING = re.compile(" +$", re.MULTILINE)


class Column(NamedTuple):
    """One column as drawn: its place in the row, its name, and the cells of this batch."""

    at: int
    name: str
    right: bool
    folds: bool
    instant: bool
    cells: list[str]

    @property
    def content(self) -> int:
        """The width at which no cell is folded, and no word of the head."""
        return max(_head_width(self.name), max(map(cell_len, self.cells), default=0))

    @property
    def natural(self) -> int:
        """The width at which nothing is folded."""
        return max(self.content, cell_len(_head(self.name)))

    @property
    def least(self) -> int:
        """The width below which the column cannot be read."""
        if self.instant:
            return min(self.content, max(_head_width(self.name), DAY))
        words = chain.from_iterable(cell.split(" ") for cell in self.cells)
        word = max(map(cell_len, words), default=0)
        if self.folds:
            return min(self.content, max(_head_width(self.name), LEAST_TEXT, min(word, LONGEST_WORD)))
        return self.content


def draw(
    target: Target,
    writer: Writer,
    columns: Sequence[str],
    types: Sequence[str],
    batches: Iterable[Sequence[Row]],
    *,
    optional: Sequence[str],
    note: str,
    live: bool,
) -> None:
    """Draw each batch as a table, or as one block a record where even the least widths do not fit."""
    console = Console(
        file=cast(IO[str], _File(writer)),
        width=target.table_width,
        force_terminal=bool(target.screen),
        color_system="standard" if target.screen and target.screen.colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    count = 0
    left_out: list[str] = []
    frame: dict[str, int] = {}
    for rows in batches:
        if rows:
            count += len(rows)
            drawn = _columns(target, columns, types, rows)
            if frame:
                shape = _table([column for column in drawn if column.name in frame], rows, frame, head=False)
            else:
                shape, left_out, widths = _shape(drawn, rows, target.table_width, optional)
                frame = widths if live else {}
            console.print(shape, crop=False, no_wrap=False, overflow="fold")
            writer.flush()
    console.print(Text(_foot(target, count, left_out, types, note), style="dim"))


def _shape(
    columns: list[Column], rows: Sequence[Row], width: int, optional: Sequence[str]
) -> tuple[Table, list[str], dict[str, int]]:
    """Choose between table and blocks; give it with the columns left out and the widths of the others."""
    fitting, left_out = _fitting(columns, width, optional)
    if _needed(fitting) > width:
        return _blocks(columns, rows, width), [], {}
    widths = dict(zip((column.name for column in fitting), _widths(fitting, width), strict=True))
    return _table(fitting, rows, widths, head=True), left_out, widths


class _File(TextIOBase):
    """What Rich writes to; where it goes is the writer's."""

    encoding = "utf-8"

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Hand the text on, without the spaces that only fill a line to its end."""
        self._writer.write(_FILLING.sub("", text))
        return len(text)


def _columns(target: Target, names: Sequence[str], types: Sequence[str], rows: Sequence[Row]) -> list[Column]:
    currency = amounts(names)
    return [
        Column(
            at,
            name,
            right=numeric(kind),
            folds=kind.startswith(("VARCHAR", "JSON", "STRUCT", "MAP")) or kind.endswith("]"),
            instant=kind.startswith("TIMESTAMP"),
            cells=_cells(target, kind, [(row[at], currency(at, row)) for row in rows]),
        )
        for at, (name, kind) in enumerate(zip(names, types, strict=True))
    ]


def _cells(target: Target, kind: str, values: Sequence[tuple[object, object]]) -> list[str]:
    """Write the values of a column, each with its currency; its floating-point numbers all with as many decimals."""
    if kind not in ("DOUBLE", "FLOAT"):
        return [_cell(value, currency, target) for value, currency in values]
    numbers = ["" if value is None else f"{value:.4f}" for value, _ in values]
    needless = min((len(number) - len(number.rstrip("0")) for number in numbers if number), default=0)
    return [number[: len(number) - min(needless, 3)] for number in numbers]


def _cell(value: object, currency: object, target: Target) -> str:
    if isinstance(value, datetime):
        return short_instant(value, target.tz)
    if isinstance(value, Decimal):
        return amount(value, currency)
    return visible(plain(value, currency))


def _head(name: str) -> str:
    return visible(HEADS.get(name) or (name.replace("_", " ").strip() or name if name.isidentifier() else name))


def _head_width(name: str) -> int:
    """A head folds at its spaces."""
    return max(map(cell_len, _head(name).split(" ")))


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)


def _fitting(columns: list[Column], width: int, optional: Sequence[str]) -> tuple[list[Column], list[str]]:
    """Leave out optional columns, the first first, until the rest fits; say which."""
    left_out: list[str] = []
    for name in optional:
        if _needed(columns) <= width:
            break
        columns = [column for column in columns if column.name != name]
        left_out.append(name)
    return columns, left_out


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """Share the width: every column its least, what is left first to instants, then to cells, then to heads."""
    widths = [column.least for column in columns]
    spare = width - _needed(columns)
    for at, column in enumerate(columns):
        if column.instant and column.content - widths[at] <= spare:
            spare -= column.content - widths[at]
            widths[at] = column.content
    for goals in ([column.content for column in columns], [column.natural for column in columns]):
        while spare > 0:
            wanting = [at for at, column in enumerate(columns) if widths[at] < goals[at] and not column.instant]
            if not wanting:
                break
            for at in wanting[:spare]:
                widths[at] += 1
            spare -= len(wanting[:spare])
    return widths


def _table(columns: Sequence[Column], rows: Sequence[Row], widths: dict[str, int], *, head: bool) -> Table:
    table = Table(
        box=SIMPLE_HEAD,
        show_header=head,
        show_edge=False,
        pad_edge=False,
        padding=(0, GAP - 1, 0, 0),
        header_style="bold",
    )
    for column in columns:
        space = widths[column.name]
        table.add_column(
            Text(_head(column.name)), width=space, justify="right" if column.right else "left", overflow="fold"
        )
    for at, row in enumerate(rows):
        table.add_row(*(_text(column, at, row) for column in columns))
    return table


def _blocks(columns: Sequence[Column], rows: Sequence[Row], width: int) -> Table:
    """One record a block, a line for each column that says something."""
    grid = Table(box=None, show_header=False, pad_edge=False, padding=(0, GAP, 0, 0))
    longest = min(max(cell_len(_head(column.name)) for column in columns), width // 2)
    grid.add_column(width=longest, overflow="fold", style="bold")
    grid.add_column(width=max(width - longest - GAP, 1), overflow="fold")
    for at, row in enumerate(rows):
        for column in columns:
            if column.cells[at]:
                grid.add_row(Text(_head(column.name)), _text(column, at, row))
        grid.add_row("", "")
    return grid


def _text(column: Column, at: int, row: Row) -> Text:
    return Text(column.cells[at], style=of_cell(column.name, row[column.at], column.cells[at]))


def _foot(target: Target, count: int, left_out: Sequence[str], types: Sequence[str], note: str) -> str:
    rows = "nothing to show" if not count else "1 row" if count == 1 else f"{count:,} rows"
    times = f"times in {target.tz}" if count and any(kind.startswith("TIMESTAMP") for kind in types) else ""
    missing = f"a wider terminal also shows {', '.join(map(_head, left_out))}" if left_out else ""
    return " · ".join(part for part in (note, rows, times, missing) if part)
