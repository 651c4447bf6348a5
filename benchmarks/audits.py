"""What every audit costs on a ledger of N generated facts, and `list`, `due` and `money`: whole processes, medians.

Each round asks all of them in turn. Their yardstick is the same DuckDB counting the lines of the log, typed, in a
process of its own: what nobody can do without who reads JSON.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.run import Bench, Cost, Row, about, in_turn, measure, table
from queries.catalog import audits

NOW = "2026-06-01T00:00:00Z"
"""The end of the generated feed: some orders are open then, and some timers have run out."""

SCAN = """
import sys, duckdb
from queries.log import _read
from pathlib import Path
lines = _read(sorted(Path(sys.argv[1], "events").glob("*.jsonl")))
duckdb.sql(f"SELECT count(event.order_id), max(event.occurred_at), sum(event.amount) FROM {lines}").fetchall()
"""


class Questions:
    """The questions to one ledger."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def ask(self, *arguments: str) -> Cost:
        """The cost of one question."""
        return self.bench.orderledger(self.bench.full, *arguments, "--now", NOW)

    def scan(self, _turn: int) -> Cost:
        """Read every line once."""
        return measure(sys.executable, "-c", SCAN, str(self.bench.full))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audits", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="generated facts (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the facts (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    chosen = parser.parse_args()
    commands = {name: ("audit", name) for name in audits()} | {name: (name,) for name in ("list", "due", "money")}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen.events, chosen.seed)
        bench.import_all(0)
        questions = Questions(bench)
        asked = {name: lambda _, words=words: questions.ask(*words) for name, words in commands.items()}
        costs = in_turn(chosen.rounds, **{"typed scan": questions.scan}, **asked)
    scan = costs["typed scan"].seconds
    rows = [Row(name, cost, "", f"{cost.seconds / scan:.2f} × time") for name, cost in costs.items()]
    print(f"{about()}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
