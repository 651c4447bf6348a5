"""Measurements of whole commands on a ledger of N generated facts, as a table in Markdown.

Everything is a process started cold; what is compared runs in turn, and each figure is the median. Writers are pinned
to one core where the system can do that, an audit has them all. Ratios are to a yardstick measured in the same
minutes: a Typer command that does nothing, or SQLite as a plain event store that takes the same lines unchecked.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import NamedTuple

from benchmarks import ORDERLEDGER

NOTHING = """
import typer
app = typer.Typer(add_completion=False)
@app.command()
def nothing() -> None:
    pass
app()
"""

SQLITE = """
import itertools, json, sqlite3, sys
from collections import Counter
events = sqlite3.connect(sys.argv[2], isolation_level=None)
events.execute("PRAGMA journal_mode = WAL")
events.execute("PRAGMA synchronous = FULL")
events.execute(
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, order_id TEXT NOT NULL, version INTEGER NOT NULL,"
    " line TEXT NOT NULL, UNIQUE (order_id, version))"
)
versions = Counter()
def row(line):
    order_id = json.loads(line)["order_id"]
    versions[order_id] += 1
    return order_id, versions[order_id], line
with open(sys.argv[1], encoding="utf-8") as lines:
    while batch := list(itertools.islice(lines, 1000)):
        events.execute("BEGIN IMMEDIATE")
        events.executemany("INSERT INTO event (order_id, version, line) VALUES (?, ?, ?)", map(row, batch))
        events.execute("COMMIT")
"""


class Cost(NamedTuple):
    """What a process took: wall-clock seconds, processor seconds and its peak resident memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


class Row(NamedTuple):
    """A line of the table: the work, its cost, what it was per second, and its ratio to a yardstick."""

    work: str
    cost: Cost
    rate: str = ""
    ratio: str = ""


@contextmanager
def one_core() -> Iterator[None]:
    """Keep what is started meanwhile on one core, on systems that can do that."""
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


def measure(*arguments: str) -> Cost:
    """Run a program to its end; a failure ends the measurements with the program's own words.

    The peak can be no less than this process's own, which the child has until it becomes the other program: so this
    one stays small and lets others make the facts.
    """
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    peak_mib = usage.ru_maxrss / (1 << 10 if sys.platform == "linux" else 1 << 20)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak_mib)


def in_turn(rounds: int, **works: Callable[[int], Cost]) -> dict[str, Cost]:
    """The median cost of each work, when all of them run once a round; a work is told the round."""
    costs: dict[str, list[Cost]] = {name: [] for name in works}
    for turn in range(rounds):
        for name, work in works.items():
            costs[name].append(work(turn))
    return {name: middle(taken) for name, taken in costs.items()}


def middle(costs: list[Cost]) -> Cost:
    """The median times and the highest peak."""
    return Cost(
        median(cost.seconds for cost in costs),
        median(cost.cpu_seconds for cost in costs),
        max(cost.peak_mib for cost in costs),
    )


class Bench:
    """A folder with the generated facts, an empty ledger and one that holds them all."""

    def __init__(self, folder: Path, events: int, seed: int) -> None:
        self.folder = folder
        self.events = events
        self.feed = folder / "facts.jsonl"
        generate = [sys.executable, "-m", "benchmarks.generate", "--events", str(events), "--seed", str(seed)]
        measure(*generate, "--out", str(self.feed))
        self.empty = self.new_ledger("empty")
        self.full = folder / "full"

    def orderledger(self, ledger: Path, *arguments: str) -> Cost:
        """The cost of one command on a ledger."""
        return measure(*ORDERLEDGER, "--ledger", str(ledger), *arguments)

    def new_ledger(self, name: str) -> Path:
        """A ledger without a line, in place of the one that had this name."""
        path = self.folder / name
        rmtree(path, ignore_errors=True)
        self.orderledger(path, "init", str(path))
        return path

    def import_all(self, _turn: int) -> Cost:
        """Import the whole feed into a new ledger."""
        return self.orderledger(self.new_ledger("full"), "import", str(self.feed))

    def sqlite(self, _turn: int) -> Cost:
        """Insert the same lines into a new SQLite database, their order and version unique."""
        for file in self.folder.glob("rows.db*"):
            file.unlink()
        return measure(sys.executable, "-c", SQLITE, str(self.feed), str(self.folder / "rows.db"))

    def nothing(self, _turn: int) -> Cost:
        """Start Python and Typer for nothing."""
        return measure(sys.executable, "-c", NOTHING)

    def record(self, ledger: Path, turn: int) -> Cost:
        """Record a new order."""
        return self.orderledger(
            ledger, "record", "placed", f"bench-{turn}", "--seller", "s1", "--amount", "12.30", "--currency", "USD"
        )

    def note(self, turn: int) -> Cost:
        """Record a note about an order that an earlier round placed in the ledger of N events."""
        return self.orderledger(self.full, "record", "noted", f"bench-{turn}", "--text", "a note")

    def audit(self, _turn: int) -> Cost:
        """Ask which closures sent money back."""
        return self.orderledger(self.full, "audit", "refunded-closures")


