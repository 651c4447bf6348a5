"""The lines of the log as a relation, `internal.log`: a row per line, a column for every field an event can have.

It is a view over files: segments, and in place of sealed ones their columnar copies. A statement that would read
segments again and again gets the columns that it needs of them from a table instead, which is filled in one reading.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import duckdb
from msgspec import inspect

from ledger.disk import LINE_BYTES_MAX
from ledger.errors import Damaged
from ledger.events import TYPES, Amount, Recorded
from queries.sandbox import identifier, literal

_AMOUNT = get_args(Amount)[1].pattern
_FEW = 24
"""So many columns are kept in a table even for a single use of `events`, which reads the log twice; more do not pay."""


def _field_types() -> dict[str, str]:
    types: dict[str, str] = {}
    for event in inspect.multi_type_info(TYPES.values()):
        assert isinstance(event, inspect.StructType)
        types |= {field.encode_name: _sql_type(field.type) for field in event.fields}
    return types


def _sql_type(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _sql_type(kind.type)
        case inspect.UnionType():
            return _sql_type(next(part for part in kind.types if not isinstance(part, inspect.NoneType)))
        case inspect.DateTimeType():
            return "TIMESTAMP"
        case inspect.IntType():
            return "BIGINT"
        case inspect.BoolType():
            return "BOOLEAN"
        case inspect.StrType(pattern=pattern) if pattern == _AMOUNT:
            return "DECIMAL(18,4)"
        case inspect.StrType() | inspect.LiteralType():
            return "VARCHAR"
        case inspect.VarTupleType():
            return "JSON"
    raise AssertionError(f"no SQL type for {kind}")


FIELD_TYPES = _field_types()
"""Every field of an event with its SQL type, common fields first; made from the structs."""

EVENT = {"type": "VARCHAR"} | FIELD_TYPES
"""What stands in the event of a line, with its SQL types."""

ENVELOPE = {
    "seq": "BIGINT",
    "version": "BIGINT",
    "recorded_at": "TIMESTAMP",
    "status": "VARCHAR",
    "odd": "VARCHAR[]",
    "effective_at": "TIMESTAMP",
}
"""What stands beside it."""

COLUMNS = ENVELOPE | EVENT
"""Every column of a line with its SQL type: the envelope's, then the event's."""

assert {*ENVELOPE, "event"} == set(Recorded.__struct_fields__) - {"crc"}


class Part(NamedTuple):
    """A ledger's files: those of `lines`, and in the order of the log the `copies` of other segments.

    Where several ledgers are read together each has a name, and its orders bear it: `eu/8123456789012345`.
    """

    ledger: str
    lines: Sequence[Path]
    copies: Sequence[Path]

    def named(self, column: Callable[[str], str]) -> Callable[[str], str]:
        """What names columns, so that it names an order with its ledger."""
        if not self.ledger:
            return column
        prefix = literal(self.ledger + "/")
        return lambda name: f"{prefix} || {column(name)}" if name == "order_id" else column(name)


class Log:
    """The relation `internal.log` of one connection: what the files of ledgers say.

    Until a statement is served it has no rows, so that views can be made of it at once. Once `touched` is called, which
    is for a single ledger, `internal.touched` are the orders that have lines in the files, and `internal.touched_log`
    is all that happened to them.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, parts: Sequence[Part], nothing: Path) -> None:
        self._con = con
        self._parts = parts
        self._no_lines = read_lines([nothing])
        self._touching = False
        self._kept: frozenset[str] = frozenset()
        begin(con)
        for part in parts:
            if part.ledger:
                con.execute("INSERT INTO internal.ledgers VALUES ($ledger)", {"ledger": part.ledger})

    def touched(self) -> None:
        """Let the statements served from now on read the orders that have lines in the files by themselves."""
        self._touching = True

    def serve(self, sql: str, params: dict[str, Any]) -> None:
        """Make the relation such that this statement reads the files once, or as often as a simple one would."""
        define(self._con, rows_of(in_file, self._no_lines), NOTHING)
        scans = list(_scans(self._con, sql, params))
        needed = frozenset({"seq", "order_id", "version"}).union(*scans)
        if len(scans) > 2 or (len(scans) == 2 and len(needed) <= _FEW):
            self._keep(needed)
            young = rows_of(self._in_table, "internal.kept")
        else:
            young = _union(rows_of(part.named(in_file), read_lines(part.lines)) for part in self._parts if part.lines)
        old = _union(of_copies(part.copies, part.named(identifier)) for part in self._parts if part.copies)
        define(self._con, young, old)
        if self._touching:
            touch(self._con, self._parts[0].copies)

    def check_seqs(self, ledgers: Mapping[str, int | None]) -> None:
        """Damaged where the lines of one of these ledgers are not seq 1, 2, 3 …, each once, or are not so many."""
        for part in self._parts:
            rows = _union(
                f"SELECT seq FROM {source}"  # noqa: S608
                for source in (
                    *([read_lines(part.lines)] if part.lines else []),
                    *([read_parquet(part.copies)] if part.copies else []),
                )
            )
            if part.ledger in ledgers:
                sql = f"SELECT count(*), min(seq), max(seq), sum(seq) FROM ({rows or _NO_SEQS})"  # noqa: S608
                [found] = self._con.execute(sql).fetchall()
                check_seqs(part.ledger, *found, events=ledgers[part.ledger])

    def _keep(self, needed: frozenset[str]) -> None:
        if not needed <= self._kept:
            rows = _union(
                f"SELECT {', '.join(f'{part.named(in_file)(name)} AS {identifier(name)}' for name in sorted(needed))} "  # noqa: S608
                f"FROM {read_lines(part.lines)}"
                for part in self._parts
                if part.lines
            )
            rows = rows or f"SELECT {', '.join(map(identifier, sorted(needed)))} FROM internal.nothing"  # noqa: S608
            self._con.execute(f"CREATE OR REPLACE TABLE internal.kept AS {rows}")
            self._kept = needed

    def _in_table(self, name: str) -> str:
        """A column of the table; one that is not kept fails when it is read, instead of being empty."""
        if name in self._kept:
            return identifier(name)
        return f"CAST(error('{name} is not kept') AS {COLUMNS[name]})"


