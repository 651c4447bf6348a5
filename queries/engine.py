"""The public relations over the lines of the log, answered by DuckDB at one moment.

The sealed segments are read where they are, or from their columnar copies; of the newest one, which may grow meanwhile,
the complete lines are copied.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from ledger.disk import LogFile
from ledger.errors import Damaged, Usage
from ledger.segments import Damage, Snapshot
from queries import columnar, leftovers, projections, relations, sandbox
from queries.log import Log
from queries.moment import Moment
from queries.projections import Projections
from queries.sandbox import Params

_COPY_BYTES = 1024 * 1024


class Result(NamedTuple):
    """Rows as Python values; an instant is UTC without a zone, a decimal number a Decimal. `types` are DuckDB's names.

    In an answer of SQL that somebody else wrote, a decimal number is its text.
    """

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


class Relations:
    """The public relations of one moment, as long as they are open.

    `damage` is set once an answer ended before a damaged line of the log.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        moment: Moment,
        *,
        private: Path,
        copies: Path | None,
        memory: str,
        timeout: float | None,
        first_damage: Callable[[], Damage | None] | None,
    ) -> None:
        self.damage = snapshot.damage
        self._moment = moment
        self._private = private
        self._cache = copies
        self._memory = memory
        self._timeout = timeout
        self._first_damage = first_damage
        self._snapshot = snapshot
        self._con, self._log, self._paths = self._open()

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
            return _result(self._con.execute(sql, given))

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
            return Result(select.columns, select.types, found)

        self._project(sql)
        try:
            return self._answer(answer)
        except duckdb.Error as error:
            raise Usage(f"{sandbox.place(sql, error)}the SQL cannot be run", why=sandbox.one_line(error)) from error

    def _answer(self, ask: Callable[[], Result]) -> Result:
        """Ask, and where the log cannot be read ask again what comes before the damage."""
        try:
            with sandbox.limits(self._con, self._timeout):
                return ask()
        except duckdb.Error as error:
            if any(str(path) in str(error) for path in self._paths if path.suffix == columnar.SUFFIX):
                self._read_lines_only()
            elif isinstance(error, duckdb.InvalidInputException | duckdb.IOException) and any(
                str(path) in str(error) for path in self._paths
            ):
                self._end_before_damage(error)
            else:
                raise
        with sandbox.limits(self._con, self._timeout):
            return ask()

    def _end_before_damage(self, error: Exception) -> None:
        hint = "`orderledger repair` moves a damaged end of the log away"
        found = self._first_damage() if self._first_damage else None
        if found is None:
            raise Damaged("the log cannot be read", why=sandbox.one_line(error), hint=hint) from error
        what = f"the log is damaged: {found.file.path.name}, line {found.line} (seq {found.seq})"
        self.damage = Damaged(what, why=f"{found.problem}; the answer is from what comes before it", hint=hint)
        self._snapshot = Snapshot((*self._snapshot.files[: found.ordinal], found.file))
        self._reopen()

    def _read_lines_only(self) -> None:
        """Do without copies: one of them cannot be read although its bytes are those that were written."""
        self._cache = None
        self._reopen()

    def _reopen(self) -> None:
        self._con.close()
        self._con, self._log, self._paths = self._open()

    def _open(self) -> tuple[duckdb.DuckDBPyConnection, Log, list[Path]]:
        """A locked connection with all relations, its log, and the files it reads."""
        snapshot, spill = self._snapshot, self._private / "spill"
        copies: columnar.Copies = {}
        if self._cache is not None:
            copies = columnar.complete(self._cache, snapshot, spill=spill, memory=self._memory, timeout=self._timeout)
        paths = [sandbox.plain_path(file.path, self._private) for file in snapshot.sealed if file not in copies]
        paths += [_copy(file, self._private) for file in snapshot.files[-1:] if file.size]
        columns = [sandbox.plain_path(copy, self._private) for copy in copies.values()]
        self._projections = Projections(
            self._cache if self._may_project(copies) else None,
            copies,
            private=self._private,
            memory=self._memory,
            timeout=self._timeout,
        )
        columns += self._projections.places
        nothing = self._private / "nothing.jsonl"
        nothing.touch(mode=0o600)
        con = sandbox.connect([*paths, *columns, nothing], spill=spill, memory=self._memory)
        try:
            with sandbox.limits(con, None):
                log = Log(con, paths, nothing, columns[: len(copies)])
                relations.create(con, self._moment)
            sandbox.lock(con)
        except BaseException:
            con.close()
            raise
        return con, log, [*paths, *columns]

    def _may_project(self, copies: columnar.Copies) -> bool:
        """Whether kept rows can be in the answers: not where the moment is another than the last, or lines are bad."""
        everything = (self._moment.as_of, self._moment.known_at, self.damage) == (None, None, None)
        return everything and projections.worthwhile(copies, self._snapshot)

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
    private = _private_folder(scratch)
    try:
        opened = Relations(
            snapshot,
            moment,
            private=private,
            copies=copies,
            memory=memory,
            timeout=timeout,
            first_damage=first_damage,
        )
        try:
            yield opened
        finally:
            opened.close()
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _result(con: duckdb.DuckDBPyConnection) -> Result:
    described = con.description or []
    return Result([column[0] for column in described], [str(column[1]) for column in described], con.fetchall())


def _private_folder(scratch: Path) -> Path:
    """A new folder that only its owner may enter: in `scratch`, or in the system's place for such folders."""
    try:
        if scratch.is_symlink():
            raise NotADirectoryError  # what a ledger writes stays in its own folder
        scratch.mkdir(mode=0o700, exist_ok=True)
        private = Path(tempfile.mkdtemp(prefix="read-", dir=scratch))
        leftovers.sweep(scratch, private)
    except OSError:
        private = Path(tempfile.mkdtemp(prefix="orderledger-"))
    (private / "spill").mkdir(mode=0o700)
    return private.absolute()


def _copy(file: LogFile, private: Path) -> Path:
    """A private copy of a segment's bytes that count."""
    fd, name = tempfile.mkstemp(suffix=file.path.suffix, dir=private)
    left = file.size
    with file.path.open("rb") as source, os.fdopen(fd, "wb") as target:
        while left and (chunk := source.read(min(left, _COPY_BYTES))):
            target.write(chunk)
            left -= len(chunk)
    return Path(name)