def import_rows(bench: Bench, rounds: int) -> list[Row]:
    """Import against SQLite."""
    costs = in_turn(rounds, imported=bench.import_all, sqlite=bench.sqlite)
    imported, sqlite = costs["imported"], costs["sqlite"]
    ratio = f"{sqlite.seconds / imported.seconds:.2f} × speed"
    return [
        Row(f"import of {bench.events:,} events", imported, per_second(bench, imported), ratio),
        Row(f"SQLite WAL, FULL, {bench.events:,} rows", sqlite, per_second(bench, sqlite)),
    ]


def per_second(bench: Bench, cost: Cost) -> str:
    """Events a second of a work on all of them."""
    return f"{bench.events / cost.seconds:,.0f} events/s"


def record_rows(bench: Bench, rounds: int) -> list[Row]:
    """`record` on an empty ledger and on N events, against a command that does nothing."""
    costs = in_turn(
        rounds,
        nothing=bench.nothing,
        empty=lambda turn: bench.record(bench.empty, turn),
        full=lambda turn: bench.record(bench.full, turn),
        noted=bench.note,
    )
    names = {
        "nothing": "a Typer command that does nothing",
        "empty": "record placed, empty ledger",
        "full": f"record placed, {bench.events:,} events",
        "noted": f"record noted, {bench.events:,} events",
    }
    return [
        Row(name, costs[key], "", f"{costs[key].seconds / costs['nothing'].seconds:.2f} × time")
        for key, name in names.items()
    ]


def audit_rows(bench: Bench, rounds: int) -> list[Row]:
    """The first audit, which may have copies to make, and the ones after it."""
    first = bench.audit(0)
    again = in_turn(rounds, audit=bench.audit)["audit"]
    name = f"audit refunded-closures, {bench.events:,} events"
    ratio = f"{again.seconds / first.seconds:.2f} × time"
    return [Row(f"{name}, first", first), Row(f"{name}, again", again, "", ratio)]


def about() -> str:
    """Machine, versions, date: what figures without their circumstances lack."""
    model = platform.machine()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    packages = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "msgspec", "typer"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {packages}"
    )


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| work | time | processor | rate | ratio | peak memory |", "| --- | ---: | ---: | ---: | ---: | ---: |"]
    for work, cost, rate, ratio in rows:
        times = f"{in_words(cost.seconds)} | {in_words(cost.cpu_seconds)}"
        lines.append(f"| {work} | {times} | {rate} | {ratio} | {cost.peak_mib:.0f} MiB |")
    return "\n".join(lines)


def in_words(seconds: float) -> str:
    """A time as a person reads it: milliseconds below a second."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="generated facts (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the facts (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the long measurements (default 3)")
    parser.add_argument("--records", type=int, default=21, help="rounds of the short ones (default 21)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), chosen.events, chosen.seed)
        with one_core():
            rows = import_rows(bench, chosen.rounds) + record_rows(bench, chosen.records)
        rows += audit_rows(bench, chosen.rounds)
    print(f"{about()}\n\n{table(rows)}")


if __name__ == "__main__":
    main()
