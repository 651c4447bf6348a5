"""The catalogue: every audit with its question, parameters and columns, read from the comments at the top of its file.

    -- question: Which closures refunded the buyer?
    -- theme:    closures
    -- params:   since TIMESTAMP = NULL   only closures from then on
    -- columns:  order_id VARCHAR, seller VARCHAR,
    --           to_buyer DECIMAL(38,4)

A key may be repeated; a line that begins with spaces goes on with the columns. `theme` may be left out.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from ledger.errors import BadInput, Usage

OWN_THEME = "yours"
Value = str | int | float | bool | datetime | None

_FORM = "headers look like `-- params: since TIMESTAMP = NULL   only closures from then on`"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_HEADER = re.compile(r"--\s?(?P<key>[a-z]+):\s*(?P<text>.*)")
_MORE = re.compile(r"--\s{2,}(?P<text>\S.*)")
_PARAM = re.compile(
    r"(?P<name>[a-z_][a-z0-9_]*)\s+(?P<type>[A-Z]+)\s*=\s*(?P<default>'[^']*'|\S+)(?:\s{2,}(?P<help>.*))?"
)
_COLUMN = re.compile(r"(?P<name>[a-z_][a-z0-9_]*)\s+(?P<type>[A-Z][A-Z ]*(?:\([0-9, ]+\))?)")
_COMMA = re.compile(r",\s*(?![^(]*\))")


def _truth(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


PARAM_TYPES: dict[str, type[str | int | float | datetime]] = {
    "VARCHAR": str,
    "BIGINT": int,
    "DOUBLE": float,
    "BOOLEAN": bool,
    "TIMESTAMP": datetime,
}
"""The types of parameters, each with Python's."""

_PARSERS: dict[type, Callable[[str], Value]] = {bool: _truth, datetime: _instant}


class Param(NamedTuple):
    """A parameter of an audit; `default` is a Python value, None for NULL."""

    name: str
    type: str
    default: Value
    help: str


class Column(NamedTuple):
    """A column as the catalogue promises it."""

    name: str
    type: str


class Audit(NamedTuple):
    """A question with its SQL. Only a `packaged` one may run outside the sandbox."""

    name: str
    question: str
    theme: str
    params: tuple[Param, ...]
    columns: tuple[Column, ...]
    sql: str
    path: Path
    packaged: bool


def audits(
    extra_dirs: Iterable[Path] = (), *, reserved: Collection[str] = (), only: str | None = None
) -> dict[str, Audit]:
    """Every audit by name: the package's, then those of the extra folders.

    `reserved` are the names (with underscores) of the common options, which no parameter may have. `only` one name is
    looked for where that is given, so that a broken file stops nobody who does not ask for it. Usage names file and
    line of what is wrong; BadInput where a folder or file cannot be read.
    """
    found: dict[str, Audit] = {}
    packaged = Path(str(files(__package__) / "audits")).resolve()
    for folder in dict.fromkeys([packaged, *(folder.resolve() for folder in extra_dirs)]):
        for path, text in _texts(folder, only):
            audit = _audit(path, text, reserved, packaged=folder == packaged)
            other = found.setdefault(audit.name, audit)
            if other is not audit:
                raise Usage(f"two audits are called {audit.name}", why=f"{other.path} and {path}", hint="rename one")
    return found


def _texts(folder: Path, only: str | None) -> Iterator[tuple[Path, str]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".sql" and only in (None, path.stem))
    except OSError as error:
        raise BadInput(f"audits in {folder} cannot be read", why=str(error)) from error
    for path in paths:
        try:
            if not path.is_file():
                raise BadInput(f"{path} cannot be read", why="it is no file", hint="move it out of the folder")
            yield path, path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{path} cannot be read", why=str(error), hint="an audit is a text file in UTF-8") from error


def _audit(path: Path, text: str, reserved: Collection[str], *, packaged: bool) -> Audit:
    if not _NAME.fullmatch(path.stem):
        raise Usage(f"{path}: no name for an audit", hint="use small letters, digits and hyphens")
    question = theme = ""
    params: list[Param] = []
    columns: list[Column] = []
    for number, key, value in headers(text):
        try:
            match key:
                case "question":
                    question = value
                case "theme":
                    theme = value
                case "params":
                    params.append(_param(value, {"now", *reserved, *(param.name for param in params)}))
                case "columns":
                    columns += map(_column, filter(None, _COMMA.split(value)))
                case _:
                    raise ValueError(f"no header is called {key}; there are question, theme, params, columns")
        except ValueError as error:
            raise Usage(f"{path}, line {number}: {error}", hint=_FORM) from error
    if not question:
        raise Usage(f"{path}, line 1: no question", hint="begin with a line `-- question: …`")
    return Audit(path.stem, question, theme or OWN_THEME, tuple(params), tuple(columns), text, path, packaged)


def headers(text: str) -> Iterator[tuple[int, str, str]]:
    """Line number, key and text of the header lines: the comments at the top, up to one that is no header."""
    key = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line.rstrip()):
            key = header["key"]
            yield number, key, header["text"]
        elif key and (more := _MORE.fullmatch(line.rstrip())):
            yield number, key, more["text"]
        else:
            return


def _param(text: str, taken: Collection[str]) -> Param:
    found = _PARAM.fullmatch(text)
    if not found:
        raise ValueError(f"no parameter: {text!r}; write `name TYPE = default   help`")
    name, kind, default = found["name"], found["type"], found["default"]
    if name in taken:
        raise ValueError(f"a parameter cannot be called {name}; that name is taken")
    if kind not in PARAM_TYPES:
        raise ValueError(f"no type {kind} for a parameter; there are {', '.join(PARAM_TYPES)}")
    try:
        value = None if default == "NULL" else _value(kind, default.strip("'"))
    except (ValueError, KeyError) as error:
        raise ValueError(f"{default} is no {kind}") from error
    return Param(name, kind, value, found["help"] or "")


def _value(kind: str, text: str) -> Value:
    python = PARAM_TYPES[kind]
    return _PARSERS.get(python, python)(text)


def _column(text: str) -> Column:
    found = _COLUMN.fullmatch(text.strip())
    if not found:
        raise ValueError(f"no column: {text!r}; write `name TYPE, …`")
    return Column(found["name"], found["type"])
