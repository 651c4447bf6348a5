"""The public relations over the lines of the log, answered by DuckDB at one moment.

The sealed segments are read where they are, or from their columnar copies; of the newest one, which may grow meanwhile,
the complete lines are copied.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from msgspec.structs import fields

from ledger import timers
from ledger.disk import LogFile
from ledger.errors import Damaged, Usage
from ledger.events import TYPES
from ledger.order import closure_reason
from ledger.segments import Damage, Snapshot
from queries import columnar, sandbox
from queries.log import Log
from queries.moment import Moment
from queries.sandbox import Params

VIEWS = ("events", "postings", "closures", "orders", "steps", "timers", "parcels", "sellers", "oddities")
"""The public relations, each after those it reads."""

_COPY_BYTES = 1024 * 1024


class Result(NamedTuple):
    """Rows as Python values; an instant is UTC without a zone, money a Decimal. `types` are DuckDB's names."""

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
        self._copies = copies
        self._memory = memory
        self._timeout = timeout
        self._first_damage = first_damage
        self._snapshot = snapshot
        self._con, self._log, self._paths = self._open()

    def interrupt(self) -> None:
        """Stop the statement that is running, from another thread; it ends as KeyboardInterrupt."""
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
            self._log.serve(select.sql, select.params)
            found = self._con.execute(select.sql, select.params).fetchall()
            return Result(select.columns, select.types, found)

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
        self._copies = None
        self._reopen()

    def _reopen(self) -> None:
        self._con.close()
        self._con, self._log, self._paths = self._open()

    def _open(self) -> tuple[duckdb.DuckDBPyConnection, Log, list[Path]]:
        """A locked connection with all relations, its log, and the files it reads."""
        snapshot, spill = self._snapshot, self._private / "spill"
        copies: columnar.Copies = {}
        if self._copies is not None:
            copies = columnar.complete(self._copies, snapshot, spill=spill, memory=self._memory, timeout=self._timeout)
        paths = [sandbox.plain_path(file.path, self._private) for file in snapshot.sealed if file not in copies]
        paths += [_copy(file, self._private) for file in snapshot.files[-1:] if file.size]
        columns = [sandbox.plain_path(copy, self._private) for copy in copies.values()]
        nothing = self._private / "nothing.jsonl"
        nothing.touch(mode=0o600)
        con = sandbox.connect([*paths, *columns, nothing], spill=spill, memory=self._memory)
        try:
            with sandbox.limits(con, None):
                con.execute("CREATE SCHEMA internal")
                log = Log(con, paths, nothing, columns)
                _create_rules(con, self._moment)
                for name in VIEWS:
                    con.execute(f"CREATE VIEW {name} AS {view_sql(name)}")
            sandbox.lock(con)
        except BaseException:
            con.close()
            raise
        return con, log, [*paths, *columns]


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
        relations = Relations(
            snapshot,
            moment,
            private=private,
            copies=copies,
            memory=memory,
            timeout=timeout,
            first_damage=first_damage,
        )
        try:
            yield relations
        finally:
            relations.close()
    finally:
        shutil.rmtree(private, ignore_errors=True)


def view_sql(name: str) -> str:
    """The text of a public relation."""
    return files(__package__).joinpath("views", f"{name}.sql").read_text()


def _create_rules(con: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    """Make what the views read besides the log: the relation `clock`, and the rules."""
    con.execute("CREATE TABLE clock (now TIMESTAMP, as_of TIMESTAMP, known_at TIMESTAMP)")
    con.execute("INSERT INTO clock VALUES ($now, $as_of, $known_at)", sandbox.plain(moment._asdict()))
    closings = list(closing_types().items())
    _create_table(con, "closing_types", {"type": "VARCHAR", "reason": "VARCHAR"}, closings)
    kinds = [(kind.name, kind.consequence, kind.held, kind in timers.WHILE_OPEN) for kind in timers.KINDS]
    columns = {"timer": "VARCHAR", "consequence": "VARCHAR", "held": "VARCHAR", "while_open": "BOOLEAN"}
    _create_table(con, "timer_kinds", columns, kinds)
    ends = [(kind.name, tag) for kind in timers.KINDS for tag in timers.ended_by(kind)]
    _create_table(con, "timer_ends", {"timer": "VARCHAR", "type": "VARCHAR"}, ends)


def _create_table(
    con: duckdb.DuckDBPyConnection, name: str, columns: dict[str, str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Hand a table of the rules to the views, so that none is written a second time in SQL."""
    con.execute(f"CREATE TABLE internal.{name} ({', '.join(f'{column} {kind}' for column, kind in columns.items())})")
    places = ", ".join(f"({', '.join('?' * len(columns))})" for _ in rows)
    con.execute(f"INSERT INTO internal.{name} VALUES {places}", [value for row in rows for value in row])  # noqa: S608


def closing_types() -> dict[str, str]:
    """Every closing event type with the reason it gives to the closure; a `closed` may say another."""
    closing: dict[str, Any] = {tag: event for tag, event in TYPES.items() if event.closing}
    return {
        tag: closure_reason(event(**dict.fromkeys(field.name for field in fields(event) if field.required)))
        for tag, event in closing.items()
    }


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
