"""DuckDB locked up: a fresh connection that reads the files it was given and no others, and runs single SELECTs.

Only files are named to it, never a folder, since whoever may write into a folder may write over the log. A statement
is described before it runs: that binds it, executes nothing, and refuses a WITH that would change data.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from ledger.errors import LimitReached, Usage
from queries import reach

ZONED = "TIMESTAMP WITH TIME ZONE"
_GLOB = frozenset("*?[")
_PLACE = re.compile(r"^LINE (\d+):", re.MULTILINE)
_INTERRUPT_SECONDS = 0.05
_ONE_SELECT = "write one SELECT; nothing else is run here"
_TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'main' ORDER BY table_name"

Params = Mapping[str, Any]


class Select(NamedTuple):
    """A statement that was found to be one SELECT: its text, the parameters it names, its columns and their types.

    In the text, an instant with a zone is made one of UTC without a zone: fetching the former needs another library.
    """

    sql: str
    params: dict[str, Any]
    columns: list[str]
    types: list[str]


def literal(value: str) -> str:
    """Text as a SQL string."""
    return "'" + value.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def plain_path(path: Path, private: Path) -> Path:
    """A path that DuckDB takes for no pattern, in UTF-8: the file's own, or a link in a private folder."""
    path = path.absolute()
    if not _GLOB & set(str(path)) and _is_text(path):
        return path
    link = private / f"{len(list(private.iterdir()))}{path.suffix}"
    link.symlink_to(path)
    return link


def _is_text(text: str | Path) -> bool:
    """Whether a text or path is UTF-8: DuckDB takes no other."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


def connect(files: Sequence[Path], *, spill: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """A fresh connection that may read `files`; views are made in it before `lock`."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", memory):
        raise Usage(f"{memory!r} is no size", why="a size is a number and a unit", hint="write it like 512MiB or 2GiB")
    for path in (*files, spill):
        if not _is_text(path):
            raise Usage(f"{path} cannot be queried", why="its name is not valid UTF-8", hint="rename the folder")
    con = duckdb.connect(
        ":memory:",
        config={
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
        },
    )
    con.execute("SET memory_limit = $memory", {"memory": memory})
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it goes to stdout, into whatever a command prints there
    con.execute("SET temp_directory = $spill", {"spill": str(spill)})
    con.execute("SET allowed_paths = $files", {"files": [str(file) for file in files]})
    return con


def lock(con: duckdb.DuckDBPyConnection) -> None:
    """From here on nothing but the files in use can be reached, and no setting can be changed."""
    con.execute("SET enable_external_access = false")
    con.execute("SET lock_configuration = true")


@contextmanager
def limits(con: duckdb.DuckDBPyConnection, timeout: float | None) -> Iterator[None]:
    """Stop what runs inside after `timeout` seconds; LimitReached then, or when the memory does not suffice."""
    try:
        with time_limit(con, timeout):
            yield
    except duckdb.OutOfMemoryException as error:
        raise LimitReached(
            "the query was stopped: it needs more memory than it may use",
            why=one_line(error),
            hint="ask for less, or give more --memory",
        ) from error


@contextmanager
def time_limit(con: duckdb.DuckDBPyConnection, timeout: float | None) -> Iterator[None]:
    """Stop what runs inside after `timeout` seconds: LimitReached."""

    def interrupt() -> None:
        with suppress(duckdb.ConnectionException):  # closed meanwhile
            con.interrupt()

    with interrupted(interrupt, timeout) as expired:
        try:
            yield
        except duckdb.InterruptException as error:
            if not expired.is_set():
                raise KeyboardInterrupt from error
            why = f"it ran for more than {timeout:g} seconds"
            raise LimitReached("the query was stopped", why=why, hint="ask for less, or give more --timeout") from error


@contextmanager
def interrupted(interrupt: Callable[[], None], timeout: float | None) -> Iterator[threading.Event]:
    """Interrupt what runs inside after `timeout` seconds, from another thread, until it ends; then the event is set.

    An interrupt that comes between two statements is lost, so it is repeated.
    """
    done, expired = threading.Event(), threading.Event()

    def watch() -> None:
        seconds = timeout
        while not done.wait(seconds):
            expired.set()
            interrupt()
            seconds = _INTERRUPT_SECONDS

    watcher = None if timeout is None else threading.Thread(target=watch, daemon=True)
    if watcher:
        watcher.start()
    try:
        yield expired
    finally:
        done.set()
        if watcher:
            watcher.join()


