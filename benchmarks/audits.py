"""What every audit costs on a ledger of N generated facts, and `list`, `due` and `money`: whole processes, medians.

Each round asks all of them in turn. Their yardstick is the same DuckDB counting the lines of the log, typed, in a
process of its own: what nobody can do without who reads JSON.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.run import NOW, Bench, Row, about, in_turn, table
from queries.catalog import audits


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
        asked = {name: bench.on_full(*words, "--now", NOW) for name, words in commands.items()}
        costs = in_turn(chosen.rounds, **{"typed scan": bench.peer("typed_scan", bench.full)}, **asked)
    scan = costs["typed scan"].seconds
    rows = [Row(name, cost, "", f"{cost.seconds / scan:.2f}") for name, cost in costs.items()]
    print(f"{about()}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
