"""One cluster for all tests, and four shipped ledgers."""

import os
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.cluster import Cluster
from benchmarks.generate import facts
from commands.main import run

EVENTS = {"eu": (1, 60_000), "us": (2, 60_000), "cn": (3, 60_000), "old 100 % é": (1, 20_000)}
"""Seed and number of events of each ledger; of two with one seed, some orders are in both."""


@pytest.fixture(scope="session")
def spark() -> Path:
    """Where Spark is installed."""
    if not os.environ.get("SPARK_HOME"):
        pytest.skip("SPARK_HOME names no Spark; `make test-spark` installs one")
    return Path(os.environ["SPARK_HOME"])


@pytest.fixture(scope="session", autouse=True)
def far_from_utc(spark: Path) -> None:
    """Be where no local time is UTC: an instant that goes by the clock on the wall would be another."""
    os.environ["TZ"] = "America/Sao_Paulo"
    time.tzset()


@pytest.fixture(scope="session")
def cluster(spark: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster that is quick with little: compiling a plan takes longer than running it on a few rows."""
    little = {
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    }
    found = Cluster(spark, tmp_path_factory.mktemp("cluster"), memory="768m", settings=little)
    yield found
    found.stop()


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four ledgers, each shipped to a folder of its own here; of each some segments are sealed, and one grows."""
    folder = tmp_path_factory.mktemp("ledgers")
    for name, (seed, count) in EVENTS.items():
        ledger, feed = folder / f"{name}.ledger", folder / f"{name}.jsonl"
        feed.write_text("".join(f"{fact}\n" for fact in islice(facts(count, seed), count)))
        assert run(["init", str(ledger)]) == 0
        config = ledger / "ledger.toml"
        config.write_text(config.read_text().replace(str(64 << 20), str(6 << 20)))
        assert run(["--ledger", str(ledger), "import", str(feed)]) == 0
        assert run(["--ledger", str(ledger), "ship", str(folder / "shipped" / name)]) == 0
    return folder / "shipped"


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is fetched in a folder of the tests' own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "kept"))