def one_select(con: duckdb.DuckDBPyConnection, sql: str, params: Params) -> Select:
    """Check a statement without running it; Usage when it is not one SELECT that binds, or a parameter is missing."""
    if not _is_text(sql):
        raise Usage("the SQL is not valid UTF-8", hint=_ONE_SELECT)
    try:
        statements = con.extract_statements(sql)
    except duckdb.Error as error:
        raise Usage(f"{place(sql, error)}the SQL does not parse", why=one_line(error), hint=_ONE_SELECT) from error
    if len(statements) != 1:
        raise Usage(f"the SQL has {len(statements)} statements", why="exactly one is run", hint=_ONE_SELECT)
    statement = statements[0]
    if not _is_select(statement):
        raise Usage(f"{_beginning(sql)}the SQL is no SELECT", why="queries only read", hint=_ONE_SELECT)
    text = _without_end(statement.query)
    reach.check(con, text)
    given = _given(statement.named_parameters, params)
    try:
        described = con.execute(f"DESCRIBE {text}", given).fetchall()
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        what = f"{place(sql, error)}the SQL cannot be run"
        raise Usage(what, why=one_line(error), hint=_suggestion(con, error)) from error
    return _unzoned(text, given, [row[0] for row in described], [row[1] for row in described])


def place(sql: str, error: Exception) -> str:
    """Where in a text of several lines DuckDB found an error: `line 3: `; nothing where it does not say."""
    found = _PLACE.search(str(error))
    return f"line {found[1]}: " if found and "\n" in sql.strip() else ""


def _beginning(sql: str) -> str:
    """The line on which the statement begins, after the comments above it."""
    offset = next((offset for offset, kind in duckdb.tokenize(sql) if kind != duckdb.token_type.comment), 0)
    before = sql.encode()[:offset].count(b"\n")
    return f"line {before + 1}: " if "\n" in sql.strip() else ""


def one_line(error: Exception) -> str:
    """The first line of what DuckDB says."""
    return str(error).strip().partition("\n")[0]


def _suggestion(con: duckdb.DuckDBPyConnection, error: duckdb.Error) -> str:
    """The columns or functions that DuckDB suggests; else the relations, since it also suggests tables of its own."""
    for line in str(error).splitlines() if "Table with name" not in str(error) else ():
        if line.startswith(("Did you mean", "Candidate ")):
            return line.replace("Candidate bindings:", "the nearest columns:").replace("Candidate ", "the nearest ")
    names = [name for (name,) in con.execute(_TABLES).fetchall()]
    return f"the relations here are {', '.join(names)}" if names else "there are no relations here"


def plain(params: Params) -> dict[str, Any]:
    """Parameters as DuckDB takes them: instants are UTC without a zone; Usage for text that is not UTF-8."""
    if not all(_is_text(value) for value in params.values() if isinstance(value, str)):
        raise Usage("a value is not valid UTF-8", hint="type it in UTF-8")
    return {
        name: value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) and value.tzinfo else value
        for name, value in params.items()
    }


def _is_select(statement: duckdb.Statement) -> bool:
    try:
        return statement.type == duckdb.StatementType.SELECT
    except ValueError:  # a type of statement that DuckDB's Python side has no name for
        return False


def _given(named: set[str], params: Params) -> dict[str, Any]:
    """The parameters that a statement names; Usage when one has no value, or one but `now` is given in vain."""
    missing, needless = sorted(named - params.keys()), sorted(params.keys() - named - {"now"})
    if missing:
        raise Usage(f"the SQL names ${missing[0]}, which has no value", hint="give it with -p NAME=VALUE")
    if needless:
        raise Usage(f"the SQL names no ${needless[0]}", why="a value was given for it", hint="leave it out")
    return plain({name: value for name, value in params.items() if name in named})


def _without_end(sql: str) -> str:
    """A single statement without its semicolon and what follows it."""
    text = sql.encode()
    for offset, kind in duckdb.tokenize(sql):
        if kind == duckdb.token_type.operator and text[offset : offset + 1] == b";":
            return text[:offset].decode()
    return sql


def _unzoned(sql: str, params: dict[str, Any], columns: list[str], types: list[str]) -> Select:
    for name, kind in zip(columns, types, strict=True):
        if "TIME ZONE" in kind and kind != ZONED:
            raise Usage(f"column {name} is {kind}", why="such a type cannot be read", hint="CAST it")
    utc = _each(Select(sql, params, columns, types), lambda kind: kind == ZONED, "timezone('UTC', {})")
    return utc._replace(types=["TIMESTAMP" if kind == ZONED else kind for kind in types])


def decimals_as_text(select: Select) -> Select:
    """A statement that gives its decimal numbers as text: a Decimal costs ten times as much to fetch and to print."""
    return _each(select, lambda kind: kind.startswith("DECIMAL(") and kind.endswith(")"), "CAST({} AS VARCHAR)")


def _each(select: Select, meant: Callable[[str], bool], wrapped: str) -> Select:
    """A statement with every column of the types that are meant wrapped in an expression."""
    if not any(map(meant, select.types)):
        return select
    inner = [f"c{number}" for number in range(len(select.columns))]
    outer = [wrapped.format(name) if meant(kind) else name for name, kind in zip(inner, select.types, strict=True)]
    named = ", ".join(f"{value} AS {identifier(name)}" for value, name in zip(outer, select.columns, strict=True))
    return select._replace(sql=f"SELECT {named} FROM ({select.sql}\n) AS q({', '.join(inner)})")  # noqa: S608
