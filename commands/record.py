"""`orderledger record`: append one event; every event type is a sub-command made from its struct."""

import inspect
import re
from collections.abc import Callable
from datetime import datetime, tzinfo
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import typer
from typer._click import Command, Context
from typer.core import TyperGroup

from commands import clock, context
from ledger.errors import UNREADABLE, BadInput, Locked, Malformed, StorageFailed, Usage
from ledger.events import TYPES, Closed, Event, Fact
from ledger.formats import facts

if TYPE_CHECKING:
    from ledger.book import Ledger, Receipt

NOW = "now"
"""The time of what is told without one."""

RENAMED = {"order_id": "", "occurred_at": "--at", "actor": "--by", "attachments": "--attach"}
"""Fields whose option has another name than the field; the order is an argument."""


EXAMPLES = {
    "seller": "shop-1",
    "amount": "12.30",
    "currency": "USD",
    "days": "3",
    "retracts": "3",
    "why": '"typed the wrong amount"',
    "text": '"the seller does not answer"',
}
"""Values in the examples; a field with choices has its first one."""

ADVISED = {"closed": ("reason",), "noted": ("text",)}
"""Fields that an event can do without, but that no example should."""


class Types(TyperGroup):
    """The sub-commands of `record`, one per event type; only the one asked for is made."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Ask for the type when nothing is given at all."""
        if not args and not ctx.resilient_parsing:
            raise Usage(
                "record needs a type of event and an order",
                why=f"types are {', '.join(TYPES)}",
                hint="see `orderledger record --help`",
            )
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Context) -> list[str]:
        """Name the event types, in the order of an order's life."""
        return list(TYPES)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        """Make the sub-command of an event type; None when there is no such type."""
        cls = TYPES.get(cmd_name)
        if cls is None:
            return None
        verb = typer.Typer(add_completion=False, rich_markup_mode=None)
        verb.command(cmd_name, help=_help(cls))(_verb(cls))
        return typer.main.get_command(verb)


command = Types(
    name="record",
    help="Append one event.\n\nExample: orderledger record shipped 8123456789012345 --tracking RR473124829GB",
    options_metavar=None,
    subcommand_metavar="TYPE ORDER [OPTIONS]",
    rich_markup_mode=None,
)


def append(
    ledger: "Ledger",
    fact: Fact,
    *,
    wait: float,
    output: str | None,
    allow_odd: bool = False,
    expect_version: int | None = None,
    undated: bool = False,
) -> None:
    """Record the fact and print the acknowledgement; when the ledger cannot take it now, say how to try again."""
    try:
        receipt = ledger.record(
            fact,
            now=clock.now(),
            wait=wait,
            allow_odd=allow_odd,
            expect_version=expect_version,
            undated=undated,
        )
    except Malformed as error:
        raise Usage(error.what, why=error.why, hint=error.hint) from None
    except (Locked, StorageFailed) as error:
        again = f"try again with --at {clock.text(fact.occurred_at)}, so that nothing is recorded twice"
        error.hint = f"{error.hint}; {again}" if error.hint else again
        raise
    try:
        _acknowledge(receipt, output)
    except OSError as error:
        stands = f"#{receipt.recorded.seq} is recorded; only its acknowledgement could not be printed"
        raise OSError(error.errno, error.strerror, stands) from None


def _acknowledge(receipt: "Receipt", output: str | None) -> None:
    if output in ("json", "jsonl"):
        context.say_json(receipt.line)
        return
    line = receipt.recorded
    told = f"#{line.seq} {line.event.order_id} v{line.version} {line.status}"
    context.say(f"already recorded: {told}" if receipt.duplicate else told)
    if receipt.retracted_by:
        context.say(f"it was taken back by #{receipt.retracted_by}; to record it anew, give it a --fact-id of its own")
    if line.odd and not receipt.duplicate:
        context.say(f"odd: {', '.join(line.odd)}")


def _help(cls: type[Event]) -> str:
    tag = cls.__struct_config__.tag
    needed = " ".join(
        f"--{field.name.replace('_', '-')} {_example(cls, field)}"
        for field in msgspec.structs.fields(cls)
        if (field.required or field.name in ADVISED.get(str(tag), ())) and field.name not in RENAMED
    )
    # After \b the line is left as it is: folded inside a word it could not be copied.
    return f"{inspect.getdoc(cls)}\n\n\b\nExample: orderledger record {tag} 8123456789012345 {needed}".rstrip()


def _example(cls: type[Event], field: msgspec.structs.FieldInfo) -> str:
    base, _, _ = _unwrap(field.type)
    if cls is Closed:
        return "not-shipped"  # the first reason there is closes an order before it is paid
    return str(get_args(base)[0]) if get_origin(base) is Literal else EXAMPLES[field.name]


