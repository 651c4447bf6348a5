"""Columnar copies of the log: for each sealed segment a Parquet file in cache/, sorted by order and version.

A copy is made from its segment once and never believed over it. Its name says from which bytes it was made, in which
format, and the CRC of its own bytes: one that is stale, damaged or of an older format is not taken, and made anew.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from errno import ENOTDIR
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import duckdb

from ledger import plain, scan
from ledger.disk import LogFile, line_before
from ledger.errors import Damaged
from ledger.segments import Snapshot
from queries import log, sandbox
from queries.sandbox import identifier, literal

SUFFIX = ".parquet"

_FORMAT = f"2 {duckdb.__version__} {log.COLUMNS}"
"""What a copy is, the columns and their types: where a version of the program has others, it makes its own."""

_BLOCK_BYTES = 1 << 18

ROW_GROUP = 20_480
"""So many rows are sorted and compressed together: more take more memory to write, fewer more time to read."""

Copies = dict[LogFile, Path]
"""The good copy of each segment that has one."""


def connect(spill: Path, memory: str, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A connection that makes copies, on so many cores or all; it runs nothing but what is written here."""
    con = duckdb.connect(":memory:", config={"autoload_known_extensions": "false"})
    con.execute("SET enable_progress_bar = false")
    con.execute("SET memory_limit = $memory", {"memory": memory})
    con.execute("SET temp_directory = $spill", {"spill": str(spill)})
    con.execute("SET preserve_insertion_order = false")  # they are sorted anyway, and this takes less memory
    if threads is not None:
        con.execute("SET threads = $threads", {"threads": threads})
    return con


def good(cache: Path, segments: Iterable[LogFile], threads: int | None = None) -> Copies:
    """The copies of sealed segments that are what their names say, looked at on so many cores or all."""
    try:
        there = {name.rpartition("-")[0]: cache / name for name in os.listdir(cache) if name.endswith(SUFFIX)}
    except OSError:
        return {}

    def copy_of(segment: LogFile) -> Path | None:
        with suppress(Damaged, OSError):
            beginning = made_from(segment)
            path = there.get(beginning)
            if path and path.name == named(beginning, path):
                return path
        return None

    segments = [*segments]
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = dict(zip(segments, pool.map(copy_of, segments), strict=True))
    return {segment: path for segment, path in found.items() if path}


def complete(
    cache: Path,
    snapshot: Snapshot,
    *,
    spill: Path,
    memory: str,
    timeout: float | None = None,
    threads: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Copies:
    """The good copies of a log's sealed segments, after those that were not there were made, as far as that can be."""
    sealed = snapshot.sealed
    found = good(cache, sealed, threads)
    if len(found) < len(sealed):
        con = connect(spill, memory, threads)
        with closing(con), sandbox.limits(con, timeout):
            _make_missing(con, cache, sealed, found, stop, spill)
    return {segment: found[segment] for segment in sealed if segment in found}


def _make_missing(
    con: duckdb.DuckDBPyConnection,
    cache: Path,
    segments: Sequence[LogFile],
    found: Copies,
    stop: Callable[[], bool],
    links: Path,
) -> None:
    for segment in segments:
        if segment not in found:
            try:
                if stop():
                    break
                found[segment] = make(con, cache, segment, links)
            except (OSError, duckdb.OutOfMemoryException, duckdb.IOException):
                break  # no room, or the folder is not to be written: the segments are read as they are
            except (Damaged, duckdb.InvalidInputException):
                continue  # the segment is damaged, which is told where it is read


def make(con: duckdb.DuckDBPyConnection, cache: Path, segment: LogFile, links: Path) -> Path:
    """Make a segment's copy, if each of its lines is what was written; DuckDB's errors, OSError, Damaged.

    A line that is not would stay in the copy when the segment has long been mended. `links` is a private folder.
    """
    lines = log.sorted_lines(sandbox.plain_path(segment.path, links))
    others = cache.glob(f"{segment.first_seq:012d}-*{SUFFIX}")
    return write(con, lines, cache, made_from(segment), instead_of=others, check=lambda: scan.check(segment))


def write(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    cache: Path,
    beginning: str,
    *,
    instead_of: Iterable[Path],
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Write what a SELECT gives, whole under a temporary name, and put it in place of older files.

    Its name is `beginning` and the CRC of its bytes. `check` is made once it is known that there can be such a file.
    OSError, what `check` raises, DuckDB's errors; then there is none.
    """
    if cache.is_symlink():
        raise NotADirectoryError(ENOTDIR, "what a ledger writes stays in its own folder", str(cache))
    others = list(instead_of)
    fd, name = tempfile.mkstemp(prefix="copying-", suffix=".tmp", dir=cache)
    os.close(fd)
    temporary = Path(name)
    try:
        check()
        con.execute(
            f"COPY ({rows}) TO {literal(str(temporary))} "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP}, USE_TMP_FILE false)"
        )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        path = cache / named(beginning, temporary)
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    for other in others:
        if other != path:  # of other bytes, or of another format
            other.unlink(missing_ok=True)
    return path


def problems(cache: Path, sealed: Sequence[LogFile], *, spill: Path, memory: str) -> Iterator[str]:
    """What is wrong with the copies that there are: their bytes, or what they say otherwise than their segments."""
    found = good(cache, sealed)
    for segment in sealed:
        with suppress(Damaged, OSError):
            for path in cache.glob(f"{made_from(segment)}-*{SUFFIX}"):
                if path != found.get(segment):
                    yield f"{path.name} has other bytes than it was made with, and is not read"
    with closing(connect(spill, memory, threads=1)) as con:
        for segment, path in found.items():
            if differs := _difference(con, segment, path, spill):
                yield f"{path.name}: {differs}"


def _difference(con: duckdb.DuckDBPyConnection, segment: LogFile, copy: Path, links: Path) -> str:
    """What a copy has otherwise than its segment; nothing where both have the same, or the segment is damaged."""
    try:
        lines = _digest(con, log.read_lines([sandbox.plain_path(segment.path, links)]), log.in_file)
    except duckdb.Error:
        return ""
    try:
        columns = _digest(con, log.read_parquet([sandbox.plain_path(copy, links)]), identifier)
    except duckdb.Error as error:
        return f"it cannot be read: {sandbox.one_line(error)}"
    return "" if lines == columns else "it has other values than its segment"


def made_from(segment: LogFile) -> str:
    """Where a segment begins, what its last line is, its size and the format; Damaged, OSError."""
    with plain.opened(segment.path, os.O_NOFOLLOW) as file:
        line = line_before(file.fileno(), segment.size, segment.path)
    shape = sha256(f"{segment.size} {_FORMAT}".encode()).hexdigest()
    return f"{segment.first_seq:012d}-{sha256(line).hexdigest()[:16]}-{shape[:8]}"


def named(beginning: str, content: Path) -> str:
    """What a file with these bytes is called; OSError."""
    crc, block = 0, memoryview(bytearray(_BLOCK_BYTES))
    with plain.opened(content, os.O_NOFOLLOW) as file:
        while size := file.readinto(block):
            crc = crc32(block[:size], crc)
    return f"{beginning}-{crc:08x}{SUFFIX}"


def _digest(con: duckdb.DuckDBPyConnection, source: str, named: Callable[[str], str]) -> list[tuple[int, int]]:
    """How many rows there are, and what all their values come to, in whatever order."""
    values = ", ".join(map(named, log.COLUMNS))
    rows: list[tuple[int, int]] = con.execute(f"SELECT count(*), sum(hash({values})) FROM {source}").fetchall()  # noqa: S608
    return rows
