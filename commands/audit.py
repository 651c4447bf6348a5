"""`orderledger audit`: named questions; every audit is a sub-command made from the header of its file."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from typer._click import Command, Context
from typer.core import TyperGroup

from commands import clock, context, output, reading, render
from ledger.errors import LedgerError, Usage

if TYPE_CHECKING:
    from queries.catalog import Audit, Param
    from queries.moment import Moment

FOLDER = "--audits"
INSTANT = "TIMESTAMP"

COLUMNS = {"theme": "VARCHAR", "audit": "VARCHAR", "question": "VARCHAR", "parameters": "VARCHAR"}
COMMON: dict[str, Any] = {
    "output_": context.OutputOption,
    "to": context.ToOption,
    "as_of": context.AsOf,
    "known_at": context.KnownAt,
    "now": context.Now,
    "tz": context.Tz,
    "no_color": context.NoColor,
    "timeout": context.Timeout,
    "memory": context.Memory,
    "engine": context.Engine,
    "connect": context.Connect,
}
RESERVED = ("help", "ledger", "audits", "output", *COMMON)
"""Names that no parameter of an audit may have."""


class Audits(TyperGroup):
    """The sub-commands of `audit`, one per audit; only the one asked for is made."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read `--audits DIR` wherever it stands, because it decides which audits there are."""
        return super().parse_args(ctx, _folder_first(args))

    def list_commands(self, ctx: Context) -> list[str]:
        """Name the audits."""
        return list(known(ctx))

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Make the sub-command of an audit; Usage when there is none of this name."""
        audit = known(ctx, cmd_name).get(cmd_name)
        if audit is None:
            raise Usage(f"no audit is called {cmd_name}", hint="list them with: orderledger audit")
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(cmd_name, help=_help(audit))(_verb(audit))
        return typer.main.get_command(verb)


def _folder_first(args: list[str]) -> list[str]:
    first, rest = [], list(args)
    for at, arg in enumerate(args):
        if arg == FOLDER or arg.startswith(FOLDER + "="):
            width = 2 if arg == FOLDER else 1
            first = args[at : at + width]
            rest = args[:at] + args[at + width :]
            break
    return first + rest


def known(ctx: Context, only: str | None = None) -> "dict[str, Audit]":
    """Give the audits there are: the package's own, the ledger's, those of `--audits DIR`; or `only` one name."""
    from queries.catalog import audits

    folders = []
    with suppress(LedgerError):  # the catalogue can be read where there is no ledger
        folders = [folder for folder in [context.ledger_path(cast(typer.Context, ctx)) / "audits"] if folder.is_dir()]
    named = ctx.params.get("folder")
    return audits([*folders, *([Path(named)] if named else [])], reserved=RESERVED, only=only)


app = typer.Typer(cls=Audits, invoke_without_command=True, rich_markup_mode=None, add_completion=False)


@app.callback(subcommand_metavar="[NAME] [--PARAM VALUE]...")
def catalogue(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Option(FOLDER, metavar="DIR", help="a folder with audits of your own")] = None,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
    timeout: context.Timeout = None,
    memory: context.Memory = context.MEMORY,
    engine: context.Engine = "duckdb",
    connect: context.Connect = None,
) -> None:
    """Answer a question by its name; without one, list the questions.

    Example: orderledger audit refunded-closures --since 2024-01-01
    """
    if ctx.invoked_subcommand is not None:
        return
    target = output.choose(output_, to, pipe="csv", no_color=no_color)
    found = sorted(known(ctx).values(), key=lambda audit: (audit.theme, audit.name))
    rows = [(audit.theme, audit.name, audit.question, " ".join(map(_flag, audit.params)) or None) for audit in found]
    if target.format == "table":
        themes = [""] + [audit.theme for audit in found]
        rows = [("" if theme == row[0] else row[0], *row[1:]) for theme, row in zip(themes, rows, strict=False)]
    render.table(target, list(COLUMNS), list(COLUMNS.values()), [rows], optional=["parameters", "theme"])


command = typer.main.get_command(app)


def _flag(param: "Param") -> str:
    return "--" + param.name.replace("_", "-")


def _help(audit: "Audit") -> str:
    columns = ", ".join(column.name for column in audit.columns)
    example = "".join(f" {_flag(param)} {_example(param)}" for param in audit.params[:1])
    question = output.visible(audit.question)
    return f"{question}\n\nColumns: {columns}\n\nExample: orderledger audit {audit.name}{example}"


def _example(param: "Param") -> str:
    if param.default is not None:
        return str(param.default)
    return "2024-01-01" if param.type == INSTANT else param.name.upper()


def _verb(audit: "Audit") -> Callable[..., None]:
    """Make the function behind one sub-command: its parameters are the audit's and the common options."""

    def run(ctx: typer.Context, **given: Any) -> None:
        above = ctx.parent.params if ctx.parent else {}
        common = {name: given.pop(name) or above.get(name) for name in COMMON}
        _answer(ctx, audit, given, **common)

    parameters = [_parameter("ctx", typer.Context)]
    parameters += [_option(param) for param in audit.params]
    parameters += [_parameter(name, annotation, None) for name, annotation in COMMON.items()]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads both
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _option(param: "Param") -> inspect.Parameter:
    from queries.catalog import PARAM_TYPES

    shown = "" if param.default is None else f" (else {param.default})"
    metavar = "T" if param.type == INSTANT else None
    option = typer.Option(_flag(param), metavar=metavar, help=param.help + shown, show_default=False)
    kind: Any = str if param.type == INSTANT else PARAM_TYPES[param.type]  # an instant is read by the clock
    return _parameter(param.name, Annotated[kind | None, option], None)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _answer(
    ctx: typer.Context,
    audit: "Audit",
    given: dict[str, Any],
    *,
    output_: str | None,
    to: Path | None,
    as_of: str | None,
    known_at: str | None,
    now: str | None,
    tz: str | None,
    no_color: bool | None,
    timeout: float | None,
    memory: str | None,
    engine: str | None,
    connect: str | None,
) -> None:
    """Print the answer; an audit runs in the sandbox, whoever wrote it, and one of the user's own for a time only."""
    zone = clock.zone(tz or "UTC")
    target = output.choose(output_, to, pipe="csv", no_color=bool(no_color), tz=zone)
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    values = {param.name: _value(param, given[param.name], moment, zone) for param in audit.params}
    if audit.packaged:
        _check_reason(values.get("reason"))
    limit = None if audit.packaged else context.TIMEOUT_SECONDS
    with reading.of_ledgers(
        ctx,
        moment,
        memory=memory or context.MEMORY,
        timeout=timeout or limit,
        cluster=context.cluster(engine, connect),
    ) as relations:
        try:
            found = relations.run_sandboxed(audit.sql, values)
        except Usage as error:
            joint = ", " if error.what.startswith("line ") else ": "
            where = audit.name if audit.packaged else audit.path
            raise Usage(f"{where}{joint}{error.what}", why=error.why, hint=error.hint) from error
        render.result(target, found)


def _check_reason(reason: str | None) -> None:
    """Refuse a reason that no closure can have: an empty answer to a misspelt one would read as an all-clear."""
    from queries.describe import closure_reasons

    if reason is not None and reason not in closure_reasons():
        raise Usage(f"no order is closed for the reason {reason!r}", hint=f"reasons are {', '.join(closure_reasons())}")


def _value(param: "Param", given: Any, moment: "Moment", zone: tzinfo) -> Any:
    if given is None:
        return param.default
    return clock.parse(given, zone, moment.now) if param.type == INSTANT else given
