"""The public relations on Apache Spark: the same SQL files over what was shipped, asked through Spark Connect.

Only this machine's DuckDB says what a statement means: it binds each one to relations without rows, and the answer has
the columns and types that it has there. What other engines would take for something else is refused before it is sent.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, time
from decimal import Context, Decimal
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import duckdb

from ledger.errors import Damaged, LedgerError, LimitReached, StorageFailed, Usage
from queries import log, portable, relations, sandbox
from queries.engine import Result, private_folder, told_apart
from queries.log import COLUMNS, ENVELOPE, EVENT, Log, Part
from queries.moment import Moment
from queries.sandbox import Params
from queries.sources import Shipped

if TYPE_CHECKING:
    from pyarrow import DataType
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession
    from sqlglot import exp

_CONNECT_SECONDS = 10
_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.ansi.enabled": "true",  # what overflows or cannot be cast is an error, and no NULL
    "spark.sql.files.ignoreCorruptFiles": "false",  # nor are files passed over
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",  # no digit of an amount is rounded away
    "spark.sql.constraintPropagation.enabled": "false",  # it takes longer than it saves, on plans as wide as these
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "false",  # the events of an order stay in one place,
    "spark.sql.requireAllClusterKeysForCoPartition": "false",  # also for what is joined by order and something else
}
_TYPES = {"VARCHAR": "STRING", "JSON": "STRING", "TIMESTAMP": "TIMESTAMP_NTZ", "VARCHAR[]": "ARRAY<STRING>"}
"""Spark's names of types, where they are others than DuckDB's."""

_INNER = "named_"
"""How the names of relations begin whose orders bear their ledgers' names, where others have these in a column."""

_FAMILIES = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE"), "number"),
    **dict.fromkeys(("VARCHAR", "JSON"), "text"),
    **dict.fromkeys(("TIMESTAMP", "DATE"), "instant"),
    "BOOLEAN": "truth",
    "VARCHAR[]": "list",
    '"NULL"': "nothing",
}
"""What types of DuckDB's are that an answer may have; of the decimal numbers there are many."""

_WIDE = Context(prec=38)
_IN_TEXT = ("TIMESTAMP", "DECIMAL")
"""Types whose values are strings in the lines of the log."""

_PATTERN = frozenset("*?[]{}\\")
_UNREADABLE = ("FAILED_READ_FILE", "MALFORMED_RECORD_IN_PARSING", "PATH_NOT_FOUND", "UNABLE_TO_INFER_SCHEMA")
"""How the names of Spark's error conditions begin where it is about files."""

_SQL = frozenset({"0A", "21", "22", "42"})
"""Classes of SQLSTATE of what is wrong with a statement or its values: not supported, rows, data, rules of access."""

_EVERY_COLUMN = "SELECT DISTINCT column_name, data_type FROM duckdb_columns() WHERE schema_name IN ('main', 'named')"

_WHY_MAX = 400
_NOT_PORTABLE = "docs/sql.md says what all engines take alike; without --engine spark it can be asked here"


