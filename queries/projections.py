"""Projections: the rows of the costly relations as the sealed segments leave them, kept in cache/ as Parquet.

With them a question about millions of orders makes the rows of a few only. A projection is made from the copies of
segments in steps, each from the step before: rows of orders to which nothing happened since stay, those of the others
are made of their events. It is named like a copy: by all that it was made from, and the CRC of its own bytes.
"""

import re
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import duckdb

from ledger.disk import LogFile
from ledger.errors import Damaged
from queries import columnar, log, relations, sandbox
from queries.columnar import Copies
from queries.moment import Moment

WORTHWHILE_BYTES = 128 << 20
"""With fewer bytes of sealed segments an answer is made of all events faster than projections are."""

STEP = 8
"""So many segments are added at once: their events and the rows of their orders have to have room in memory."""


def worthwhile(copies: Copies) -> bool:
    """Whether the segments are so many that projections pay."""
    return sum(segment.size for segment in copies) >= WORTHWHILE_BYTES


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
            con = columnar.connect(spill, memory)
            with closing(con), sandbox.limits(con, timeout):
                kept = _step(con, cache, name, copies, kept, covered, until)
            covered = until
    except (OSError, Damaged, duckdb.IOException):
        return None  # no room, or the folder is not to be written: the answer is made of all events
    return kept


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
    con.execute("CREATE SCHEMA internal")
    old = log.of_copies(paths[:covered]) if covered else f"{log.of_copies(paths[:1])} LIMIT 0"
    log.define(con, log.of_copies(paths[covered:until]), old)
    relations.create_events(con, Moment(datetime.min.replace(tzinfo=UTC)))
    relations.define(con, name, kept)
    made_from = _made_from(name, list(copies)[:until])[-1]
    rows = f"SELECT * FROM {name} ORDER BY order_id"  # noqa: S608 - a name of our own
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
