"""The public relations in words: their rows and columns, from the heads of the views and the structs of the events."""

from collections.abc import Iterator
from typing import NamedTuple, get_args, get_type_hints

from msgspec import inspect

from ledger.events import TYPES, Closed, Event
from queries.catalog import headers
from queries.engine import Relations
from queries.relations import VIEWS, closing_types, view_sql

_CLOCK = """-- question: From when is the ledger looked at?
-- rows:     a single one; the other relations say what was so at its moment
-- columns:  now        the present, or what --now says
--           as_of      what --as-of says, else NULL: events that happened later are left out
--           known_at   what --known-at says, else NULL: lines that were recorded later are left out
"""
_COMPLETED = " (completed when not given)"


class Column(NamedTuple):
    """A column with its SQL type and what it says."""

    name: str
    type: str
    text: str


class Relation(NamedTuple):
    """A public relation: the question that it answers, what its rows are, its columns."""

    name: str
    question: str
    rows: str
    columns: list[Column]


def relations(opened: Relations) -> Iterator[Relation]:
    """Every public relation, its types found by asking for none of its rows."""
    fields = _fields()
    for name in ("clock", *VIEWS):
        heads = list(headers(_CLOCK if name == "clock" else view_sql(name)))
        texts = dict(text.split(maxsplit=1) for _, key, text in heads if key == "columns")
        if name == "events":
            texts = fields | texts
        answer = opened.run(f"SELECT * FROM {name} LIMIT 0", {})  # noqa: S608 - our own names
        columns = [
            Column(column, kind, texts[column]) for column, kind in zip(answer.columns, answer.types, strict=True)
        ]
        yield Relation(name, _text(heads, "question"), _text(heads, "rows"), columns)


def closure_reasons() -> list[str]:
    """Every reason that a closure can have: those of the closing types, and those that a `closed` may say."""
    said = get_type_hints(Closed)["reason"]
    return sorted({*closing_types().values(), *(reason for part in get_args(said) for reason in get_args(part))})


def _text(heads: list[tuple[int, str, str]], wanted: str) -> str:
    return " ".join(text for _, key, text in heads if key == wanted)


def _fields() -> dict[str, str]:
    """Every field of an event with what it means, and in which types where not in all."""
    told: dict[str, dict[str, list[str]]] = {}
    for tag, event in TYPES.items():
        for name, text in _descriptions(event).items():
            told.setdefault(name, {}).setdefault(text, []).append(tag)
    common = _descriptions(Event)
    return {
        name: common.get(name) or "; ".join(f"{text} ({', '.join(tags)})" for text, tags in texts.items())
        for name, texts in told.items()
    }


def _descriptions(event: type[Event]) -> dict[str, str]:
    kind = inspect.type_info(event)
    assert isinstance(kind, inspect.StructType)
    return {
        field.name: (field.type.extra_json_schema or {})["description"].removesuffix(_COMPLETED)
        for field in kind.fields
        if isinstance(field.type, inspect.Metadata)
    }
