"""What a map makes of tabular files: one SELECT whose columns are the fields of a fact, or of what else is wanted."""

import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from re import fullmatch
from typing import Any, NamedTuple
from uuid import UUID

import duckdb
import msgspec
from duckdb.sqltypes import DuckDBPyType

from ledger.errors import BadInput, Usage
from ledger.events import Item
from queries import csv_table, sandbox
from queries.log import FIELD_TYPES
from queries.sandbox import Select, identifier, literal

_MEMORY = "256MiB"  # of the 512 MiB that an import may take
_MAP_BYTES_MAX = 16 << 20
_ROWS = 2000
_TOLD_CHARACTERS = 400
_ADVICE = ("Possible ", "Column ", "LINE ", "file = ")
_INTEGERS = frozenset((*(name for name, kind in FIELD_TYPES.items() if kind == "BIGINT"), "quantity"))
_SCALARS = ("VARCHAR", "BOOLEAN", "TIMESTAMP", "UUID", "JSON", '"NULL"', "ENUM(", "DECIMAL(")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_JSON = "maximum_depth = -1, sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0"

assert "quantity" in Item.__struct_fields__


class Wanted(NamedTuple):
    """What the rows of a map are to be: what one is called, its fields, and where they are told; may it have days."""

    what: str
    fields: frozenset[str]
    hint: str
    days: bool = False


FACTS = Wanted("fact", frozenset(("type", *FIELD_TYPES)), "`orderledger schema` lists the fields")


def fact_lines(map_path: Path, tables: Mapping[str, Path], wanted: Wanted = FACTS) -> Iterator[bytes]:
    """Each row that the map's SELECT gives over the named files, as one JSON line of a fact or of what is wanted.

    NULLs are left out, an instant is UTC, numbers become text where the fact has text. The map runs in the sandbox and
    reads nothing but the files. Usage for a name, column or type that cannot be one of a fact, before any row is read;
    BadInput for a file that cannot be read. Rows are fetched in batches, so memory is bounded.
    """
    sql = _text(map_path)
    with tempfile.TemporaryDirectory(prefix="orderledger-") as folder:
        private = Path(folder)
        paths = {_name(name): sandbox.plain_path(_existing(path), private) for name, path in tables.items()}
        con = sandbox.connect(list(paths.values()), spill=private / "spill", memory=_MEMORY)
        try:
            with sandbox.limits(con, None):
                yield from _lines(con, map_path, sql, paths, wanted)
        except duckdb.Error as error:
            raise _stopped(map_path, {path: str(paths[name]) for name, path in tables.items()}, error) from error
        finally:
            con.close()


def _lines(
    con: duckdb.DuckDBPyConnection, map_path: Path, sql: str, paths: Mapping[str, Path], wanted: Wanted
) -> Iterator[bytes]:
    for name, path in paths.items():
        con.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM {_reader(con, path)}")  # noqa: S608
    sandbox.lock(con)
    select = sandbox.one_select(con, sql, {})
    _check(map_path, select, wanted)
    con.execute(select.sql)
    while rows := con.fetchmany(_ROWS):
        for row in rows:
            yield msgspec.json.encode(
                {
                    name: _told(name, kind, value)
                    for name, kind, value in zip(select.columns, select.types, row, strict=True)
                    if value is not None
                }
            )


def _text(map_path: Path) -> str:
    try:
        with map_path.open("rb") as file:
            text = file.read(_MAP_BYTES_MAX + 1)
        if len(text) <= _MAP_BYTES_MAX:
            return text.decode("utf-8")
    except OSError as error:
        why = error.strerror or str(error)
        raise BadInput(f"the map {map_path} cannot be read", why=why, hint="name a file with one SELECT") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"the map {map_path} cannot be read", why=str(error), hint="save it in UTF-8") from error
    raise BadInput(f"{map_path} is no map", why="none is so long")


def _name(name: str) -> str:
    if not fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise Usage(f"{name!r} is no name for a table", hint="use small letters, digits and underscores: orders=o.csv")
    return name


def _existing(path: Path) -> Path:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise BadInput(f"{path} cannot be read", why="a table has to be a plain file: it is read more than once")
        path.open("rb").close()
    except OSError as error:
        raise BadInput(f"{path} cannot be read", why=error.strerror or str(error)) from error
    return path


