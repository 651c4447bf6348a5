"""What a statement of somebody else may reach: the relations, and functions that look at nothing but their input.

DuckDB's own lock keeps files and settings from being changed. It still lets a statement ask for the settings, and read
the files that the relations themselves read, past the moment that they show.
"""

import json
from collections.abc import Iterator
from typing import Any

import duckdb

from ledger.errors import Usage

TABLE_FUNCTIONS = frozenset({"generate_series", "json_each", "json_tree", "range", "unnest"})
SCHEMAS = frozenset({"", "main", "information_schema"})
NO_FUNCTIONS = frozenset({"current_setting", "currval", "getvariable", "nextval", "pg_sleep", "sleep_ms", "write_log"})
"""Functions that tell of the machine, or do something besides giving a value."""

_WHY = "a query sees the relations and nothing of the machine"


def check(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise Usage when a statement, found to be one SELECT, names what it may not reach."""
    [(found,)] = con.execute("SELECT json_serialize_sql($sql)", {"sql": sql}).fetchall()
    try:
        tree = json.loads(found)
    except RecursionError:
        raise Usage(
            "the SQL is nested too deeply", hint="write long sums and conditions as a list or a table"
        ) from None
    if tree.get("error"):
        raise Usage("the SQL cannot be run", why=str(tree.get("error_message")), hint="write it as a plain SELECT")
    for node in _nodes(tree):
        function = node.get("function_name", "")
        match node.get("type"):
            case "TABLE_FUNCTION" if (name := node["function"]["function_name"]) not in TABLE_FUNCTIONS:
                raise Usage(f"the table function {name} cannot be used here", why=_WHY)
            case "BASE_TABLE" if node["catalog_name"] or node["schema_name"] not in SCHEMAS:
                raise Usage(f"{node['schema_name']}.{node['table_name']} cannot be used here", why=_WHY)
            case "BASE_TABLE" if "/" in node["table_name"]:
                raise Usage("a file cannot be used here", why=_WHY, hint="a table of one's own is imported with --map")
            case "FUNCTION" if function in NO_FUNCTIONS:
                raise Usage(f"the function {function} cannot be used here", why=_WHY)


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a syntax tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
