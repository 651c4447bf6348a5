"""The relations of a ledger for the commands that ask them."""

import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commands import context
from ledger.errors import Damaged, Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from queries.engine import Answering, Relations
    from queries.moment import Moment
    from queries.sources import Shipped, Source

_REPEAT_SECONDS = 0.05
"""An interrupt that comes between two statements is lost, so it is repeated."""


@contextmanager
def relations(ctx: typer.Context, moment: "Moment") -> "Iterator[Relations]":
    """Open the relations as of a moment; where the log is damaged they end before it, and Damaged comes last."""
    with of_ledger(context.open_ledger(ctx), moment) as found:
        yield found


@contextmanager
def of_ledgers(
    ctx: typer.Context,
    moment: "Moment",
    *,
    apart: bool = False,
    memory: str = context.MEMORY,
    timeout: float | None = None,
    cluster: str | None = None,
) -> "Iterator[Answering]":
    """Open the relations of all ledgers meant, here or on a cluster; `apart` gives several a column `ledger`."""
    if timeout is not None and math.isnan(timeout):
        raise Usage("nan is no time", hint="give seconds, such as --timeout 30")
    places = context.ledger_places(ctx)
    apart = apart and len(places) > 1
    if len(places) == 1:
        [place] = places.values()
        if cluster is None and not is_shipped(place):
            with of_ledger(context.open_ledger_at(ctx, Path(place)), moment, memory=memory, timeout=timeout) as found:
                yield found
            return
        places = {"": place}
    if cluster is not None:
        from queries.spark import open_cluster

        shipped = [_shipped(name, place) for name, place in places.items()]
        _check_distinct(shipped)
        with open_cluster(
            cluster, shipped, moment, scratch=kept_folder(), apart=apart, memory=memory, timeout=timeout
        ) as there:
            yield there
        return
    from queries.engine import open_sources

    sources = [_source(ctx, name, place) for name, place in places.items()]
    _check_distinct(sources)
    with (
        open_sources(sources, moment, scratch=kept_folder(), apart=apart, memory=memory, timeout=timeout) as opened,
        _stopped_by_signals(opened),
    ):
        yield opened
    if opened.damage is not None:
        raise opened.damage


def is_shipped(place: str) -> bool:
    """Whether a ledger is one that was shipped to a place, and none that is written there."""
    from ledger.shipment import MANIFEST

    return "://" in place or (Path(place, MANIFEST).exists() and not Path(place, "ledger.toml").exists())


def kept_folder() -> Path:
    """Give the folder where files of shipped ledgers are kept, once they were fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orderledger"


def _shipped(name: str, place: str) -> "Shipped":
    from queries.places import Place
    from queries.sources import Shipped

    there = Place(place)
    shipment = there.manifest()
    if shipment is None:
        why = "a ledger is there, and a cluster reads what was shipped" if Path(place, "ledger.toml").exists() else ""
        raise Damaged(f"nothing was shipped to {place}", why=why, hint="`orderledger ship` does that")
    return Shipped(there, shipment, name=name, kept=kept_folder())


def _source(ctx: typer.Context, name: str, place: str) -> "Source":
    from queries.sources import Source

    if is_shipped(place):
        return _shipped(name, place)
    ledger = context.open_ledger_at(ctx, Path(place))
    return Source(
        ledger.store.snapshot(),
        name=name,
        ledger=ledger.config.id,
        cache=ledger.path / "cache",
        first_damage=ledger.store.first_damage,
    )


def _check_distinct(sources: "Sequence[Source]") -> None:
    """Refuse one ledger that is given twice, as a copy in another place is too: its orders would count twice."""
    names: dict[str, str] = {}
    for source in sources:
        other = names.setdefault(source.ledger, source.name)
        if other != source.name:
            raise Usage(f"{other} and {source.name} are the same ledger", why=f"both have the id {source.ledger}")


@contextmanager
def of_ledger(
    ledger: "Ledger", moment: "Moment", *, memory: str = context.MEMORY, timeout: float | None = None
) -> "Iterator[Relations]":
    """Open the relations of a ledger that is open already."""
    from queries.engine import open_relations

    with (
        open_relations(
            ledger.store.snapshot(),
            moment,
            scratch=ledger.path / "cache",
            copies=ledger.path / "cache",
            memory=memory,
            timeout=timeout,
            first_damage=ledger.store.first_damage,
        ) as found,
        _stopped_by_signals(found),
    ):
        yield found
    if found.damage is not None:
        raise found.damage


@contextmanager
def _stopped_by_signals(found: "Relations") -> Iterator[None]:
    """Interrupt a query when a signal comes: Python itself takes notice only when the query has ended."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    ended = threading.Event()

    def watch() -> None:
        if os.read(reader, 1):
            while not ended.wait(_REPEAT_SECONDS):
                found.interrupt()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        ended.set()
        os.close(writer)
        thread.join()
        os.close(reader)


def naive(instant: datetime | None) -> datetime | None:
    """Give an instant as the relations have it: UTC without a zone."""
    return instant and instant.astimezone(UTC).replace(tzinfo=None)