def check_seqs(ledger: str, count: int, first: int, last: int, total: int, *, events: int | None) -> None:
    """Damaged where the seqs of a ledger's lines, which sum to `total`, are not 1, 2, 3 … each once.

    `events` is how many there have to be, where something besides the lines says so: what was shipped does.
    """
    if (count and (first, last, total) != (1, count, count * (count + 1) // 2)) or events not in (None, count):
        raise Damaged(
            f"lines of {f'the ledger {ledger}' if ledger else 'the ledger'} are missing, or there twice",
            why=f"it has {count} lines" + (f" with seq {first} to {last}" if count else ""),
            hint="`orderledger verify` tells which" if events is None else f"{events} were shipped; ship it again",
        )


def begin(con: duckdb.DuckDBPyConnection) -> None:
    """Make the schema `internal` with a log of no lines, of no ledger."""
    con.execute("CREATE SCHEMA internal")
    columns = ", ".join(f"{identifier(name)} {kind}" for name, kind in COLUMNS.items())
    con.execute(f"CREATE TABLE internal.nothing ({columns})")  # views are made faster of a table than of a file
    con.execute("CREATE TABLE internal.touched (order_id VARCHAR, begun BOOLEAN)")
    con.execute("CREATE TABLE internal.ledgers (name VARCHAR)")
    define(con, NOTHING, NOTHING)


def define(con: duckdb.DuckDBPyConnection, young: str, old: str) -> None:
    """Make the relation out of the rows of the log's younger part and those of its older one; nothing for no rows."""
    con.execute(f"CREATE OR REPLACE VIEW internal.young AS {young or NOTHING}")
    con.execute(f"CREATE OR REPLACE VIEW internal.log AS FROM internal.young UNION ALL {old or NOTHING}")
    con.execute(_touched_log(old))


def touch(con: duckdb.DuckDBPyConnection, copies: Sequence[Path]) -> None:
    """Find the orders with rows in the younger part, and make the relation of all that happened to them.

    An order's events are in the log in the order of its versions: before the copy that has its first one nothing is
    looked for. Orders live for weeks, so that of many copies a few are read.
    """
    con.execute(
        "CREATE OR REPLACE TABLE internal.touched AS "
        "SELECT order_id, min(version) = 1 AS begun FROM internal.young GROUP BY order_id"
    )
    first, more = len(copies), 1
    while first and _begun_before(con):
        at, more = max(0, first - more), 2 * more
        con.execute(
            "UPDATE internal.touched SET begun = true WHERE NOT begun AND order_id IN "  # noqa: S608
            f"(SELECT order_id FROM {read_parquet(copies[at:first])} WHERE version = 1)"
        )
        first = at
    con.execute(_touched_log(of_copies(copies[first:])))


def _begun_before(con: duckdb.DuckDBPyConnection) -> bool:
    [(count,)] = con.execute("SELECT count(*) FROM internal.touched WHERE NOT begun").fetchall()
    return bool(count)


def _touched_log(old: str) -> str:
    return (
        "CREATE OR REPLACE VIEW internal.touched_log AS FROM internal.young UNION ALL "  # noqa: S608
        f"SELECT old.* FROM ({old or NOTHING}) AS old SEMI JOIN internal.touched AS touched "
        "ON touched.order_id = old.order_id"
    )


def rows_of(column: Callable[[str], str], source: str) -> str:
    """The SELECT of the relation's columns, as `column` names them in a source."""
    fields = ", ".join(f"{column(name)} AS {identifier(name)}" for name in EVENT)
    return (
        f"SELECT {column('seq')} AS seq, {column('version')} AS version, "  # noqa: S608
        f"{column('recorded_at')} AS recorded_at, {column('status')} AS status, "
        f"array_to_string({column('odd')}, ',') AS odd, "
        f"COALESCE({column('effective_at')}, {column('occurred_at')}) AS effective_at, {fields} FROM {source}"
    )


_NO_SEQS = "SELECT seq FROM internal.nothing"

NOTHING = rows_of(identifier, "internal.nothing")
"""The rows of an empty log."""


def of_copies(paths: Sequence[Path], column: Callable[[str], str] = identifier) -> str:
    """The rows that columnar copies have of the log; nothing for no copies."""
    return rows_of(column, read_parquet(paths)) if paths else ""


def _union(selects: Iterable[str]) -> str:
    return " UNION ALL ".join(selects)


def read_parquet(paths: Sequence[Path]) -> str:
    """The table function that reads Parquet files."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], hive_partitioning = false)"


def in_file(name: str) -> str:
    """What a column of the log is called where lines are read."""
    return identifier(name) if name in ENVELOPE else f"event.{identifier(name)}"


def read_lines(paths: Sequence[Path]) -> str:
    """The table function that reads the lines of files."""
    event = ", ".join(f"{identifier(name)} {kind}" for name, kind in EVENT.items())
    return _read_json(paths, f"STRUCT({event})")


def sorted_lines(path: Path) -> str:
    """The SELECT of all columns of a file's lines by order and version; what is not of its type would become NULL.

    Events are sorted as text: apart, in columns of which most are empty, they take several times the memory.
    """
    columns = ", ".join(f"{in_file(column)} AS {identifier(column)}" for column in COLUMNS)
    return (
        f"SELECT {columns} FROM (SELECT * REPLACE (from_json(event, {literal(json.dumps(EVENT))}) AS event) "  # noqa: S608
        f"FROM (FROM {_read_json([path], 'JSON')} ORDER BY event->>'order_id', version))"
    )


def _read_json(paths: Sequence[Path], event: str) -> str:
    columns = ", ".join(f"{name}: {literal(kind)}" for name, kind in (ENVELOPE | {"event": event}).items())
    return (
        f"read_json([{', '.join(literal(str(path)) for path in paths)}], format = 'newline_delimited', "
        f"compression = 'uncompressed', hive_partitioning = false, filename = false, "
        f"maximum_object_size = {LINE_BYTES_MAX}, columns = {{{columns}}})"
    )


def _scans(con: duckdb.DuckDBPyConnection, sql: str, params: dict[str, Any]) -> Iterator[frozenset[str]]:
    """The columns of each reading of the files that a statement's plan has."""
    [(_, plan)] = con.execute(f"EXPLAIN (FORMAT json) {sql}", params).fetchall()
    nodes = json.loads(plan)
    while nodes:
        node = nodes.pop()
        nodes += node.get("children", ())
        about = node.get("extra_info", {})
        if about.get("Function") == "READ_JSON":
            read = about["Projections"]
            names = [read] if isinstance(read, str) else read
            yield frozenset(name.removeprefix("event.") for name in names if name)
