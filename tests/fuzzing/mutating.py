"""A seeded mutator: valid input, wounded; where it is JSON or has lines, also in its structure."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzzing.seeds import WORDS

MAX_CHANGES = 4

Change = Callable[[Random, bytes], bytes]


def mutated(random: Random, data: bytes) -> bytes:
    """Some bytes, changed one to four times."""
    for _ in range(random.randint(1, MAX_CHANGES)):
        data = random.choice(_CHANGES)(random, data)
    return data


def _span(random: Random, data: bytes) -> tuple[int, int]:
    start = random.randint(0, len(data))
    return start, min(len(data), start + random.choice([0, 1, 1, 2, 8, 40]))


def _cut(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:start] + data[end:]


def _flip(random: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = random.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]


def _word(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:start] + random.choice(WORDS) + data[end:]


def _again(random: Random, data: bytes) -> bytes:
    start, end = _span(random, data)
    return data[:end] + data[start:end] * random.choice([1, 1, 2, 70]) + data[end:]


def _end(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _line(random: Random, data: bytes) -> bytes:
    """Drop, repeat or move a line, or end one otherwise."""
    lines = data.splitlines(keepends=True) or [b""]
    line = lines.pop(random.randrange(len(lines)))
    new = random.choice([[], [line, line], [line], [line.rstrip(b"\n") + b"\r\n"], [line.strip() + line]])
    at = random.randint(0, len(lines))
    return b"".join([*lines[:at], *new, *lines[at:]])


def _json(random: Random, data: bytes) -> bytes:
    """Change a line that is JSON in its structure; another change where none is."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    try:
        value = json.loads(lines[at])
    except (ValueError, RecursionError):
        return _word(random, data)
    try:
        lines[at] = json.dumps(_changed(random, value), ensure_ascii=random.random() < 0.5).encode(
            "utf-8", "surrogatepass"
        )
    except RecursionError:
        return data
    return b"\n".join(lines)


def _changed(random: Random, value: Any) -> Any:
    """A value of JSON with one part of it changed, left out, renamed or added."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        match random.randrange(5):
            case 0:
                return {key: part for key, part in value.items() if key != name}
            case 1:
                return {(str(_hostile(random)) if key == name else key): part for key, part in value.items()}
            case 2:
                return value | {str(_hostile(random)): _hostile(random)}
            case _:
                return value | {name: _changed(random, value[name])}
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return [*value[:at], _changed(random, value[at]), *value[at + random.randint(0, 1) :]]
    if isinstance(value, str) and random.random() < 0.4:
        return value + random.choice(WORDS).decode("utf-8", "replace")
    return _hostile(random)


def _hostile(random: Random) -> Any:
    word = random.choice(WORDS).decode("utf-8", "replace")
    odd: list[Any] = [None, True, 0, -1, 2**63, 10**400, 1.5, 1e308, float("nan"), [], {}, [[]], "", "\ud800", "\0"]
    return random.choice([word, word, word, *odd])


_CHANGES: tuple[Change, ...] = (_cut, _flip, _word, _word, _again, _end, _line, _json, _json, _json)
