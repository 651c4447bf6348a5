"""What a foreign file tells, as text that can be kept beside it: the facts and the problems, one JSON a line."""

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from ledger.events import Fact
from ledger.formats.facts import parse
from ledger.formats.foreign import Asked, Format

FORMATS = Path(__file__).parent / "formats"
QUIET = {"17track", "aftership"}
"""The formats that may tell nothing of a record, such as a parcel that nobody has seen yet."""


def files(name: str) -> list[Path]:
    """Return the files of a format that are read in tests."""
    return sorted(path for path in (FORMATS / name).iterdir() if not path.name.endswith(".facts.jsonl"))


def told(kind: Format, content: bytes, *, currency: str | None = None, log: Iterable[Fact] = ()) -> str:
    """Return what a file tells to a ledger that has these facts, each line with the number of its record."""
    asked = Asked(currency, lambda: log)
    lines: list[bytes] = []
    for record in kind.read(content, asked):
        silent = not record.facts and not record.problems
        assert kind.name in QUIET or not silent, f"record {record.number} tells nothing and does not say why"
        for fact in record.facts:
            asked.note(fact)
            assert parse(msgspec.json.encode(fact)) == fact  # it is what a line of a facts log may say
            lines.append(msgspec.json.encode({"record": record.number, "fact": fact}))
        for problem in record.problems:
            parts = {"what": problem.what, "why": problem.why, "hint": problem.hint}
            said = {name: part for name, part in parts.items() if part}
            lines.append(msgspec.json.encode({"record": record.number, "problem": said}))
    return "".join(line.decode() + "\n" for line in lines)


def check_golden(path: Path, text: str) -> None:
    """Hold a text against the file that has what was right; UPDATE_FORMATS=1 writes it anew."""
    if os.environ.get("UPDATE_FORMATS"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def check(kind: Format, path: Path, log: Iterable[Fact] = ()) -> None:
    """Hold what a file tells against what stands beside it."""
    check_golden(path.with_name(f"{path.name}.facts.jsonl"), told(kind, path.read_bytes(), log=log))
