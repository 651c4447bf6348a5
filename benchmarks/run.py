"""Measurements of whole commands on ledgers of generated facts, beside what others do with the same facts.

Everything is a process started cold; what is compared runs in turn, and each figure is the median. Writers and `verify`
are pinned to one core where the system can do that, questions have them all. With --write the tables and the picture of
how the costs grow go to docs/.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import NamedTuple

from benchmarks import ORDERLEDGER

SIZES = (10_000, 1_000_000, 10_000_000)
FEW = 10_000
"""So many facts are enough for a peer that takes a millisecond for each."""

LARGE = 1_000_000
"""Above it everything long is done once."""

EXPORTED = 100_000
"""Larger ledgers are not exported: the readers of exports keep everything in memory."""

LINES_ONLY = "- the same facts made lines in Python, no rule looked at"
LINES_READ = "- the lines read, hashed and encoded in Python, no rule looked at"
"""The floors under `import` and `verify`."""

NOW = "2026-06-01T00:00:00Z"
"""The end of the generated feed: some orders are open then, and some timers have run out."""


class Cost(NamedTuple):
    """What a process took: wall-clock seconds, processor seconds and its peak resident memory in MiB."""

    seconds: float
    cpu_seconds: float
    peak_mib: float


class Row(NamedTuple):
    """A line of the table: the work, its cost, what it was per second, and how its time is to the peer's below it."""

    work: str
    cost: Cost
    rate: str = ""
    ratio: str = ""


Work = Callable[[int], Cost]
"""Something to measure; it is told the round."""


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


def in_turn(rounds: int, **works: Work) -> dict[str, Cost]:
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
        self.few = folder / "few.jsonl"
        with self.feed.open("rb") as facts:
            self.few.write_bytes(b"".join(islice(facts, FEW)))
        self.empty = self.new_ledger("empty")
        self.full = folder / "full"

    def orderledger(self, ledger: Path, *arguments: str) -> Cost:
        """The cost of one command on a ledger."""
        return measure(*ORDERLEDGER, "--ledger", str(ledger), *arguments)

    def on_full(self, *arguments: str) -> Work:
        """A command on the ledger of all facts."""
        return lambda turn: self.orderledger(self.full, *(one.format(turn=turn) for one in arguments))

    def peer(self, name: str, *arguments: Path) -> Work:
        """What somebody else does, always from nothing."""

        def run(turn: int) -> Cost:
            for file in self.folder.glob("rows.db*"):
                file.unlink()
            return measure(sys.executable, "-m", f"benchmarks.peers.{name}", *map(str, arguments))

        return run

    def new_ledger(self, name: str) -> Path:
        """A ledger without a line, in place of the one that had this name."""
        path = self.folder / name
        rmtree(path, ignore_errors=True)
        self.orderledger(path, "init", str(path))
        return path

    def import_all(self, _turn: int) -> Cost:
        """Import the whole feed into a new ledger."""
        return self.orderledger(self.new_ledger("full"), "import", str(self.feed))

    def import_few(self, _turn: int) -> Cost:
        """Import the first facts into a new ledger."""
        return self.orderledger(self.new_ledger("few"), "import", str(self.few))


def rows_of(bench: Bench, rounds: int, records: int) -> Iterator[Row]:
    """Every workload and its peers on one size."""
    database = bench.folder / "rows.db"
    with one_core():
        writing = in_turn(
            rounds,
            sqlite=bench.peer("sqlite_store", bench.feed, database),
            lines=bench.peer("lines_only", bench.feed, database),
            imported=bench.import_all,
        )
    names = {"imported": "import", "lines": LINES_ONLY, "sqlite": "- SQLite, WAL, FULL, 1,000 rows a transaction"}
    yield from compared(writing, bench.events, **names)
    if find_spec("eventsourcing"):
        with one_core():
            saving = in_turn(
                rounds,
                saved=bench.peer("eventsourcing_store", bench.few, database),
                imported=bench.import_few,
            )
        few = min(FEW, bench.events)
        names = {"imported": f"import of {few:,}", "saved": f"- eventsourcing on SQLite, {few:,}"}
        yield from compared(saving, few, **names)
    placed = ("record", "placed", "bench-{turn}", "--seller", "s1", "--amount", "12.30", "--currency", "USD")
    with one_core():
        recording = in_turn(
            records,
            nothing=bench.peer("nothing"),
            placed=bench.on_full(*placed),
            noted=bench.on_full("record", "noted", "bench-{turn}", "--text", "a note"),
            empty=lambda turn: bench.orderledger(bench.empty, *(one.format(turn=turn) for one in placed)),
            show=bench.on_full("show", "bench-{turn}"),
        )
    names = {"placed": "record placed", "noted": "record noted", "empty": "record placed, empty ledger", "show": "show"}
    yield from compared(recording, None, **names, nothing="- a Typer command that does nothing")
    audit = ("audit", "refunded-closures", "--now", NOW)
    yield Row(f"audit {audit[1]}, the first", bench.on_full(*audit)(0))
    asking = in_turn(
        rounds,
        scan=bench.peer("typed_scan", bench.full),
        audit=bench.on_full(*audit),
        noted=bench.on_full("record", "noted", "bench-0", "--text", "one more"),
        again=bench.on_full(*audit),
        list=bench.on_full("list", "--status", "disputed", "--now", NOW),
        money=bench.on_full("money"),
    )
    del asking["noted"]
    names = {
        "audit": "audit refunded-closures",
        "again": "audit after one more record",
        "list": "list --status disputed",
    }
    yield from compared(asking, None, **names, money="money", scan="- DuckDB's typed scan of the lines")
    with one_core():
        checked = in_turn(
            rounds,
            verify=bench.on_full("verify"),
            quick=bench.on_full("verify", "--quick"),
            read=bench.peer("lines_read", bench.full),
        )
    yield from compared(checked, bench.events, verify="verify", quick="verify --quick", read=LINES_READ)
    rebuilt = in_turn(rounds, rebuild=bench.on_full("rebuild"))
    [rebuild] = compared(rebuilt, bench.events, rebuild="rebuild")
    yield rebuild._replace(ratio=f"{rebuilt['rebuild'].seconds / asking['scan'].seconds:.2f} of the scan's")
    if bench.events <= EXPORTED:
        yield from exported_rows(bench, rounds)


