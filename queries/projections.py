"""Projections: the rows of the costly relations as the sealed segments leave them, kept in cache/ as Parquet.

With them a question about millions of orders makes the rows of a few only. A projection is made from the copies of
segments in steps, each from the step before: rows of orders to which nothing happened since stay, those of the others
are made of their events. It is named like a copy: by all that it was made from, and the CRC of its own bytes.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import duckdb

from ledger.errors import LimitReached
from ledger.segments import Snapshot
from queries import columnar, log, relations, sandbox
from queries.columnar import Copies
from queries.moment import Moment

WORTHWHILE_BYTES = 128 << 20
"""With fewer bytes of sealed segments an answer is made of all events faster than projections are."""

STEP = 16
"""So many segments are added at once: their events and the rows of their orders have to have room in memory."""

RANGE_EVENTS = 200_000
"""So many events are compared at once, to bound memory."""

_NO_MOMENT = Moment(datetime.min.replace(tzinfo=UTC))
"""What is projected does not look at the clock."""


def worthwhile(copies: Copies, snapshot: Snapshot) -> bool:
    """Whether every sealed segment has a copy, and there are so many that projections pay."""
    return tuple(copies) == snapshot.sealed and sum(file.size for file in copies) >= WORTHWHILE_BYTES


class Projections:
    """The projections for the statements of one connection: made when one first reads them, held as long as it likes.

    `cache` is None where there may be none. `places` are the files that the connection has to be allowed to read, in
    the folder `private`.
    """

    def __init__(
        self, cache: Path | None, copies: Copies, *, private: Path, memory: str, timeout: float | None
    ) -> None:
        self._cache = cache
        self._copies = copies
        self._spill = private / "spill"
        self._memory = memory
        self._timeout = timeout
        self._waiting = {name: private / f"{name}{columnar.SUFFIX}" for name in relations.PROJECTED if cache}
        self.places = [*self._waiting.values()]
        self._building: duckdb.DuckDBPyConnection | None = None

    def made_for(self, sql: str) -> Iterator[tuple[str, Path]]:
        """Give the projections that a statement may read for the first time, each in its place, as far as can be."""
        for name in used_by(sql):
            place = self._waiting.pop(name, None)
            if place is not None and self._cache is not None:
                projection = self._bring_up(self._cache, name)
                if projection is not None and _named_again(projection, place):
                    yield name, place

    def interrupt(self) -> None:
        """Stop what is being made, if anything is, from another thread; it ends as KeyboardInterrupt."""
        if self._building is not None:
            with suppress(duckdb.ConnectionException):  # closed meanwhile
                self._building.interrupt()

    def _bring_up(self, cache: Path, name: str) -> Path | None:
        try:
            return bring_up(
                cache,
                name,
                self._copies,
                spill=self._spill,
                memory=self._memory,
                timeout=self._timeout,
                using=self._build_with,
            )
        finally:
            self._building = None

    def _build_with(self, con: duckdb.DuckDBPyConnection) -> None:
        self._building = con


def used_by(sql: str) -> list[str]:
    """The projected relations that a statement may read, by the names in it."""
    names = {word.lower() for word in re.findall(r"\w+", sql)}
    return [*dict.fromkeys(used for name, uses in relations.USES.items() if name in names for used in uses)]


def bring_up(
    cache: Path,
    name: str,
    copies: Copies,
    *,
    spill: Path,
    memory: str,
    timeout: float | None = None,
    using: Callable[[duckdb.DuckDBPyConnection], None] = lambda con: None,
) -> Path | None:
    """The projection of a relation over all copied segments, made as far as it is not there; None where it cannot be.

    `copies` has every sealed segment, in order. A step may take `timeout` seconds; `using` hears which connection is at
    work, so that it can be interrupted.
    """
    try:
        beginnings = _made_from(name, copies)
        covered, kept = _newest(cache, beginnings)
        while covered < len(copies):
            until = min(covered + STEP, len(copies))
            with closing(columnar.connect(spill, memory)) as con, sandbox.time_limit(con, timeout):
                using(con)
                kept = _step(con, cache, name, [*copies.values()], kept, covered, until, beginnings[until - 1], spill)
            covered = until
    except (OSError, LimitReached, duckdb.Error):
        return None  # no room, no time, or the folder is not to be written: the answer is made of all events
    return kept


def _named_again(file: Path, place: Path) -> bool:
    """Give a file another name, by which it stays when whoever makes a newer one takes it away; say if it was there."""
    try:
        try:
            place.hardlink_to(file)
        except FileNotFoundError:
            return False
        except OSError:
            shutil.copyfile(file, place)  # it is in another file system, or there are no such links in this one
    except OSError:
        return False
    return True


def problems(cache: Path, copies: Copies, *, spill: Path, memory: str) -> Iterator[str]:
    """What is wrong with the projections that there are: their bytes, or other rows than are made of the log now."""
    for name in relations.PROJECTED:
        beginnings = _made_from(name, copies)
        covered, kept = _newest(cache, beginnings)
        for path in sorted(cache.glob(f"{_prefix(name)}-*{columnar.SUFFIX}")):
            if path != kept and path.name.rpartition("-")[0] in beginnings:
                yield f"{path.name} has other bytes than it was made with, and is not read"
        if kept is not None:
            with closing(columnar.connect(spill, memory, threads=1)) as con:
                try:
                    rows = log.read_parquet([sandbox.plain_path(kept, spill)])
                    if _digest(con, rows) != _made_now(con, name, _plain([*copies.values()][:covered], spill)):
                        yield f"{kept.name} has other rows than are made of the log now"
                except duckdb.Error as error:
                    yield f"{kept.name} cannot be held against the log: {sandbox.one_line(error)}"


def _plain(paths: Sequence[Path], links: Path) -> list[Path]:
    return [sandbox.plain_path(path, links) for path in paths]


def _digest(con: duckdb.DuckDBPyConnection, rows: str) -> tuple[int, int]:
    """How many rows there are, and what all their values come to, in whatever order."""
    [(count, total)] = con.execute(f"SELECT count(*), sum(hash(made)) FROM {rows} AS made").fetchall()  # noqa: S608
    return count, total or 0


def _made_now(con: duckdb.DuckDBPyConnection, name: str, copies: Sequence[Path]) -> tuple[int, int]:
    """The digest of a relation over these copies, made of all their events, some orders at a time."""
    log.begin(con)
    relations.create_events(con, _NO_MOMENT)
    relations.define(con, name, None)
    count = total = 0
    for first, end in pairwise([*_bounds(con, copies), None]):
        young = f"{log.of_copies(copies)} WHERE order_id >= {sandbox.literal(str(first))}"
        log.define(con, young if end is None else f"{young} AND order_id < {sandbox.literal(end)}", "")
        of_these = _digest(con, name)
        count, total = count + of_these[0], total + of_these[1]
    return count, total


def _bounds(con: duckdb.DuckDBPyConnection, copies: Sequence[Path]) -> list[str]:
    """Where ranges of orders begin that have about as many events each; the first with all there are below."""
    files = ", ".join(sandbox.literal(str(path)) for path in copies)
    sql = f"SELECT stats_min_value FROM parquet_metadata([{files}]) WHERE path_in_schema = 'order_id' ORDER BY 1"  # noqa: S608
    firsts = [
        first for (first,) in con.execute(sql).fetchall() if first
    ]  # none where a long one was cut in a character
    step = max(1, RANGE_EVENTS // columnar.ROW_GROUP)
    return ["", *sorted({*firsts[step::step]})]


def _newest(cache: Path, beginnings: Sequence[str]) -> tuple[int, Path | None]:
    """How many segments the best projection covers that is there and good, and where it is."""
    for covered in range(len(beginnings), 0, -1):
        for path in cache.glob(f"{beginnings[covered - 1]}-*{columnar.SUFFIX}"):
            with suppress(OSError):
                if path.name == columnar.named(beginnings[covered - 1], path):
                    return covered, path
    return 0, None


def _step(
    con: duckdb.DuckDBPyConnection,
    cache: Path,
    name: str,
    copies: Sequence[Path],
    kept: Path | None,
    covered: int,
    until: int,
    beginning: str,
    links: Path,
) -> Path:
    """Make the projection over the copies before `until` from the one over those before `covered`."""
    paths = _plain(copies[:until], links)
    log.begin(con)
    log.define(con, log.of_copies(paths[covered:until]), log.of_copies(paths[:covered]))
    log.touch(con, paths[:covered])
    relations.create_events(con, _NO_MOMENT)
    relations.define(con, name, kept and sandbox.plain_path(kept, links))
    upto = len(_prefix(name)) + 13
    older = (path for path in cache.glob(f"{_prefix(name)}-*{columnar.SUFFIX}") if path.name[:upto] <= beginning[:upto])
    return columnar.write(con, f"SELECT * FROM {name}", cache, beginning, instead_of=older)  # noqa: S608


def _prefix(name: str) -> str:
    return name.removeprefix("internal.")


def _made_from(name: str, copies: Copies) -> list[str]:
    """What a projection over the first segment is called before its own CRC, over the first two, and so on.

    That is by the copies that it is made of, of which each has in its name what it was made of and its own CRC.
    """
    told = sha256(relations.definition(name).encode())
    found = []
    for segment, path in copies.items():
        told.update(path.name.encode())
        found.append(f"{_prefix(name)}-{segment.first_seq:012d}-{told.hexdigest()[:16]}")
    return found
