"""`orderledger demo`: the sample logs in a new ledger, and the answers they give."""

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from commands import context
from commands.output import NARROW
from ledger.errors import NotFound

STORIES = ("delivered-elsewhere-disputed", "refund-failed", "typing-mistake")
"""Sample logs whose first order is told; more are told in sample_logs/README.md."""

BROKEN = "broken.jsonl"
RULES = ("R1", "R11", "R17")
"""The rules whose refusal is read out."""


def command(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="keep the ledger in DIR; else it is thrown away at the end")
    ] = None,
) -> None:
    """Import the sample logs into a new ledger, and walk through the answers.

    Example: orderledger demo my-demo
    """
    samples = find_samples()
    # A demonstration runs through; it does not stop at a pager.
    os.environ["PAGER"] = ""
    with _place(folder) as ledger:
        for heading, shown, arguments, expected in steps(samples):
            context.say(f"\n# {heading}\n$ orderledger {shown}\n")
            _run(ledger, arguments, expected)
        _explain(ledger)
    if folder is not None:
        context.say(f"\nThe ledger stays: orderledger --ledger {folder} list --archived")
    else:
        context.say("\nThe ledger is gone again; orderledger demo DIR keeps it.")


def find_samples() -> Path:
    """Find the sample logs: inside the installed package, or beside it in a checkout."""
    package = Path(str(files("commands")))
    for place in (package / "sample_logs", package.parent / "sample_logs"):
        if place.is_dir():
            return place
    raise NotFound("the sample logs are not here", why="they come with the package and with a checkout")


def steps(samples: Path) -> Iterator[tuple[str, str, Sequence[str], int]]:
    """Give each step: its heading, the command as one would type it, its arguments, the exit code it has."""
    logs = [str(path) for path in sorted(samples.glob("*.jsonl")) if path.name != BROKEN]
    yield "A new ledger", "init", ["init"], 0
    yield "Facts come in from logs", "import sample_logs/*.jsonl", ["import", *logs], 0
    yield from _plain("Every order", ["list", "--archived"])
    for name in STORIES:
        yield from _plain(f"An order's story: {name.replace('-', ' ')}", ["show", order_of(samples / f"{name}.jsonl")])
    yield from _plain("Which closures sent money back to the buyer?", ["audit", "refunded-closures"])
    yield from _plain("Where is every cent?", ["money"])
    yield (
        "What cannot be true is refused, line by line; the good lines are recorded",
        f"import sample_logs/{BROKEN}",
        ["import", str(samples / BROKEN)],
        4,
    )


def _plain(heading: str, arguments: list[str]) -> Iterator[tuple[str, str, Sequence[str], int]]:
    yield heading, " ".join(arguments), [*arguments, "--output", "table"], 0


def order_of(log: Path) -> str:
    """Give the order of a log's first line."""
    with log.open(encoding="utf-8") as lines:
        return str(json.loads(next(lines))["order_id"])


@contextmanager
def _place(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="orderledger-demo-") as temporary:
        yield Path(temporary, "ledger")


def _run(ledger: Path, arguments: Sequence[str], expected: int) -> None:
    """Run a command as the shell would; any other exit code than the expected one ends the demonstration."""
    from commands.main import run

    code = run(["--ledger", str(ledger), *arguments])
    if code != expected:
        raise typer.Exit(code or 1)


def _explain(ledger: Path) -> None:
    """Read out a few refused lines: what was said, by which rule it is refused, and what to do instead."""
    from commands.story import fold

    context.say("\n# Three of the refused lines, as the file of rejects keeps them\n")
    refused = [json.loads(line) for file in (ledger / "rejects").iterdir() for line in file.read_text().splitlines()]
    for rule in RULES:
        line = next(line for line in refused if line["rule"] == rule)
        context.say(f"{Path(line['file']).name}:{line['line']} ({rule})")
        for part in (line["text"], *line["reason"].split(". ")):
            for folded in fold(part, NARROW - 2):
                context.say(f"  {folded}")