def exported_rows(bench: Bench, rounds: int) -> Iterator[Row]:
    """The books and the paths of orders, by those who read an export of them; those that are there."""
    books, lines, table = (bench.folder / name for name in ("books.journal", "books.beancount", "events.csv"))
    bench.orderledger(bench.full, "export", "hledger", str(books))
    bench.orderledger(bench.full, "export", "beancount", str(lines))
    bench.orderledger(bench.full, "export", "csv", str(table))
    peers: list[tuple[str, str, Work]] = []
    if hledger := shutil.which("hledger"):
        balance = (hledger, "-f", str(books), "balance")
        peers.append(("money", "- hledger balance of its export", lambda _: measure(*balance)))
    if find_spec("beancount"):
        load = "from beancount.loader import load_file; import sys; assert load_file(sys.argv[1])[0]"
        check = (sys.executable, "-c", load, str(lines))
        peers.append(("money", "- beancount reads its export", lambda _: measure(*check)))
    if find_spec("pm4py"):
        name = "- pm4py, variants and what follows what, of its export"
        peers.append(("audit variants", name, bench.peer("variants", table)))
    for ours, theirs, work in peers:
        costs = in_turn(rounds, ours=bench.on_full(*ours.split()), theirs=work)
        yield from compared(costs, None, ours=ours, theirs=theirs)


def compared(costs: dict[str, Cost], events: int | None, **names: str) -> Iterator[Row]:
    """The rows of works measured in turn; the last one named is the others' yardstick, if it is somebody else's."""
    *_, last = names
    yardstick = costs[last] if names[last].startswith("- ") else None
    for key, name in names.items():
        cost = costs[key]
        rate = f"{events / cost.seconds:,.0f}" if events else ""
        ratio = "" if yardstick is None or key == last else f"{cost.seconds / yardstick.seconds:.2f}"
        yield Row(name, cost, rate, ratio)


def about() -> str:
    """Machine, versions, date: what figures without their circumstances lack."""
    model = platform.machine()
    if sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), model)
    installed = (
        name for name in ("duckdb", "msgspec", "typer", "eventsourcing", "pm4py", "beancount") if find_spec(name)
    )
    packages = ", ".join(f"{name} {version(name)}" for name in installed)
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {model}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )


HEAD = """\
| work | time | processor | events/s | of the peer's time | peak memory |
| --- | ---: | ---: | ---: | ---: | ---: |"""


def line(row: Row) -> str:
    """A row in Markdown."""
    work, cost, rate, ratio = row
    times = f"{in_words(cost.seconds)} | {in_words(cost.cpu_seconds)}"
    return f"| {work} | {times} | {rate} | {ratio} | {cost.peak_mib:.0f} MiB |"


def table(rows: Iterable[Row]) -> str:
    """The rows in Markdown, under their head."""
    return "\n".join([HEAD, *map(line, rows)])


def in_words(seconds: float) -> str:
    """A time as a person reads it: milliseconds below a second."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="generated facts (default 10 k, 1 M, 10 M)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the facts (default 1)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the long measurements (default 3)")
    parser.add_argument("--records", type=int, default=11, help="rounds of the short ones (default 11)")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and docs/performance.svg")
    chosen = parser.parse_args()
    print(about(), flush=True)
    measured: dict[int, list[Row]] = {}
    for events in chosen.sizes:
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), events, chosen.seed)
            print(f"\n{events:,} events\n\n{HEAD}", flush=True)
            measured[events] = []
            for row in rows_of(bench, chosen.rounds if events <= LARGE else 1, chosen.records):
                measured[events].append(row)
                print(line(row), flush=True)
    if chosen.write:
        from benchmarks.page import write

        write(about(), measured)


if __name__ == "__main__":
    main()
