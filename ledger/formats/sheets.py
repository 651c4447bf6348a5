"""The sheets of an XLSX workbook as plain rows, read so that no file can ask for more than it may have.

An XLSX file is a zip of XML. Its size when unpacked and the number of its tags and attributes are counted before any of
it is parsed, because a few kilobytes can stand for gigabytes of either.
"""

import re
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

from ledger.errors import BadInput
from ledger.formats.foreign import BOM

MAX_FILE_BYTES = 16 << 20
"""A larger workbook is refused."""

MAX_INFLATED_BYTES = 64 << 20
"""The same for all that is packed in it."""

MAX_MARKS = 2_000_000
"""So many `<` and `=` may stand in it: each tag has one of the former, each attribute one of the latter."""

MAX_PARTS = 1_000
"""So many files may be in the zip."""

MAX_COLUMNS = 256
"""What stands further to the right is not looked at."""

MAX_ROWS = 1 << 20
"""The last row that a spreadsheet has."""

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How an old .xls begins, and an .xlsx that is locked with a password."""

_CHUNK_BYTES = 1 << 16
_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([^"']+)""")
_ENCODINGS = {b"utf-8", b"utf8", b"utf-16", b"us-ascii"}


class Sheet(NamedTuple):
    """A sheet: its title, and the rows that are not empty, each with the number that a person sees."""

    title: str
    rows: list[tuple[int, list[Any]]]


def looks_like_one(start: bytes) -> bool:
    """Tell whether a file that begins so may be a workbook, be it an old or a locked one."""
    return start.startswith(OLE) or (start.startswith(ZIP) and (b"[Content_Types].xml" in start or b"xl/" in start))


def read(content: bytes, first: str) -> Iterator[Sheet]:
    """Give the sheets of a workbook, the one with the title `first` before the others; BadInput when it is none."""
    try:
        import defusedxml  # type: ignore[import-untyped]  # noqa: F401 - openpyxl uses it where it is installed
        from openpyxl import load_workbook  # type: ignore[import-untyped]
    except ImportError as error:
        raise BadInput(
            f"reading XLSX needs the package {error.name}",
            why="it is an extra, so that everything else works without it",
            hint="pip install 'orderledger[xlsx]'",
        ) from None
    _check(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what openpyxl leaves out of a workbook nothing is looked at here
        try:
            book = load_workbook(BytesIO(content), read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # openpyxl lets through whatever comes up inside of it
            raise _damaged(error) from None
    for sheet in sorted(book.worksheets, key=lambda sheet: bool(sheet.title != first)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                rows = _rows(sheet)
            except BadInput:
                raise
            except Exception as error:
                raise _damaged(error) from None
        yield Sheet(sheet.title, rows)


def _rows(sheet: Any) -> list[tuple[int, list[Any]]]:
    sheet.reset_dimensions()  # what a file says of its own size is often wrong
    rows: list[tuple[int, list[Any]]] = []
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if number > MAX_ROWS:
            raise BadInput("the sheet has rows below the last that a spreadsheet has", hint="save it again")
        if any(cell is not None for cell in cells):
            rows.append((number, list(cells[:MAX_COLUMNS])))
    return rows


def _check(content: bytes) -> None:
    """Refuse a file that is no zip, is locked, or would be too large once unpacked."""
    if content.startswith(OLE):
        raise BadInput(
            "the workbook is locked with a password, or an old .xls",
            why="only .xlsx files without a password can be read",
            hint="open it in a spreadsheet program and save it as .xlsx without a password",
        )
    if len(content) > MAX_FILE_BYTES or content.count(b"PK\x01\x02") > MAX_PARTS:
        raise _too_large()
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            parts = archive.infolist()
            if any(part.flag_bits & 1 for part in parts):
                raise BadInput("the workbook is encrypted", hint="save it as .xlsx without a password")
            if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
                # The others are inflated whole, however large that is.
                raise BadInput("the workbook is packed in a way that no spreadsheet program uses", hint=_AGAIN)
            if sum(part.file_size for part in parts) > MAX_INFLATED_BYTES:
                raise _too_large()
            _count(archive, parts)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        # zipfile raises NotImplementedError for archives of a kind that it does not know.
        raise _damaged(error) from None


def _count(archive: zipfile.ZipFile, parts: list[zipfile.ZipInfo]) -> None:
    inflated = marks = 0
    for part in parts:
        with archive.open(part) as file:
            start = True
            while chunk := file.read(_CHUNK_BYTES):
                inflated += len(chunk)
                marks += chunk.count(b"<") + chunk.count(b"=")
                if inflated > MAX_INFLATED_BYTES or marks > MAX_MARKS:
                    raise _too_large()
                if start:
                    _check_encoding(chunk)
                start = False


def _check_encoding(start: bytes) -> None:
    """Refuse XML in an encoding where a `<` may be another byte, and so would not have been counted."""
    found = _ENCODING.match(start.removeprefix(BOM))
    if found is not None and found[1].lower() not in _ENCODINGS:
        raise BadInput(
            f"the workbook is written in {found[1].decode('ascii', 'replace')}",
            why="an XLSX file is in UTF-8",
            hint="save it again with a spreadsheet program",
        )


def _too_large() -> BadInput:
    return BadInput(
        "the workbook is too large",
        why=f"at most {MAX_INFLATED_BYTES >> 20} MiB unpacked are read, some twenty thousand orders",
        hint="split it",
    )


_AGAIN = "download it again, or open it in a spreadsheet program and save it as .xlsx"


def _damaged(error: BaseException) -> BadInput:
    # A library's message may be several lines, and openpyxl wraps the cause in one that says less.
    if isinstance(error, zipfile.BadZipFile):
        return BadInput(
            "it is no workbook", why="an .xlsx file is a zip archive, this is none that can be read", hint=_AGAIN
        )
    error = error.__cause__ or error
    told = str(error).partition("\n")[0][:200]
    return BadInput(
        "the workbook cannot be read",
        why=f"{type(error).__name__}: {told}" if told else type(error).__name__,
        hint=_AGAIN,
    )