def _stopped(map_path: Path, read_as: Mapping[Path, str], error: duckdb.Error) -> BadInput:
    """Say which line of a table stopped the map, or else what DuckDB says but for its advice and the line's text."""
    file = next((path for path, read in read_as.items() if f"file = {read}\n" in str(error)), None)
    if file and (fault := csv_table.first_fault(file)):
        return fault
    lines = takewhile(lambda line: not line.startswith(_ADVICE), map(str.strip, str(error).splitlines()))
    told = "; ".join(line for line in lines if line and not line.startswith("Original Line:"))
    hint = "are there lines that end in LF and others that end in CR LF?" if "state machine" in told else ""
    return BadInput(
        f"the map {map_path} stopped{f' at {file}' if file else ''}", why=told[:_TOLD_CHARACTERS], hint=hint
    )


def _reader(con: duckdb.DuckDBPyConnection, path: Path) -> str:
    """The table function that reads a file; what is no text in it by nature (parquet, nested JSON) keeps its type."""
    file = literal(str(path))
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return csv_table.reader(path)
        case ".json" | ".jsonl" | ".ndjson":
            return f"read_json({file}, hive_partitioning = false, columns = {{{_json_columns(con, file)}}})"
        case ".parquet":
            return f"read_parquet({file}, hive_partitioning = false)"
        case ending:
            hint = "there are csv, tsv, json, jsonl, ndjson and parquet"
            raise Usage(f"{path}: no table is read from {ending or 'a file without ending'}", hint=hint)


def _json_columns(con: duckdb.DuckDBPyConnection, file: str) -> str:
    """The columns of a JSON file, all scalars as text: a number's own text is lost once it was a DOUBLE.

    What is an object in one row and something else in another is text too, that of its JSON.
    """
    found = con.sql(f"SELECT * FROM read_json({file}, hive_partitioning = false, {_JSON})")  # noqa: S608
    kinds = zip(found.columns, found.types, strict=True)
    return ", ".join(f"{identifier(name)}: {literal(_as_text(kind))}" for name, kind in kinds)


def _as_text(kind: DuckDBPyType) -> str:
    match kind.id:
        case "struct":
            parts: Any = kind.children
            return f"STRUCT({', '.join(f'{identifier(name)} {_as_text(part)}' for name, part in parts)})"
        case "list":
            item: Any = kind.children[0][1]
            return f"{_as_text(item)}[]"
        case _:
            return "VARCHAR"


def _check(map_path: Path, select: Select, wanted: Wanted) -> None:
    """Usage where a column is no field of what is wanted, comes twice, or is of a type that it cannot have."""
    for name, kind in zip(select.columns, select.types, strict=True):
        if name not in wanted.fields:
            near = get_close_matches(name, wanted.fields, 1)
            hint = f"did you mean {near[0]}?" if near else wanted.hint
            raise Usage(f"{map_path}: no {wanted.what} has a field {name}", hint=hint)
        if select.columns.count(name) > 1:
            raise Usage(f"{map_path}: two columns are called {name}", hint="rename or drop one")
        if not (wanted.days and kind == "DATE"):
            _check_type(f"{map_path}: column {name} is {kind}", kind, wanted)


def _check_type(what: str, kind: str, wanted: Wanted) -> None:
    if "DOUBLE" in kind or "FLOAT" in kind:
        raise Usage(what, why="such numbers are not exact", hint="CAST it to DECIMAL(18,4), or leave it text")
    if kind.startswith("STRUCT(") or kind.endswith("[]"):
        return
    if not kind.startswith(_SCALARS) and kind.removeprefix("U") not in _WHOLE:
        why = f"a {wanted.what} has text, numbers, booleans, instants and lists"
        raise Usage(what, why=why, hint="CAST it to one of them")


def _told(name: str, kind: str, value: Any) -> Any:
    match kind:
        case "JSON":
            return msgspec.Raw(value.encode())
        case "DATE":
            return value.isoformat()
        case _:
            return _value(name, value)


def _value(name: str, value: Any) -> Any:
    """A value as the JSON of a fact has it."""
    match value:
        case str() if name in _INTEGERS and value.isascii() and value.isdecimal():
            return int(value)
        case bool() | str():
            return value
        case int() | Decimal():
            return int(value) if name in _INTEGERS and value == int(value) else _digits(Decimal(value))
        case datetime():
            return value.isoformat() + "Z"
        case UUID():
            return str(value)
        case list() | tuple():
            return [_value(name, part) for part in value]
        case dict():
            return {key: _value(key, part) for key, part in value.items() if part is not None}
    raise Usage(f"column {name} holds a {type(value).__name__}", hint="CAST it to text")


def _digits(number: Decimal) -> str:
    """A decimal number in plain digits, without the zeros that only its column's type put at the end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
