"""DuckDB and Spark beside each other: the same audits over the same shipped ledgers, whole processes, started cold.

Spark is a standalone cluster on this machine with two executors of a core each, and stays up; DuckDB has all cores. On
a machine with two, the comparison says what a cluster costs before it has more machines.
"""

import argparse
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from benchmarks import ORDERLEDGER
from benchmarks.cluster import Cluster
from benchmarks.run import LARGE, NOW, Cost, about, in_turn, measure

SIZES = (1_000_000, 5_000_000, 20_000_000)
LEDGERS = 4
HEAD = "| events | audit | DuckDB | Spark | of DuckDB's time |\n| ---: | --- | ---: | ---: | ---: |"
AUDITS = ("money-by-account", "refunded-closures", "overdue-orders", "seller-risk", "variants")
EXECUTOR_GIB = 3
"""Of each of the two executors; DuckDB may take what both have together."""


def make(folder: Path, events: int) -> None:
    """Ship ledgers of so many events in all to places in a folder."""

    def one(number: int) -> None:
        feed, ledger = folder / f"{number}.jsonl", folder / f"{number}.ledger"
        generate = (sys.executable, "-m", "benchmarks.generate", "--seed", str(number))
        measure(*generate, "--events", str(events // LEDGERS), "--out", str(feed))
        measure(*ORDERLEDGER, "init", str(ledger))
        measure(*ORDERLEDGER, "--ledger", str(ledger), "import", str(feed))
        feed.unlink()
        measure(*ORDERLEDGER, "--ledger", str(ledger), "ship", str(folder / "shipped" / str(number)))
        shutil.rmtree(ledger)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, range(1, LEDGERS + 1)))


def compare(folder: Path, events: int, cluster: Cluster) -> None:
    """Print the rows of the table for one size."""
    make(folder, events)
    os.environ["XDG_CACHE_HOME"] = str(folder / "kept")

    def ask(audit: str, *options: str) -> Cost:
        ledgers = ("--ledger", f"{folder}/shipped/*")
        return measure(*ORDERLEDGER, *ledgers, "audit", audit, "--now", NOW, "-o", "csv", *options)

    ask(AUDITS[0])  # fetches the files, once
    for audit in AUDITS:
        costs = in_turn(
            1 if events > LARGE else 3,
            duckdb=lambda _, audit=audit: ask(audit, "--memory", f"{2 * EXECUTOR_GIB}GiB"),  # type: ignore[misc]
            spark=lambda _, audit=audit: ask(audit, "--engine", "spark", "--connect", cluster.url),  # type: ignore[misc]
        )
        here, there = costs["duckdb"], costs["spark"]
        ratio = there.seconds / here.seconds
        print(f"| {events:,} | {audit} | {here.seconds:.1f} s | {there.seconds:.1f} s | {ratio:.1f} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="EVENTS")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="scale-") as folder:
        there = Path(folder, "cluster")
        there.mkdir()
        cluster = Cluster(Path(os.environ["SPARK_HOME"]), there, memory=f"{EXECUTOR_GIB}g", settings={})
        try:
            executors = f"two executors of a core and {EXECUTOR_GIB} GiB each"
            print(f"{about()}, Spark {version('pyspark-client')}, {executors}\n\n{HEAD}")
            for events in chosen.sizes:
                place = Path(folder, str(events))
                place.mkdir()
                compare(place, events, cluster)
                shutil.rmtree(place)
        finally:
            cluster.stop()


if __name__ == "__main__":
    main()
