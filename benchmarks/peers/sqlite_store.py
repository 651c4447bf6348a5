"""SQLite as a plain event store: WAL, synchronous=FULL, a thousand rows a transaction, no rule checked.

Arguments: the feed, the database to make.
"""

import itertools
import json
import sqlite3
import sys
from collections import Counter


def main(feed: str, database: str) -> None:
    """Insert every fact; an order and its versions are unique."""
    events = sqlite3.connect(database, isolation_level=None)
    events.execute("PRAGMA journal_mode = WAL")
    events.execute("PRAGMA synchronous = FULL")
    events.execute(
        "CREATE TABLE event (seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, version INTEGER NOT NULL,"
        " line TEXT NOT NULL, UNIQUE (order_id, version))"
    )
    versions: Counter[str] = Counter()

    def row(line: str) -> tuple[str, int, str]:
        order_id = json.loads(line)["order_id"]
        versions[order_id] += 1
        return order_id, versions[order_id], line

    with open(feed, encoding="utf-8") as lines:
        while batch := list(itertools.islice(lines, 1000)):
            events.execute("BEGIN IMMEDIATE")
            events.executemany("INSERT INTO event (order_id, version, line) VALUES (?, ?, ?)", map(row, batch))
            events.execute("COMMIT")


if __name__ == "__main__":
    main(*sys.argv[1:])
