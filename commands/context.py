"""What the verbs share: the common options, and the ledger and the moment they stand for."""

import glob
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands import clock
from ledger.errors import Damaged, LedgerError, Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from ledger.order import Order
    from ledger.policy import Policy
    from queries.moment import Moment

FOLDER = ".orderledger"
_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+=,-]*")

Format = Literal["table", "json", "jsonl", "csv", "tsv", "md", "parquet"]

OutputOption = Annotated[
    Format | None, typer.Option("--output", "-o", help="how to print; a terminal gets table, a pipe csv")
]
TextOption = Annotated[
    Format | None, typer.Option("--output", "-o", help="how to print; terminals and pipes alike get table")
]
PlainOption = Annotated[
    Literal["table", "json", "jsonl"] | None,
    typer.Option("--output", "-o", help="json prints one object; anything else the same text everywhere"),
]
ToOption = Annotated[
    Path | None,
    typer.Option("--to", metavar="FILE", help="write to FILE; its ending names the format unless -o does"),
]
AsOf = Annotated[str | None, typer.Option("--as-of", metavar="T", help="as it was at T: what had happened until then")]
KnownAt = Annotated[
    str | None, typer.Option("--known-at", metavar="T", help="as it was known at T: what had been recorded until then")
]
Now = Annotated[str | None, typer.Option("--now", metavar="T", help="take T for the present")]
Tz = Annotated[
    str, typer.Option("--tz", metavar="ZONE", help="time zone of printed times, and of times given without one")
]
At = Annotated[
    str, typer.Option("--at", metavar="T", help="when it happened; a time without a zone is in the zone of --tz")
]
Timeout = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", min=0.001, max=86_400, help="stop after so long, a day at most"),
]
Memory = Annotated[str, typer.Option("--memory", metavar="SIZE", help="stop above it: 512MB, 2GiB")]
Engine = Annotated[
    Literal["duckdb", "spark"], typer.Option("--engine", help="what answers; spark reads shipped ledgers on a cluster")
]
Connect = Annotated[
    str | None, typer.Option("--connect", metavar="URL", help="the Spark Connect server: sc://HOST:15002")
]
TIMEOUT_SECONDS = 30
"""What SQL of the user's own may take unless --timeout says otherwise."""
MEMORY = "2GiB"
NoColor = Annotated[bool, typer.Option("--no-color", help="print without colours, as with $NO_COLOR")]


def _seconds(value: float) -> float:
    if math.isnan(value):
        raise typer.BadParameter("nan is no time")
    return value


Wait = Annotated[
    float,
    typer.Option("--wait", metavar="SECONDS", min=0, callback=_seconds, help="how long to wait for another writer"),
]


