"""The lines of a log that is being imported: from files and pipes, in bounded memory, as they come or sorted."""

import os
import select
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.errors import BadInput, Malformed, StorageFailed
from ledger.formats import facts
from ledger.importing import Line

STDIN = "-"

_CHUNK_BYTES = 1 << 18
_KEPT_BYTES = facts.MAX_REJECT_BYTES
"""How much of a line is kept: no line of a log or of a rejects file is longer."""

_POLL_SECONDS = 0.2
"""How long a pipe may be silent before that is a pause, and how soon a signal is noticed meanwhile."""

_BOM = b"\xef\xbb\xbf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(names: Iterable[str], *, sniff: bool = True) -> int | None:
    """Look at every file before anything is recorded; give their size in bytes, None when it cannot be known.

    BadInput when a file cannot be read or, where it is sniffed at, is no facts log.
    """
    total: int | None = 0
    for name in names:
        if name == STDIN:
            total = None
            continue
        try:
            status = Path(name).stat()
            if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
                total = None
                continue
            with open(name, "rb") as file:
                start = file.read(_CHUNK_BYTES)
        except OSError as error:
            raise _unreadable(name, error, hint="nothing was recorded; name files that can be read") from None
        if sniff:
            _sniff(name, start)
        total = None if total is None else total + status.st_size
    return total


def read(
    names: Iterable[str], *, stop: Callable[[], bool], seen: Callable[[int], None], sniff: bool = True
) -> Iterator[Line | None]:
    """Give the lines of the files one after the other; blank ones are counted but not given.

    None stands for a pause: a pipe has nothing more for now. `seen` is told the bytes read. It ends early when `stop`
    says so, without the line that was cut in two.
    """
    for name in names:
        yield from _numbered(shown(name), _chunks(name, stop=stop, seen=seen, sniff=sniff), stop)


def shown(name: str | Path) -> str:
    """Give the name of a file as text, also where it is no UTF-8."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def spooled(lines: Iterable[Line | None], *, sort: bool) -> Iterator[Line]:
    """Take in all lines now, and give them as they came, or by occurred_at and then as they came.

    A malformed line stays beside the one before it. They wait in a temporary database, so that memory is bounded.
    """
    spool = sqlite3.connect("", isolation_level=None)  # a file that SQLite makes for itself and removes
    with _spooling():
        spool.execute("PRAGMA synchronous = OFF")
        spool.execute("CREATE TABLE line (place INTEGER PRIMARY KEY, at INTEGER, name TEXT, number INTEGER, text BLOB)")
        spool.execute("BEGIN")
        spool.executemany(
            "INSERT INTO line (at, name, number, text) VALUES (?, ?, ?, ?)",
            _timed(lines) if sort else ((0, line.name, line.number, line.text) for line in lines if line is not None),
        )
    return _taken_out(spool)


def _taken_out(spool: sqlite3.Connection) -> Iterator[Line]:
    with closing(spool), _spooling():
        for row in spool.execute("SELECT name, number, text FROM line ORDER BY at, place"):
            yield Line(*row)


@contextmanager
def _spooling() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageFailed("the lines cannot be kept aside", why=str(error), hint="give $TMPDIR more room") from None


def _chunks(name: str, *, stop: Callable[[], bool], seen: Callable[[int], None], sniff: bool) -> Iterator[bytes]:
    """Read bytes as they come; an empty chunk is a pause. The first one is sniffed at, if that is wanted."""
    descriptor = 0 if name == STDIN else -1
    try:
        if descriptor < 0:
            descriptor = os.open(name, os.O_RDONLY)
        waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
        while not stop():
            if waits and not _ready(descriptor, _POLL_SECONDS):
                yield b""
                while not stop() and not _ready(descriptor, _POLL_SECONDS):
                    pass
                continue
            chunk = os.read(descriptor, _CHUNK_BYTES)
            if not chunk:
                return
            if sniff:
                _sniff(name, chunk)
                sniff = chunk.isspace()
            seen(len(chunk))
            yield chunk
    except OSError as error:
        kept = "import it again when it can be read; what is recorded already will count as duplicates"
        raise _unreadable(name, error, hint=kept) from None
    finally:
        if descriptor > 0:
            os.close(descriptor)


def _ready(descriptor: int, seconds: float) -> bool:
    return bool(select.select([descriptor], [], [], seconds)[0])


def _numbered(name: str, chunks: Iterable[bytes], stop: Callable[[], bool]) -> Iterator[Line | None]:
    """Cut chunks into lines, of which no more is kept than it takes to see that one is too long."""
    number, pending = 0, b""
    for chunk in chunks:
        if not chunk:
            yield None
            continue
        first, *others = chunk.split(b"\n")
        texts = [(pending + first)[:_KEPT_BYTES], *others]
        pending = texts.pop()
        for text in texts:
            number += 1
            if text[:1] == b"{" and text[-1:] == b"}":
                yield Line(name, number, text)
            elif plain := _plain(text, number):
                yield Line(name, number, plain)
    if not stop() and (plain := _plain(pending, number + 1)):
        yield Line(name, number + 1, plain)


def _plain(text: bytes, number: int) -> bytes:
    """Give a line without what editors add to it; nothing for a blank one."""
    plain = (text.removeprefix(_BOM) if number == 1 else text).removesuffix(b"\r")
    return b"" if plain.isspace() else plain


def _timed(lines: Iterable[Line | None]) -> Iterator[tuple[int, str, int, bytes]]:
    at = -(2**62)
    for line in lines:
        if line is None:
            continue
        with suppress(Malformed):
            at = (facts.parse(line.text).occurred_at - _EPOCH) // timedelta(microseconds=1)
        yield at, line.name, line.number, line.text


def _sniff(name: str, start: bytes) -> None:
    """Raise BadInput unless some line of the beginning looks like a JSON object, or there is none."""
    lines = [line.lstrip() for line in start.removeprefix(_BOM).split(b"\n")]
    if any(lines) and not any(line.startswith(b"{") for line in lines):
        raise BadInput(
            f"{name} is not a facts log",
            why="none of its first lines is a JSON object",
            hint="a table is imported with --map MAP.sql NAME=FILE, see `orderledger import --help`",
        )


def _unreadable(name: str, error: OSError, *, hint: str) -> BadInput:
    return BadInput(f"cannot read {name}", why=error.strerror or str(error), hint=hint)
