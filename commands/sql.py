"""`orderledger sql`: one's own questions to the public relations."""

import re
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from commands import clock, context, output, reading, render
from ledger.errors import BadInput, Usage

QUERY_BYTES_MAX = 16 << 20
_PARAMETER = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def command(
    ctx: typer.Context,
    query: Annotated[str | None, typer.Argument(metavar="[QUERY|-]", help="one SELECT; - reads it from stdin")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", metavar="FILE", help="read the query from FILE")] = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--param", "-p", metavar="NAME=VALUE", help="the value of $NAME; repeatable")
    ] = None,
    timeout: context.Timeout = context.TIMEOUT_SECONDS,
    memory: context.Memory = context.MEMORY,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
    engine: context.Engine = "duckdb",
    connect: context.Connect = None,
) -> None:
    """Ask the public relations in SQL: one SELECT that sees no file, no network and changes nothing.

    Example: orderledger sql "SELECT seller, count(*) AS orders FROM orders GROUP BY seller ORDER BY orders DESC"
    """
    text = _text(query, file)
    given = dict(map(_parameter, parameters or []))
    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="csv", no_color=no_color, tz=zone)
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    cluster = context.cluster(engine, connect)
    with reading.of_ledgers(ctx, moment, apart=True, memory=memory, timeout=timeout, cluster=cluster) as relations:
        render.result(target, relations.run_sandboxed(text, given))


def _text(query: str | None, file: Path | None) -> str:
    if (query is None) == (file is None):
        raise Usage("give one query", why="as an argument, in a file with -f, or on stdin with -", hint="see --help")
    try:
        if file is not None:
            with file.open("rb") as stream:
                return _read(stream)
        return _read(sys.stdin.buffer) if query == "-" else query or ""
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise BadInput(f"cannot read {file or 'the query on stdin'}", why=why or str(error)) from None


def _read(stream: BinaryIO) -> str:
    text = stream.read(QUERY_BYTES_MAX + 1)
    if len(text) > QUERY_BYTES_MAX:
        raise BadInput("that is no query", why="none is so long", hint="a table is imported with --map")
    return text.decode("utf-8")


def _parameter(text: str) -> tuple[str, str]:
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise Usage(f"{text!r} is not NAME=VALUE", hint="$seller in the query and -p seller=shop-1 beside it")
    return found[1], found[2]
