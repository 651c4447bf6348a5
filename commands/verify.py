"""`orderledger verify`: every check of the whole ledger."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import context, output, progress, publishing, render
from ledger.errors import Damaged, Usage

if TYPE_CHECKING:
    from ledger.book import Ledger
    from ledger.findings import Check, Problem
    from ledger.verify import Report


MENDED_BY = {
    "index": "`orderledger rebuild` makes the index anew from the log",
    "copies": "`orderledger rebuild` makes the copies anew from the log",
    "permissions": "take the rights from others, such as with `chmod -R go= LEDGER`, and links out of the folder",
}
"""What mends a problem that is none of the log."""


def command(
    ctx: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="only what the bytes say: checksums, seqs, the tree, checkpoints, modes")
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="a checkpoint kept elsewhere, which the log has to extend"),
    ] = None,
    self_test: Annotated[
        bool,
        typer.Option("--self-test", help="try the program itself on this disk: kill writers of a ledger of its own"),
    ] = False,
    output_: context.PlainOption = None,
) -> None:
    """Check the whole ledger and tell everything that is wrong; damage is exit 1.

    Every line is read, decided again, and hashed into the tree whose root is printed. Nothing is written or locked.

    --self-test needs no ledger and touches none. In a temporary folder beside yours, eight writers are killed again
    and again, and what they had acknowledged is looked for; it takes some 20 seconds.

    Example: orderledger verify --checkpoint 2026-06.checkpoint

    Example: orderledger verify --self-test
    """
    from ledger import checkpoint as c
    from ledger.importing import Summary
    from ledger.verify import verify

    target = output.choose(output_, None, pipe="table", only="table json jsonl")
    if self_test:
        if quick or checkpoint is not None:
            raise Usage(
                "--self-test takes neither --quick nor --checkpoint",
                why="it looks at a ledger of its own, not at yours",
                hint="check yours with another `orderledger verify`",
            )
        from commands.self_test import try_out

        try_out(ctx, target)
        return
    outside = None if checkpoint is None else c.parse(publishing.read(str(checkpoint)), str(checkpoint))
    ledger = context.open_ledger(ctx)
    size = sum(path.stat().st_size for path in ledger.store.events_dir.glob("*.jsonl"))
    with progress.shown(size, "verifying") as shown:

        def heard(size: int, events: int) -> None:
            shown.seen(size)
            shown.heard(Summary(read=events))

        report = verify(ledger, quick=quick, outside=outside, copies=lambda: _of_copies(ledger), progress=heard)
    if target.format == "table":
        shape = output.visible if target.screen else str
        render.text(target, "".join(f"{shape(line)}\n" for line in _told(report)))
    else:
        render.record(target, as_data(report))
    if not report.ok:
        raise typer.Exit(1)


MEMORY = "192MiB"
"""What comparing the copies may take, whatever the size of the log."""


def _of_copies(ledger: "Ledger") -> Iterator[str]:
    """Tell what is wrong with the columnar copies, if there are any."""
    cache = ledger.path / "cache"
    if not any(cache.glob("*.parquet")):
        return
    from queries import columnar, projections

    try:
        sealed = ledger.store.snapshot().sealed
    except Damaged:
        return  # which is told of the segments
    with tempfile.TemporaryDirectory(prefix="orderledger-") as folder:
        spill = Path(folder)
        yield from (f"cache/{one}" for one in columnar.problems(cache, sealed, spill=spill, memory=MEMORY))
        copies = columnar.good(cache, sealed)
        if len(copies) == len(sealed):
            yield from (f"cache/{one}" for one in projections.problems(cache, copies, spill=spill, memory=MEMORY))


def as_data(report: "Report") -> dict[str, Any]:
    """Give the report as the values that `-o json` prints."""
    from msgspec import to_builtins

    from ledger.checkpoint import base64

    return {
        "ok": report.ok,
        "events": report.events,
        "root": base64(report.root),
        "checks": [
            {"check": check.check, "ok": check.ok, "problems": to_builtins(check.problems)} for check in report.checks
        ],
    }


def _told(report: "Report") -> Iterator[str]:
    """Give the report as lines of text."""
    from ledger.checkpoint import base64

    wrong = [check.check for check in report.checks if not check.ok]
    if wrong:
        yield f"NOT SOUND: {len(wrong)} of {len(report.checks)} checks found problems: {', '.join(wrong)}"
    else:
        yield f"sound: all {len(report.checks)} checks passed"
    yield ""
    width = max(len(check.check) for check in report.checks)
    for check in report.checks:
        yield f"{check.check:<{width}}  {_verdict(check)}"
    for check in report.checks:
        if not check.ok:
            yield ""
            yield check.check
            yield from (f"  {_shown(problem)}" for problem in check.problems)
    if wrong:
        yield ""
        yield from (f"what to do: {one}" for one in _advice(wrong))
    yield ""
    yield f"{report.events:,} events"
    yield f"root {base64(report.root)}"


def _advice(wrong: list[str]) -> Iterator[str]:
    """Say what helps, by the checks that found problems."""
    if set(wrong) - set(MENDED_BY):
        yield "keep a copy of the ledger's folder as it is, then bring events/ back from a backup;"
        yield "without one, `orderledger repair` moves a damaged end of the log to rejects/, good lines of it too"
    yield from (MENDED_BY[check] for check in wrong if check in MENDED_BY)


def _verdict(check: "Check") -> str:
    return "ok" if check.ok else "1 problem" if check.count == 1 else f"{check.count:,} problems"


def _shown(problem: "Problem") -> str:
    """Give a problem with its place, as far as it has one."""
    where = [f"seq {problem.seq}"] if problem.seq is not None else []
    if problem.segment is not None:
        where.append(problem.segment if problem.line is None else f"{problem.segment}:{problem.line}")
    return ": ".join([", ".join(where), problem.problem] if where else [problem.problem])
