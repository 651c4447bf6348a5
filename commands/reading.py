"""The relations of a ledger for the commands that ask them."""

import math
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from commands import context
from ledger.errors import Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from queries.engine import Relations
    from queries.moment import Moment

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
) -> "Iterator[Relations]":
    """Open the relations of all ledgers that are meant; of several, `apart` gives them a column `ledger`."""
    if timeout is not None and math.isnan(timeout):
        raise Usage("nan is no time", hint="give seconds, such as --timeout 30")
    ledgers = {name: context.open_ledger_at(ctx, path) for name, path in context.ledger_paths(ctx).items()}
    _check_distinct(ledgers)
    if len(ledgers) == 1:
        [ledger] = ledgers.values()
        with of_ledger(ledger, moment, memory=memory, timeout=timeout) as found:
            yield found
        return
    from queries.engine import open_sources
    from queries.sources import Source

    sources = [
        Source(ledger.store.snapshot(), name=name, cache=ledger.path / "cache", first_damage=ledger.store.first_damage)
        for name, ledger in ledgers.items()
    ]
    scratch = next(iter(ledgers.values())).path / "cache"
    with (
        open_sources(sources, moment, scratch=scratch, apart=apart, memory=memory, timeout=timeout) as opened,
        _stopped_by_signals(opened),
    ):
        yield opened
    if opened.damage is not None:
        raise opened.damage


def _check_distinct(ledgers: "dict[str, Ledger]") -> None:
    """Refuse one ledger that is given twice, as a copy in another place is too: its orders would count twice."""
    names: dict[str, str] = {}
    for name, ledger in ledgers.items():
        other = names.setdefault(ledger.config.id, name)
        if other != name:
            raise Usage(f"{other} and {name} are the same ledger", why=f"both have the id {ledger.config.id}")


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
