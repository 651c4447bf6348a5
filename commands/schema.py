"""`orderledger schema`: the shape of facts and of the log's lines, for other programs."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from commands import clock, context


def command(
    sql: Annotated[bool, typer.Option("--sql", help="the public relations and their columns instead")] = False,
    output_: context.OutputOption = None,
    to: context.ToOption = None,
    no_color: context.NoColor = False,
) -> None:
    """Print the JSON Schema of a fact and of a line of the log.

    Example: orderledger schema --to orderledger.schema.json
    """
    from commands import output, render

    if sql:
        target = output.choose(output_, to, pipe="table", no_color=no_color)
        render.table(target, ("relation", "column", "type", "description"), ("VARCHAR",) * 4, [_columns()])
    else:
        target = output.choose(output_ or "json", to, pipe="json", only="json jsonl")
        render.record(target, json_schema())


def json_schema() -> dict[str, Any]:
    """Make the JSON Schema: `Fact` and `Recorded` among its definitions, both made from the structs."""
    from ledger.events import Fact, Recorded

    (fact, line), definitions = msgspec.json.schema_components((Fact, Recorded), ref_template="#/$defs/{name}")
    definitions["Fact"] = fact
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "orderledger: a line of the log; what may be imported is $defs/Fact",
        **line,
        "$defs": _portable(definitions),
    }


def _portable(value: Any) -> Any:
    r"""Write patterns as every reader of JSON Schema knows them: Python's `\Z` is their `$`."""
    if isinstance(value, dict):
        return {
            key: part.replace("\\Z", "$") if key == "pattern" and isinstance(part, str) else _portable(part)
            for key, part in value.items()
        }
    return [_portable(part) for part in value] if isinstance(value, list) else value


def _columns() -> list[tuple[str, str, str, str]]:
    """List the columns of the public relations, found by asking for none of their rows."""
    from ledger.segments import Snapshot
    from queries import describe
    from queries.engine import open_relations
    from queries.moment import Moment

    with (
        tempfile.TemporaryDirectory() as scratch,
        open_relations(Snapshot(()), Moment(clock.now()), scratch=Path(scratch)) as opened,
    ):
        return [(relation.name, *column) for relation in describe.relations(opened) for column in relation.columns]