def _order_ids(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete an order id; a shell that completes shows no errors."""
    from ledger.book import Ledger

    try:
        found = Ledger.open(ledger_path(ctx)).order_ids(incomplete)
    except LedgerError:
        return []
    # A shell takes what it is given as it is: an id that would mean something to it is not offered.
    return [order_id for order_id in found if _PLAIN_ID.fullmatch(order_id)]


OrderId = Annotated[
    str, typer.Argument(metavar="ORDER", help="the marketplace's order number", autocompletion=_order_ids)
]


def ledger_path(ctx: typer.Context) -> Path:
    """Give the ledger folder meant: `--ledger`, else `$ORDERLEDGER`, else the nearest `.orderledger/` upwards.

    Damaged (exit 5) when there is none, or when the nearest belongs to another user.
    """
    given = given_path(ctx)
    if given is not None:
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        found = folder / FOLDER
        if found.is_dir():
            return _mine(found)
    raise Damaged(
        "no ledger found",
        why=f"there is no {FOLDER}/ in {here} or above it, and neither --ledger nor $ORDERLEDGER names one",
        hint="make one with `orderledger init`",
    )


def given_path(ctx: typer.Context) -> Path | None:
    """Give the ledger folder named by `--ledger` or `$ORDERLEDGER`, if any; Usage where several are."""
    given = _given(ctx)
    if len(given) > 1:
        raise Usage(f"`{ctx.info_name}` reads one ledger, and --ledger names {len(given)}", hint=_SEVERAL)
    if given and not Path(given[0]).exists():
        if _PATTERN & set(given[0]):
            raise Usage(f"`{ctx.info_name}` reads one ledger, and {given[0]} is a pattern", hint=_SEVERAL)
        if "://" in given[0]:
            raise _only_shipped(ctx, given[0])
    return Path(given[0]) if given else None


def _only_shipped(ctx: typer.Context, place: str) -> Usage:
    what = f"`{ctx.info_name}` reads a ledger itself, and {place} is what was shipped of one"
    return Usage(what, hint="list, money, audit and sql read that")


def ledger_places(ctx: typer.Context) -> dict[str, str]:
    """Give the ledgers meant by name: the folder or URL of every `--ledger`, and all that fit one with a pattern."""
    from ledger.shipment import MANIFEST

    found: list[str] = []
    for given in _given(ctx):
        if not _PATTERN & set(given) or Path(given).exists():
            found.append(given)
            continue
        if "://" in given:
            from queries.places import fitting

            fit = fitting(given)
        else:
            marks = ("ledger.toml", MANIFEST)
            fit = [one for one in sorted(glob.glob(given)) if any(Path(one, mark).exists() for mark in marks)]
        if not fit:
            raise Damaged("no ledger found", why=f"none fits the pattern {given}", hint="is it quoted for the shell?")
        found += fit
    return _named(found or [str(ledger_path(ctx))])


_PATTERN = frozenset("*?[")
_SEVERAL = "list, money, audit and sql read several together"


def _given(ctx: typer.Context) -> list[str]:
    given = ctx.find_root().params.get("ledger")
    if not given and os.environ.get("ORDERLEDGER"):
        given = [os.environ["ORDERLEDGER"]]
    return [str(one) for one in given or ()]


def _named(places: list[str]) -> dict[str, str]:
    """Name ledgers by their folders: the last part of the path, or as many more as tell each from the others."""
    absolute = [place if "://" in place else os.path.abspath(place) for place in places]
    parts = [[part for part in path.split("/") if part not in ("", FOLDER)] for path in absolute]
    names = ["-".join(one[-1:]) for one in parts]
    for length in range(2, max(map(len, parts)) + 1):
        twice = {name for name in names if names.count(name) > 1}
        names = ["-".join(one[-length:]) if name in twice else name for name, one in zip(names, parts, strict=True)]
    for place, name in zip(places, names, strict=True):
        if names.count(name) > 1:
            raise Usage(f"{place} is given twice", hint="name each ledger once")
    return dict(zip(names, places, strict=True))


def cluster(engine: str | None, connect: str | None) -> str | None:
    """Give the URL of the cluster that is to answer, if any."""
    if engine == "spark" and not connect:
        raise Usage("--engine spark needs a server", hint="name it with --connect sc://HOST:15002")
    if engine != "spark" and connect:
        raise Usage("--connect is for another engine", hint="say --engine spark")
    return connect


def check_currency(code: str | None) -> None:
    """Refuse what is no currency."""
    from ledger.money import EXPONENTS

    if code is not None and code not in EXPONENTS:
        raise Usage(f"no currency {code!r}", why="a currency is a code of ISO 4217", hint="such as USD, EUR or BRL")


def open_ledger(ctx: typer.Context) -> "Ledger":
    """Open the ledger meant; see `open_ledger_at`."""
    return open_ledger_at(ctx, ledger_path(ctx))


def open_ledger_at(ctx: typer.Context, path: Path) -> "Ledger":
    """Open the ledger in a folder; what it has to warn of is printed on stderr when the command ends."""
    from ledger.book import Ledger

    if not (path / "ledger.toml").exists():
        from ledger.shipment import MANIFEST

        if (path / MANIFEST).exists():
            raise _only_shipped(ctx, str(path))
    ledger = Ledger.open(path)
    ctx.call_on_close(lambda: _warn(ledger.warnings))
    return ledger


@contextmanager
def believed_order(ctx: typer.Context, order_id: str, moment: "Moment") -> "Iterator[tuple[Order, Policy]]":
    """Give an order as it was believed at a moment, and the policy; where the log is damaged, Damaged comes last."""
    ledger = open_ledger(ctx)
    yield ledger.order(order_id, as_of=moment.as_of, known_at=moment.known_at), ledger.policy
    if ledger.damage is not None:
        raise ledger.damage


def moment(*, now: str | None, as_of: str | None, known_at: str | None, tz: tzinfo) -> "Moment":
    """Make the moment a read looks from; with `--as-of` alone, the present is that instant."""
    from queries.moment import Moment

    present = clock.now()
    if now is not None:
        present = clock.parse(now, tz, present)
    until = None if as_of is None else clock.parse(as_of, tz, present)
    known = None if known_at is None else clock.parse(known_at, tz, present)
    if until is not None and now is None:
        present = until
    return Moment(now=present, as_of=until, known_at=known)


def say(line: str, *, err: bool = False) -> None:
    """Print one line; on a terminal its control and bidirectional characters are shown as escapes."""
    if (sys.stderr if err else sys.stdout).isatty():
        from commands.output import visible

        line = visible(line).encode("utf-8", "backslashreplace").decode()
    typer.echo(line.encode("utf-8", "surrogateescape"), err=err)  # the exact bytes of a file's name


def say_json(line: bytes) -> None:
    r"""Print one line of JSON, exact in a pipe; on a terminal the same characters are shown as \uXXXX."""
    if sys.stdout.isatty():
        from commands.output import visible_json

        line = visible_json(line.decode()).encode()
    typer.echo(line)


def _mine(folder: Path) -> Path:
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise Damaged(
            f"{folder} belongs to another user",
            why=f"its owner is user {owner}, and a ledger found on the way up must be your own",
            hint="name the ledger you mean with --ledger",
        )
    return folder


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        say(f"warning: {warning}", err=True)
