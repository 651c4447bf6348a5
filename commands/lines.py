"""The lines of a log that is being imported: from files and pipes, in bounded memory, as they come or sorted."""

import os
import select
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import msgspec

from ledger.errors import BadInput, Malformed, StorageFailed
from ledger.formats import facts
from ledger.formats.catalog import FACTS, FORMATS
from ledger.formats.foreign import BOM, MAX_BYTES, MAX_MARKS, Asked, Format
from ledger.importing import Line

STDIN = "-"

_CHUNK_BYTES = 1 << 18
_KEPT_BYTES = facts.MAX_REJECT_BYTES
"""How much of a line is kept: no line of a log or of a rejects file is longer."""

_SHOWN_BYTES = 2048
"""How much of a record is repeated with each problem that it has."""

_POLL_SECONDS = 0.2
"""How long a pipe may be silent before that is a pause, and how soon a signal is noticed meanwhile."""

_REJECT = b'{"file":'
"""How a line of a rejects file begins."""

_OTHERS = {
    b"\xff\xfe": "is in UTF-16",
    b"\xfe\xff": "is in UTF-16",
    b"\x1f\x8b": "is packed with gzip",
    b"PK\x03\x04": "is a zip archive, and no workbook that can be read",
}
"""How files begin that are no text, and what they are."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check(names: Iterable[str], format: str | None) -> int | None:  # noqa: A002 - the option's name
    """Look at every file before anything is recorded; give their size in bytes, None when it cannot be known.

    BadInput when a file cannot be read or, where no format is given, is of none that is known.
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
        if format is None:
            _sniffed(name, start)
        total = None if total is None else total + status.st_size
    return total


def read(
    names: Sequence[str],
    format: str | None,  # noqa: A002 - the option's name
    asked: Asked,
    *,
    stop: Callable[[], bool],
    seen: Callable[[int], None],
    at_once: bool = False,
) -> Iterator[Line | None]:
    """Give the lines of the files one after the other; blank ones are counted but not given.

    A file of a foreign format gives a line for each fact that it tells. None is a pause: a pipe has nothing for now.
    `seen` is told the bytes read. It ends early when `stop` says so, without the line that was cut in two. `at_once`:
    nothing of it is in the log before its end, so that what a later file may ask for is kept in mind.
    """
    for place, name in enumerate(names, 1):
        chunks = _chunks(name, stop=stop, seen=seen)
        asked_again = at_once and place < len(names)
        start = b""
        for chunk in chunks:
            if not chunk:
                yield None
            start += chunk
            if len(start) >= _CHUNK_BYTES or (b"\n" in chunk and _has_line(start)):
                break
        found = format or _sniffed(name, start)
        both = chain([start] if start else [], chunks)
        if found == FACTS:
            numbered = _numbered(shown(name), both, stop)
            given = map(_told_again, numbered) if start.startswith(_REJECT) else numbered
            yield from _noted(given, asked) if asked_again else given
            asked.log_grew(at_once=at_once)
        elif FORMATS[found].line is not None and _one_a_line(start):
            given = _streamed(FORMATS[found], _numbered(shown(name), both, stop))
            yield from _noted(given, asked) if asked_again else given
            asked.log_grew(at_once=at_once)
        else:
            yield None  # what came before is recorded first: it may be what the format asks for
            yield from _foreign(name, FORMATS[found], both, asked, stop)


def _noted(lines: Iterable[Line | None], asked: Asked) -> Iterator[Line | None]:
    """Keep in mind what the lines tell, as far as the format of a later file may ask for it."""
    for line in lines:
        if line is not None and not line.problem and (b'"placed"' in line.text or b'"shipped"' in line.text):
            with suppress(Malformed):
                asked.note(facts.parse(line.text))
        yield line


def _has_line(start: bytes) -> bool:
    """Whether a file that begins so has a line that may be a fact; only then a pipe's format is told before its end."""
    whole, _, _ = start.removeprefix(BOM).rpartition(b"\n")
    return any(line[:1] == b"{" and line.rstrip()[-1:] == b"}" for line in whole.split(b"\n"))


def _told_again(line: Line | None) -> Line | None:
    """Mark a line of a rejects file that came from a foreign file.

    A fact contradicts today what it contradicted then; of what is no fact the same is wrong as then.
    """
    if line is None or not line.text.startswith(_REJECT):
        return line
    try:
        source = FORMATS.get(facts.parse(line.text).source or "")
    except Malformed:
        return msgspec.structs.replace(line, problem=facts.reason_kept(line.text))
    return msgspec.structs.replace(line, foreign=source is not None and not source.exact)


def _one_a_line(start: bytes) -> bool:
    """Whether a file that begins so has one JSON object a line, and not one over many lines."""
    first, end, _ = start.removeprefix(BOM).lstrip().partition(b"\n")
    return first[:1] == b"{" and (not end or first.rstrip()[-1:] == b"}")