class Cluster:
    """The public relations of shipped ledgers at one moment, on a cluster, as long as they are open."""

    def __init__(
        self,
        url: str,
        sources: Sequence[Shipped],
        moment: Moment,
        *,
        apart: bool,
        private: Path,
        memory: str,
        timeout: float | None,
    ) -> None:
        self._url = url
        self._sources = sources
        self._moment = moment
        self.apart = apart
        self._timeout = timeout
        names = [source.name for source in sources]
        self._binder = _binder(names, moment, apart=apart, private=private, memory=memory)
        self._texts = _texts(self._binder, apart=apart)
        self._tables = _tables(names, moment)
        self._made: set[str] = set()
        self._inner = _INNER if apart else ""
        self._events = self._inner + "events"
        self._columns = _described(self._binder, "named.events" if apart else "events")
        self._kept: DataFrame | None = None
        self._kept_columns: set[str] = set()
        self._spark = connect(url)

    def close(self) -> None:
        """Let go of the session; what still runs there is stopped."""
        self._binder.close()
        for let_go in (self._spark.interruptAll, self._let_go):
            with suppress(Exception):  # a cluster that is gone has nothing to let go of
                let_go()
        self._spark.stop()

    def run(self, sql: str, params: Params) -> Result:
        """Answer a statement of the package's own."""
        return self._answer(sql, params, decimals=lambda value: value)

    def run_sandboxed(self, sql: str, params: Params) -> Result:
        """Answer a statement that somebody else wrote, with `$now` given; Usage unless it is one SELECT that runs."""
        return self._answer(sql, {**params, "now": self._moment.now}, decimals=lambda value: f"{value:f}")

    def _answer(self, sql: str, params: Params, *, decimals: Callable[[Decimal], Any]) -> Result:
        """Answer what DuckDB would: bound there, a statement is said in Spark's words, its values are made the same."""
        with sandbox.limits(self._binder, self._timeout):
            select = sandbox.one_select(self._binder, sql, params)
        query = self._portable(sql, select)
        given = {
            name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
            for name, value in select.params.items()
        }
        with self._limits():
            self._keep(query)
            table = self._spark.sql(self._said(query), args=given).toArrow()
        for name, kind, there in zip(select.columns, select.types, table.schema.types, strict=True):
            if _family_there(there) not in (_family(kind), "nothing"):
                why = f"it is {kind} here and {there} on the cluster"
                raise Usage(f"engines do not agree about this SQL: the column {name}", why=why, hint=_NOT_PORTABLE)
        made = [_maker(kind, decimals) for kind in select.types]
        try:
            columns = [[*map(make, column.to_pylist())] for make, column in zip(made, table.columns, strict=True)]
        except (ArithmeticError, ValueError) as error:  # an instant after the year 9999, or before the year 1
            raise Usage("the cluster's answer cannot be read", why=str(error)) from error
        found = Result(select.columns, select.types, list(zip(*columns, strict=True)))
        return found if len(self._sources) == 1 or self.apart else told_apart(found)

    def _portable(self, sql: str, select: sandbox.Select) -> "exp.Query":
        """A statement, bound as `select`, that engines take alike; Usage names what in it they do not."""
        try:
            query = portable.parsed(sql)
        except ValueError as error:
            raise Usage("engines do not agree about this SQL", why=str(error), hint=_NOT_PORTABLE) from None
        others = (f"a column of the type {kind}" for kind in select.types if not _family(kind))
        found = next(chain(portable.problems(query, self._types(query, select.params)), others), None)
        if found is not None:
            raise Usage(f"engines do not agree about this SQL: {found}", hint=_NOT_PORTABLE)
        return query

    def _types(self, query: "exp.Query", params: Params) -> dict[str, set[str]]:
        """The types that columns have, by name: those of the relations, and of the statement's CTEs."""
        found: dict[str, set[str]] = {}
        for name, kind in self._binder.execute(_EVERY_COLUMN).fetchall():
            found.setdefault(name.lower(), set()).add(kind)
        for cte in portable.each_cte(query):
            given = {name: value for name, value in params.items() if f"${name}" in cte}
            try:
                described = _described(self._binder, f"({cte})", given)
            except duckdb.Error as error:
                raise Usage(
                    "engines do not agree about this SQL", why=sandbox.one_line(error), hint=_NOT_PORTABLE
                ) from error
            for name, kind in described.items():
                found.setdefault(name.lower(), set()).add(kind)
        return found

    @contextmanager
    def _limits(self) -> Iterator[None]:
        """Stop what runs inside after the time it may take: LimitReached; or what `_told` tells."""

        def stop() -> None:
            with suppress(Exception):  # it is told where the answer is waited for
                self._spark.interruptAll()

        with sandbox.interrupted(stop, self._timeout) as expired:
            try:
                with _told(self._url):
                    yield
            except LedgerError as error:
                if not expired.is_set():
                    raise
                why = f"it ran for more than {self._timeout:g} seconds"
                hint = "ask for less, or give more --timeout; has the cluster any workers?"
                raise LimitReached("the query was stopped", why=why, hint=hint) from error

    def _said(self, query: "exp.Query", inner: str = "") -> str:
        """A statement in Spark's words, once there are the relations that it reads: those whose names begin so."""

        def named(schema: str, table: str) -> str:
            return f"{schema}_{table}" if schema else (inner if table in relations.VIEWS else "") + table

        for name in portable.tables(query):
            self._make(named(*name))
        return portable.for_spark(query, named)

    def _make(self, name: str) -> None:
        """Make a relation, if it is one of ours and not there yet."""
        if name not in self._made:
            self._made.add(name)
            if name in self._tables:
                columns, rows = self._tables[name]
                self._spark.createDataFrame(rows, _schema(columns)).createOrReplaceTempView(name)
            elif name == "internal_log":
                self._define(name, self._rows_of_files())
            elif name == self._events:
                self._make_events()
            elif name in self._texts:
                self._define(name, *self._texts[name])

    def _define(self, name: str, sql: str, inner: str = "") -> None:
        """Make a view of a query; not in SQL, whose text would be analysed anew wherever the view is read."""
        self._spark.sql(self._said(portable.parsed(sql), inner)).createOrReplaceTempView(name)

    def _keep(self, query: "exp.Query") -> None:
        """Let the cluster keep what a statement needs of `events`, which the other relations read again and again."""
        read = portable.tables(query)
        if read <= {("", "events")} and not self._kept_columns:
            return  # it reads them once
        needed = {*self._columns} if ("", "events") in read and portable.takes_all(query) else self._names(query)
        needed = (needed | {relations.ORDER}) & {*self._columns}
        if not needed <= self._kept_columns:
            self._kept_columns |= needed
            self._made.difference_update(self._texts, (self._events,))  # they are made of what was kept until now
            self._make(self._events)

    def _names(self, query: "exp.Query") -> set[str]:
        """The names in a statement and in the relations that it reads; a column of `events` that it needs is named."""
        found = portable.names(query)
        for schema, table in portable.tables(query):
            text, _ = self._texts.get(f"{schema}_{table}" if schema else self._inner + table, ("", ""))
            if text:
                found |= self._names(portable.parsed(text))
        return found

    def _make_events(self) -> None:
        """Make the relation that all others are made of; of what is kept the rows of an order are in one place.

        A column that is not kept fails when it is read, instead of being empty.
        """
        self._let_go()
        if not self._kept_columns:
            self._define(self._events, "SELECT * FROM all_events")
            return
        kept = [name for name in self._columns if name in self._kept_columns]
        rows = self._spark.sql(self._said(portable.parsed(f"SELECT {', '.join(kept)} FROM all_events")))  # noqa: S608
        self._kept = rows.repartition(relations.ORDER).persist()
        self._kept.createOrReplaceTempView("kept_events")
        columns = ", ".join(
            f"`{name}`" if name in kept else f"CAST(raise_error('{name} is not kept') AS {_type(kind)}) AS `{name}`"
            for name, kind in self._columns.items()
        )
        self._spark.sql(f"SELECT {columns} FROM kept_events").createOrReplaceTempView(self._events)  # noqa: S608

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.unpersist()
            self._kept = None

    def _rows_of_files(self) -> str:
        """The rows of the log; each ledger is looked at once, whether it is there as a whole."""
        listed = [(source, *source.listed()) for source in self._sources]
        lines = {_path(source.url(file)): source.name for source, files, _ in listed for file in files}
        columns = {_path(source.url(file)): source.name for source, _, files in listed for file in files}
        views = []
        if lines:
            reader = self._spark.read.schema(_LINES).option("mode", "FAILFAST").option("lineSep", "\n")
            views.append(self._of_files(reader.json([*lines]), "shipped_lines"))
        if columns:
            reader = self._spark.read.schema(_schema(COLUMNS))
            views.append(self._of_files(reader.parquet(*columns), "shipped_columns"))
        several = len(self._sources) > 1
        paths = self._checked(views, lines | columns)
        self._tables["internal_files"] = (dict.fromkeys(("path", "ledger"), "VARCHAR"), paths)
        return " UNION ALL ".join(_rows(view, several=several) for view in views) or log.NOTHING

    def _of_files(self, read: "DataFrame", view: str) -> str:
        read.selectExpr("*", "_metadata.file_path AS path").createOrReplaceTempView(view)
        return view

    def _checked(self, views: Sequence[str], ledgers: Mapping[str, str]) -> list[tuple[str, str]]:
        """The paths of files as Spark writes them with their ledgers' names, whose lines are there as a whole."""
        asked = " UNION ALL ".join(
            f"SELECT path, count(*), min(seq), max(seq), sum(seq) FROM {view} GROUP BY path"  # noqa: S608
            for view in views
        )
        named = {_without_scheme(url): ledger for url, ledger in ledgers.items()}
        spans: dict[str, list[tuple[int, ...]]] = {source.name: [] for source in self._sources}
        paths = []
        rows = self._spark.sql(asked).toArrow().to_pylist() if views else []
        for path, *span in (tuple(row.values()) for row in rows):
            ledger = named[_without_scheme(unquote(path))]
            paths.append((path, ledger))
            spans[ledger].append(tuple(span))
        for source in self._sources:
            counts, firsts, lasts, totals = zip(*spans[source.name], strict=True) if spans[source.name] else [()] * 4
            first, last = min(firsts, default=0), max(lasts, default=0)
            log.check_seqs(source.name, sum(counts), first, last, sum(totals), events=source.events)
        return paths


