"""The same relations here and on the cluster, asked the same."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from queries.engine import Relations, Result, open_sources
from queries.moment import Moment
from queries.places import Place
from queries.sources import Shipped
from queries.spark import Cluster as Opened
from queries.spark import open_cluster
from tests.spark.conftest import EVENTS, There

NOW = datetime(2026, 4, 1, 12, 0, 0, 500_000, tzinfo=UTC)


def sources(shipped: Path, kept: Path) -> list[Shipped]:
    found = []
    for name in EVENTS:
        place = Place(str(shipped / name))
        shipment = place.manifest()
        assert shipment
        found.append(Shipped(place, shipment, name=name, kept=kept))
    return found


class Both:
    """The same relations, here and on the cluster."""

    def __init__(self, here: Relations, there: Opened) -> None:
        self.here = here
        self.there = there

    def agree(self, sql: str, params: dict[str, Any], *, ordered: bool) -> Result:
        """Ask both; give the answer."""
        here, there = self.here.run_sandboxed(sql, params), self.there.run_sandboxed(sql, params)
        assert (there.columns, there.types) == (here.columns, here.types)
        if ordered:
            assert there.rows == here.rows
        else:
            assert Counter(map(repr, there.rows)) == Counter(map(repr, here.rows))
        return here


@contextmanager
def opened(there: There, folder: Path, *, apart: bool) -> Iterator[Both]:
    four = sources(there.shipped, folder / "kept")
    with (
        open_sources(four, Moment(NOW), scratch=folder / "here", apart=apart) as here,
        open_cluster(there.url, four, Moment(NOW), scratch=folder / "there", apart=apart) as asked,
    ):
        asked.run("SELECT * FROM events CROSS JOIN clock LIMIT 1", {})  # every column is kept, once for all tests
        yield Both(here, asked)
