"""The ledger's own format: one fact a line, as JSON; also the lines of a rejects file, which hold such a fact."""

import msgspec
from msgspec import Struct, field

from ledger.errors import UNREADABLE, Malformed
from ledger.events import TYPES, Fact

MAX_LINE_BYTES = 1 << 20
"""A longer line is refused (design: limits)."""


MAX_REJECT_BYTES = 7 * MAX_LINE_BYTES
"""A line of that length in a rejects file, where each of its characters may have become an escape of six."""


class Reject(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A refused line of an import: where it stood, the rule that refused it, why, and the line itself.

    `line` counts from 1, blank lines included. The line is in `text`, or in `bytes` (base64) if it is not UTF-8.
    """

    file: str
    line: int
    rule: str
    reason: str
    text: str | None = None
    raw: bytes | None = field(default=None, name="bytes")


class _Kept(Struct, frozen=True):
    """What is needed of a rejects line to try it again."""

    reason: str
    rule: str
    text: str | None = None
    raw: bytes | None = field(default=None, name="bytes")


class _Typed(Struct, frozen=True):
    """What every fact has at least, mended or not."""

    type: str


_typed = msgspec.json.Decoder(_Typed)
_fact: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)
_kept = msgspec.json.Decoder(_Kept)


def parse_all(lines: list[bytes]) -> list[Fact] | None:
    """Return the fact of each line (at least one), or None where one of them has to be looked at by `parse`.

    JSON ends an object and begins another only between facts, so these marks at every line's end and no more facts than
    lines mean one fact a line.
    """
    block = b"\n".join(lines)
    one_a_line = block.count(b"}\n{") == len(lines) - 1
    long = len(block) > MAX_LINE_BYTES and max(map(len, lines)) > MAX_LINE_BYTES
    if long or not one_a_line or b"\\u0000" in block:
        return None
    try:
        found = _fact.decode_lines(block)
    except UNREADABLE:
        return None
    return found if len(found) == len(lines) else None


def parse(line: bytes) -> Fact:
    """Return the fact of a line; raise Malformed, with what to change, where it is none."""
    if len(line) > MAX_LINE_BYTES:
        kept = original(line)
        if kept == line:
            raise Malformed("the line is longer than 1 MiB", why="a fact is small", hint="is this really a facts log?")
        return parse(kept)
    try:
        fact = _fact.decode(line)
    except msgspec.ValidationError as error:
        kept = original(line)
        if kept != line:
            return parse(kept)
        raise _explain(error) from None
    except UNREADABLE as error:
        raise Malformed(
            f"not a line of JSON: {str(error).removeprefix('JSON is malformed: ')}",
            why="a facts log has one JSON object a line, in UTF-8",
            hint="see: orderledger schema",
        ) from None
    if b"\\u0000" in line and "\0" in all_text(fact):
        raise Malformed("the text holds a NUL character", why="no text of an order does", hint="remove \\u0000")
    return fact


def all_text(fact: Fact) -> str:
    """Return every text of a fact in one string, to look for characters that no text may hold."""
    return "".join(_texts(msgspec.to_builtins(fact)))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for part in value.values() for text in _texts(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in _texts(part)]
    return []


def original(line: bytes) -> bytes:
    """Return the line that a rejects line holds; any other line is returned as it is."""
    try:
        kept = _kept.decode(line)
    except UNREADABLE:
        return line
    return (kept.raw or line) if kept.text is None else kept.text.encode("utf-8")


def reason_kept(line: bytes) -> str:
    """Return why the line of a rejects file was refused, where it holds no fact at all; else nothing.

    That is a record of a foreign file: what was wrong with it is so still, and it is mended where it came from.
    """
    try:
        kept = _kept.decode(line)
    except UNREADABLE:
        return ""
    try:
        _typed.decode(original(line))
    except UNREADABLE:
        return kept.reason
    return ""


_HINTS = {
    "with a timezone component": "give the time with its zone, such as 2024-03-01T10:00:00Z or +03:00",
    "got `float`": "write amounts as text, in quotes, so that every digit is kept",
    "got `int`": "write amounts and ids as text, in quotes, so that every digit is kept",
    "unknown field": "see the fields of each type: orderledger schema; what has no field goes into note",
    "missing required field `type`": f"give the type of event: {', '.join(TYPES)}",
    "- at `$.type`": f"give a type of event: {', '.join(TYPES)}",
    "Invalid enum value": "see the words a field takes: orderledger schema",
    "missing required field": "see the fields of each type: orderledger schema",
    "matching regex": "ids have no spaces, at most 128 characters; amounts are digits with at most one point",
}


def _explain(error: msgspec.ValidationError) -> Malformed:
    message = str(error)
    hint = next((hint for part, hint in _HINTS.items() if part in message), "see: orderledger schema")
    return Malformed(f"malformed fact: {message}", why="a fact has exactly the fields of its type", hint=hint)