def _verb(cls: type[Event]) -> Callable[..., None]:
    """Make the function behind one sub-command: its parameters are the struct's fields and the common options."""

    def run(ctx: typer.Context, **given: Any) -> None:
        wait, tz = given.pop("wait"), clock.zone(given.pop("tz"))
        rules = {name: given.pop(name) for name in ("allow_odd", "expect_version", "output")}
        undated = given["occurred_at"] == NOW
        append(context.open_ledger(ctx), fact_of(cls, given, tz), wait=wait, undated=undated, **rules)

    parameters = [_parameter("ctx", typer.Context)]
    parameters += [_option(cls, field) for field in msgspec.structs.fields(cls)]
    parameters += _common()
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads both
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _common() -> list[inspect.Parameter]:
    allow = typer.Option("--allow-odd", help="record it even when it is flagged as odd")
    expect = typer.Option(
        "--expect-version", metavar="N", min=0, help="versions the order has now; 0: it must not exist"
    )
    return [
        _parameter("allow_odd", Annotated[bool, allow], False),
        _parameter("expect_version", Annotated[int | None, expect], None),
        _parameter("wait", context.Wait, 10.0),
        _parameter("tz", context.Tz, "UTC"),
        _parameter("output", context.PlainOption, None),
    ]


def _option(cls: type[Event], field: msgspec.structs.FieldInfo) -> inspect.Parameter:
    """Make the option of a field: its name in kebab-case, its help and its choices from the type."""
    base, text, meta = _unwrap(field.type)
    name = RENAMED.get(field.name, f"--{field.name.replace('_', '-')}")
    if field.name == "order_id":
        return _parameter("order_id", context.OrderId)
    if field.name == "actor":
        text = f"who did it; {cls.usual_actor} unless given"
    if field.name == "occurred_at":
        return _parameter("occurred_at", context.At, NOW)
    if field.name == "attachments":
        attach = typer.Option(name, metavar="FILE", help="keep the name and SHA-256 of FILE; may be repeated")
        return _parameter(field.name, Annotated[list[Path] | None, attach], None)
    if base is bool:
        return _parameter(field.name, Annotated[bool, typer.Option(name, help=text)], False)
    low, high = (meta.ge, meta.le) if base is int and meta else (None, None)
    kept = base if base is int or get_origin(base) is Literal else str
    option = typer.Option(name, metavar=_metavar(base), help=text, min=low, max=high)
    if field.required:
        return _parameter(field.name, Annotated[kept, option])
    return _parameter(field.name, Annotated[kept | None, option], None)


def _metavar(base: Any) -> str | None:
    if get_origin(base) is Literal:
        return None  # Typer lists the choices
    return {datetime: "T", int: "N"}.get(base, "JSON" if get_origin(base) is tuple else "TEXT")


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _unwrap(annotation: Any) -> tuple[Any, str, msgspec.Meta | None]:
    """Give the type without None and Annotated, its description, and the innermost limits."""
    text, limits = "", None
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *metas = get_args(annotation)
            for meta in metas:
                text = text or meta.description or ""
                limits = limits if meta.ge is None else meta
        elif get_origin(annotation) in (Union, UnionType):
            annotation = next(part for part in get_args(annotation) if part is not NoneType)
        else:
            return annotation, text, limits


def fact_of(cls: type[Event], given: dict[str, Any], tz: tzinfo) -> Fact:
    """Make the fact from the options given; Usage when a value does not parse."""
    values: dict[str, Any] = {"type": cls.__struct_config__.tag}
    for field in msgspec.structs.fields(cls):
        value = given[field.name]
        if value is None or value is False:
            continue
        values[field.name] = _value(field, value, tz)
    at, twice = clock.read(given["occurred_at"], tz, clock.now())
    values["occurred_at"] = at
    if twice:
        values["ambiguous_time"] = True
    try:
        return facts.parse(msgspec.json.encode(values))
    except UnicodeEncodeError:
        raise Usage("an option is not valid UTF-8", hint="type it in UTF-8") from None
    except Malformed as error:
        raise _misread(error, given) from None


def _misread(error: Malformed, given: dict[str, Any]) -> Usage:
    """Say which option does not parse, in the words of the command line."""
    named = re.search(r"`\$\.(\w+)", error.what)
    if not named or named[1] not in given:
        return Usage(error.what, why=error.why, hint=error.hint)
    option = RENAMED.get(named[1], f"--{named[1].replace('_', '-')}") or "ORDER"
    return Usage(f"{option} does not parse: {given[named[1]]}", hint=error.hint)


def _value(field: msgspec.structs.FieldInfo, value: Any, tz: tzinfo) -> Any:
    base, _, _ = _unwrap(field.type)
    if field.name == "attachments":
        return [{"name": path.name, "sha256": _sha256(path)} for path in value]
    if get_origin(base) is tuple:
        try:
            return msgspec.json.decode(value)
        except UNREADABLE as error:
            raise Usage(
                f"--{field.name} is not JSON", why=str(error), hint='write [{"quantity":1,"price":"12.30"}]'
            ) from None
    if base is datetime and field.name != "occurred_at":
        return clock.parse(value, tz, clock.now())
    return value


def _sha256(path: Path) -> str:
    import hashlib

    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadInput(f"cannot read {path}", why=error.strerror or "", hint="--attach takes a file") from None