@contextmanager
def open_cluster(
    url: str,
    sources: Sequence[Shipped],
    moment: Moment,
    *,
    scratch: Path,
    apart: bool = False,
    memory: str = "2GiB",
    timeout: float | None = None,
) -> Iterator[Cluster]:
    """Open the relations of shipped ledgers on the cluster whose Connect server is at a URL; see `open_sources`."""
    with private_folder(scratch) as private:
        opened = Cluster(url, sources, moment, apart=apart, private=private, memory=memory, timeout=timeout)
        try:
            yield opened
        finally:
            opened.close()


def connect(url: str) -> "SparkSession":
    """Connect to a server; Usage where that is no URL of one or nothing here can speak to it, StorageFailed else."""
    try:
        with warnings.catch_warnings(action="ignore"):
            import grpc
            from pyspark.errors import PySparkException
            from pyspark.sql.connect.client.core import DefaultChannelBuilder
            from pyspark.sql.connect.client.retries import DefaultPolicy
            from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        hint = "install orderledger with it: '.[spark]' in place of '.'"
        raise Usage("--engine spark needs the extra spark", why=str(error), hint=hint) from None
    shown = _without_secrets(url)
    try:
        place = DefaultChannelBuilder(url)
        channel = place.toChannel()
    except (PySparkException, ValueError) as error:
        hint = "write it like sc://host:15002"
        raise Usage(f"{shown} is no Spark Connect server", why=" ".join(str(error).split()), hint=hint) from None
    try:
        grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        why = f"nothing that speaks Spark Connect was there for {_CONNECT_SECONDS} seconds"
        raise StorageFailed(f"no cluster answers at {shown}", why=why, hint="is the server running?") from None
    finally:
        channel.close()
    for name in ("pyspark", "SQLQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    spark = SparkSession.builder.channelBuilder(place).create()
    spark.client.set_retry_policies([DefaultPolicy(max_retries=4, max_backoff=5000, max_server_retry_delay=5000)])
    with _told(url):
        for name, value in _SETTINGS.items():
            spark.conf.set(name, value)
    return spark


def _without_secrets(url: str) -> str:
    """A server's URL without its parameters, of which one may be a token."""
    shown = url.partition(";")[0]
    return shown if shown.endswith("://") else shown.removesuffix("/")


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Tell of what Spark and the way to it raise: Damaged where files cannot be read, Usage for SQL, StorageFailed."""
    import grpc
    from pyspark.errors import PySparkException

    try:
        with warnings.catch_warnings(action="ignore"):  # what goes wrong is told once, below
            yield
    except (PySparkException, grpc.RpcError) as error:
        said = str(error).partition("\n== SQL")[0].partition("JVM stacktrace")[0]
        why = " ".join(said.split())[:_WHY_MAX]
        if isinstance(error, PySparkException):
            if any(f"[{condition}" in said for condition in _UNREADABLE) or _is_of_a_line(error):
                hint = "can the cluster reach the place? `orderledger ship` brings what is missing"
                raise Damaged("a shipped ledger cannot be read by the cluster", why=why, hint=hint) from error
            if (error.getSqlState() or "")[:2] in _SQL:
                raise Usage("Spark cannot run the SQL", why=why, hint=_NOT_PORTABLE) from error
        raise StorageFailed(f"the cluster at {_without_secrets(url)} did not answer", why=why) from error


def _is_of_a_line(error: "PySparkException") -> bool:
    """Whether an error is about a value that stands in a line of the log, and not about one of the statement's."""
    fragments = (context.fragment().replace("`", "") for context in error.getQueryContext())
    return any(fragment.startswith(_CASTS) for fragment in fragments)


def _binder(
    names: Sequence[str], moment: Moment, *, apart: bool, private: Path, memory: str
) -> duckdb.DuckDBPyConnection:
    """A locked connection whose relations have no rows."""
    nothing = private / "nothing.jsonl"
    nothing.touch(mode=0o600)
    con = sandbox.connect([nothing], spill=private / "spill", memory=memory)
    Log(con, [Part(name, (), ()) for name in names], nothing)
    (relations.create_apart if apart else relations.create)(con, moment)
    sandbox.lock(con)
    return con


def _tables(names: Sequence[str], moment: Moment) -> dict[str, tuple[Mapping[str, str], relations.Rows]]:
    """The tables that the relations read besides the log: columns and rows by name."""
    told = sandbox.plain(moment._asdict())
    return {
        "clock": (dict.fromkeys(told, "TIMESTAMP"), [tuple(told.values())]),
        "internal_ledgers": ({"name": "VARCHAR"}, [(name,) for name in names if name]),
        "internal_nothing": (COLUMNS, []),
        **{f"internal_{name}": table for name, table in relations.rules().items()},
    }


def _texts(binder: duckdb.DuckDBPyConnection, *, apart: bool) -> dict[str, tuple[str, str]]:
    """The relations by the names that they have there: each one's text, and how the names in it begin."""
    inner = _INNER if apart else ""
    found = {
        name.replace(".", "_") if "." in name else inner + name: (sql, inner) for name, sql in relations.definitions()
    }
    events = portable.parsed(found.pop(inner + "events")[0])
    # What the cluster keeps is found again below other CTEs only where it has none: they become views.
    found |= {f"internal_{cte.alias}": (cte.this.sql("duckdb"), "") for cte in events.ctes}
    found["all_events"] = (portable.without_ctes(events, "internal").sql("duckdb"), "")
    if apart:
        for name in relations.VIEWS:
            found[name] = (relations.apart([*_described(binder, f"named.{name}")], inner + name), "")
    return found


def _described(binder: duckdb.DuckDBPyConnection, relation: str, params: Params | None = None) -> dict[str, str]:
    """The columns of a relation with their types."""
    return {column: kind for column, kind, *_ in binder.execute(f"DESCRIBE {relation}", params).fetchall()}


def _type(kind: str) -> str:
    """A type of DuckDB's as Spark writes it."""
    return _TYPES.get(kind, kind)


def _schema(columns: Mapping[str, str]) -> str:
    """Columns with types of DuckDB's as Spark writes them."""
    return ", ".join(f"`{name}` {_type(kind)}" for name, kind in columns.items())


_FIELDS = ", ".join(
    f"`{name}`: {'STRING' if kind.startswith(_IN_TEXT) else _type(kind)}" for name, kind in EVENT.items()
)
_LINES = (
    ", ".join(f"`{name}` {'STRING' if kind.startswith(_IN_TEXT) else _type(kind)}" for name, kind in ENVELOPE.items())
    + f", `event` STRUCT<{_FIELDS}>"
)
"""The schema of the lines of the log: instants and amounts are cast, since Spark's own reader is not as exact."""


def _in_line(name: str) -> str:
    """What a column of the log is made of where lines are read."""
    kind, column = COLUMNS[name], log.in_file(name)
    return f"CAST({column} AS {kind})" if kind.startswith(_IN_TEXT) else column


_CASTS = ("CAST(event.", *(f"CAST({name} AS" for name, kind in ENVELOPE.items() if kind.startswith(_IN_TEXT)))
"""How these begin; nobody else's statement has an `event`, and an instant beside it is one already."""


def _rows(view: str, *, several: bool) -> str:
    """The rows that the log has in a view of files; of several ledgers an order bears the name of its file's."""
    column = _in_line if view == "shipped_lines" else sandbox.identifier
    if not several:
        return log.rows_of(column, view)
    return log.rows_of(
        lambda name: f"ledger || '/' || {column(name)}" if name == relations.ORDER else column(name),
        f"{view} INNER JOIN internal_files ON internal_files.path = {view}.path",
    )


def _without_scheme(url: str) -> str:
    """What is the same in a URL of ours and in Spark's, which may have other slashes after its scheme."""
    return url.partition(":")[2].lstrip("/")


def _path(url: str) -> str:
    """A URL as Spark's file systems call it; Usage where they would take it for a pattern."""
    if _PATTERN & set(url):
        raise Usage(f"a cluster takes {url} for a pattern", hint="ship to a place without any of *?[]{}\\ in its name")
    return "s3a" + url.removeprefix("s3") if url.startswith("s3://") else url


def _family(kind: str) -> str:
    """What a type of DuckDB's is, as far as an answer can have it; nothing where it cannot."""
    return "number" if kind.startswith("DECIMAL") else _FAMILIES.get(kind, "")


def _family_there(kind: "DataType") -> str:
    """What a type of Arrow's is, which came from Spark."""
    from pyarrow import types

    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "instant"
    if types.is_null(kind):
        return "nothing"
    return "list" if types.is_list(kind) else "truth" if types.is_boolean(kind) else ""


def _maker(kind: str, decimals: Callable[[Decimal], Any]) -> Callable[[Any], Any]:
    """What makes a value of Spark's the one of DuckDB's type that it is."""

    def made(value: Any) -> Any:
        if value is None:
            return None
        if kind.startswith("DECIMAL"):
            scale = int(kind.rstrip(")").rpartition(",")[2])
            return decimals(Decimal(str(value)).quantize(Decimal(1).scaleb(-scale), context=_WIDE))
        if kind == "DOUBLE":
            return float(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        if kind == "TIMESTAMP":  # of a day and an interval, which in Spark give a day
            return datetime.combine(value, time.min)
        return value

    return made
