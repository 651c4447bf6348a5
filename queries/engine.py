"""The public relations over the lines of the log, answered by DuckDB at one moment."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import duckdb

from ledger.errors import Damaged, Usage
from ledger.segments import Damage, Snapshot
from queries import leftovers, projections, relations, sandbox
from queries.log import Log
from queries.moment import Moment
from queries.projections import Projections
from queries.sandbox import Params
from queries.sources import Source


class Result(NamedTuple):
    """Rows as Python values; an instant is UTC without a zone, a decimal number a Decimal. `types` are DuckDB's names.

    In an answer of SQL that somebody else wrote, a decimal number is its text.
    """

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


class Answering(Protocol):
    """What answers questions to the public relations; what a command asks is answered by one engine or another."""

    def run(self, sql: str, params: Params) -> Result:
        """Answer a statement of the package's own."""

    def run_sandboxed(self, sql: str, params: Params) -> Result:
        """Answer a statement that somebody else wrote, with `$now` given; Usage unless it is one SELECT that runs."""


class Relations:
    """The public relations of one moment, as long as they are open."""

    def __init__(
        self,
        sources: Sequence[Source],
        moment: Moment,
        *,
        apart: bool,
        private: Path,
        memory: str,
        timeout: float | None,
    ) -> None:
        self._sources = sources
        self._apart = apart
        self._moment = moment
        self._private = private
        self._memory = memory
        self._timeout = timeout
        self._con, self._log = self._open()
        self._checked = False

    @property
    def damage(self) -> Damaged | None:
        """What to say of damaged lines, once an answer ended before one."""
        return next((source.damage for source in self._sources if source.damage is not None), None)

    def interrupt(self) -> None:
        """Stop what is running, from another thread; it ends as KeyboardInterrupt."""
        self._projections.interrupt()
        self._con.interrupt()

    def close(self) -> None:
        """Let go of the connection."""
        self._con.close()

    def run(self, sql: str, params: Params) -> Result:
        """Answer a statement of the package's own."""

        def answer() -> Result:
            given = sandbox.plain(params)
            self._log.serve(sql, given)
            return self._told(_result(self._con.execute(sql, given)))

        self._project(sql)
        return self._answer(answer)

    def pages(self, table: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """Give the rows of a table of `internal` in the order in which they were put there, so many at a time."""
        [(count,)] = self.run(f"SELECT count(*) FROM internal.{table}", {}).rows  # noqa: S608 - a name of our own
        page = f"SELECT * FROM internal.{table} WHERE rowid BETWEEN $first AND $last ORDER BY rowid"  # noqa: S608
        for first in range(0, count, size):
            yield [*self.run(page, {"first": first, "last": first + size - 1}).rows]

    def run_sandboxed(self, sql: str, params: Params) -> Result:
        """Answer a statement that somebody else wrote, with `$now` given; Usage unless it is one SELECT that runs."""

        def answer() -> Result:
            select = sandbox.one_select(self._con, sql, {**params, "now": self._moment.now})
            select = sandbox.decimals_as_text(select)
            self._log.serve(select.sql, select.params)
            found = self._con.execute(select.sql, select.params).fetchall()
            return self._told(Result(select.columns, select.types, found))

        self._project(sql)
        try:
            return self._answer(answer)
        except duckdb.Error as error:
            raise Usage(f"{sandbox.place(sql, error)}the SQL cannot be run", why=sandbox.one_line(error)) from error

    def _answer(self, ask: Callable[[], Result]) -> Result:
        """Ask, and where the log cannot be read ask again what comes before the damage."""
        try:
            with sandbox.limits(self._con, self._timeout):
                self._check()
                return ask()
        except duckdb.Error as error:
            if not any(source.end_before(error) for source in self._sources):
                raise
        self._con.close()
        self._con, self._log = self._open()
        with sandbox.limits(self._con, self._timeout):
            return ask()

    def _check(self) -> None:
        """See once that each of several ledgers, and whatever was shipped, is there as a whole."""
        if not self._checked:
            several = len(self._sources) > 1
            self._log.check_seqs(
                {
                    source.name: source.events
                    for source in self._sources
                    if source.damage is None and (several or source.events is not None)
                }
            )
            self._checked = True

    def _told(self, found: Result) -> Result:
        return found if len(self._sources) == 1 or self._apart else told_apart(found)

    def _open(self) -> tuple[duckdb.DuckDBPyConnection, Log]:
        """A locked connection with all relations, and its log."""
        spill = self._private / "spill"
        parts = [source.files(self._private, memory=self._memory, timeout=self._timeout) for source in self._sources]
        self._projections = Projections(
            self._sources[0].cache if self._may_project() else None,
            self._sources[0].copies,
            private=self._private,
            memory=self._memory,
            timeout=self._timeout,
        )
        nothing = self._private / "nothing.jsonl"
        nothing.touch(mode=0o600)
        files = [file for part in parts for file in (*part.lines, *part.copies)]
        con = sandbox.connect([*files, *self._projections.places, nothing], spill=spill, memory=self._memory)
        try:
            with sandbox.limits(con, None):
                log = Log(con, parts, nothing)
                if self._apart:
                    relations.create_apart(con, self._moment)
                else:
                    relations.create(con, self._moment)
            sandbox.lock(con)
        except BaseException:
            con.close()
            raise
        return con, log

    def _may_project(self) -> bool:
        """Whether kept rows can be in the answers: not where the moment is another than the last, or lines are bad."""
        everything = (self._moment.as_of, self._moment.known_at, self.damage) == (None, None, None)
        return (
            everything
            and len(self._sources) == 1
            and projections.worthwhile(self._sources[0].copies, self._sources[0].snapshot)
        )

    def _project(self, sql: str) -> None:
        """Let the relations that a statement reads be made of projections; it does not pay with its time for them."""
        for name, place in self._projections.made_for(sql):
            relations.define(self._con, name, place)
            self._log.touched()


@contextmanager
def open_relations(
    snapshot: Snapshot,
    moment: Moment,
    *,
    scratch: Path,
    copies: Path | None = None,
    memory: str = "2GiB",
    timeout: float | None = None,
    first_damage: Callable[[], Damage | None] | None = None,
) -> Iterator[Relations]:
    """Open the relations over a snapshot of the log; each statement may take `timeout` seconds.

    Copies and spilled data lie in a private folder of `scratch` (of the system's, where that cannot be written) until
    the relations are closed. `copies` is the folder of the columnar copies, None for none. `first_damage` finds the
    first bad line when the log cannot be read; without it that is Damaged, and so is a log whose damage it does not
    find.
    """
    source = Source(snapshot, cache=copies, first_damage=first_damage)
    with open_sources([source], moment, scratch=scratch, memory=memory, timeout=timeout) as opened:
        yield opened


@contextmanager
def open_sources(
    sources: Sequence[Source],
    moment: Moment,
    *,
    scratch: Path,
    apart: bool = False,
    memory: str = "2GiB",
    timeout: float | None = None,
) -> Iterator[Relations]:
    """Open the relations over one ledger or several; see `open_relations`.

    Of several, an order has its ledger's name in front, such as `eu/8123456789012345`, so that each is one order; in
    answers that stands in a column `ledger`. With `apart` the relations themselves have that column.
    """
    with private_folder(scratch) as private:
        opened = Relations(sources, moment, apart=apart, private=private, memory=memory, timeout=timeout)
        try:
            yield opened
        finally:
            opened.close()


def told_apart(found: Result) -> Result:
    """An answer about several ledgers, whose orders bear their ledgers' names, with those in a column."""
    if relations.ORDER not in found.columns:
        return found
    at = found.columns.index(relations.ORDER)
    rows = [(*row[:at], *_apart(row[at]), *row[at + 1 :]) for row in found.rows]
    columns = [*found.columns[:at], relations.LEDGER, *found.columns[at:]]
    return Result(columns, [*found.types[:at], "VARCHAR", *found.types[at:]], rows)


def _apart(order_id: str | None) -> tuple[str | None, str | None]:
    """The name of an order's ledger, and its own number."""
    if order_id is None:
        return None, None
    ledger, _, number = order_id.partition("/")
    return ledger, number


def _result(con: duckdb.DuckDBPyConnection) -> Result:
    described = con.description or []
    return Result([column[0] for column in described], [str(column[1]) for column in described], con.fetchall())


@contextmanager
def private_folder(scratch: Path) -> Iterator[Path]:
    """A new folder that only its owner may enter, while it is needed: in `scratch`, or where the system has such.

    It is locked as long, so that whoever clears `scratch` can tell it from what a killed process left.
    """
    try:
        if scratch.is_symlink():
            raise NotADirectoryError  # what a ledger writes stays in its own folder
        scratch.mkdir(mode=0o700, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix="read-", dir=scratch))
        leftovers.sweep(scratch, private)
    except OSError:
        private = Path(tempfile.mkdtemp(prefix="orderledger-"))
    lock = os.open(private, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        (private / "spill").mkdir(mode=0o700)
        yield private.absolute()
    finally:
        shutil.rmtree(private, ignore_errors=True)
        os.close(lock)
