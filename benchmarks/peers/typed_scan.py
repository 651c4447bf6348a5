"""DuckDB's own reading of the log: every column of every line, typed, once. Argument: the ledger."""

import sys
from pathlib import Path

import duckdb

from queries.log import COLUMNS, in_file, read_lines


def main(ledger: str) -> None:
    """Read everything."""
    lines = read_lines(sorted(Path(ledger, "events").glob("*.jsonl")))
    columns = ", ".join(f"max({in_file(name)})" for name in COLUMNS)
    duckdb.execute(f"SELECT count(*), {columns} FROM {lines}").fetchall()  # noqa: S608 - names of our own


if __name__ == "__main__":
    main(*sys.argv[1:])
