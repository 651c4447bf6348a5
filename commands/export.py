"""`orderledger export`: the facts, the money flow, the paths of orders, or a relation, for other programs."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import typer

from commands import accounting, clock, context, mining, output, reading, render
from commands.log import Lines, Wanted
from ledger.errors import Usage
from ledger.events import Recorded, Retracted
from ledger.formats.accounting import Accounts

if TYPE_CHECKING:
    from ledger.store import EventStore
    from queries.engine import Relations
    from queries.moment import Moment

PAGE = 5000
"""Rows taken from the engine at a time."""

_FORMULA = re.compile("[\t\r\n]|\\s*[\u200b\ufeff]*\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]")
"""How a cell begins that a spreadsheet may take for a formula: also behind blanks, also full-width or small."""

_encode = msgspec.json.Encoder().encode


class Job(NamedTuple):
    """What is to be exported: `to` is None for stdout, `since_seq` None for everything."""

    ctx: typer.Context
    format: str
    to: Path | None
    relation: str
    moment: "Moment"
    since_seq: int | None
    spreadsheet_safe: bool
    accounts: Accounts = "plain"


def _facts(job: Job) -> None:
    """Print every event as a fact that is decided the same again."""
    from ledger.redecide import with_zeros

    _told(job, lambda lines, _: (_encode(with_zeros(line.event)) + b"\n" for line in lines))


def _cloudevents(job: Job) -> None:
    """Print every event as a CloudEvent that holds its fact."""
    from ledger.formats import cloudevents

    _told(job, cloudevents.events)


def _told(job: Job, told: Callable[[Iterable[Recorded], str], Iterable[bytes]]) -> None:
    """Print what is told of every event; as of an earlier time of those in force, as believed."""
    target = output.choose("jsonl", job.to, pipe="jsonl")
    ledger = context.open_ledger(job.ctx)
    store = ledger.store
    lines = Lines(store, Wanted(None, None, job.since_seq or 1, job.moment))
    in_force = _in_force(store, job.moment)
    seq = 0
    with output.opened(target, paged=True) as writer:
        for batch in lines:
            seq = batch[-1][1].seq
            chunk = b"".join(told((line for _, line in batch if in_force(line)), ledger.config.id))
            writer.write(output.visible_json(chunk.decode()) if target.screen else chunk)
    _say_next(job, seq)
    if lines.damaged is not None:
        raise lines.damaged


def _in_force(store: "EventStore", moment: "Moment") -> Callable[[Recorded], bool]:
    """Return what tells whether a line counts: all do, but as of an earlier time not what is taken back by now (R23).

    A later retraction would be missing, and what was recorded instead would be told beside what it stands for.
    """
    if moment.as_of is None:
        return lambda line: True
    taken_back: set[tuple[str, int]] = set()
    end = 0
    for batch in Lines(store, Wanted(None, None, 1, moment._replace(as_of=None))):
        for _, line in batch:
            end = line.seq
            if isinstance(line.event, Retracted):
                taken_back |= {(line.event.order_id, line.event.retracts), (line.event.order_id, line.version)}
    return lambda line: line.seq <= end and (line.event.order_id, line.version) not in taken_back


def _relation(job: Job) -> None:
    """Print the rows of a relation, in the order of its columns."""
    from queries.relations import VIEWS

    if job.relation not in VIEWS:
        raise Usage(f"no relation {job.relation!r}", hint=f"relations are {', '.join(VIEWS)}")
    if job.format == "parquet" and (job.to is None or (job.to.exists() and not job.to.is_file())):
        raise Usage("parquet is written to a file only", hint="say where: orderledger export parquet FILE.parquet")
    target = output.choose(job.format, job.to, pipe=job.format)
    with reading.relations(job.ctx, job.moment) as relations:
        empty = relations.run(f"SELECT * FROM {job.relation} LIMIT 0", {})  # noqa: S608 - a name of VIEWS
        last_seq = _keep(relations, job, has_seq="seq" in empty.columns)
        pages = relations.pages("exported", PAGE)
        render.table(target, empty.columns, empty.types, map(_inert, pages) if job.spreadsheet_safe else pages)
        _say_next(job, last_seq)


_CHANGING = frozenset({"closures"})
"""Relations whose rows have a seq, and change all the same: the refund of a closure comes later."""


def _keep(relations: "Relations", job: Job, *, has_seq: bool) -> int:
    """Put the rows into a table, so that damage of the log is known before the first is printed; return the last seq.

    What is more than the memory for a query waits on the disk.
    """
    if job.since_seq is not None and (not has_seq or job.relation in _CHANGING):
        raise Usage(
            f"--since-seq does not go with the relation {job.relation}",
            why="its rows change as events are recorded",
            hint="export it whole, or --relation events",
        )
    since = "" if job.since_seq is None else f"WHERE seq >= {job.since_seq:d}"
    relations.run(f"CREATE TABLE internal.exported AS SELECT * FROM {job.relation} {since} ORDER BY ALL", {})  # noqa: S608
    if not has_seq:
        return 0
    [(last,)] = relations.run("SELECT COALESCE(max(seq), 0) FROM internal.exported", {}).rows
    return int(last)


def _inert(rows: Iterable[render.Row]) -> list[render.Row]:
    """Put an apostrophe before each text that a spreadsheet might take for a formula."""
    return [[_quoted(cell) if type(cell) is str else cell for cell in row] for row in rows]


def _quoted(text: str) -> str:
    return "'" + text if _FORMULA.match(text) else text


def _say_next(job: Job, last_seq: int) -> None:
    """Tell a script that exports what is new the --since-seq of its next time."""
    if job.since_seq is not None:
        context.say(str(max(job.since_seq, last_seq + 1)), err=True)


FORMATS: dict[str, Callable[[Job], None]] = {
    "facts": _facts,
    "cloudevents": _cloudevents,
    "hledger": accounting.export,
    "beancount": accounting.export,
    "ocel": mining.export,
    "xes": mining.export,
    "csv": _relation,
    "tsv": _relation,
    "json": _relation,
    "jsonl": _relation,
    "parquet": _relation,
}
"""What writes each format."""


def _relations() -> list[str]:
    from queries.relations import VIEWS

    return list(VIEWS)


def command(
    ctx: typer.Context,
    format: Annotated[  # noqa: A002 - the argument's name
        str, typer.Argument(metavar="FORMAT", help=", ".join(FORMATS), autocompletion=lambda: list(FORMATS))
    ],
    path: Annotated[str, typer.Argument(metavar="[PATH]", help="the file to write; - is stdout")] = "-",
    relation: Annotated[
        str | None,
        typer.Option("--relation", metavar="NAME", help="the relation; events unless given", autocompletion=_relations),
    ] = None,
    since_seq: Annotated[
        int | None,
        typer.Option("--since-seq", metavar="N", min=0, help="only from this seq on; prints the next N on stderr"),
    ] = None,
    spreadsheet_safe: Annotated[
        bool,
        typer.Option("--spreadsheet-safe", help="put ' before text in csv and tsv that may be taken for a formula"),
    ] = False,
    accounts: Annotated[
        Accounts | None,
        typer.Option("--accounts", help="in hledger and beancount: four, or four a seller, order or marketplace"),
    ] = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
) -> None:
    """Write the facts, which another ledger can import, or what other programs read.

    A relation is csv, tsv, json, jsonl or parquet. Books are hledger and beancount, process mining reads ocel and xes.

    Example: orderledger export csv orders.csv --relation orders

    Example: orderledger export hledger orders.journal
    """
    export = FORMATS.get(format)
    if export is None:
        raise Usage(f"no format {format!r}", hint=f"formats are {', '.join(FORMATS)}")
    if relation is not None and export is not _relation:
        raise Usage(f"--relation does not go with {format}", hint="a relation is written as csv, say")
    if spreadsheet_safe and format not in ("csv", "tsv"):
        raise Usage(f"--spreadsheet-safe does not go with {format}", hint="it is for csv and tsv")
    if accounts is not None and export is not accounting.export:
        raise Usage(f"--accounts does not go with {format}", hint="it is for hledger and beancount")
    if since_seq is not None and as_of is not None:
        raise Usage(
            "--since-seq does not go with --as-of",
            why="what happened later would be passed over for good",
            hint="leave one of them out",
        )
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=clock.zone(tz))
    to = None if path == "-" else Path(path)
    export(Job(ctx, format, to, relation or "events", moment, since_seq, spreadsheet_safe, accounts or "plain"))
