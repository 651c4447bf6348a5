"""One cluster and four shipped ledgers for all tests, also where these are shared out among several processes.

One thread of the cluster's server plans a question while its workers wait: two questions at a time take less time.
"""

import os
import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from benchmarks.cluster import Cluster, executors
from benchmarks.generate import facts
from commands.main import run

EVENTS = {"eu": (1, 60_000), "us": (2, 60_000), "cn": (3, 60_000), "old 100 % é": (1, 20_000)}
"""Seed and number of events of each ledger; of two with one seed, some orders are in both."""

_LITTLE = {
    "spark.sql.shuffle.partitions": 2,
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""A cluster is quick with little so: compiling a plan, and handing out tasks, takes longer than running it."""


class There(NamedTuple):
    """What all tests share: the cluster's URL, its folder, and the folder of the ledgers' places."""

    url: str
    cluster: Path
    shipped: Path

    def executors(self) -> list[int]:
        """The processes that do the cluster's work."""
        return executors(self.cluster)


_CLUSTER = pytest.StashKey[Cluster]()
_FOLDER = "SPARK_TESTS"
"""The variable of the environment that tells every process of the tests where the cluster and the places are."""


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start what the tests share, before they are shared out."""
    home = os.environ.get("SPARK_HOME")
    if not home or "PYTEST_XDIST_WORKER" in os.environ:
        return
    # Where no local time is UTC: an instant that goes by the clock on the wall would be another.
    os.environ["TZ"] = "America/Sao_Paulo"
    time.tzset()
    folder = Path(tempfile.mkdtemp(prefix="spark-"))
    cluster = session.config.stash[_CLUSTER] = start(Path(home), folder / "cluster")
    try:
        (folder / "url").write_text(cluster.url)
        _ship(folder)
    except BaseException:  # a session that did not start has no finish
        pytest_sessionfinish(session)
        raise
    os.environ[_FOLDER] = str(folder)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop the cluster."""
    if cluster := session.config.stash.get(_CLUSTER, None):
        cluster.stop()
        shutil.rmtree(cluster.folder.parent, ignore_errors=True)


def start(spark: Path, folder: Path) -> Cluster:
    """Start a cluster whose processes write into a new folder."""
    folder.mkdir()
    return Cluster(spark, folder, memory="768m", settings=_LITTLE)


def _ship(folder: Path) -> None:
    """Ship each ledger to a place in a folder; of each some segments are sealed, and one grows."""
    for name, (seed, count) in EVENTS.items():
        ledger, feed = folder / f"{name}.ledger", folder / f"{name}.jsonl"
        feed.write_text("".join(f"{fact}\n" for fact in islice(facts(count, seed), count)))
        assert run(["init", str(ledger)]) == 0
        config = ledger / "ledger.toml"
        config.write_text(config.read_text().replace(str(64 << 20), str(6 << 20)))
        assert run(["--ledger", str(ledger), "import", str(feed)]) == 0
        assert run(["--ledger", str(ledger), "ship", str(folder / "shipped" / name)]) == 0


@pytest.fixture(scope="session")
def there() -> There:
    """What all tests share."""
    if _FOLDER not in os.environ:
        pytest.skip("no cluster is there; `make test-spark` installs and starts one")
    folder = Path(os.environ[_FOLDER])
    return There((folder / "url").read_text(), folder / "cluster", folder / "shipped")


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is fetched in a folder of the tests' own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "kept"))
