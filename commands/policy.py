"""`orderledger policy`: the rules in force, each number with its meaning."""

from typing import Annotated

import typer

from commands import context, output, render


def command(
    ctx: typer.Context,
    diff: Annotated[bool, typer.Option("--diff", help="only what differs from the policy's own numbers")] = False,
    format: context.TextOption = None,  # noqa: A002 - the option's name
    to: context.ToOption = None,
    no_color: context.NoColor = False,
) -> None:
    """Show the settings of the ledger's policy: value, unit and meaning.

    Example: orderledger policy --diff
    """
    from ledger.policy import settings

    ledger = context.open_ledger(ctx)
    columns = ("setting", "value", "unit", *(["default"] if diff else []), "meaning")
    rows = [
        (row.name, _shown(row.value), row.unit, *([_shown(row.default)] if diff else []), row.meaning)
        for row in settings(ledger.config.policy, ledger.policy)
        if not diff or row.value != row.default
    ]
    target = output.choose(format, to, pipe="table", no_color=no_color)
    render.table(target, columns, ("VARCHAR",) * len(columns), [rows])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
