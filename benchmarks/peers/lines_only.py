"""What an import takes in Python before any rule is looked at: the floor under it.

Every fact is decoded, made a line of the log with its CRC, written and synced by 16,384; the places of each order's
lines go into a table of SQLite. Nothing is decided, refused or remembered of an order but how many lines it has.
Arguments: the feed, the database to make; the lines are written beside it.
"""

import os
import sqlite3
import struct
import sys
from collections import defaultdict
from datetime import UTC, datetime
from itertools import islice

from ledger.events import Recorded
from ledger.formats.facts import parse_all
from ledger.importing import BATCH_LINES, BLOCK_LINES
from ledger.index import FLUSH_EVENTS
from ledger.line import encode


def main(feed: str, database: str) -> None:
    """Write every fact as a line."""
    places: defaultdict[str, list[int]] = defaultdict(list)
    versions: defaultdict[str, int] = defaultdict(int)
    seq = end = gathered = 0
    index = sqlite3.connect(database, isolation_level=None)
    index.execute(
        "CREATE TABLE lines (order_id TEXT, first INTEGER, positions BLOB, PRIMARY KEY (order_id, first)) WITHOUT ROWID"
    )

    def flush() -> None:
        index.execute("BEGIN")
        rows = ((one, found[0], struct.pack(f">{len(found)}q", *found)) for one, found in sorted(places.items()))
        index.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
        index.execute("COMMIT")
        places.clear()

    with open(feed, "rb") as lines, open(f"{database}.lines", "wb", buffering=0) as log:
        while batch := [line.rstrip(b"\n") for line in islice(lines, BATCH_LINES)]:
            now = datetime.now(UTC)
            made = []
            for start in range(0, len(batch), BLOCK_LINES):
                for fact in parse_all(batch[start : start + BLOCK_LINES]) or ():
                    seq += 1
                    order_id = fact.order_id
                    versions[order_id] += 1
                    line = encode(
                        Recorded(seq=seq, version=versions[order_id], recorded_at=now, status="placed", event=fact)
                    )
                    places[order_id].append(end)
                    end += len(line)
                    made.append(line)
            log.write(b"".join(made))
            os.fsync(log.fileno())
            gathered += len(made)
            if gathered >= FLUSH_EVENTS:
                flush()
                gathered = 0
    flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
