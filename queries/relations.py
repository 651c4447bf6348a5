"""The public relations as views of one connection, and the rules that they read, so that none is written twice in SQL.

Most rows of the costly relations are those of orders to which nothing happened lately: where `projections` has them,
only the others are made of events.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
from msgspec.structs import fields

from ledger import timers
from ledger.events import TYPES
from ledger.order import closure_reason
from queries import sandbox
from queries.log import NOTHING, read_parquet
from queries.moment import Moment

VIEWS = ("events", "postings", "closures", "orders", "steps", "timers", "parcels", "sellers", "oddities", "numbers")
"""The public relations."""

PROJECTED = {
    "closures": "views/closures.sql",
    "steps": "views/steps.sql",
    "parcels": "views/parcels.sql",
    "internal.order_rows": "rows/order_rows.sql",
    "internal.timer_rows": "rows/timer_rows.sql",
}
"""The relations of which rows can be kept, and their files: each row is made of one order's events and no clock."""

USES = {
    "closures": ("closures",),
    "steps": ("steps",),
    "parcels": ("parcels",),
    "orders": ("internal.order_rows",),
    "sellers": ("internal.order_rows",),
    "timers": ("internal.timer_rows",),
}
"""Which of them each public relation reads."""


ORDER = "order_id"
"""The column of an order's number; where several ledgers are read, its ledger's name and a slash stand in front."""

LEDGER = "ledger"
"""The column that answers about several ledgers have."""


def view_sql(name: str) -> str:
    """The text of a public relation."""
    return _text(f"views/{name}.sql")


def definitions() -> Iterator[tuple[str, str]]:
    """Every relation over the log and the rules with its text, each after those that it reads."""
    yield "events", view_sql("events")
    yield from ((name, _text(path)) for name, path in PROJECTED.items())
    yield from ((name, view_sql(name)) for name in VIEWS if name not in PROJECTED and name != "events")


def create(con: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    """Make every relation in a connection that has a log."""
    create_events(con, moment)
    for name, sql in definitions():
        if name != "events":
            con.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")


def create_apart(con: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    """Make every relation of several ledgers with a column `ledger`, and the orders' own numbers beside it."""
    con.execute("CREATE SCHEMA named")
    con.execute("SET search_path = 'named'")
    create(con, moment)
    for name in PROJECTED:  # those of another schema would find the events of this one
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {_with_events('named.events', name)}")
    for name in ("clock", *VIEWS):
        columns = [column for column, *_ in con.execute(f"DESCRIBE {name}").fetchall()]
        con.execute(f"CREATE VIEW main.{name} AS {apart(columns, f'named.{name}')}")
    con.execute("SET search_path = 'main'")


def apart(columns: Sequence[str], source: str) -> str:
    """The rows of a relation whose orders bear their ledgers' names, with those in a column `ledger` at the front."""
    ledger = [f"split_part({ORDER}, '/', 1) AS {LEDGER}"] if ORDER in columns else []
    number = f"substr({ORDER}, strpos({ORDER}, '/') + 1) AS {ORDER}"
    listed = (number if name == ORDER else sandbox.identifier(name) for name in columns)
    return f"SELECT {', '.join([*ledger, *listed])} FROM {source}"  # noqa: S608 - names of our own


def create_events(con: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    """Make what all others are made of: the rules, the relation `clock`, the events."""
    _create_rules(con, moment)
    events = view_sql("events")
    con.execute(f"CREATE VIEW events AS {events}")
    con.execute(f"CREATE VIEW internal.touched_events AS {events.replace('internal.log', 'internal.touched_log')}")


def define(con: duckdb.DuckDBPyConnection, name: str, kept: Path | None) -> None:
    """Make a relation of all events; or of kept rows, and the events of those orders whose rows may be others now."""
    sql = _text(PROJECTED[name])
    if kept is not None:
        sql = (
            f"{_with_events('internal.touched_events', name)} "  # noqa: S608
            f"UNION ALL SELECT kept.* FROM {read_parquet([kept])} AS kept "
            "ANTI JOIN internal.touched AS touched ON touched.order_id = kept.order_id"
        )
    con.execute(f"CREATE OR REPLACE VIEW {name} AS {sql}")


def _with_events(events: str, name: str) -> str:
    """The rows of a projected relation of other events than usual."""
    return f"WITH events AS (SELECT * FROM {events}) SELECT * FROM ({_text(PROJECTED[name])}\n)"  # noqa: S608


def definition(name: str) -> str:
    """All that makes the rows of a projected relation what they are, besides the log."""
    return "\n".join((_text(PROJECTED[name]), view_sql("events"), repr(rules()), NOTHING, duckdb.__version__))


def closing_types() -> dict[str, str]:
    """Every closing event type with the reason it gives to the closure; a `closed` may say another."""
    closing: dict[str, Any] = {tag: event for tag, event in TYPES.items() if event.closing}
    return {
        tag: closure_reason(event(**dict.fromkeys(field.name for field in fields(event) if field.required)))
        for tag, event in closing.items()
    }


Rows = Sequence[tuple[Any, ...]]


def rules() -> Mapping[str, tuple[Mapping[str, str], Rows]]:
    """The tables of rules in the schema `internal`: their columns and rows."""
    kinds = [(kind.name, kind.consequence, kind.held, kind in timers.WHILE_OPEN) for kind in timers.KINDS]
    ends = [(kind.name, tag) for kind in timers.KINDS for tag in sorted(timers.ended_by(kind))]
    text = "VARCHAR"
    return {
        "closing_types": ({"type": text, "reason": text}, list(closing_types().items())),
        "timer_kinds": ({"timer": text, "consequence": text, "held": text, "while_open": "BOOLEAN"}, kinds),
        "timer_ends": ({"timer": text, "type": text}, ends),
    }


def _create_rules(con: duckdb.DuckDBPyConnection, moment: Moment) -> None:
    con.execute("CREATE TABLE clock (now TIMESTAMP, as_of TIMESTAMP, known_at TIMESTAMP)")
    con.execute("INSERT INTO clock VALUES ($now, $as_of, $known_at)", sandbox.plain(moment._asdict()))
    for name, (columns, rows) in rules().items():
        listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        con.execute(f"CREATE TABLE internal.{name} ({listed})")
        places = ", ".join(f"({', '.join('?' * len(columns))})" for _ in rows)
        con.execute(f"INSERT INTO internal.{name} VALUES {places}", [value for row in rows for value in row])  # noqa: S608


def _text(path: str) -> str:
    return files(__package__).joinpath(path).read_text()
