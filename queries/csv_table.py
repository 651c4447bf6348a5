"""Tables in CSV, read to the letter: nothing of a file's form is guessed but what its header tells."""

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import BadInput
from queries.sandbox import literal

_HEADER_CHARACTERS = 1 << 20
_LINE_BYTES = 2_000_000  # the longest that DuckDB reads
_HINT = "a table is UTF-8; a field with a delimiter, quote or line end in it stands in double quotes"
_SHOWN = "0x%02x is no UTF-8"
_UNCLOSED = f"a quote is opened and not closed, or a field is longer than {_LINE_BYTES:,} bytes"
_LIMIT = threading.Lock()


def reader(path: Path) -> str:
    """The table function that reads a file. A guess might take rows for comments, or quotes for text.

    A .tsv file has tabs; in a .csv file the header tells whether it has commas, semicolons, tabs or bars. BadInput when
    the header cannot be used.
    """
    delimiter, header = _header(path)
    twice = {name for name in header if header.count(name) > 1}
    if not header or twice or "" in header:
        why = (
            f"two columns are called {', '.join(sorted(twice))}" if twice else "its first line has to name every column"
        )
        raise BadInput(f"{path} has no header that can be used", why=why)
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header)
    return (
        f"read_csv({literal(str(path))}, auto_detect = false, columns = {{{columns}}}, header = true, skip = 0, "
        f"delim = {literal(delimiter)}, quote = '\"', escape = '\"', comment = '', hive_partitioning = false, "
        f"max_line_size = {_LINE_BYTES})"
    )


def first_fault(path: Path) -> BadInput | None:
    """The first record of a file that is not UTF-8, is not quoted well or has not as many fields as the header."""
    delimiter, header = _header(path)
    start = 1
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file, _long_fields():
        records = csv.reader(file, delimiter=delimiter, strict=True)
        try:
            for record in records:
                if bad := _undecoded("".join(record)):
                    return _fault(path, start, bad)
                if record and len(record) != len(header):
                    return _fault(path, start, f"{len(record)} field{'s'[: len(record) != 1]}, not {len(header)}")
                start = records.line_num + 1
        except csv.Error as error:
            unclosed = "end of data" in str(error) or "field limit" in str(error)
            return _fault(path, start, _UNCLOSED if unclosed else str(error))
    return None


def _header(path: Path) -> tuple[str, list[str]]:
    """The delimiter and the names of the columns."""
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file, _long_fields():
            first = file.readline(_HEADER_CHARACTERS)
            delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=first.count)
            file.seek(0)
            header = next(csv.reader(file, delimiter=delimiter), [])
    except (OSError, csv.Error) as error:
        raise BadInput(f"{path} cannot be read", why=str(error), hint=_HINT) from error
    if bad := _undecoded("".join(header)):
        raise _fault(path, 1, bad)
    return delimiter, header


def _undecoded(text: str) -> str:
    """What to say of the first byte in a text that was not UTF-8; nothing where all were."""
    if text.isascii():
        return ""
    return next((_SHOWN % (ord(sign) - 0xDC00) for sign in text if "\udc80" <= sign <= "\udcff"), "")


def _fault(path: Path, line: int, why: str) -> BadInput:
    return BadInput(f"{path}, line {line}: {why}", hint=_HINT)


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let Python's reader take fields as long as DuckDB does; its limit is one for the whole process."""
    with _LIMIT:
        before = csv.field_size_limit(_LINE_BYTES)
        try:
            yield
        finally:
            csv.field_size_limit(before)
