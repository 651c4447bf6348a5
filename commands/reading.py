"""The relations of a ledger for the commands that ask them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from commands import context

if TYPE_CHECKING:
    from ledger.book import Ledger
    from queries.engine import Relations
    from queries.moment import Moment


@contextmanager
def relations(
    ctx: typer.Context, moment: "Moment", *, memory: str = "2GiB", timeout: float | None = None
) -> "Iterator[Relations]":
    """Open the relations as of a moment; where the log is damaged they end before it, and Damaged comes last."""
    with of_ledger(context.open_ledger(ctx), moment, memory=memory, timeout=timeout) as found:
        yield found


@contextmanager
def of_ledger(
    ledger: "Ledger", moment: "Moment", *, memory: str = "2GiB", timeout: float | None = None
) -> "Iterator[Relations]":
    """Open the relations of a ledger that is open already."""
    from queries.engine import open_relations

    with open_relations(
        ledger.store.snapshot(),
        moment,
        scratch=ledger.path / "cache",
        memory=memory,
        timeout=timeout,
        first_damage=ledger.store.first_damage,
    ) as found:
        yield found
    if found.damage is not None:
        raise found.damage


def naive(instant: datetime | None) -> datetime | None:
    """Give an instant as the relations have it: UTC without a zone."""
    return instant and instant.astimezone(UTC).replace(tzinfo=None)