def _streamed(format: Format, lines: Iterable[Line | None]) -> Iterator[Line | None]:  # noqa: A002 - as the option
    """Give the fact that each line holds, as the lines come."""
    assert format.line is not None
    for line in lines:
        if line is None:
            yield None
            continue
        try:
            fact = format.line(line.text)
        except Malformed as problem:
            yield Line(line.name, line.number, line.text, foreign=not format.exact, problem=_told(problem))
        else:
            yield Line(line.name, line.number, msgspec.json.encode(fact), foreign=not format.exact)


def _told(problem: Malformed) -> str:
    return "; ".join(part for part in (problem.what, problem.why, problem.hint) if part)


def _foreign(
    name: str,
    format: Format,  # noqa: A002 - the option's name
    chunks: Iterable[bytes],
    asked: Asked,
    stop: Callable[[], bool],
) -> Iterator[Line]:
    """Give the facts that a file of a foreign format tells, record by record."""
    asked.used = asked.used or not format.exact
    content = bytearray()
    for chunk in chunks:
        content += chunk
        if len(content) > MAX_BYTES:
            raise BadInput(
                f"{shown(name)} is larger than {MAX_BYTES >> 20} MiB",
                why="it has to be read as a whole",
                hint="split it",
            )
    if stop():
        return
    if content.count(b"{") + content.count(b"[") > MAX_MARKS:
        raise BadInput(f"{shown(name)} holds too many things", why=f"{MAX_MARKS:,} objects at most", hint="split it")
    whole = bytes(content)
    content.clear()
    try:
        for record in format.read(whole, asked):
            if stop():
                return
            for fact in record.facts:
                asked.note(fact)
                yield Line(shown(name), record.number, msgspec.json.encode(fact), foreign=not format.exact)
            text = record.text
            for problem in record.problems:
                yield Line(shown(name), record.number, text, foreign=not format.exact, problem=_told(problem))
                text = _beginning(record.text)
    except BadInput as error:
        raise BadInput(f"{shown(name)}: {error.what}", why=error.why, hint=error.hint) from None


def _beginning(text: bytes) -> bytes:
    """Give a record's text as it stands with all but its first problem: a large one may have thousands of them."""
    return text if len(text) <= _SHOWN_BYTES else text[:_SHOWN_BYTES].decode("utf-8", "ignore").encode()


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
        spool.execute(
            "CREATE TABLE line (place INTEGER PRIMARY KEY, at INTEGER, name, number, text, is_foreign, problem)"
        )
        spool.execute("BEGIN")
        spool.executemany(
            "INSERT INTO line (at, name, number, text, is_foreign, problem) VALUES (?, ?, ?, ?, ?, ?)",
            ((at, *msgspec.structs.astuple(line)) for at, line in _timed(lines, sort=sort)),
        )
    return _taken_out(spool)


def _taken_out(spool: sqlite3.Connection) -> Iterator[Line]:
    with closing(spool), _spooling():
        for name, number, text, is_foreign, problem in spool.execute(
            "SELECT name, number, text, is_foreign, problem FROM line ORDER BY at, place"
        ):
            yield Line(name, number, text, bool(is_foreign), problem)


@contextmanager
def _spooling() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StorageFailed("the lines cannot be kept aside", why=str(error), hint="give $TMPDIR more room") from None


def _chunks(name: str, *, stop: Callable[[], bool], seen: Callable[[int], None]) -> Iterator[bytes]:
    """Read bytes as they come; an empty chunk is a pause."""
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
    plain = (text.removeprefix(BOM) if number == 1 else text).removesuffix(b"\r")
    return b"" if plain.isspace() else plain


def _timed(lines: Iterable[Line | None], *, sort: bool) -> Iterator[tuple[int, Line]]:
    at = -(2**62)
    for line in lines:
        if line is None:
            continue
        if sort:
            with suppress(Malformed):
                at = (facts.parse(line.text).occurred_at - _EPOCH) // timedelta(microseconds=1)
        yield at, line


def _sniffed(name: str, start: bytes) -> str:
    """Name the format of a file that begins so; BadInput when it is none that is known."""
    for format in FORMATS.values():  # noqa: A001 - as the option
        if format.sniff(start):
            return format.name
    for sign, what in _OTHERS.items():
        if start.startswith(sign):
            raise BadInput(
                f"{name} {what}",
                why="what is imported is text in UTF-8, or a workbook (.xlsx)",
                hint="save it again as such, then import that",
            )
    lines = [line.lstrip() for line in start.removeprefix(BOM).split(b"\n")]
    if any(lines) and not any(line.startswith(b"{") for line in lines):
        raise BadInput(
            f"{name} is of no format that is known",
            why=f"it is no facts log (one JSON object a line), and none of: {', '.join(FORMATS)}",
            hint="a table is imported with --map MAP.sql NAME=FILE, see `orderledger import --help`",
        )
    return FACTS


def _unreadable(name: str, error: OSError, *, hint: str) -> BadInput:
    return BadInput(f"cannot read {name}", why=error.strerror or str(error), hint=hint)
