"""Projections: the rows of the costly relations as the sealed segments leave them, kept in cache/ as Parquet.

With them a question about millions of orders makes the rows of a few only. A projection is made from the copies of
segments in steps, each from the step before: rows of orders to which nothing happened since stay, those of the others
are made of their events. It is named like a copy: by all that it was made from, and the CRC of its own bytes.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import duckdb

from ledger.disk import LogFile
from ledger.errors import Damaged
from ledger.segments import Snapshot
from queries import columnar, log, relations, sandbox
from queries.columnar import Copies
from queries.moment import Moment

WORTHWHILE_BYTES = 128 << 20
"""With fewer bytes of sealed segments an answer is made of all events faster than projections are."""

STEP = 16
"""So many segments are added at once: their events and the rows of their orders have to have room in memory."""

RANGE_BYTES = 128 << 20
"""So many bytes of lines are compared at once, to bound memory."""

_NO_MOMENT = Moment(datetime.min.replace(tzinfo=UTC))
"""What is projected does not look at the clock."""


def worthwhile(copies: Copies, snapshot: Snapshot) -> bool:
    """Whether every sealed segment has a copy, and there are so many that projections pay."""
    return tuple(copies) == snapshot.sealed and sum(file.size for file in copies) >= WORTHWHILE_BYTES


def used_by(sql: str) -> list[str]:
    """The projected relations that a statement may read, by the names in it."""
    names = {word.lower() for word in re.findall(r"\w+", sql)}
    return [*dict.fromkeys(used for name, uses in relations.USES.items() if name in names for used in uses)]


def bring_up(
    cache: Path, name: str, copies: Copies, *, spill: Path, memory: str, timeout: float | None = None
) -> Path | None:
    """The projection of a relation over all copied segments, made as far as it is not there; None where it cannot be.

    `copies` has every sealed segment, in order.
    """
    segments = list(copies)
    try:
        covered, kept = _newest(cache, name, segments)
        while covered < len(segments):
            until = min(covered + STEP, len(segments))
            with closing(columnar.connect(spill, memory)) as con, sandbox.time_limit(con, timeout):
                kept = _step(con, cache, name, copies, kept, covered, until)
            covered = until
    except (OSError, Damaged, duckdb.IOException, duckdb.OutOfMemoryException):
        return None  # no room, or the folder is not to be written: the answer is made of all events
    return kept


def problems(cache: Path, copies: Copies, *, spill: Path, memory: str) -> Iterator[str]:
    """What is wrong with the projections that there are: their bytes, or other rows than are made of the log now."""
    segments = list(copies)
    for name in relations.PROJECTED:
        beginnings = _made_from(name, segments)
        covered, kept = _newest(cache, name, segments)
        for path in sorted(cache.glob(f"{_prefix(name)}-*{columnar.SUFFIX}")):
            if path != kept and path.name.rpartition("-")[0] in beginnings:
                yield f"{path.name} has other bytes than it was made with, and is not read"
        if kept is not None:
            with closing(columnar.connect(spill, memory)) as con:
                if _digest(con, log.read_parquet([kept])) != _made_now(con, name, dict([*copies.items()][:covered])):
                    yield f"{kept.name} has other rows than are made of the log now"


def _digest(con: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, int]:
    """How many rows there are, and what all their values come to, in whatever order."""
    [(count, total)] = con.execute(f"SELECT count(*), sum(hash(made)) FROM {rows} AS made").fetchall()  # noqa: S608
    return count, total or 0


def _made_now(con: duckdb.DuckDBPyConnection, name: str, copies: Copies) -> tuple[int, int]:
    """The digest of a relation over these segments, made of all their events, some orders at a time."""
    log.begin(con)
    relations.create_events(con, _NO_MOMENT)
    relations.define(con, name, None)
    count = total = 0
    for first, end in pairwise([*_bounds(con, copies), None]):
        young = f"{log.of_copies(list(copies.values()))} WHERE order_id >= {sandbox.literal(str(first))}"
        log.define(con, young if end is None else f"{young} AND order_id < {sandbox.literal(end)}", log.NOTHING)
        of_these = _digest(con, name)
        count, total = count + of_these[0], total + of_these[1]
    return count, total


def _bounds(con: duckdb.DuckDBPyConnection, copies: Copies) -> list[str]:
    """Where ranges of orders begin that have about as many events each; the first with all there are below."""
    files = ", ".join(sandbox.literal(str(path)) for path in copies.values())
    sql = f"SELECT stats_min_value FROM parquet_metadata([{files}]) WHERE path_in_schema = 'order_id' ORDER BY 1"  # noqa: S608
    firsts = [first for (first,) in con.execute(sql).fetchall()]
    ranges = 1 + sum(file.size for file in copies) // RANGE_BYTES
    return ["", *sorted({firsts[len(firsts) * at // ranges] for at in range(1, ranges)})]


def _newest(cache: Path, name: str, segments: Sequence[LogFile]) -> tuple[int, Path | None]:
    """How many segments the best projection covers that is there and good, and where it is."""
    beginnings = _made_from(name, segments)
    for covered in range(len(segments), 0, -1):
        for path in cache.glob(f"{beginnings[covered - 1]}-*{columnar.SUFFIX}"):
            with suppress(OSError):
                if path.name == columnar.named(beginnings[covered - 1], path):
                    return covered, path
    return 0, None


def _step(
    con: duckdb.DuckDBPyConnection,
    cache: Path,
    name: str,
    copies: Copies,
    kept: Path | None,
    covered: int,
    until: int,
) -> Path:
    """Make the projection over the segments before `until` from the one over those before `covered`."""
    paths = list(copies.values())
    log.begin(con)
    log.define(con, log.of_copies(paths[covered:until]), log.of_copies(paths[:covered]) if covered else log.NOTHING)
    relations.create_events(con, _NO_MOMENT)
    relations.define(con, name, kept)
    made_from = _made_from(name, list(copies)[:until])[-1]
    rows = f"SELECT * FROM {name}"  # noqa: S608 - a name of our own
    return columnar.write(con, rows, cache, made_from, instead_of=f"{_prefix(name)}-*{columnar.SUFFIX}")


def _prefix(name: str) -> str:
    return name.removeprefix("internal.")


def _made_from(name: str, segments: Sequence[LogFile]) -> list[str]:
    """What a projection over the first segment is called before its own CRC, over the first two, and so on."""
    told = sha256(f"{log.COLUMNS} {relations.definition(name)}".encode())
    found = []
    for segment in segments:
        told.update(columnar.made_from(segment).encode())
        found.append(f"{_prefix(name)}-{segment.first_seq:012d}-{told.hexdigest()[:16]}")
    return found
