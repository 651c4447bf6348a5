"""`orderledger import`: append a log of facts, a file of a foreign format, or any table by a map."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import msgspec
import typer

from commands import clock, context, lines, output, progress
from commands.copying import Copying
from ledger import plain
from ledger.errors import BadInput, Damaged, LedgerError, StorageFailed, Usage
from ledger.events import Fact, Placed, Retracted, Shipped
from ledger.formats.catalog import FACTS, FORMATS
from ledger.formats.facts import Reject
from ledger.formats.foreign import Asked
from ledger.importing import Line, Summary
from ledger.line import decode
from ledger.retold import CONTRADICTS

if TYPE_CHECKING:
    from ledger.book import Ledger

_MOST_SHOWN = 20

_ASKED_FOR = re.compile(b'"type":"(?:placed|shipped|retracted)"').search


def command(
    ctx: typer.Context,
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="logs and exports, - for stdin; NAME=FILE with --map")
    ],
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="MAP.sql", help="a SELECT that makes facts of the tables NAME")
    ] = None,
    format: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(
            "--format", metavar="NAME", autocompletion=lambda: [FACTS, *FORMATS], help="do not guess the format"
        ),
    ] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", metavar="CODE", help="of the amounts in files that name none")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="refuse odd facts too")] = False,
    atomic: Annotated[bool, typer.Option("--atomic", help="record nothing if any line is refused")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="decide everything, write nothing")] = False,
    sort: Annotated[bool, typer.Option("--sort", help="bring the lines into the order of their time first")] = False,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", metavar="FILE", help="where refused lines go; else LEDGER/rejects/")
    ] = None,
    wait: context.Wait = 10.0,
    output: context.PlainOption = None,
) -> None:
    """Append a log of facts, or a file of another format; what is refused goes to a file of rejects.

    What a file is is seen from its first bytes; docs/formats.md describes the formats.

    Example: orderledger import january.jsonl february.jsonl

    Example: orderledger import "Order Information.xlsx" --format data-request --currency USD

    Example: orderledger import --map shop.sql orders=orders.csv items=items.csv
    """
    if map_file and (format or sort or currency):
        raise Usage(
            "--map takes neither --format nor --currency nor --sort",
            why="it makes the facts itself",
            hint="sort with ORDER BY",
        )
    if format not in (None, FACTS, *FORMATS):
        raise Usage(f"no format {format!r}", hint=f"formats are {', '.join((FACTS, *FORMATS))}")
    context.check_currency(currency)
    ledger = context.open_ledger(ctx)
    tables = _tables(files) if map_file else {}
    inputs = [map_file, *tables.values()] if map_file else [Path(file) for file in files]
    refused = Rejects(_rejects_path(ledger, rejects, inputs, dry_run=dry_run), own_folder=rejects is None)
    size = lines.check(map(str, inputs), FACTS if map_file else format)
    total = None if map_file else size
    asked = Asked(currency, lambda: _asked_of(ledger), ledger.placings)
    began = time.monotonic()
    error: LedgerError | None = None
    summary: Summary | None

    def heard(so_far: Summary) -> None:
        shown.heard(so_far)
        copying.go_on()

    with Signals() as signals, Copying(ledger, signals.stopped) as copying, progress.shown(total) as shown:
        try:
            given: Iterator[Line | None] = (
                _mapped(map_file, tables, signals)
                if map_file
                else lines.read(
                    files,
                    format,
                    asked,
                    stop=signals.stopped,
                    seen=shown.seen,
                    at_once=atomic or dry_run or sort,
                )
            )
            if sort or ((atomic or dry_run) and total is None):
                # An import at once holds the lock from its first line to its last: nothing slow may feed it.
                given = lines.spooled(given, sort=sort)
                if signals.stopped():
                    given = iter(())  # half of a log in another order is not what was meant
            summary = ledger.import_facts(
                given,
                now=clock.now,
                wait=wait,
                strict=strict,
                atomic=atomic,
                dry_run=dry_run,
                reject=refused.add,
                progress=heard,
                stop=lambda: signals.stopped() or refused.error is not None,
            )
        except LedgerError as stopped_by:
            summary, error = shown.summary, stopped_by
        refused.close()
    if summary is None and output is not None:
        summary = Summary()  # a script reads the counts, whatever came between
    if summary is not None:
        seconds = time.monotonic() - began
        if output in ("json", "jsonl"):
            _tell_json(summary, refused, seconds)
        else:
            _tell(summary, refused, seconds, dry_run=dry_run, mapped=map_file is not None)
    mend = _mend(refused, nothing_kept=dry_run or atomic, mapped=map_file is not None, foreign=asked.used)
    _finish(error or refused.error, signals, refused, mend)


class Signals:
    """Takes note of SIGINT and SIGTERM, so that the batch under way can be finished; a second one is not waited for."""

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def stopped(self) -> bool:
        """Tell whether a signal came."""
        return self.number != 0

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        signal.signal(number, self._before[number])


class Rejects:
    """The refused lines: kept in a file that is made when the first one comes, counted by rule with examples.

    Of each rule that is the first line, and of those that contradict the ledger the first few: each is worth a look.
    `path` is None where nothing is to be written; `own_folder`: in the ledger's own folder, which is made where it was
    lost. `error` is why nothing more can be written.
    """

    def __init__(self, path: Path | None, *, own_folder: bool = False) -> None:
        self.path = path
        self.own_folder = own_folder
        self.written = False
        self.by_rule: dict[str, tuple[int, list[Reject]]] = {}
        self.error: StorageFailed | None = None
        self._file: Any = None

    @property
    def count(self) -> int:
        """How many lines were refused."""
        return sum(count for count, _ in self.by_rule.values())

    def add(self, reject: Reject) -> None:
        """Keep one refused line."""
        count, examples = self.by_rule.get(reject.rule, (0, []))
        if not count or (CONTRADICTS in reject.reason and len(examples) < _MOST_SHOWN):
            examples.append(reject)
        self.by_rule[reject.rule] = (count + 1, examples)
        if self.path is None or self.error:
            return
        with self._failures():
            if self._file is None:
                if self.own_folder:
                    self.path.parent.mkdir(mode=0o700, exist_ok=True)
                self._file = open(self.path, "xb" if self.own_folder else "wb", opener=_private)  # noqa: SIM115 - `close` closes it
                self.written = True
            self._file.write(msgspec.json.encode(reject) + b"\n")

    def close(self) -> None:
        """Bring what was kept onto the disk."""
        if self._file is None:
            return
        with self._failures(), self._file as file:
            file.flush()
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                os.fsync(file.fileno())

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = StorageFailed(
                f"cannot write the refused lines to {self.path}",
                why=error.strerror or str(error),
                hint="name another place with --rejects FILE; what was recorded counts as a duplicate the next time",
            )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _rejects_path(ledger: "Ledger", named: Path | None, inputs: list[Path], *, dry_run: bool) -> Path | None:
    """Find the place for refused lines; a dry run writes none unless told where."""
    if named is not None:
        if any(named.exists() and file.exists() and named.samefile(file) for file in inputs):
            raise Usage(f"--rejects {named} is one of the files to import", hint="name another file")
        return output.not_a_ledgers_own(named)
    if dry_run:
        return None
    plain.check_folder(ledger.path / "rejects")
    stamp = f"{clock.now():%Y%m%dT%H%M%S.%fZ}"
    return ledger.path / "rejects" / f"import-{stamp}-{os.getpid()}.jsonl"


def _tables(files: list[str]) -> dict[str, Path]:
    """Read NAME=FILE …; a name that is given twice or not at all is Usage."""
    tables: dict[str, Path] = {}
    for file in files:
        name, _, path = file.partition("=")
        if not path:
            raise Usage(f"{file} is not NAME=FILE", hint="with --map every file gets a name, such as orders=orders.csv")
        if name in tables:
            raise Usage(f"two files are named {name}", hint="give every file a name of its own")
        tables[name] = Path(path)
    return tables


def _asked_of(ledger: "Ledger") -> Iterator[Fact]:
    """Give what was shipped, and what was placed as a part, and not taken back, as far as the log can be read."""
    events: dict[tuple[str, int], Fact] = {}
    with suppress(Damaged):
        for _, line in ledger.store.lines():
            if not _ASKED_FOR(line):
                continue  # most lines: they need not be decoded
            recorded = decode(line)
            event = recorded.event
            if isinstance(event, Retracted):
                events.pop((event.order_id, event.retracts), None)
            elif isinstance(event, Shipped) or (isinstance(event, Placed) and event.parent is not None):
                events[event.order_id, recorded.version] = event
    yield from events.values()


def _mapped(map_file: Path, tables: dict[str, Path], signals: Signals) -> Iterator[Line]:
    """Give the facts that a map makes of the tables; a line's number is the row's."""
    from queries.mapping import fact_lines

    for number, text in enumerate(fact_lines(map_file, tables), 1):
        if signals.stopped():
            return
        yield Line(lines.shown(map_file), number, text)


def _tell(summary: Summary, refused: Rejects, seconds: float, *, dry_run: bool, mapped: bool) -> None:
    """Say in words what was done, and what was refused by which rule with one example each."""
    read = _counted(summary.read, "row" if mapped else "line")
    odd = f" ({summary.odd:,} odd)" if summary.odd else ""
    context.say(
        f"{'dry run, the ledger is unchanged: ' if dry_run else ''}read {read} in {seconds:.1f} s: "
        f"{summary.recorded:,} {'would be ' if dry_run else ''}recorded{odd}, "
        f"{_counted(summary.duplicates, 'duplicate')}, "
        f"{summary.refused:,} refused"
    )
    for rule, (count, examples) in refused.by_rule.items():
        told = f"{count:,} refused by {rule}, such as"
        for one in examples:
            what, _, _ = one.reason.partition("; ")  # why and hint follow; they are in the rejects file
            place = f"row {one.line:,} of {one.file}" if mapped else f"{one.file}:{one.line}"
            context.say(f"{told} {place}: {what}")
            told = "  and"


def _tell_json(summary: Summary, refused: Rejects, seconds: float) -> None:
    counts = {name: getattr(summary, name) for name in ("read", "recorded", "duplicates", "odd", "refused")}
    rejects = lines.shown(refused.path) if refused.path and refused.written else None
    context.say_json(msgspec.json.encode(counts | {"rejects": rejects, "seconds": round(seconds, 3)}))


def _counted(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count:,} {what}s"


def _mend(refused: Rejects, *, nothing_kept: bool, mapped: bool, foreign: bool) -> str:
    """Say what to do about refused lines: the good ones are in the ledger, unless nothing was to be kept."""
    if mapped:
        return "mend the tables or the map and import them again; what is recorded already counts as a duplicate"
    if nothing_kept:
        return "nothing was recorded: mend the lines where they came from and import them again"
    if foreign:
        where = f"why is in {refused.path}; " if refused.written else ""
        return f"{where}record by hand what an export cannot tell: orderledger record --help"
    them = "it" if refused.count == 1 else "them"
    return f"mend {them} in {refused.path} and import that file" if refused.written else ""


def _finish(error: LedgerError | None, signals: Signals, refused: Rejects, mend: str) -> None:
    """Leave with the exit code that counts most: storage and damage before an interruption before refused lines."""
    if error and not (signals.stopped() and error.exit_code == 4):
        raise error
    if signals.stopped():
        context.say("interrupted: import it again for the rest; what is recorded will count as duplicates", err=True)
        raise typer.Exit(128 + signals.number)
    if refused.by_rule:
        raise BadInput(f"{_counted(refused.count, 'line')} refused", hint=mend)
