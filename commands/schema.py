"""`orderledger schema`: the shape of facts and of the log's lines, for other programs."""

import json
from typing import Annotated, Any

import msgspec
import typer

from commands import context


def command(
    sql: Annotated[bool, typer.Option("--sql", help="the public relations and their columns instead")] = False,
) -> None:
    """Print the JSON Schema of a fact and of a line of the log.

    Example: orderledger schema > orderledger.schema.json
    """
    context.say_text(_relations() if sql else json.dumps(json_schema(), indent=2, ensure_ascii=False))


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


def _relations() -> str:
    """List the public relations with their columns and types."""
    from queries import catalog

    return "\n\n".join(
        "\n".join([relation.name, *(f"  {column.name} {column.type}" for column in relation.columns)])
        for relation in catalog.views()
    )
